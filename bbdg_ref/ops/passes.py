"""Passes over numbers that are read block by block, and numbers gathered from intervals of them.

What a pass learns of parts of the numbers, in any order and on any machine, adds up to what it learns of all.
"""

from collections.abc import Callable, Iterator
from typing import Protocol, Self, TypeVar

import numpy as np

from bbdg_ref.ops.ordered import Line, blocks

__all__ = ["Changed", "Collector", "Empty", "Gatherer", "NotFinite", "Show"]

BLOCK = 2**16


class NotFinite(ValueError):
    """A number is NaN or infinite."""


class Empty(ValueError):
    """There are no numbers."""


class Changed(ValueError):
    """A later pass did not give the numbers of the first."""


class Collector(Protocol):
    """What is learnt of numbers in one pass; what is learnt of parts of them adds up."""

    def add(self, chunk: np.ndarray) -> None:
        """Learn of the numbers of an array."""

    def merge(self, other: Self) -> None:
        """Learn what the other has learnt."""


C = TypeVar("C", bound=Collector)


class Show(Protocol):
    """A pass: shows all numbers to one new collector, or to several that it merges into one."""

    def __call__(self, new: Callable[[], C], /) -> C:
        """Return the collector. ``new`` makes an empty one; it can be pickled."""


class Gatherer:
    """The numbers from intervals, and how many there must be.

    Parameters
    ----------
    line : Line
        What numbers these are.
    intervals : list of (least, greatest)
        Disjoint, by their u.
    expected : int
        How many numbers lie in all of them.
    """

    def __init__(self, line: Line, intervals: list[tuple[int, int]], expected: int) -> None:
        self.line, self.intervals, self.expected = line, intervals, expected
        self.parts: list[list[np.ndarray]] = [[] for _ in intervals]
        self.count = 0

    def add(self, chunk: np.ndarray) -> None:
        """Copy those numbers of an array that lie in the intervals."""
        ends = [(self.line.number(first), self.line.number(last)) for first, last in self.intervals]
        for block in blocks(chunk, self.line.dtype, BLOCK):
            for (low, high), (first, last), part in zip(ends, self.intervals, self.parts, strict=True):
                found = block[(block >= low) & (block <= high)]
                u = self.line.order(found)
                found = found[(u >= u.dtype.type(first)) & (u <= u.dtype.type(last))]  # tells 0.0 and -0.0 apart
                part.append(found)
                self._count(found.size)

    def merge(self, other: "Gatherer") -> None:
        """Take over what the other has gathered."""
        for part, more in zip(self.parts, other.parts, strict=True):
            part.extend(more)
        self._count(other.count)

    def _count(self, more: int) -> None:
        self.count += more
        if self.count > self.expected:
            raise Changed

    def descending(self) -> Iterator[np.ndarray]:
        """Yield the numbers of each interval from the largest to the smallest."""
        for part in self.parts:
            yield np.sort(np.concatenate([np.empty(0, self.line.dtype), *part]))[::-1]
