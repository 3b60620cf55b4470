"""How every kernel is compiled: lazily, without the interpreter lock, cached on disk where that is possible."""

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function that Numba compiles on its first call.

    The machine code is kept beside the source (or in the user's cache folder), so that a second process starts from
    it; where neither can be written Numba refuses to cache, and every process compiles the function anew.

    Numba notices a change of the file that holds the function, but not of the files that it calls: after editing
    `vectors.py` or `layout.py`, delete the ``__pycache__`` folder of ``kernels``.
    """
    # The NumPy error model: a division by zero gives inf or NaN; Python's would test, and so branch, at every division.
    try:
        return numba.njit(function, nogil=True, error_model="numpy", cache=True)
    except RuntimeError:  # "no locator available": neither folder can be written
        return numba.njit(function, nogil=True, error_model="numpy")


def jit_is_on() -> bool:
    """Tell whether Numba compiles at all (it does not with ``NUMBA_DISABLE_JIT=1``)."""
    return not numba.config.DISABLE_JIT  # type: ignore[attr-defined]
