"""Numbers of about 106 bits as the unevaluated sum of two float64, and rounding them with a proof that it is right.

A value is (high, low) with |low| at most half an ulp of high. Sums and products below are those of Dekker (1971) and
Knuth; their relative error is below 2**-100 unless parts cancel. `rounds_to` answers only where every value within the
stated error rounds alike (Ziv's test); the caller computes the others in exact arithmetic.
"""

import math

import numpy as np

from .compiled import inlined

Pair = tuple[float, float]


@inlined
def two_sum(a: float, b: float) -> Pair:
    """Return a + b exactly."""
    high = a + b
    part = high - a
    return high, (a - (high - part)) + (b - part)


@inlined
def two_product(a: float, b: float) -> Pair:
    """Return a * b exactly, for values whose halves neither overflow nor underflow."""
    spread_a, spread_b = a * 134217729.0, b * 134217729.0  # 2**27 + 1 splits into 26 bits each
    a_high = spread_a - (spread_a - a)
    b_high = spread_b - (spread_b - b)
    a_low, b_low = a - a_high, b - b_high
    high = a * b
    return high, ((a_high * b_high - high) + a_high * b_low + a_low * b_high) + a_low * b_low


@inlined
def pair_sum(a: Pair, b: Pair) -> Pair:
    """Return a + b."""
    high, low = two_sum(a[0], b[0])
    tail_high, tail_low = two_sum(a[1], b[1])
    high, low = two_sum(high, low + tail_high)
    return two_sum(high, low + tail_low)


@inlined
def pair_product(a: Pair, b: Pair) -> Pair:
    """Return a * b."""
    high, low = two_product(a[0], b[0])
    return two_sum(high, low + (a[0] * b[1] + a[1] * b[0]))


@inlined
def pair_over(a: Pair, divisor: float) -> Pair:
    """Return a / divisor for a whole divisor below 2**53."""
    first = a[0] / divisor
    back, error = two_product(first, divisor)
    rest = ((a[0] - back) - error) + a[1]
    return two_sum(first, rest / divisor)


@inlined
def is_exact(quotient: float, a: Pair, divisor: float) -> bool:
    """Tell whether quotient * divisor is a, of which the quotient then is all."""
    high, low = two_product(quotient, divisor)
    return high == a[0] and low == a[1]


@inlined
def whole(high: np.int64, low: np.int64, step: float) -> Pair:
    """Return high * step + low for 64-bit integers and a power of two."""
    half = np.int64(32)
    upper = np.float64(high >> half) * 4294967296.0 * step
    lower = np.float64(high & np.int64(0xFFFFFFFF)) * step
    left = pair_sum((upper, 0.0), (lower, 0.0))
    right = two_sum(np.float64(low >> half) * 4294967296.0, np.float64(low & np.int64(0xFFFFFFFF)))
    return pair_sum(left, right)


@inlined
def rounds_to(value: Pair, error: float) -> bool:
    """Tell whether every number within ``error`` of the value rounds to ``value[0]``."""
    return value[0] + (value[1] + error) == value[0] and value[0] + (value[1] - error) == value[0]


@inlined
def floor_of(value: Pair, error: float) -> tuple[float, bool]:
    """Return the greatest float64 at most the value, and whether every number within ``error`` of it has the same."""
    if abs(value[1]) <= error and error > 0.0:
        return value[0], False
    down = np.nextafter(value[0], -math.inf) if value[1] < 0.0 else value[0]
    gap = np.nextafter(down, math.inf) - down
    return down, abs(value[1]) + error < gap
