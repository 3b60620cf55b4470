"""Plain arrays by name in one file, `.npz` or `.safetensors`: written whole or not at all, read as hostile.

Both are what PyTorch users exchange weights in without pickle. A ``.pth`` or ``.pt`` file is a pickle, which runs
whatever code it holds, and is refused; who trusts one turns it into ``.npz`` where PyTorch is::

    state = torch.load("ckpt.pth", weights_only=True, map_location="cpu")["net"]
    numpy.savez("weights.npz", **{name: array.numpy() for name, array in state.items()})

Of a ``.npz`` only the arrays' bytes and their plain headers are read, never an object array. It is a ZIP archive: one
member after the other, then their directory, which ends with 22 bytes that say where it begins. A ``.safetensors``
file is 8 bytes, the length of the JSON that follows (unsigned, little-endian); the JSON in UTF-8, which names each
array's dtype, shape and the range of its bytes; and the bytes, C order, little-endian, without gaps.
"""

import io
import json
import math
import os
import struct
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_BYTES", "read_state_dict", "write_state_dict"]

Arrays = dict[str, NDArray[Any]]
_T = TypeVar("_T")

#: No file may hold more bytes of arrays: 2 GiB, eight times the largest network here in float64.
MAX_BYTES = 2 << 30

#: No file may hold more arrays: thirty times those of the largest network here, and read in about a second.
MAX_ARRAYS = 10_000

_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PIECE = 1 << 20
_MAX_HEADER = 4 << 20  # bytes of JSON or of a ZIP directory; a network of a thousand arrays needs 0.1 MB
_MAX_NAME = 1000  # bytes of a name
_END_BYTES = 22  # of what ends a ZIP archive
_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
_CODES = {np.dtype(kind): code for code, kind in _TYPES.items() if code != "BF16"}


class _Refused(ValueError):
    """What is wrong with a file, without the file's name, and how to mend it."""

    def __init__(self, what: str, mend: str = "write it again") -> None:
        super().__init__(what)
        self.mend = mend


def read_state_dict(path: str | os.PathLike[str]) -> Arrays:
    """Read named arrays from a ``.npz`` or ``.safetensors`` file, trusting nothing in it.

    Parameters
    ----------
    path : str or path-like
        The file; its suffix tells the format.

    Returns
    -------
    dict of str to ndarray
        In the order of the file. bfloat16 comes as float32, which holds it exactly; every other dtype as it is, in
        the machine's byte order.

    Raises
    ------
    ValueError
        If the suffix is another, or the file is damaged, holds over 2 GiB or over 10,000 arrays, or holds anything but
        arrays of bool, integers or floats: names that occur twice or are no UTF-8, bytes that overlap or belong to no
        array, unknown dtypes; or if a ``.npz`` is encrypted, or compressed otherwise than by deflate.
    OSError
        If the file cannot be opened or read.
    MemoryError
        If there is no memory for the arrays.

    Notes
    -----
    The arrays are read one after the other: there are copies only of the one that is being read.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_state_dict(f"{folder}/two.safetensors", {"tau": np.float32(1), "weight": np.zeros((2, 3))})
    ...     arrays = read_state_dict(f"{folder}/two.safetensors")
    >>> {name: (array.dtype.name, array.shape) for name, array in arrays.items()}
    {'weight': ('float64', (2, 3)), 'tau': ('float32', ())}
    """
    read = _format("read_state_dict", path, {".npz": _read_npz, ".safetensors": _read_safetensors})
    with open(path, "rb") as file:
        try:
            return read(file)
        except (MemoryError, OSError):  # these say nothing about the file
            raise
        except Exception as error:  # a damaged or hostile archive makes zipfile raise almost anything
            got = _clipped(str(error) or type(error).__name__, 300)
            mend = error.mend if isinstance(error, _Refused) else "write it again"
            expected = f"a whole {Path(path).suffix} file of plain arrays"
            raise ValueError(f"read_state_dict: {path} must be {expected}; got {got}; {mend}") from error


def write_state_dict(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays to a ``.npz`` or ``.safetensors`` file; the same arrays give the same bytes.

    The file is written beside ``path`` and moved into place, so that a reader never sees half of it.

    Parameters
    ----------
    path : str or path-like
        Where to; its suffix tells the format; an existing file is replaced.
    arrays : mapping of str to ndarray
        bool, signed integers, uint8, or float16, float32, float64. Names of 1 to 1000 bytes in UTF-8, without NUL.

    Raises
    ------
    ValueError
        If the suffix is another, a name or a dtype has no place in the file, or it would hold more than is read.
    OSError
        If the file cannot be written.

    Examples
    --------
    See `read_state_dict`.
    """
    write = _format("write_state_dict", path, {".npz": _write_npz, ".safetensors": _write_safetensors})
    plain = {}
    for name, value in arrays.items():
        array = np.asarray(value)
        code = _CODES.get(array.dtype.newbyteorder("<"))
        if not _is_name(name) or name == "__metadata__" or code is None:
            names = f"names of 1 to {_MAX_NAME} bytes in UTF-8, without NUL and not '__metadata__'"
            raise ValueError(
                f"write_state_dict: arrays must have {names}, and dtypes bool, int8 to int64, uint8, float16 to "
                f"float64; got {array.dtype} {_quoted(name)}; rename or convert it"
            )
        plain[name] = np.asarray(array, dtype=_TYPES[code], order="C")
    try:
        _bound(sum(array.nbytes for array in plain.values()), len(plain))
    except _Refused as error:
        raise ValueError(f"write_state_dict: arrays must fit into one file; got {error}; {error.mend}") from None
    target = Path(path)
    handle, part = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    try:
        with open(handle, "wb") as file:
            write(file, plain)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(part, 0o666 & ~mask)  # a temporary file is private; the result follows the user's umask
        os.replace(part, target)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def _format(function: str, path: str | os.PathLike[str], known: dict[str, _T]) -> _T:
    suffix = Path(path).suffix
    if suffix not in known:
        mend = "a .pth or .pt file is a pickle: where PyTorch is, save its state dict with numpy.savez"
        raise ValueError(f"{function}: path must end in .npz or .safetensors; got {os.fspath(path)!r}; {mend}")
    return known[suffix]


def _bytes_of(name: str, dtype: np.dtype[Any], shape: object) -> int:
    """Return the number of bytes of an array, whose shape came from a file."""
    if not isinstance(shape, list | tuple) or not all(type(n) is int and 0 <= n < 2**63 for n in shape):
        raise _Refused(f"the shape {_quoted(shape)} for {_quoted(name)}")
    if len(shape) > 32:
        raise _Refused(f"{len(shape)} axes for {_quoted(name)}")
    return math.prod(shape) * dtype.itemsize


def _bound(total: int, count: int = 0) -> None:
    if total > MAX_BYTES:
        raise _Refused(f"{total} bytes of arrays, more than {MAX_BYTES}", "split them into several files")
    if count > MAX_ARRAYS:
        raise _Refused(f"{count} arrays, more than {MAX_ARRAYS}", "split them into several files")


def _is_name(name: object) -> bool:
    """Tell whether both formats can hold a name. JSON's escapes can say half of a surrogate pair, which is no UTF-8."""
    if not isinstance(name, str) or not name or "\0" in name:
        return False
    try:
        return len(name.encode()) <= _MAX_NAME
    except UnicodeEncodeError:
        return False


def _clipped(text: str, length: int = 80) -> str:
    """Return a text from a file, short enough to be shown."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _quoted(value: object) -> str:
    return _clipped(repr(value))


# --- .npz: a ZIP archive with one .npy member for each array ---


def _read_npz(file: IO[bytes]) -> Arrays:
    directory = _directory(file)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        _bound(sum(member.file_size for member in members), len(members))
        _check_whole(file, members, directory)
        arrays: Arrays = {}
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name == member.filename or not _is_name(name) or name in arrays:
                got = f"a member {_quoted(member.filename)} that is no array or comes twice"
                raise _Refused(got, "write it with numpy.savez")
            arrays[name] = _read_npy(name, _content(archive, member))
        return arrays


def _directory(file: IO[bytes]) -> int:
    """Return where the directory of a ZIP archive begins; refuse one that is too long for `zipfile` to read."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END_BYTES - 20))  # an archive of over 4 GiB has 20 bytes more
    tail = file.read()
    end = tail[-_END_BYTES:]
    if len(end) < _END_BYTES or not end.startswith(b"PK\5\6") or not end.endswith(b"\0\0"):
        got = "no end of a ZIP archive in the last 22 bytes (it is cut short, or other bytes follow, or a comment)"
        raise _Refused(got, "write it with numpy.savez")
    length, start = struct.unpack("<2L", end[12:20])
    if start + length != size - _END_BYTES or tail[:-_END_BYTES].startswith(b"PK\6\7"):
        raise _Refused(f"a ZIP directory of {length} bytes at {start} in a file of {size}", "write it with numpy.savez")
    if length > _MAX_HEADER:
        raise _Refused(f"a ZIP directory of {length} bytes, more than {_MAX_HEADER}", "split it into several files")
    return int(start)


def _check_whole(file: IO[bytes], members: list[zipfile.ZipInfo], directory: int) -> None:
    """Refuse an archive in which a byte before the directory belongs to no member, or to two."""
    ends = {0}
    for member in sorted(members, key=lambda member: member.header_offset):
        start = member.header_offset
        if start not in ends or start + 30 > directory:
            where = f"at byte {start}, where those before it end at {min(ends)}"
            raise _Refused(f"a member {_quoted(member.filename)} {where}")
        file.seek(start + 26)
        end = start + 30 + sum(struct.unpack("<2H", file.read(4))) + member.compress_size
        # Written to a pipe, CRC-32 and sizes follow the bytes: of 4 or 8 bytes each, after a signature or none.
        ends = {end + more for more in (12, 16, 20, 24)} if member.flag_bits & 8 else {end}
    if directory not in ends:
        raise _Refused(f"a ZIP directory at byte {directory}, where the members end at {min(ends)}")


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return a member's bytes, no more than it declares.

    `ZipFile.read` would unpack as much as there is, up to 2 GiB, before it cuts that to the size declared.
    """
    name = _quoted(member.filename)
    if member.flag_bits & 1:
        raise _Refused(f"an encrypted member {name}", "unpack it and save the arrays with numpy.savez")
    if member.compress_type not in _COMPRESSIONS:  # of the others, zipfile unpacks everything at once
        got = f"compression {member.compress_type} of {name}, neither none nor deflate"
        raise _Refused(got, "save the arrays with numpy.savez or numpy.savez_compressed")
    with archive.open(member) as stream:
        return b"".join(iter(lambda: stream.read(_PIECE), b""))  # checks the CRC-32 at the end


def _read_npy(name: str, content: bytes) -> NDArray[Any]:
    stream, shown = io.BytesIO(content), _quoted(name)
    readers: dict[tuple[int, ...], Callable[[IO[bytes]], Any]] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    version = tuple(content[6:8])
    if content.startswith(b"\x93NUMPY") and len(version) == 2 and version not in readers:
        got = f"{shown} in version {version[0]}.{version[1]} of .npy, neither 1.0 nor 2.0"
        raise _Refused(got, "save the array with numpy.savez, which writes 1.0")
    try:
        shape, fortran, dtype = readers[np.lib.format.read_magic(stream)](stream)
    except Exception as error:  # a Python literal fails in many ways to be one; nested too deep, with MemoryError
        raise _Refused(f"a header of {shown} that is not one ({_clipped(str(error))})") from None
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        mend = "convert it to bool, integers or floats of up to 64 bits, and save it again"
        raise _Refused(f"dtype {_clipped(str(dtype))} for {shown}", mend)
    size = _bytes_of(name, dtype, shape)
    if size != len(content) - stream.tell():
        raise _Refused(f"{len(content) - stream.tell()} bytes for {shown}, whose header says {size}")
    flat = np.frombuffer(content, dtype, offset=stream.tell())
    return _native(name, flat.reshape(shape, order="F" if fortran else "C"))


def _write_npz(file: IO[bytes], arrays: Arrays) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            stream = io.BytesIO()
            np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), stream.getvalue())  # dated 1980: no clock in the file


# --- .safetensors ---


def _read_safetensors(file: IO[bytes]) -> Arrays:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise _Refused(f"a header of {length} bytes in a file of {size}")
    if length > _MAX_HEADER:
        raise _Refused(f"a header of {length} bytes, more than {_MAX_HEADER}", "split it into several files")
    _bound(size - 8 - length)
    header = _header(file.read(length))
    ranges = {name: _declared(name, entry) for name, entry in header.items()}
    ordered = sorted(ranges.items(), key=lambda item: item[1][2:])
    end = 0
    for name, (_, _, start, stop) in ordered:
        if start != end:
            raise _Refused(f"bytes of {_quoted(name)} that begin at {start}, where those before it end at {end}")
        end = stop
    if end != size - 8 - length:
        raise _Refused(f"{size - 8 - length} bytes of arrays, whose header says {end}")
    arrays = {name: _array(name, file.read(stop - start), code, shape) for name, (code, shape, start, stop) in ordered}
    return {name: arrays[name] for name in header}


def _header(content: bytes) -> dict[str, Any]:
    """Return what the JSON says of every array, without the metadata."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise _Refused(f"a name that comes twice among {_quoted([name for name, _ in pairs][:8])}")
        return dict(pairs)

    try:
        header = json.loads(content.decode("utf-8"), object_pairs_hook=once)  # of bytes, it would guess the encoding
    except UnicodeDecodeError as error:
        raise _Refused(f"a header that is not UTF-8 ({error.reason} at byte {error.start})") from None
    except (ValueError, RecursionError) as error:
        raise _Refused(f"a header that is not JSON with every name once ({_clipped(str(error), 200)})") from error
    if not isinstance(header, dict):
        raise _Refused(f"a {type(header).__name__} as header")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        got = f"__metadata__ {_quoted(metadata)}, which is no object of texts"
        raise _Refused(got, "leave it out where the file is written")
    _bound(0, len(header))
    if odd := [name for name in header if not _is_name(name)]:
        names = f"names of 1 to {_MAX_NAME} bytes in UTF-8, without NUL"
        raise _Refused(f"the name {_quoted(odd[0])}, which is none of {names}", "rename it where it was written")
    return header


def _declared(name: str, entry: Any) -> tuple[str, list[int], int, int]:
    """Return dtype, shape, and the first and last offset of an array."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _Refused(f"no dtype, shape and data_offsets alone for {_quoted(name)}")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in _TYPES:
        got = f"the dtype {_quoted(code)} for {_quoted(name)}, which is none of {', '.join(_TYPES)}"
        raise _Refused(got, "convert it to one of them where it was written")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(n) is int and n >= 0 for n in offsets):
        raise _Refused(f"the data_offsets {_quoted(offsets)} for {_quoted(name)}")
    size = _bytes_of(name, np.dtype(_TYPES[code]), shape)
    if offsets[1] - offsets[0] != size:
        raise _Refused(f"data_offsets {_quoted(offsets)} for {_quoted(name)}, which has {size} bytes")
    return code, shape, offsets[0], offsets[1]


def _array(name: str, data: bytes, code: str, shape: list[int]) -> NDArray[Any]:
    flat = np.frombuffer(data, _TYPES[code])
    if code == "BF16":  # the upper half of a float32
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    return _native(name, flat.reshape(shape))


def _native(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return a writable copy in the machine's byte order; refuse a bool of other bytes than 0 and 1."""
    if array.dtype == np.bool_ and array.view(np.uint8).max(initial=0) > 1:
        raise _Refused(f"a bool of {_quoted(name)} that is neither 0 nor 1")
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


def _write_safetensors(file: IO[bytes], arrays: Arrays) -> None:
    header, end = {}, 0
    ordered = sorted(arrays.items(), key=lambda item: -item[1].itemsize)  # so that every array is aligned
    for name, array in ordered:
        header[name] = {"dtype": _CODES[array.dtype], "shape": array.shape, "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for _, array in ordered:
        file.write(array.tobytes())
