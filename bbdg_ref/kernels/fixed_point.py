"""Exact sums of float32 numbers and of their squares, as fast as they can be read.

With |x| < 2**e, x is cut into two integers of a level each: y = x 2**(level - e) is rounded to its whole part, and the
rest, times 2**level, to whole again. A float64 is rounded to whole by adding 1.5 * 2**52, and the sum's bits are then
that integer; adding integers is exact, and LLVM makes vector code of it. What is left of a number after two levels is
told (`Sums.rest`): it is 0 unless its last bit lies below 2**(e - 2 level). The squares are cut likewise; their rests
are bounded by 1/2 each and not told.
"""

from typing import Any, NamedTuple

import numpy as np

from .compiled import inlined

Array = np.ndarray[Any, Any]
Whole = int | np.int64

TO_WHOLE = 1.5 * 2.0**52
WHOLE = np.int64(0x4338000000000000)  # the bits of TO_WHOLE


class Sums(NamedTuple):
    """Sums in two levels: ``high * 2**level + low``, in units of ``2**(e - 2 level)``; squares in the square's units.

    The unit of the squares is ``2**(2 e - 2 level)``, for an even level.
    """

    high: Whole
    low: Whole
    squares_high: Whole
    squares_low: Whole
    above_high: Whole
    above_low: Whole
    above: Whole
    rest: Whole


@inlined
def level_for(n: int) -> int:
    """Return the greatest even level, at most 50, for which sums of n integers of it fit into 63 bits."""
    level = 62
    while n > 1:
        n = (n + 1) >> 1
        level -= 1
    return min(level, 50) & ~1


@inlined
def parts(x: float, scale: float, step: float) -> tuple[np.int64, np.int64]:
    """Return the two integers of one number."""
    y = np.float64(x) * scale
    high = y + TO_WHOLE
    low = (y - (high - TO_WHOLE)) * step + TO_WHOLE
    return np.float64(high).view(np.int64) - WHOLE, np.float64(low).view(np.int64) - WHOLE


@inlined
def sums_above(x: Array, keys: Array, last: int, scale: float, root: float, step: float) -> Sums:
    """Return the sums of all numbers, of their squares, and of those whose key is above ``last``.

    ``scale`` = 2**(level - e), ``root`` = 2**(level/2 - e), ``step`` = 2**level.
    """
    high, low, squares_high, squares_low = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    above_high, above_low, above, rest = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    for i in range(x.size):
        value = np.float64(x[i])
        y = value * scale
        first = y + TO_WHOLE
        left = (y - (first - TO_WHOLE)) * step
        second = left + TO_WHOLE
        rest |= np.int64(left - (second - TO_WHOLE) != 0.0)
        own_high = np.float64(first).view(np.int64) - WHOLE
        own_low = np.float64(second).view(np.int64) - WHOLE
        inside = np.int64(keys[i] > last)
        high += own_high
        low += own_low
        above_high += own_high & -inside
        above_low += own_low & -inside
        above += inside
        z = value * root
        z = z * z
        first = z + TO_WHOLE
        second = (z - (first - TO_WHOLE)) * step + TO_WHOLE
        squares_high += np.float64(first).view(np.int64) - WHOLE
        squares_low += np.float64(second).view(np.int64) - WHOLE
    return Sums(high, low, squares_high, squares_low, above_high, above_low, above, rest)
