"""Exact sums of many floats at once: mantissas of equal exponent are added as 64-bit integers."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from bbdg_ref.spec.exact import Sums

__all__ = ["PrefixSums", "WeightedSums", "prefix_sums", "split_sums", "weighted_prefix_sums", "weighted_split_sums"]

PIECE = 24  # bits; the products of two pieces have 48 bits,
GROUP = 2**14  # and so many of them add up within the 63 bits of an int64
WEIGHTED_PIECE = 18  # bits; the products of three pieces have 54 bits,
WEIGHTED_GROUP = 2**9  # and so many of them add up
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


@dataclass(frozen=True)
class WeightedSums:
    """The exact sums of weights w with sample weights s, as integers times powers of two.

    Parameters
    ----------
    unit, sample_unit : Fraction
        The powers of two of which all w and all s are multiples.
    mass, moment : dict of int to int
        The sums of s (in units of ``sample_unit``) and of s w (in units of ``sample_unit * unit``) over the first
        k elements, for each k asked for, and for k = n.
    squares : int
        The sum of s w^2 over all elements, in units of ``sample_unit * unit**2``.
    """

    unit: Fraction
    sample_unit: Fraction
    mass: dict[int, int]
    moment: dict[int, int]
    squares: int

    def sums(self, n: int, k: int) -> Sums:
        """Return the sums of all n elements, of which the first k are the ones."""
        unit, each = self.unit, self.sample_unit
        return Sums(
            self.mass[n] * each,
            self.mass[k] * each,
            self.moment[k] * each * unit,
            self.moment[n] * each * unit,
            self.squares * each * unit**2,
        )


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


def _pieces(mantissa: npt.NDArray[np.uint64], size: int) -> list[npt.NDArray[np.int64]]:
    """Return the mantissas as pieces of ``size`` bits, the lowest first."""
    mask = np.uint64(2**size - 1)
    count = -(-int(mantissa.max()).bit_length() // size)
    return [((mantissa >> np.uint64(size * i)) & mask).view(np.int64) for i in range(count)]


def _group_sums(mantissa: npt.NDArray[np.uint64], starts: npt.NDArray[np.intp]) -> tuple[list[int], list[int]]:
    """Return the sum of the mantissas and of their squares in each group, as Python integers."""
    pieces = _pieces(mantissa, PIECE)
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


def split_sums(rows: np.ndarray, bits: npt.NDArray[np.bool_]) -> list[Sums]:
    """Return the exact sums of rows with given bits.

    Parameters
    ----------
    rows : array (channels, weights per channel) of floats or integers
        The weights.
    bits : array of bool of the same shape
        The bit of each weight.

    Returns
    -------
    list of Sums
        One for each row; O(n log n).
    """
    # Ones first, each class sorted, so that equal exponents stand together. (The sums are right in any order.)
    ordered = np.array(
        [np.concatenate([np.sort(row[mask]), np.sort(row[~mask])]) for row, mask in zip(rows, bits, strict=True)]
    )
    n, counts = rows.shape[1], bits.sum(axis=1).tolist()
    found = []
    for ones, exact in zip(counts, prefix_sums(ordered, [[ones] for ones in counts]), strict=True):
        unit = exact.unit
        found.append(Sums(n, ones, exact.prefix[ones] * unit, exact.prefix[n] * unit, exact.squares * unit**2))
    return found


def _weighted_group_sums(
    mantissa: npt.NDArray[np.uint64], sample: npt.NDArray[np.uint64], starts: npt.NDArray[np.intp]
) -> tuple[list[int], list[int], list[int]]:
    """Return the sums of the mantissas s, of s w and of s w^2 in each group, as Python integers."""
    mass, moment, squares = ([0] * starts.size for _ in range(3))

    def add(sums: list[int], values: npt.NDArray[np.int64], times: int) -> None:
        for group, value in enumerate(np.add.reduceat(values, starts).tolist()):
            sums[group] += value * times

    pieces = _pieces(mantissa, WEIGHTED_PIECE)
    for h, part in enumerate(_pieces(sample, WEIGHTED_PIECE)):
        add(mass, part, 1 << WEIGHTED_PIECE * h)
        for i, piece in enumerate(pieces):
            product = part * piece
            add(moment, product, 1 << WEIGHTED_PIECE * (h + i))
            for j in range(i + 1):
                twice = 1 if i == j else 2  # as in `_group_sums`
                add(squares, product * pieces[j], twice << WEIGHTED_PIECE * (h + i + j))
    return mass, moment, squares


def _offsets(exponent: np.ndarray, mantissa: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], int]:
    """Return the exponents less the least one of a number that is not 0 (at most 0), and that; 0 for zeros."""
    least = min(int(exponent.min(initial=0, where=mantissa != 0)), 0)
    return np.where(mantissa == 0, 0, exponent.astype(np.int64) - least), least


def weighted_prefix_sums(w: np.ndarray, s: np.ndarray, cuts: list[int]) -> WeightedSums:
    """Return exact sums of s, s w and s w^2, over all elements and over the first k, for each k in the cuts.

    Parameters
    ----------
    w : array (n,) of floats or integers
        The weights, in any order.
    s : array (n,) of floats or integers
        Their sample weights, 0 or more.
    cuts : list of int
        The values of k, from 0 to n, ascending.

    Returns
    -------
    WeightedSums
        The sums.

    Notes
    -----
    Elements are grouped by cut, sign and both exponents: O(n log n) NumPy work and O(groups) Python work. A million
    random numbers have some thousands of groups.
    """
    n = w.size
    mantissa, exponent = _split(w)
    sample, sample_exponent = _split(s)
    shift, least = _offsets(exponent, mantissa)
    sample_shift, sample_least = _offsets(sample_exponent, sample)
    segment = np.searchsorted(cuts, np.arange(n), side="right")
    # One number for all four: an offset of exponents is below 2**12.
    key = ((segment * 2 + (w < 0)) << 24) + (shift << 12) + sample_shift
    order = np.argsort(key)
    key = key[order]
    first = np.arange(n) % WEIGHTED_GROUP == 0
    first[1:] |= key[1:] != key[:-1]
    starts = np.flatnonzero(first)
    groups = zip(key[starts].tolist(), *_weighted_group_sums(mantissa[order], sample[order], starts), strict=True)
    mass, moment, squares = [0] * (len(cuts) + 1), [0] * (len(cuts) + 1), 0
    for code, s_sum, sw_sum, sww_sum in groups:
        place, of_w, of_s = code >> 25, (code >> 12) & 4095, code & 4095
        mass[place] += s_sum << of_s
        moment[place] += (-sw_sum if code >> 24 & 1 else sw_sum) << of_s + of_w
        squares += sww_sum << of_s + 2 * of_w
    ends = [*cuts, n]
    return WeightedSums(
        Fraction(1, 2**-least),
        Fraction(1, 2**-sample_least),
        dict(zip(ends, accumulate(mass), strict=True)),
        dict(zip(ends, accumulate(moment), strict=True)),
        squares,
    )


def weighted_split_sums(w: np.ndarray, s: np.ndarray, bits: npt.NDArray[np.bool_]) -> Sums:
    """Return the exact sums of weights with sample weights s and given bits.

    Parameters
    ----------
    w, s : arrays (n,) of floats or integers
        The weights, and their sample weights, 0 or more.
    bits : array (n,) of bool
        The bit of each weight.

    Returns
    -------
    Sums
        Each of its terms times s; O(n log n).
    """
    ones = int(bits.sum())
    order = np.argsort(~bits, kind="stable")
    return weighted_prefix_sums(w[order], s[order], [ones]).sums(w.size, ones)
