"""Sums, term by term, with what is needed to bound the rounding of any other order of summation."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Sums:
    """Per entry: the sum, the sum of the absolute values of its terms, and the number of terms."""

    value: np.ndarray
    magnitude: np.ndarray
    count: np.ndarray

    def bound(self, dtype: np.dtype) -> np.ndarray:
        """How far a sum in `dtype`, in any order, may lie from `value`: roundings of terms and of sums."""
        return 2 * (self.count + 2) * np.finfo(dtype).eps * self.magnitude


def add_up(shape: tuple[int, ...], terms: Iterable[tuple[tuple[int, ...], float]]) -> Sums:
    """Add every (index, term) to its entry, one after the other in float64."""
    value, magnitude, count = np.zeros(shape), np.zeros(shape), np.zeros(shape, int)
    for index, term in terms:
        value[index] += term
        magnitude[index] += abs(term)
        count[index] += 1
    return Sums(value, magnitude, count)
