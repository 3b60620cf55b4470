"""Arrays and JSON in one HDF5 file: written whole or not at all, read as hostile.

A file holds datasets at its root and nothing else, and one root attribute, ``bbdg_ref``, with JSON:
``format``, ``format_version``, ``versions`` (of the libraries that wrote it), and what the caller adds.
Datasets are chunked with shuffle, gzip and fletcher32; the order of creation is not tracked, so that the
same content gives the same bytes. HDF5 puts a checksum on every object header of this version of the
format, but not on a scalar's own storage or on strings of variable length: so scalars and the JSON, a
string of fixed length, are kept inside the object headers, and every flipped byte that matters is found.
"""

import json
import math
import os
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ._version import __version__

__all__ = ["MAX_BYTES", "Stored", "load", "save"]

FORMAT_VERSION = 1
ATTRIBUTE = "bbdg_ref"

#: No file of this package declares more: 8 GiB of arrays.
MAX_BYTES = 8 << 30

_DTYPES = ("bool", "uint8", "uint32", "uint64", "int32", "int64", "float32", "float64")
_FILTERS = [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32]
_MAX_HEADER = 60_000  # an attribute must stay below 64 KiB
_MAX_CHUNK = 64 << 20  # h5py chooses less than 1 MiB


@dataclass(frozen=True, eq=False)
class Stored:
    """What a file held.

    Attributes
    ----------
    arrays : dict of str to ndarray
        The arrays by name.
    header : dict
        The JSON of the root attribute.
    """

    arrays: dict[str, NDArray[Any]]
    header: dict[str, Any]


def save(
    path: str | os.PathLike[str], kind: str, arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]
) -> None:
    """Write arrays and a JSON header to ``path``: temporary file, flush, fsync, rename.

    Parameters
    ----------
    path : str or path-like
        Where to; an existing file is replaced in one step.
    kind : str
        The format's name; `load` asks for it.
    arrays : mapping of str to ndarray
        Names without a slash; bool, unsigned, integer or float dtypes.
    header : mapping
        Anything that JSON holds, below 60,000 characters.

    Raises
    ------
    ValueError
        If a name, a dtype or the header cannot be stored.
    OSError
        If the file cannot be written.
    """
    for name, array in arrays.items():
        if not name or "/" in name or name == "." or array.dtype.name not in _DTYPES:
            raise ValueError(
                f"save: arrays must have names without '/' and dtypes of {_DTYPES}; got {array.dtype} {name!r}"
            )
    text = json.dumps({"format": kind, "format_version": FORMAT_VERSION, "versions": _versions(), **header})
    if len(text) > _MAX_HEADER:
        raise ValueError(
            f"save: header must stay below {_MAX_HEADER} characters; got {len(text)}; store it as an array"
        )
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    os.close(handle)
    try:
        with h5py.File(_create(name)) as file:
            file.attrs.create(ATTRIBUTE, np.bytes_(text.encode("ascii")))  # fixed length; JSON escapes the rest
            for key in sorted(arrays):
                _write(file, key, np.asarray(arrays[key]))
        _replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _create(name: str) -> h5py.h5f.FileID:
    """Create an empty file whose root group, too, carries no times: some versions of h5py write them."""
    root = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    root.set_obj_track_times(False)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_LATEST)
    return h5py.h5f.create(os.fsencode(name), h5py.h5f.ACC_TRUNC, root, access)


def _versions() -> dict[str, str | None]:
    """Return the versions of the libraries that compute; None for one that is not installed."""
    versions: dict[str, str | None] = {"bbdg_ref": __version__, "numpy": np.__version__, "h5py": h5py.__version__}
    for name in ("numba", "scipy"):  # asked of the installation: importing them here would be slow
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _write(file: h5py.File, name: str, array: NDArray[Any]) -> None:
    if array.size == 0 or array.ndim == 0:  # HDF5 cannot chunk these
        inside_header = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        inside_header.set_layout(h5py.h5d.COMPACT)
        inside_header.set_obj_track_times(False)
        kind, space = h5py.h5t.py_create(array.dtype, logical=True), h5py.h5s.create_simple(array.shape)
        h5py.h5d.create(file.id, name.encode(), kind, space, inside_header).write(space, space, array.copy())
    else:
        options = {"shuffle": True, "compression": "gzip", "compression_opts": 1, "fletcher32": True}
        file.create_dataset(name, data=array, chunks=True, track_times=False, **options)


def _replace(part: str, target: Path) -> None:
    """Flush the finished file to the disk, then put it in place in one step."""
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(part, 0o666 & ~mask)  # a temporary file is private; the result follows the user's umask
    os.replace(part, target)


def load(path: str | os.PathLike[str], kind: str, *, max_bytes: int = MAX_BYTES) -> Stored:
    """Read a file of `save`, trusting nothing in it.

    Only hard links to plain datasets at the root, of the dtypes and filters that `save` uses, and in all
    no more than ``max_bytes``; all of this is checked from the declarations before any array is read.

    Parameters
    ----------
    path : str or path-like
        The file.
    kind : str
        The format that it must have.
    max_bytes : int
        Bound on the arrays' declared size in bytes.

    Returns
    -------
    Stored

    Raises
    ------
    ValueError
        If the file is not HDF5, not of this format, damaged, or holds anything unexpected; the message
        names the file and the part.
    OSError
        If the file cannot be opened.
    """
    with open(path, "rb") as probe:  # a missing or unreadable file is the system's own error
        signature = probe.read(8)
    if signature != b"\x89HDF\r\n\x1a\n":
        raise ValueError(
            f"load: {path} must be an HDF5 file written by bbdg_ref; got a file that begins with {signature!r}"
        )
    try:
        with h5py.File(path, "r") as file:
            header = _header(path, file, kind)
            names = sorted(file)
            total = sum(_declared_bytes(path, file, name) for name in names)
            if total > max_bytes:
                raise _Refused(f"load: {path} must declare at most {max_bytes} bytes of arrays; got {total}")
            return Stored({name: _read(path, file[name], name) for name in names}, header)
    except _Refused:
        raise
    except Exception as error:  # a damaged or hostile file makes HDF5 and h5py raise almost anything
        raise ValueError(f"load: {path} must be a whole HDF5 file; got a damaged one ({error}); restore it") from error


class _Refused(ValueError):
    """What `load` itself finds wrong; its message names the file and the part."""


def _header(path: str | os.PathLike[str], file: h5py.File, kind: str) -> dict[str, Any]:
    if ATTRIBUTE not in file.attrs:
        raise _Refused(f"load: {path} must carry the attribute {ATTRIBUTE!r} with JSON; got none")
    attribute = file.attrs.get_id(ATTRIBUTE)
    if attribute.shape != () or attribute.dtype.kind != "S" or attribute.dtype.itemsize > _MAX_HEADER:
        raise _Refused(
            f"load: {path} must carry its JSON as one string of fixed length, at most {_MAX_HEADER} bytes; "
            f"got {attribute.dtype} of shape {attribute.shape}"
        )
    try:
        header = json.loads(file.attrs[ATTRIBUTE])
    except ValueError as error:
        raise _Refused(f"load: {path} must carry JSON in the attribute {ATTRIBUTE!r}; {error}") from error
    if not isinstance(header, dict):
        raise _Refused(f"load: {path} must carry a JSON object in {ATTRIBUTE!r}; got {type(header).__name__}")
    found = header.get("format"), header.get("format_version")
    if found != (kind, FORMAT_VERSION):
        raise _Refused(f"load: {path} must have the format {(kind, FORMAT_VERSION)!r}; got {found!r}")
    return header


def _declared_bytes(path: str | os.PathLike[str], file: h5py.File, name: str) -> int:
    """Return the declared size of a dataset; refuse whatever `save` would not have written."""
    if type(file.get(name, getlink=True)) is not h5py.HardLink or file.get(name, getclass=True) is not h5py.Dataset:
        raise _Refused(f"load: {path} must hold plain datasets only; got a link or a group named {name!r}")
    dataset = file[name]
    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    if dataset.external or dataset.is_virtual or filters not in ([], _FILTERS):
        raise _Refused(
            f"load: {path} must hold its own data with shuffle, gzip and fletcher32; {name!r} is stored otherwise"
        )
    if dataset.shape is None or dataset.dtype.name not in _DTYPES:
        raise _Refused(f"load: {path}: {name!r} must be an array of {_DTYPES}; got {dataset.dtype}")
    if not _is_whole(dataset, properties.get_layout()):
        raise _Refused(f"load: {path}: {name!r} must be stored as `save` stores it, whole; got other or missing parts")
    return int(dataset.size) * dataset.dtype.itemsize


def _is_whole(dataset: h5py.Dataset, layout: int) -> bool:
    """Tell whether every element is stored, as `save` does it; HDF5 would read missing chunks as zeros."""
    if dataset.size == 0 or dataset.ndim == 0:
        return layout == h5py.h5d.COMPACT
    if layout != h5py.h5d.CHUNKED or dataset.maxshape != dataset.shape:
        return False
    counts = [-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True)]
    within = all(chunk <= size for size, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    return within and dataset.id.get_num_chunks() == math.prod(counts) and _chunks_are_plain(dataset)


def _chunks_are_plain(dataset: h5py.Dataset) -> bool:
    """Tell whether every chunk went through all filters and is no larger than deflate makes it.

    A chunk may name filters to skip, the checksum among them.
    """
    size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    stored = size + size // 100 + 64

    def odd(chunk: h5py.h5d.StoreInfo) -> bool | None:
        return True if chunk.filter_mask != 0 or chunk.size > stored else None  # None goes on to the next chunk

    return size <= _MAX_CHUNK and not dataset.id.chunk_iter(odd)


def _read(path: str | os.PathLike[str], dataset: h5py.Dataset, name: str) -> NDArray[Any]:
    """Read a dataset that passed `_declared_bytes`, once its chunks are known to have their declared size.

    HDF5 inflates whatever a chunk holds: without bound if that is more than the chunk, and if it is less,
    it copies the memory behind it.
    """
    offsets: list[tuple[int, ...]] = []
    if dataset.chunks is not None:
        dataset.id.chunk_iter(lambda chunk: offsets.append(chunk.chunk_offset))
        size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    for offset in offsets:
        stored = dataset.id.read_direct_chunk(offset)[1]
        stream = zlib.decompressobj()
        if len(stream.decompress(stored[:-4], size + 1)) != size or not stream.eof:  # the last 4 are fletcher32
            raise _Refused(f"load: {path}: {name!r} must have chunks of {size} bytes; got one of another size")
    return np.asarray(dataset[()])
