"""How every kernel is compiled: lazily, without the interpreter lock, cached on disk where that is possible."""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function that Numba compiles on its first call.

    The machine code is kept beside the source (or in the user's cache folder), so that a second process starts from
    it; where neither can be written Numba refuses to cache, and every process compiles the function anew.

    Numba would notice a change of the file that holds the function, but not of the files that it calls; so the cache is
    told to go by the text of all of them.
    """
    # The NumPy error model: a division by zero gives inf or NaN; Python's would test, and so branch, at every division.
    try:
        dispatcher = numba.njit(function, nogil=True, error_model="numpy", cache=True)
    except RuntimeError:  # "no locator available": neither folder can be written
        return numba.njit(function, nogil=True, error_model="numpy")
    index: Any = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if hasattr(index, "_source_stamp"):  # no public way; without it, the file's own time and size remain
        index._source_stamp = _text_of_all_kernels()
    return dispatcher


@functools.cache
def _text_of_all_kernels() -> str:
    """Return a hash of the source files in this folder."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function that is always compiled into its callers: a call passes every array as seven words."""
    return numba.njit(function, nogil=True, error_model="numpy", forceinline=True)


def jit_is_on() -> bool:
    """Tell whether Numba compiles at all (it does not with ``NUMBA_DISABLE_JIT=1``)."""
    return not numba.config.DISABLE_JIT  # type: ignore[attr-defined]
