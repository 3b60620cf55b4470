"""Rows of numbers that are float32 exactly, projected without sorting, by compiled code that proves what it rounds."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["SORTED", "TOGETHER", "Answers", "longest_row", "project_rows"]

LARGEST = 2**21  # numbers in a row: one histogram takes twice as many, and the working memory is 16 MiB
SORTED = 2**17  # numbers that are sorted together, which takes about a hundred bytes for each
TOGETHER = 2**22  # numbers in rows that are copied together, where they have to be
FLOAT32 = tuple(np.dtype(kind) for kind in (np.float32, np.float16, np.int8, np.int16, np.uint8, np.uint16))


class Answers(NamedTuple):
    """Where the projections of rows are written, but for their bits."""

    values: npt.NDArray[np.float64]  # (rows, 4): alpha, beta, threshold, error
    ones: npt.NDArray[np.int64]
    tied: npt.NDArray[np.bool_]

    @classmethod
    def empty(cls, rows: int) -> "Answers":
        """Return room for so many rows."""
        return cls(np.empty((rows, 4)), np.empty(rows, np.int64), np.empty(rows, np.bool_))

    def part(self, rows: slice) -> "Answers":
        """Return the room of some rows."""
        return Answers(self.values[rows], self.ones[rows], self.tied[rows])


def _serves(dtype: np.dtype) -> bool:
    """Tell whether compiled code serves this dtype."""
    from ..kernels.compiled import jit_is_on  # not at the top: importing bbdg_ref does not import Numba

    return dtype in FLOAT32 and jit_is_on()


def longest_row(dtype: np.dtype) -> int:
    """Return the number of weights above which rows are projected in passes.

    Parameters
    ----------
    dtype : dtype
        Of the rows.

    Returns
    -------
    int
        `LARGEST` or `SORTED`.
    """
    return LARGEST if _serves(dtype) else SORTED


def project_rows(rows: np.ndarray, answers: Answers, bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Write the projections of rows.

    Parameters
    ----------
    rows : array (channels, weights per channel)
        At most `longest_row` weights a channel. NaN and infinity are not proved.
    answers : Answers
        Of as many rows.
    bits : array of bool, as the rows, contiguous
        Where the bits are written.

    Returns
    -------
    array of bool
        Which rows are proved, none if the dtype is not for compiled code. The others must be computed in another way:
        what is written there is undefined. O(n).
    """
    if not _serves(rows.dtype):
        return np.zeros(len(rows), np.bool_)
    from ..kernels import projection as kernels  # not at the top: importing bbdg_ref does not import Numba

    kernels.project_rows(np.ascontiguousarray(rows, np.float32), bits, answers.values, answers.ones)
    proved = answers.ones >= 0
    # Of equal weights any could be ones, and then there are none; of others compiled code proves no tie.
    answers.tied[...] = answers.ones == 0
    return proved
