"""Plain arrays by name in one file, `.npz` or `.safetensors`: written whole or not at all, read as hostile.

Both are what PyTorch users exchange weights in without pickle. A ``.pth`` or ``.pt`` file is a pickle, which runs
whatever code it holds, and is refused; who trusts one turns it into ``.npz`` where PyTorch is::

    state = torch.load("ckpt.pth", weights_only=True, map_location="cpu")["net"]
    numpy.savez("weights.npz", **{name: array.numpy() for name, array in state.items()})

Of a ``.npz`` only the arrays' bytes and their plain headers are read, never an object array. A ``.safetensors`` file
is 8 bytes, the length of the JSON that follows (unsigned, little-endian); the JSON, which names each array's dtype,
shape and the range of its bytes; and the bytes, C order, little-endian, without gaps.
"""

import io
import json
import math
import os
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

_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PIECE = 1 << 20
_MAX_HEADER = 16 << 20  # bytes of JSON; a network of a thousand arrays needs 0.1 MB
_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
_CODES = {np.dtype(kind): code for code, kind in _TYPES.items() if code != "BF16"}


class _Damaged(ValueError):
    """What is wrong with a file, without the file's name."""


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
        If the suffix is another, or the file is damaged, holds over 2 GiB, or holds anything but arrays of bool,
        integers or floats: names that occur twice, bytes that overlap or belong to no array, unknown dtypes; or if a
        ``.npz`` is compressed otherwise than by deflate.
    OSError
        If the file cannot be opened.

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
        except Exception as error:  # a damaged or hostile archive makes zipfile raise almost anything
            text = f"read_state_dict: {path} must be a whole {Path(path).suffix} file of plain arrays; got {error}"
            raise ValueError(f"{text}; write it again") from error


def write_state_dict(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays to a ``.npz`` or ``.safetensors`` file; the same arrays give the same bytes.

    The file is written beside ``path`` and moved into place, so that a reader never sees half of it.

    Parameters
    ----------
    path : str or path-like
        Where to; its suffix tells the format; an existing file is replaced.
    arrays : mapping of str to ndarray
        bool, signed integers, uint8, or float16, float32, float64.

    Raises
    ------
    ValueError
        If the suffix is another, or a name or a dtype has no place in the file.
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
        if not isinstance(name, str) or not name or "\0" in name or name == "__metadata__" or code is None:
            raise ValueError(
                "write_state_dict: arrays must have names, and dtypes bool, int8 to int64, uint8, float16 to float64; "
                f"got {array.dtype} {name!r}; rename or convert it"
            )
        plain[name] = np.asarray(array, dtype=_TYPES[code], order="C")
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
        raise _Damaged(f"the shape {shape!r} for {name!r}")
    if len(shape) > 32:
        raise _Damaged(f"{len(shape)} axes for {name!r}")
    return math.prod(shape) * dtype.itemsize


def _bound(total: int) -> None:
    if total > MAX_BYTES:
        raise _Damaged(f"{total} bytes of arrays, more than {MAX_BYTES}")


# --- .npz: a ZIP archive with one .npy member for each array ---


def _read_npz(file: IO[bytes]) -> Arrays:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        _bound(sum(member.file_size for member in members))
        arrays: Arrays = {}
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name == member.filename or not name or name in arrays:
                raise _Damaged(f"a member {member.filename!r} that is no array or comes twice")
            arrays[name] = _read_npy(name, _content(archive, member))
        return arrays


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return a member's bytes, no more than it declares.

    `ZipFile.read` would unpack as much as there is, up to 2 GiB, before it cuts that to the size declared.
    """
    if member.compress_type not in _COMPRESSIONS:  # of the others, zipfile unpacks everything at once
        raise _Damaged(f"compression {member.compress_type} of {member.filename!r}, neither none nor deflate")
    with archive.open(member) as stream:
        return b"".join(iter(lambda: stream.read(_PIECE), b""))  # checks the CRC-32 at the end


def _read_npy(name: str, content: bytes) -> NDArray[Any]:
    stream = io.BytesIO(content)
    try:
        readers: dict[tuple[int, int], Callable[[IO[bytes]], Any]] = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, fortran, dtype = readers[np.lib.format.read_magic(stream)](stream)
    except Exception as error:  # NumPy parses the header as a Python literal, which fails in many ways
        raise _Damaged(f"a header of {name!r} that is not one ({error})") from error
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise _Damaged(f"dtype {dtype} for {name!r}")
    size = _bytes_of(name, dtype, shape)
    if size != len(content) - stream.tell():
        raise _Damaged(f"{len(content) - stream.tell()} bytes for {name!r}, whose header says {size}")
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
    content = file.read(MAX_BYTES + _MAX_HEADER + 9)
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(len(content) - 8, _MAX_HEADER):
        raise _Damaged(f"a header of {length} bytes in a file of {len(content)}")
    header, data = _header(content[8 : 8 + length]), memoryview(content)[8 + length :]
    _bound(len(data))
    header.pop("__metadata__", None)
    ranges = {name: _declared(name, entry) for name, entry in header.items()}
    end = 0
    for name, (_, _, start, stop) in sorted(ranges.items(), key=lambda item: item[1][2:]):
        if start != end:
            raise _Damaged(f"bytes of {name!r} that begin at {start}, where those before it end at {end}")
        end = stop
    if end != len(data):
        raise _Damaged(f"{len(data)} bytes of arrays, whose header says {end}")
    return {name: _array(name, data[start:stop], code, shape) for name, (code, shape, start, stop) in ranges.items()}


def _header(text: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise _Damaged(f"a name that comes twice among {[name for name, _ in pairs][:8]}")
        return dict(pairs)

    try:
        header = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise _Damaged(f"a header that is not JSON with every name once ({error})") from error
    if not isinstance(header, dict):
        raise _Damaged(f"a {type(header).__name__} as header")
    return header


def _declared(name: str, entry: Any) -> tuple[str, list[int], int, int]:
    """Return dtype, shape, and the first and last offset of an array."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _Damaged(f"no dtype, shape and data_offsets alone for {name!r}")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in _TYPES:
        raise _Damaged(f"the dtype {code!r} for {name!r}, which is none of {', '.join(_TYPES)}")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(n) is int and n >= 0 for n in offsets):
        raise _Damaged(f"the data_offsets {offsets!r} for {name!r}")
    size = _bytes_of(name, np.dtype(_TYPES[code]), shape)
    if offsets[1] - offsets[0] != size:
        raise _Damaged(f"data_offsets {offsets} for {name!r}, which has {size} bytes")
    return code, shape, offsets[0], offsets[1]


def _array(name: str, data: memoryview, code: str, shape: list[int]) -> NDArray[Any]:
    flat = np.frombuffer(data, _TYPES[code])
    if code == "BF16":  # the upper half of a float32
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    return _native(name, flat.reshape(shape))


def _native(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return a writable copy in the machine's byte order; refuse a bool of other bytes than 0 and 1."""
    if array.dtype == np.bool_ and array.view(np.uint8).max(initial=0) > 1:
        raise _Damaged(f"a bool of {name!r} that is neither 0 nor 1")
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
