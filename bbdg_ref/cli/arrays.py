"""Arrays of .npy and .npz files, read as untrusted: no pickles, no bytes beyond the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arguments import Refused

__all__ = ["HDF5", "NPY", "NPZ", "magic", "read_numpy"]

NPY, NPZ, HDF5 = b"\x93NUMPY", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"


def magic(path: Path) -> bytes:
    """Return how a file begins: `NPY`, `NPZ`, `HDF5`, else its first eight bytes.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    bytes

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    with open(path, "rb") as file:
        start = file.read(8)
    return next((known for known in (NPY, NPZ, HDF5) if start.startswith(known)), start)


def read_numpy(path: Path, choose: Callable[[list[str]], list[str]]) -> dict[str, NDArray[Any]]:
    """Read arrays of a .npy or .npz file.

    Parameters
    ----------
    path : Path
        The file, which begins as `NPY` or `NPZ`.
    choose : callable
        Given the names of the arrays in a .npz file, or ``[""]`` for the one of a .npy file, returns those to read.

    Returns
    -------
    dict of str to ndarray
        The arrays by name; that of a .npy file stays on the disk until it is used.

    Raises
    ------
    ValueError
        If the file is damaged or holds Python objects.
    OSError
        If it cannot be opened.
    """
    kind = magic(path)
    try:
        if kind == NPY:
            one: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
            names, arrays = [""], {"": one}
        else:
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
                names = choose(list(file.files))
                arrays = {name: file[name] for name in names}
    except (OSError, MemoryError, Refused):
        raise
    except Exception as error:  # a damaged archive makes zipfile and NumPy raise almost anything
        mend = "write it anew with numpy.save or numpy.savez"
        raise ValueError(
            f"{path} must be a whole NumPy file of numbers; got a damaged one ({error}); {mend}"
        ) from error
    return arrays if kind == NPZ else {name: arrays[name] for name in choose(names)}
