"""Random-looking inputs that are the same for every version of NumPy and on every machine.

Only the raw 64-bit words of a seeded PCG64 are used, which NumPy promises never to change, and arithmetic that IEEE 754
rounds in one way.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["bell", "chosen", "integers", "signs", "uniform"]

Shape = int | tuple[int, ...]


def uniform(
    seed: int, shape: Shape, low: float = -1.0, high: float = 1.0, dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[Any]:
    """Return numbers spread evenly from low to high.

    Parameters
    ----------
    seed : int
    shape : int or tuple of int
    low, high : float
    dtype : dtype

    Returns
    -------
    array

    Examples
    --------
    >>> uniform(1, 3).round(3).tolist() == uniform(1, 3).round(3).tolist()
    True
    """
    size = int(np.prod(shape))
    words = np.random.PCG64(seed).random_raw(size)
    unit = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53  # in [0, 1)
    return (low + (high - low) * unit).astype(dtype).reshape(shape)


def bell(seed: int, shape: Shape, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    """Return numbers that look normal: each the sum of four even ones, of variance 1.

    Parameters
    ----------
    seed : int
    shape : int or tuple of int
    dtype : dtype

    Returns
    -------
    array
    """
    four = uniform(seed, (4, int(np.prod(shape))), dtype=np.float64)
    return ((four[0] + four[1] + four[2] + four[3]) * 0.866025403784).astype(dtype).reshape(shape)


def integers(seed: int, shape: Shape, low: int, high: int, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    """Return small integers as floats: sums of their products are exact in every order.

    Parameters
    ----------
    seed : int
    shape : int or tuple of int
    low, high : int
        The smallest and the largest.
    dtype : dtype

    Returns
    -------
    array
    """
    return np.floor(uniform(seed, shape, low, high + 1, np.float64)).astype(dtype)


def chosen(seed: int, shape: Shape, density: float = 0.5) -> npt.NDArray[np.bool_]:
    """Return bits, of which about the fraction ``density`` are ones.

    Parameters
    ----------
    seed : int
    shape : int or tuple of int
    density : float

    Returns
    -------
    array of bool
    """
    return uniform(seed, shape, 0.0, 1.0, np.float64) < density


def signs(seed: int, shape: Shape, density: float = 0.5, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    """Return signs -1 and +1.

    Parameters
    ----------
    seed : int
    shape : int or tuple of int
    density : float
        Of the +1.
    dtype : dtype

    Returns
    -------
    array
    """
    return (2 * chosen(seed, shape, density).astype(np.int8) - 1).astype(dtype)
