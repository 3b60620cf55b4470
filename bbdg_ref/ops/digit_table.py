"""Counts and exact sums of many numbers, by the upper bits of what `ordered` makes of them.

A run is a set of numbers whose u = `ordered.Line.order` (x) differ in their lower bits only. A `DigitTable` divides
runs by their next 16 bits into bins. For each bin it holds the number of its x, and the sums of l and of l^2 over them,
where l is what is left below those 16 bits. With l = sum_i d_i 2**(16 i), these are sums of digits and of products of
two digits: integers below 2**32, whose sums float64 holds exactly for blocks of 2**21 numbers, and int64 for 2**31.

Tables of parts of the numbers add up to that of all: a pass over numbers in any order, on any machine, gives the same.
"""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from bbdg_ref.ops.ordered import DIGIT, Line, blocks

__all__ = ["DigitTable"]

BINS = 1 << DIGIT
LOWER = BINS - 1
BLOCK = 2**18
BEFORE_CARRY = 2**30  # numbers whose products of digits surely fit into int64 together
LOW_WORD = (1 << 32) - 1


class DigitTable:
    """The bins of runs.

    Parameters
    ----------
    line : Line
        What numbers these are.
    starts : array of uint64
        The first u of each run, ascending.
    free : int
        The number of lower bits in which the u of a run differ, a multiple of 16.
    squares : bool
        Whether the sums of l^2 are wanted.
    """

    def __init__(self, line: Line, starts: npt.NDArray[np.uint64], free: int, squares: bool) -> None:
        self.line, self.starts, self.free = line, starts, free
        self.left = free - DIGIT
        digits = range(self.left // DIGIT)
        self.pairs = [(i, j) for i in digits for j in range(i + 1)] if squares else []
        bins = starts.size * BINS
        self.counts = np.zeros(bins, np.int64)
        self.sums = np.zeros((len(digits), bins), np.int64)
        # Sums of products: high * 2**32 + low.
        self.low = np.zeros((len(self.pairs), bins), np.int64)
        self.high = np.zeros((len(self.pairs), bins), np.int64)
        self.since_carry = 0

    @classmethod
    def of_all(cls, line: Line) -> "DigitTable":
        """Return the empty table of all numbers of a line."""
        return cls(line, np.zeros(1, np.uint64), line.bits, True)

    def add(self, chunk: np.ndarray) -> None:
        """Count the numbers of an array in; O(its size + 2**16)."""
        if self._compiled:
            return self._add_compiled(chunk)
        for block in blocks(chunk, self.line.dtype, BLOCK):
            index, u = self._placed(self.line.order(block))
            self._room(u.size)
            self.counts += np.bincount(index, minlength=self.counts.size)
            digits = [
                ((u >> u.dtype.type(DIGIT * i)) & u.dtype.type(LOWER)).astype(np.float64) for i in range(len(self.sums))
            ]
            for i, digit in enumerate(digits):
                self.sums[i] += self._summed(index, digit)
            for row, (i, j) in zip(self.low, self.pairs, strict=True):
                row += self._summed(index, digits[i] * digits[j])

    def merge(self, other: "DigitTable") -> None:
        """Count what the other table has counted in."""
        other._carry()
        self._room(1)  # what is carried is below 2**32
        self.counts += other.counts
        self.sums += other.sums
        self.low += other.low
        self.high += other.high

    def of_bins(self, bins: npt.NDArray[np.intp]) -> list[int]:
        """Return the sum of l in each of the bins."""
        return self._whole(self.sums[:, bins], [DIGIT * i for i in range(len(self.sums))])

    def squares_of(self, bins: npt.NDArray[np.intp]) -> list[int]:
        """Return the sum of l^2 in each of the bins."""
        # Each product of two different digits occurs twice in the square.
        shifts = [DIGIT * (i + j) + (i != j) for i, j in self.pairs]
        low, high = self._whole(self.low[:, bins], shifts), self._whole(self.high[:, bins], shifts)
        return [small + (large << 32) for small, large in zip(low, high, strict=True)]

    @staticmethod
    def _whole(rows: npt.NDArray[np.int64], shifts: list[int]) -> list[int]:
        total = [0] * rows.shape[1]
        for row, shift in zip(rows, shifts, strict=True):
            total = [have + (more << shift) for have, more in zip(total, row.tolist(), strict=True)]
        return total

    @cached_property
    def _compiled(self) -> bool:
        from ..kernels.compiled import jit_is_on  # not at the top: importing bbdg_ref does not import Numba

        return self.line.bits == self.free == 32 and jit_is_on()

    def _add_compiled(self, chunk: np.ndarray) -> None:
        from ..kernels import digit_table as kernels  # as above

        if_negative, always = (np.uint32(flip).view(np.int32) for flip in self.line.flips)
        packed, squares, held = np.zeros(BINS, np.uint64), np.zeros(BINS, np.uint64), 0
        for block in blocks(chunk, self.line.dtype, kernels.MOST if chunk.flags.c_contiguous else BLOCK):
            if held + block.size > kernels.MOST:
                self._take(packed, squares, held)
                held = 0
            kernels.tally(block.view(np.int32), if_negative, always, packed, squares)
            held += block.size
        self._take(packed, squares, held)

    def _take(self, packed: npt.NDArray[np.uint64], squares: npt.NDArray[np.uint64], numbers: int) -> None:
        """Count what compiled code has counted in, and clear its tables."""
        from ..kernels import digit_table as kernels  # as above

        self._room(numbers)
        counts = packed >> kernels.COUNT
        self.counts += counts.view(np.int64)
        self.sums[0] += (packed ^ counts << kernels.COUNT).view(np.int64)
        self.low[0] += squares.view(np.int64)
        packed[:] = 0
        squares[:] = 0

    def _placed(self, u: np.ndarray) -> tuple[npt.NDArray[np.intp], np.ndarray]:
        """Return the bin of each u that lies in a run, and these u."""
        left, kind = u.dtype.type(self.left), u.dtype.type
        if self.free == self.line.bits:
            return (u >> left).astype(np.intp), u
        width = kind((1 << self.free) - 1)
        starts = self.starts.astype(u.dtype)
        u = u[(u >= starts[0]) & (u <= starts[-1] + width)]
        run = np.searchsorted(starts, u, "right") - 1
        inside = u - starts[run] <= width
        u, run = u[inside], run[inside]
        return (run << DIGIT) + ((u >> left) & kind(LOWER)).astype(np.intp), u

    def _summed(self, index: npt.NDArray[np.intp], values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        return np.bincount(index, values, self.counts.size).astype(np.int64)

    def _room(self, numbers: int) -> None:
        """Make sure that so many more numbers fit."""
        if self.since_carry + numbers > BEFORE_CARRY:
            self._carry()
        self.since_carry += numbers

    def _carry(self) -> None:
        self.high += self.low >> 32
        self.low &= LOW_WORD
        self.since_carry = 1
