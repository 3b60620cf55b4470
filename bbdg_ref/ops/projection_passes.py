"""The best split of numbers that are only read in passes: exact, in memory that does not grow with their count.

1. One pass counts and sums all numbers in bins (`digit_table`). The sums are exact, so every split between two bins is
   known exactly: D_K = n S_K - K T, as in `spec.projection`.
2. A bin that may hold a better split stays. With k of its numbers as ones and s as their sum, g^2 = D^2 / (K (n - K))
   is convex in (k, s) jointly. All splits of a bin of c numbers between a and b whose sum is s lie in the triangle
   (0, 0), (c, s), (p, p b) with p = (s - c a)/(b - a), the p largest numbers all being b: so none exceeds the greatest
   of its corners.
3. A second pass gathers the numbers of the bins that stay, usually a thousandth of all; sorted, they are summed in
   float64 with a bound on the error, and whole numbers settle the few splits that are left.

The numbers of the bins that stay may be too many to be gathered. Then bins of more than `GATHERED` numbers are divided
further, 16 bits at a time, until they are single values, and the others gathered in groups, best first. That takes two
or three passes in all but contrived cases, and never more than 3 + 12 n / `GATHERED`: a pass divides a bin that holds
more than `GATHERED` numbers, three times at most, or gathers more than an eighth of `GATHERED` for good.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from bbdg_ref.ops.digit_table import BINS, DigitTable
from bbdg_ref.ops.exact import prefix_sums
from bbdg_ref.ops.ordered import Line
from bbdg_ref.ops.passes import C, Changed, Empty, Gatherer, NotFinite, Show
from bbdg_ref.spec.exact import Sums
from bbdg_ref.spec.projection import Row, general_objective, greatest

__all__ = ["Split", "best_split", "project_in_passes", "write_bits"]

GATHERED = 2**18  # numbers
RUNS = 8  # that are divided in one pass
ROOM = 2.0**-48  # covers a few roundings of float64, relatively
FAR = 900  # bits: a float64 of so many has room for the few operations below


@dataclass(frozen=True)
class Split:
    """The best split.

    Parameters
    ----------
    row : Row
        Before rounding.
    least : int or None
        The least u of the ones; None without ones.
    n : int
        The count of all numbers.
    """

    row: Row
    least: int | None
    n: int


@dataclass(frozen=True)
class Candidate:
    """A split that may be best: g, the number of ones, their sum, and a u that the ones reach and no others."""

    g: float
    ones: int
    ones_sum: int
    least: int


@dataclass(frozen=True)
class Run:
    """A run of ``count`` numbers of the sum ``own_sum`` that may hold the best split.

    Above it are ``above`` numbers of the sum ``above_sum``; no split of it has a g beyond ``reach``.
    """

    first: int
    last: int
    count: int
    own_sum: int
    above: int
    above_sum: int
    reach: float

    @property
    def free(self) -> int:
        """The number of lower bits in which the u of its numbers differ, of a run that is a bin."""
        return (self.last - self.first + 1).bit_length() - 1


class Search:
    """The state of the search: exact sums of all numbers, the best splits seen, and the runs that may hold better ones.

    Parameters
    ----------
    line : Line
        What numbers these are.
    table : DigitTable
        That of all numbers.
    """

    def __init__(self, line: Line, table: DigitTable) -> None:
        self.line = line
        self.best = 0.0
        self.candidates: list[Candidate] = []
        self.runs: list[Run] = []
        bins = np.flatnonzero(table.counts)[::-1]
        self.n, self.total, self.squares = 0, 0, 0
        counts, sums = table.counts[bins].tolist(), table.of_bins(bins)
        firsts = bins.astype(np.uint64) << np.uint64(table.left)
        bases, scales = line.bases(firsts, (1 << table.left) - 1)
        for count, lower, square, base, scale in zip(counts, sums, table.squares_of(bins), bases, scales, strict=True):
            shift = scale - line.unit
            self.n += count
            self.total += count * base + lower << shift
            self.squares += count * base * base + 2 * base * lower + square << 2 * shift
        # D of any split has fewer bits than this; those below the 900 highest do not matter.
        spread = (1 << line.bits if line.dtype.kind != "f" else self._size(bins, table.left)) * self.n * self.n
        self.shift = max(0, spread.bit_length() - FAR)
        self.divide(table, [Run(0, (1 << line.bits) - 1, self.n, self.total, 0, 0, math.inf)])

    def _size(self, bins: npt.NDArray[np.intp], left: int) -> int:
        """Return a bound on the difference of two numbers, in units."""
        ends = (int(bins[-1]) << left, (int(bins[0]) + 1 << left) - 1)
        low, high = (Fraction(float(self.line.number(u))) / Fraction(2) ** self.line.unit for u in ends)
        return int(high - low)

    def g(self, d: npt.NDArray[np.float64], ones: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return |D| / sqrt(K (n - K)), 0 where a class is missing."""
        product = ones * (self.n - ones)
        return np.where(product > 0, np.abs(d) / np.sqrt(np.where(product > 0, product, 1)), 0.0)

    def float_of(self, wholes: Iterator[int] | list[int]) -> npt.NDArray[np.float64]:
        """Return whole numbers of the size of D, scaled and rounded."""
        return np.array([float(whole >> self.shift) for whole in wholes])

    def divide(self, table: DigitTable, runs: list[Run]) -> None:
        """Take in the bins of runs, whose numbers must be those that they were."""
        for number, (run, counts) in enumerate(zip(runs, table.counts.reshape(-1, BINS), strict=True)):
            digits = np.flatnonzero(counts)[::-1]
            firsts = np.uint64(run.first) + (digits.astype(np.uint64) << np.uint64(table.left))
            lowers = table.of_bins(number * BINS + digits)
            found = self._take_bins(firsts, table.left, counts[digits], lowers, run.above, run.above_sum)
            if found != (run.count, run.own_sum):
                raise Changed

    def _take_bins(
        self,
        firsts: npt.NDArray[np.uint64],
        left: int,
        counts: npt.NDArray[np.int64],
        lowers: list[int],
        above: int,
        above_sum: int,
    ) -> tuple[int, int]:
        """Take in the bins of one run, from the largest numbers to the smallest; return their numbers' count and sum.

        ``lowers`` are the sums of l, the lower ``left`` bits of u, over each.
        """
        width = (1 << left) - 1
        bases, scales = self.line.bases(firsts, width)
        shifts = [scale - self.line.unit for scale in scales]
        each = counts.tolist()
        sums = [c * base + lower << shift for c, base, lower, shift in zip(each, bases, lowers, shifts, strict=True)]
        ones = list(accumulate(each, initial=above))
        ones_sums = list(accumulate(sums, initial=above_sum))
        d = self.float_of([self.n * s - k * self.total for k, s in zip(ones, ones_sums, strict=True)])
        k = np.array(ones, np.float64)
        edges = self.g(d, k)
        self.best = max(self.best, float(edges.max()))
        for i in np.flatnonzero(edges[1:] >= self.best * (1 - ROOM)).tolist():
            self.candidates.append(Candidate(float(edges[i + 1]), ones[i + 1], ones_sums[i + 1], int(firsts[i])))
        found = ones[-1] - above, ones_sums[-1] - above_sum
        if not width:
            return found
        # The corner (p, p b), with b - mean as n b - T. Ones and zeros each without a difference of near numbers.
        tops = [base + width << shift for base, shift in zip(bases, shifts, strict=True)]
        rises = self.float_of([self.n * top - self.total for top in tops])
        p = np.array(lowers, np.float64) / width
        others = np.array([c * width - lower for c, lower in zip(each, lowers, strict=True)], np.float64) / width
        product = (k[:-1] + p) * ((self.n - k[1:]) + others)
        rise = p * rises
        corner = np.abs(d[:-1] + rise) + 2.0**-50 * (np.abs(d[:-1]) + np.abs(rise))
        corner = np.where(product > 0, corner / np.sqrt(np.where(product > 0, product, 1)), 0.0)
        reach = np.maximum(corner, np.maximum(edges[1:], edges[:-1])) * (1 + ROOM)
        for i in np.flatnonzero((reach >= self.best) & (counts > 1)).tolist():
            first = int(firsts[i])
            self.runs.append(Run(first, first + width, each[i], sums[i], ones[i], ones_sums[i], float(reach[i])))
        return found

    def take_numbers(self, run: Run, v: np.ndarray) -> None:
        """Take in the numbers of a run, which are sorted from the largest to the smallest.

        With x = v - c, D_k = D_0 + n sum x + k (n c - T) for the k largest. Each x has a relative error of 2**-53, a
        sum of k of them at most k 2**-52 sum |x|.
        """
        if v.size != run.count:
            raise Changed
        centre = v[v.size // 2]
        x, unit = self._centred(v, centre), self.line.unit
        n, count = float(self.n), np.arange(1, v.size + 1, dtype=np.float64)
        whole_centre = int(Fraction(*centre.item().as_integer_ratio()) / Fraction(2) ** unit)
        start, slope = self.float_of(
            [self.n * run.above_sum - run.above * self.total, self.n * whole_centre - self.total]
        )
        walked = np.cumsum(x)
        d = start + (n * walked + count * slope)
        error = 2.0**-50 * (abs(start) + n * count * np.cumsum(np.abs(x)) + count * abs(slope))
        ones = run.above + count
        g = self.g(d, ones)
        bound = self.g(error, ones) + ROOM * g
        ends = np.append(v[1:] != v[:-1], True) & (ones < self.n)
        self.best = max(self.best, float((g - bound).max(initial=0, where=ends)))
        cuts = (np.flatnonzero(ends & (g + bound >= self.best)) + 1).tolist()
        exact = prefix_sums(v[None], [cuts])[0]
        scale = exact.unit / Fraction(2) ** unit
        if exact.prefix[v.size] * scale != run.own_sum:
            raise Changed
        for cut in cuts:
            ones_sum = run.above_sum + int(exact.prefix[cut] * scale)
            found = float(abs(self.n * ones_sum - (run.above + cut) * self.total) >> self.shift)
            found /= math.sqrt((run.above + cut) * float(self.n - run.above - cut))
            self.best = max(self.best, found * (1 - ROOM))
            self.candidates.append(Candidate(found, run.above + cut, ones_sum, self.line.least_equal(v[cut - 1])))

    def _centred(self, v: np.ndarray, centre: np.generic) -> npt.NDArray[np.float64]:
        """Return v - centre in units of ``2**shift`` times the line's."""
        if v.dtype.kind == "f":
            down = 2 if np.abs(v[[0, -1]]).max() > 1 else 0  # so that no difference overflows
            x = np.ldexp(v.astype(np.float64), -down) - np.ldexp(np.float64(centre), -down)
            return np.ldexp(x, down - self.line.unit - self.shift)
        u, middle = self.line.order(v), self.line.order(np.array([centre]))[0]
        return np.where(u >= middle, (u - middle).astype(np.float64), -(middle - u).astype(np.float64))

    def take_large(self) -> list[Run]:
        """Take out the best of those runs that are too large to be gathered; in the order of their numbers."""
        large = [run for run in self.runs if run.count > GATHERED]
        group = [run for run in large if run.free == large[0].free][:RUNS]
        self.runs = [run for run in self.runs if run not in group]
        return sorted(group, key=lambda run: run.first)

    def take_group(self) -> list[Run]:
        """Take out the best runs that can be gathered together; runs are joined, with what lies between them."""
        falling = sorted(self.runs, key=lambda run: -run.first)
        joined = self._joined(falling, GATHERED)
        if len(joined) > 1:
            joined = self._joined(falling, GATHERED // 4)
        joined.sort(key=lambda run: -run.reach)
        held = list(accumulate(run.count for run in joined))
        several = max(1, sum(count <= GATHERED for count in held))
        self.runs = joined[several:]
        return joined[:several]

    @staticmethod
    def _joined(runs: list[Run], most: int) -> list[Run]:
        """Join neighbouring runs of descending numbers while they and what lies between are at most so many."""
        joined = runs[:1]
        for low in runs[1:]:
            high = joined[-1]
            count = low.above + low.count - high.above
            own_sum = low.above_sum + low.own_sum - high.above_sum
            if count <= most:
                reach = max(low.reach, high.reach)
                joined[-1] = Run(low.first, high.last, count, own_sum, high.above, high.above_sum, reach)
            else:
                joined.append(low)
        return joined

    def forget(self) -> None:
        """Drop what cannot be best any more; the runs that reach highest come first."""
        self.runs = sorted((run for run in self.runs if run.reach >= self.best), key=lambda run: -run.reach)
        self.candidates = [c for c in self.candidates if c.g >= self.best * (1 - ROOM)]

    def result(self) -> Split:
        """Return the best candidate; the one with the fewest ones if several are."""
        n, total = self.n, self.total
        unit = Fraction(2) ** self.line.unit
        # One of each number of ones: the lowest edge of a run is also the edge of its lowest bin.
        candidates = sorted({c.ones: c for c in self.candidates}.values(), key=lambda candidate: candidate.ones)
        found = greatest([(0, 1), *(general_objective(c.ones, c.ones_sum, total, n) for c in candidates)])
        best = candidates[found.position - 1] if found.position else None
        ones, ones_sum = (best.ones, best.ones_sum) if best else (0, 0)
        sums = Sums(n, ones, ones_sum * unit, total * unit, self.squares * unit**2)
        alpha, beta = sums.means()
        row = Row(alpha, beta, sums.error(alpha, beta), ones, found.tied)
        return Split(row, best.least if best else None, n)


def project_in_passes(w: np.ndarray, bits: npt.NDArray[np.bool_]) -> Row:
    """Project one array as a whole.

    Parameters
    ----------
    w : array of floats or integers, of any shape
        The weights.
    bits : array of bool of that shape
        Where the bits are written.

    Returns
    -------
    Row
        The projection before rounding; O(n) time, and memory that does not grow with n.

    Raises
    ------
    NotFinite
        If a weight is NaN or infinite.
    """

    def show(new: Callable[[], C], /) -> C:
        collector = new()
        collector.add(w)
        return collector

    split = best_split(w.dtype, show)
    write_bits(w, split.least, bits)
    return split.row


def write_bits(w: np.ndarray, least: int | None, bits: npt.NDArray[np.bool_]) -> None:
    """Write which weights are ones.

    Parameters
    ----------
    w : array of floats or integers, of any shape
        The weights.
    least : int or None
        As in `Split`.
    bits : array of bool of that shape
        Where the bits are written; O(its size).
    """
    if least is None:
        bits[...] = False
    else:
        Line.of(w.dtype).reaching(w, least, bits)


def best_split(dtype: np.dtype, show: Show) -> Split:
    """Return the best split of numbers that are shown in passes.

    Parameters
    ----------
    dtype : dtype
        Of the numbers.
    show : Show
        Makes one pass.

    Returns
    -------
    Split
        As `spec.projection.project` finds it.

    Raises
    ------
    Empty, NotFinite, Changed
        If there is no number, or one is not finite, or passes give different numbers.
    """
    line = Line.of(dtype)
    table = show(partial(DigitTable.of_all, line))
    least, greatest_bin = (u >> table.left for u in line.finite)
    if table.counts[:least].any() or table.counts[greatest_bin + 1 :].any():
        raise NotFinite
    if not table.counts.any():
        raise Empty
    search = Search(line, table)
    del table
    search.forget()
    while search.runs:
        large = search.take_large()
        if large:
            starts = np.array([run.first for run in large], np.uint64)
            deeper = show(partial(DigitTable, line, starts, large[0].free, False))
            search.divide(deeper, large)
            search.forget()
            continue
        group = search.take_group()
        intervals = [(run.first, run.last) for run in group]
        gathered = show(partial(Gatherer, line, intervals, sum(run.count for run in group)))
        for run, numbers in zip(group, gathered.descending(), strict=True):
            search.take_numbers(run, numbers)
        search.forget()
    return search.result()
