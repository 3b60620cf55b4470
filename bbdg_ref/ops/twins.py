"""When a compiled twin may stand in for a function of ``spec``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["compiled_twin_fits"]


def compiled_twin_fits(*arrays: NDArray[Any]) -> bool:
    """Tell whether all arrays are float32, of one shape and not empty, and the JIT is on.

    Parameters
    ----------
    *arrays : ndarray
        What the twin would read element by element.

    Returns
    -------
    bool

    Examples
    --------
    >>> compiled_twin_fits(np.ones(3)), compiled_twin_fits(np.ones(3, np.float32), np.ones(2, np.float32))
    (False, False)
    """
    first = arrays[0]
    if any(array.dtype != np.float32 or array.shape != first.shape for array in arrays) or first.size == 0:
        return False
    from ..kernels.compiled import jit_is_on  # not at the top: importing bbdg_ref does not import Numba

    return jit_is_on()
