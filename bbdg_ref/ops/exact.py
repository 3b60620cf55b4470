"""Exact sums of many floats at once: mantissas of equal exponent are added as 64-bit integers."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

__all__ = ["PrefixSums", "prefix_sums"]

PIECE = 24  # bits; the products of two pieces have 48 bits,
GROUP = 2**14  # and so many of them add up within the 63 bits of an int64
MASK = np.uint64(2**PIECE - 1)
OF_ZERO = np.int32(2**30)  # an exponent that no other float has, so that zeros form groups of their own


@dataclass(frozen=True)
class PrefixSums:
    """The exact sums of one row, as integers times a power of two.

    Parameters
    ----------
    unit : Fraction
        The power of two that the integers are multiples of.
    prefix : dict of int to int
        The sum of the first K elements, for each K asked for, and for K = n: the sum of all.
    squares : int
        The sum of the squares of all elements, in units of unit^2.
    """

    unit: Fraction
    prefix: dict[int, int]
    squares: int


def _split(values: np.ndarray) -> tuple[npt.NDArray[np.uint64], np.ndarray]:
    """Return unsigned mantissas and exponents: |value| = mantissa * 2**exponent."""
    if values.dtype.kind in "iu":
        # The unsigned negation of the two's complement is right for the least int64 as well.
        unsigned = values.astype(np.int64).view(np.uint64) if values.dtype.kind == "i" else values.astype(np.uint64)
        return np.where(values < 0, np.negative(unsigned), unsigned), np.zeros(values.shape, np.int32)
    bits = np.finfo(values.dtype).nmant + 1
    mantissa, exponent = np.frexp(values)  # |mantissa| in [1/2, 1) has that many bits
    whole = np.ldexp(np.abs(mantissa).astype(np.float64), bits).astype(np.uint64)
    return whole, np.where(whole == 0, OF_ZERO, exponent.astype(np.int32) - bits)


def _group_starts(rows: np.ndarray, exponent: np.ndarray, cuts: list[list[int]]) -> npt.NDArray[np.intp]:
    """Return where groups start: at rows, cuts, changes of sign or exponent, and after every GROUP elements."""
    n = rows.shape[1]
    flat = rows.ravel()
    starts = np.zeros(flat.size, np.bool_)
    starts[::n] = True
    starts[::GROUP] = True
    starts[[i * n + cut for i, row in enumerate(cuts) for cut in row if 0 < cut < n]] = True
    starts[1:] |= exponent[1:] != exponent[:-1]
    negative = flat < 0
    starts[1:] |= negative[1:] != negative[:-1]
    return np.flatnonzero(starts)


def _group_sums(mantissa: npt.NDArray[np.uint64], starts: npt.NDArray[np.intp]) -> tuple[list[int], list[int]]:
    """Return the sum of the mantissas and of their squares in each group, as Python integers."""
    count = -(-int(mantissa.max()).bit_length() // PIECE)
    pieces = [((mantissa >> np.uint64(PIECE * i)) & MASK).view(np.int64) for i in range(count)]
    sums, squares = [0] * starts.size, [0] * starts.size
    for i, piece in enumerate(pieces):
        for group, value in enumerate(np.add.reduceat(piece, starts).tolist()):
            sums[group] += value << PIECE * i
        for j in range(i + 1):
            twice = 1 if i == j else 2  # (sum_i p_i)^2 = sum_i p_i^2 + 2 sum_{i>j} p_i p_j
            for group, value in enumerate(np.add.reduceat(piece * pieces[j], starts).tolist()):
                squares[group] += twice * value << PIECE * (i + j)
    return sums, squares


def prefix_sums(rows: np.ndarray, cuts: list[list[int]]) -> list[PrefixSums]:
    """Return exact sums of each row and of its first K elements, for each K in the row's ascending cuts.

    Parameters
    ----------
    rows : array (channels, weights per channel) of floats or integers
        Correct for any order; fast where equal exponents stand together, as they do in sorted rows.
    cuts : list of lists of int
        For each row the values of K, from 0 to n, ascending.

    Returns
    -------
    list of PrefixSums
        One for each row.

    Notes
    -----
    O(n) NumPy work and O(groups) Python work. A row of n sorted float32 has at most 2 * 277 exponent groups.
    """
    n = rows.shape[1]
    mantissa, exponent = _split(rows.ravel())
    starts = _group_starts(rows, exponent, cuts)
    sums, squares = _group_sums(mantissa, starts)
    exponents = exponent[starts]
    least = min(int(exponents.min()), 0)
    shifts = np.where(exponents == OF_ZERO, 0, exponents - least).tolist()
    negative = (rows.ravel()[starts] < 0).tolist()
    bounds = np.searchsorted(starts, np.arange(len(rows) + 1) * n).tolist()
    places = (starts % n).tolist()
    found = []
    for i, row_cuts in enumerate(cuts):
        wanted = set(row_cuts)
        running, total_squares, prefix = 0, 0, {0: 0}
        for group in range(bounds[i], bounds[i + 1]):
            if places[group] in wanted:
                prefix[places[group]] = running
            term = sums[group] << shifts[group]
            running += -term if negative[group] else term
            total_squares += squares[group] << 2 * shifts[group]
        prefix[n] = running
        found.append(PrefixSums(Fraction(1, 2**-least), prefix, total_squares))
    return found
