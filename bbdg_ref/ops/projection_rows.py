"""Rows of numbers that are float32 exactly, projected without sorting, by compiled code that proves what it rounds."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["FastRows", "project_rows"]

LARGEST = 2**21  # numbers in a row: one histogram takes twice as many, and the working memory is 16 MiB
FLOAT32 = tuple(np.dtype(kind) for kind in (np.float32, np.float16, np.int8, np.int16, np.uint8, np.uint16))


class FastRows(NamedTuple):
    """What compiled code found; ``proved`` says for which rows."""

    values: npt.NDArray[np.float64]  # (rows, 4): alpha, beta, threshold, error
    ones: npt.NDArray[np.int64]
    bits: npt.NDArray[np.bool_]
    proved: npt.NDArray[np.bool_]
    constant: npt.NDArray[np.bool_]  # all numbers of the row are equal


def project_rows(rows: np.ndarray) -> FastRows | None:
    """Return the projections of the rows, or None if they are not for the compiled code.

    Parameters
    ----------
    rows : array (channels, weights per channel)
        Finite.

    Returns
    -------
    FastRows or None
        A row that is not proved must be computed in another way: its numbers are undefined. O(n).
    """
    if rows.dtype not in FLOAT32 or rows.shape[1] > LARGEST:
        return None
    from ..kernels.compiled import jit_is_on  # not at the top: importing bbdg_ref does not import Numba

    if not jit_is_on():
        return None
    from ..kernels import projection as kernels  # as above

    x = np.ascontiguousarray(rows, np.float32)
    values = np.empty((len(x), 4))
    ones = np.empty(len(x), np.int64)
    bits = np.empty(x.shape, np.bool_)
    kernels.project_rows(x, bits, values, ones)
    proved = ones >= 0
    return FastRows(values, ones, bits, proved, proved & (ones == 0))
