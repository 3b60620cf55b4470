"""The optimal split of rows of float32 numbers, with everything rounded and proved in the compiled code.

A row for which some step cannot be proved (two splits that float64 cannot tell apart, a result too near to where
rounding changes, exponents too far apart) is left to the caller, which then computes it in exact arithmetic. The steps:

1. extremes; 2. a histogram (`histogram`) tells in which run of the sorted numbers the best split lies; 3. exact sums
(`fixed_point`) of all numbers and of those above the run; 4. the run's numbers are sorted and their splits compared;
5. means, threshold and error are computed to 100 bits and rounded (`double_double`).
"""

import math
from typing import Any, NamedTuple

import numpy as np

from .compiled import compiled, inlined
from .double_double import floor_of, is_exact, pair_over, pair_product, pair_sum, rounds_to, whole
from .fixed_point import Sums, level_for, parts, sums_above
from .histogram import (
    KEY_BITS,
    descend,
    extremes,
    greatest,
    keys_scale,
    least_reach,
    make_keys,
    mark_bins,
    take_run,
    tally,
)

Array = np.ndarray[Any, Any]

MOST_BINS = 11  # bits
SHORT_RUN = 512  # numbers that are sorted by counting
LONGEST_RUN = 2**16
ALPHA, BETA, THRESHOLD, ERROR = 0, 1, 2, 3  # the columns of the results
TINY = 2.0**-97  # bounds the relative error of the chains of pair operations below


class Space(NamedTuple):
    """The memory that rows use in turn."""

    keys: Array
    run: Array
    ordered: Array
    table: Array
    ones: Array
    sums: Array
    edges: Array
    reach: Array


@inlined
def bin_bits(n: int) -> int:
    """Return the logarithm of the number of bins for n numbers: about eight numbers a bin."""
    bits = 4
    while bits < MOST_BINS and (16 << bits) < n:
        bits += 1
    return bits


@inlined
def find_run(keys: Array, shift: int, space: Space) -> tuple[int, int]:
    """Return the least and the greatest key of the run that holds every optimal split."""
    bins = 1 << (KEY_BITS - shift)
    ones, sums, reach = space.ones[: bins + 1], space.sums[: bins + 1], space.reach[:bins]
    place = tally(keys, shift, space.table[:bins])
    descend(space.table[:bins], shift, place, ones, sums)
    mark_bins(ones, sums, shift, ones[0], sums[0] / ones[0], space.edges[: bins + 1], reach)
    least = least_reach(greatest(space.edges[:bins]))
    first, last = 0, bins - 1
    while reach[first] < least:
        first += 1
    while reach[last] < least:
        last -= 1
    return first << shift, ((last + 1) << shift) - 1


@inlined
def sort_down(run: Array, count: int, ordered: Array) -> None:
    """Write the first ``count`` numbers from the largest to the smallest, each to the place that those above it leave.

    The memory is whole blocks of 64; what follows the numbers is overwritten.
    """
    filled = (count + 63) & ~63
    run[count:filled] = np.float32(-math.inf)
    ordered[:count] = np.float32(-math.inf)
    for i in range(count):
        value, place = run[i], np.int32(0)
        for start in range(0, filled, 64):
            block = run[start : start + 64]
            for j in range(64):  # a fixed number: vector code without a rest
                place += np.int32(block[j] > value)
        ordered[place] = value
    for i in range(1, count):  # equal numbers came to the same place
        if ordered[i] == np.float32(-math.inf):
            ordered[i] = ordered[i - 1]


@inlined
def sort_long_down(run: Array) -> None:
    """Sort from the largest to the smallest in place: Shell's method, gaps 1, 4, 13, ..."""
    gap = 1
    while 9 * gap < run.size:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, run.size):
            value, j = run[i], i
            while j >= gap and run[j - gap] < value:
                run[j] = run[j - gap]
                j -= gap
            run[j] = value
        gap //= 3


@inlined
def best_split(run: Array, sums: Sums, n: int, scale: float, step: float) -> tuple[int, bool]:
    """Return how many of the run's numbers are ones, and whether that is proved.

    Everything is centred on one of the numbers, c, in integers, so that nothing cancels: with x' = x - c,
    d_K = S'_K - K T'/n. S' and T' have a relative error of 2**-52; the sum along the run is kept apart, since it is
    small, and adds 2**-52 of its parts.
    """
    centre = run[run.size // 2]
    high, low = parts(centre, scale, step)
    size = np.float64(n)
    unit = 1.0 / step
    total = np.float64(sums.high - n * high) + np.float64(sums.low - n * low) * unit
    above = np.float64(sums.above_high - sums.above * high) + np.float64(sums.above_low - sums.above * low) * unit
    mean = total / size
    ones = np.float64(sums.above)
    start, walked = above - ones * mean, 0.0
    error = (abs(above) + abs(total)) * 2.0**-50
    best, best_error, second, chosen = -1.0, 0.0, -1.0, 0
    for i in range(run.size + 1):
        product = ones * (size - ones)
        if (i == 0 or i == run.size or run[i - 1] != run[i]) and product > 0.0:
            d = start + walked
            value = d * d / product
            slack = (2.0 * abs(d) + error) * error / product + value * 2.0**-49
            if value > best:
                best, best_error, second, chosen = value, slack, max(second, best + best_error), i
            else:
                second = max(second, value + slack)
        if i < run.size:
            own_high, own_low = parts(run[i], scale, step)
            own = np.float64(own_high - high) + np.float64(own_low - low) * unit
            walked += own - mean
            error += (abs(own) + abs(mean) + abs(walked)) * 2.0**-51
            ones += 1.0
    return chosen, best - best_error > second


@inlined
def round_row(ones_sums: Array, sums: Sums, ones: int, n: int, level: int, exponent: int, out: Array) -> bool:
    """Write alpha, beta, threshold and error; tell whether all are proved.

    The error is Q - S1^2/K - S0^2/(n - K) with the sum Q of all squares.
    """
    step = math.ldexp(1.0, level)
    high, low = whole(ones_sums[0], ones_sums[1], step)
    ones_sum = (high, low)
    zeros_sum = whole(sums.high - ones_sums[0], sums.low - ones_sums[1], step)
    beta = pair_over(ones_sum, np.float64(ones))
    alpha = pair_over(zeros_sum, np.float64(n - ones))
    size = abs(alpha[0]) + abs(beta[0])
    proved = rounds_to(alpha, abs(alpha[0]) * TINY) and rounds_to(beta, abs(beta[0]) * TINY)
    middle = pair_sum(alpha, beta)
    # Few weights have means that float64 holds exactly, and then a middle just where the floor changes.
    exact = is_exact(alpha[0], zeros_sum, np.float64(n - ones)) and is_exact(beta[0], ones_sum, np.float64(ones))
    below, safe = floor_of(middle, 0.0 if exact else size * TINY)
    explained = pair_sum(pair_product(beta, ones_sum), pair_product(alpha, zeros_sum))
    # The squares are in units of step^2 times the square of a sum's unit, each with a rest of half a unit at most.
    squares = whole(sums.squares_high, sums.squares_low, step)
    area = step * step
    bound = (squares[0] * TINY + np.float64(n)) * area
    error = pair_sum((squares[0] * area, squares[1] * area), (-explained[0], -explained[1]))
    proved = proved and safe and rounds_to(error, bound)
    unit = math.ldexp(1.0, exponent - 2 * level)
    out[ALPHA] = alpha[0] * unit + 0.0
    out[BETA] = beta[0] * unit + 0.0
    out[THRESHOLD] = below * (0.5 * unit) + 0.0
    out[ERROR] = error[0] * unit * unit
    return proved


@inlined
def project_row(x: Array, space: Space, out: Array) -> tuple[int, bool]:
    """Project one row; return the number of ones and whether all is proved."""
    n = x.size
    low, high = extremes(x)
    if not high - low < math.inf:
        return 0, False  # NaN or infinity
    if low == high:
        low += 0.0  # 0, also where the least number is -0.0
        out[ALPHA], out[BETA], out[THRESHOLD], out[ERROR] = low, low, low, 0.0
        return 0, True
    keys = space.keys
    make_keys(x, low, keys_scale(low, high), keys)
    first, last = find_run(keys, KEY_BITS - bin_bits(n), space)
    exponent = math.frexp(max(abs(low), abs(high)))[1]
    level = level_for(n)
    scale, step = math.ldexp(1.0, level - exponent), math.ldexp(1.0, level)
    sums = sums_above(x, keys, last, scale, math.ldexp(1.0, (level >> 1) - exponent), step)
    count = take_run(x, keys, first, last, space.run)
    if sums.rest != 0 or count > LONGEST_RUN:
        return 0, False
    if count <= SHORT_RUN:
        run = space.ordered[:count]
        sort_down(space.run, count, run)
    else:
        run = space.run[:count]
        sort_long_down(run)
    chosen, proved = best_split(run, sums, n, scale, step)
    if not proved:
        return 0, False
    ones_sums = space.table[:2]
    ones_sums[0], ones_sums[1] = sums.above_high, sums.above_low
    for i in range(chosen):
        own_high, own_low = parts(run[i], scale, step)
        ones_sums[0] += own_high
        ones_sums[1] += own_low
    ones = sums.above + chosen
    proved = round_row(ones_sums, sums, ones, n, level, exponent, out)
    ones_sums[:] = 0
    return ones, proved


@inlined
def float32_floor(x: float) -> np.float32:
    """Return the greatest float32 at most x: x lies above it exactly where a float32 lies above x."""
    near = np.float32(x)
    return np.nextafter(near, np.float32(-math.inf)) if np.float64(near) > x else near


@compiled
def project_rows(rows: Array, bits: Array, out: Array, ones: Array) -> int:
    """Project each row of (rows, n) float32; ones = -1 where something is not proved. Return how many are not."""
    n = rows.shape[1]
    bins = (1 << MOST_BINS) + 1
    numbers = np.empty((4, bins), np.float64)
    space = Space(
        np.empty(n, np.int32),
        np.empty(n + 64, np.float32),
        np.empty(SHORT_RUN, np.float32),
        np.zeros(bins, np.int64),
        numbers[0],
        numbers[1],
        numbers[2],
        numbers[3],
    )
    left = 0
    for r in range(rows.shape[0]):
        count, proved = project_row(rows[r], space, out[r])
        ones[r] = count if proved else -1
        if proved:
            threshold = float32_floor(out[r, THRESHOLD])
            row, row_bits = rows[r], bits[r]
            for i in range(n):
                row_bits[i] = row[i] > threshold
        else:
            left += 1
    return left
