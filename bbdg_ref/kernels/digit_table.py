"""Counts and sums of 32-bit numbers by their upper 16 bits, in one pass: no bound on their range is needed."""

from typing import Any

import numpy as np

from .compiled import compiled

Array = np.ndarray[Any, Any]

COUNT = np.uint64(42)  # a bin's count stands above this bit, the sum of its numbers' lower bits below it:
MOST = 2**22 - 1  # so many numbers fit


@compiled
def tally(words: Array, if_negative: np.int32, always: np.int32, packed: Array, squares: Array) -> None:
    """Add numbers to the tables of counts and sums of l (in one word), and of l^2, with l the lower 16 bits of u.

    u = word ^ (if_negative, where the word is negative) ^ always; its upper 16 bits are the bin. At most `MOST`
    numbers, to tables that begin at 0.
    """
    one, half, lower = np.uint64(1) << COUNT, np.uint32(16), np.uint32(0xFFFF)
    for i in range(words.size):
        word = words[i]
        u = np.uint32(word ^ ((word >> np.int32(31)) & if_negative) ^ always)
        place, low = np.uint64(u >> half), np.uint64(u & lower)
        packed[place] += one | low
        squares[place] += low * low
