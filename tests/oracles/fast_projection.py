"""The projection onto a binary domain in whole numbers: quick enough for a million arrays.

The elements become integers times one power of two, from which the smallest is subtracted, so that a large offset
with a small spread becomes small numbers. For every number of ones K the share of the squares that two means explain,

    J(K) = A^2 / K + B^2 / (n - K),    A = sum of the K largest, B = sum of the others,

is compared with the best by cross-multiplication. Every K is tried; nothing is known of runs of equal elements.
"""

import math
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

__all__ = ["Answer", "floored", "nearest", "scaled", "solve"]


@dataclass(frozen=True)
class Answer:
    """What an exact projection of one row of weights must return."""

    alpha: float
    beta: float
    threshold: float
    error: float
    bits: list[bool]
    n_ones: int
    tied: bool


def scaled(row: np.ndarray) -> tuple[list[int], int]:
    """Integers v and an exponent e with row[i] = v[i] * 2^e."""
    if row.dtype.kind in "iu":
        return row.tolist(), 0
    fractions, exponents = np.frexp(row.astype(np.float64))
    mantissas = np.ldexp(fractions, 53).astype(np.int64)
    present = mantissas != 0
    if not present.any():
        return [0] * row.size, 0
    lowest = int(exponents[present].min())
    shifts = np.where(present, exponents - lowest, 0)
    return [m << s for m, s in zip(mantissas.tolist(), shifts.tolist(), strict=True)], lowest - 53


def quotient(p: int, q: int, e: int) -> tuple[int, int]:
    """p / q * 2^e as one quotient of integers."""
    return (p << e, q) if e >= 0 else (p, q << -e)


def nearest(p: int, q: int, e: int) -> float:
    """The float64 nearest to p / q * 2^e, infinity on overflow. (Python divides integers with one rounding.)"""
    p, q = quotient(p, q, e)
    try:
        return p / q
    except OverflowError:
        return math.inf if p > 0 else -math.inf


def floored(p: int, q: int, e: int) -> float:
    """The greatest float64 that is not above p / q * 2^e, which must be in the range of float64."""
    p, q = quotient(p, q, e)
    # 52 or 53 bits, fewer for subnormals; floor division rounds toward minus infinity.
    exponent = max(abs(p).bit_length() - q.bit_length() - 53, -1074)
    mantissa = floored_by(p, q, exponent)
    if abs(mantissa) > 1 << 53:
        exponent += 1
        mantissa = floored_by(p, q, exponent)
    return math.ldexp(mantissa, exponent)


def floored_by(p: int, q: int, exponent: int) -> int:
    """p / q / 2^exponent, rounded toward minus infinity."""
    return p // (q << exponent) if exponent >= 0 else (p << -exponent) // q


def best_count(falling: list[int], most: int) -> tuple[int, int, int, bool]:
    """The first K <= most with the greatest J, numerator and denominator of that, and whether another K equals it."""
    n = len(falling)
    total = sum(falling)
    ones, top, bottom, equalled = 0, total * total, n, False  # K = 0
    for k, a in enumerate(accumulate(falling[:most]), start=1):
        rest = n - k
        if rest:
            b = total - a
            numerator, denominator = a * a * rest + b * b * k, k * rest
        else:
            numerator, denominator = total * total, n
        left, right = numerator * bottom, top * denominator
        if left > right:
            ones, top, bottom, equalled = k, numerator, denominator, False
        elif left == right:
            equalled = True
    return ones, top, bottom, equalled


def first_of_equals(v: list[int], last: int, count: int) -> list[bool]:
    """Bits of all elements above ``last``, and of as many equal to it as make ``count``, lowest index first."""
    left = count - sum(x > last for x in v)
    bits = []
    for x in v:
        take = x > last or (x == last and left > 0)
        left -= take and x == last
        bits.append(take)
    return bits


def solve(row: np.ndarray, most: int | None = None) -> Answer:
    """The optimum for one row of weights with at most ``most`` ones."""
    values, e = scaled(row.ravel())
    n = len(values)
    low = min(values)
    v = [x - low for x in values]
    falling = sorted(v, reverse=True)
    ones, top, bottom, equalled = best_count(falling, n if most is None else min(most, n))
    zeros = n - ones
    ones_sum = sum(falling[:ones])
    zeros_sum = sum(falling[ones:])
    if ones in (0, n):
        alpha = beta = (low * n + ones_sum + zeros_sum, n)
    else:
        alpha, beta = (low * zeros + zeros_sum, zeros), (low * ones + ones_sum, ones)
    middle = alpha[0] * beta[1] + beta[0] * alpha[1], 2 * alpha[1] * beta[1]
    squares = sum(x * x for x in v)
    divided = 0 < ones < n and falling[ones - 1] == falling[ones]
    return Answer(
        alpha=nearest(*alpha, e),
        beta=nearest(*beta, e),
        threshold=floored(*middle, e),
        error=nearest(squares * bottom - top, bottom, 2 * e),
        bits=first_of_equals(v, falling[ones - 1], ones) if ones else [False] * n,
        n_ones=ones,
        tied=equalled or divided,
    )
