"""Where the optimal split of many numbers lies, from a histogram of counts and sums: no sorting.

Each x becomes an integer key, the whole part of y = (x - low) * scale in [0, 2**31). The upper bits of a key are its
bin; a table holds for each bin the number of keys and the sum of their lower bits, both in one 64-bit word, so that one
addition a number does. The keys keep the order of the numbers, so a bin is a run of the sorted numbers.

The objective of the K largest numbers is g_K = d_K / sqrt(K (n - K)) with d_K = S_K - K T/n. With y' = key + 1/2 in
place of y, which is off by at most 1/2 + 2**-18 (rounding included), d_K is off by at most (1 + 2**-17) K (n - K)/n,
and g_K by (1 + 2**-17)/2; float64 adds less than 1/4 for n < 2**32. Within a bin of c numbers between y' = a and b,
with the sum s, the points (k, S) of all its splits lie in the triangle (0, 0), (c, s), (p, p b) with p = (s - c a)/(b -
a); since g^2 is convex in (K, S) jointly, it is nowhere greater than in a corner. A bin none of whose corners reaches
the best split seen cannot hold the optimum.
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compiled import compiled, inlined
from .vectors import INDEX, pointer

Array = np.ndarray[Any, Any]

KEY_BITS = 31
COUNT = 42  # the count of a bin stands above this bit, the sum of its keys' lower bits (at most 20) below it;
SHORT = 2**16  # of up to so many keys, not all in one bin, the sums of whole keys have room too, and are faster:
SHORT_COUNT = 47
SLACK = 2.0  # how far two values of g may be off together, with room
ROUNDING = 1.0 - 2.0**-40  # covers the rounding of g in float64, with room


@inlined
def keys_scale(low: float, high: float) -> float:
    """Return the factor that takes the range low..high to 0 .. 2**31 - 1; low < high."""
    return (2.0**KEY_BITS - 1.0) / (high - low)


@inlined
def make_keys(x: Array, low: float, scale: float, keys: Array) -> None:
    """Write the key of each number of low..high; int32."""
    for i in range(x.size):
        keys[i] = np.int32((np.float64(x[i]) - low) * scale)


@inlined
def tally(keys: Array, shift: int, table: Array) -> int:
    """Add the keys to the table of packed counts and sums, bin = key >> shift; return the place of the counts."""
    if keys.size <= SHORT:
        one = np.int64(1) << np.int64(SHORT_COUNT)
        for i in range(keys.size):
            short = np.uint32(keys[i])
            table[np.uint64(short >> np.uint32(shift))] += one + np.int64(np.uint64(short))
        return SHORT_COUNT
    one, mask = np.int64(1) << np.int64(COUNT), (np.int64(1) << np.int64(shift)) - np.int64(1)
    for i in range(keys.size):
        key = np.int64(keys[i])
        table[np.uint64(key >> np.int64(shift))] += one | (key & mask)
    return COUNT


@inlined
def square_over(d: float, ones: float, n: float) -> float:
    """Return d^2 / (K (n - K)), 0 where a class is missing."""
    product = ones * (n - ones)
    return d * d / product if product > 0.0 else 0.0


@inlined
def descend(table: Array, shift: int, place: int, ones: Array, sums: Array) -> None:
    """Write the number of keys from bin j upwards, and the sum of their y', at j; clear the table.

    ``place`` is that of the counts. ``ones`` and ``sums`` have one element more than there are bins, for the split
    above all of them.
    """
    mask = (np.int64(1) << np.int64(place)) - np.int64(1)
    left_out = np.int64(place == COUNT) << np.int64(shift)  # what a bin's number adds to its keys, if it is not summed
    count, total = np.int64(0), np.int64(0)
    ones[table.size], sums[table.size] = 0.0, 0.0
    for j in range(table.size - 1, -1, -1):
        word = table[j]
        own = word >> np.int64(place)
        count += own
        total += 2 * ((word & mask) + own * np.int64(j) * left_out) + own
        ones[j] = np.float64(count)
        sums[j] = 0.5 * np.float64(total)
        table[j] = 0


@inlined
def mark_bins(ones: Array, sums: Array, shift: int, size: float, mean: float, edges: Array, reach: Array) -> None:
    """Write g^2 of the split below each bin to ``edges``, the greatest that any split of the bin may have to ``reach``.

    ``ones`` and ``sums`` count everything above the lower edge of each bin; ``size`` and ``mean`` are those of all n
    values of y'. An empty bin reaches -1.
    """
    width = np.float64((1 << shift) - 1)
    narrow = 1.0 / width
    last = ones.size - 1
    for j in range(last + 1):
        edges[j] = square_over(sums[j] - ones[j] * mean, ones[j], size)
    for j in range(last):
        above, before = ones[j + 1], sums[j + 1]
        count, own = ones[j] - above, sums[j] - before
        low = np.float64(j << shift) + 0.5
        corner = min(max((own - count * low) * narrow, 0.0), count)
        top = square_over(before + corner * (low + width) - (above + corner) * mean, above + corner, size)
        reach[j] = max(top, max(edges[j], edges[j + 1])) if count > 0.0 else -1.0


@inlined
def greatest(values: Array) -> float:
    """Return the greatest of numbers of at least 0, whose bits order as integers do."""
    found = np.int64(0)
    words = values.view(np.int64)
    for j in range(words.size):
        found = max(found, words[j])
    return np.int64(found).view(np.float64)


@inlined
def least_reach(best: float) -> float:
    """Return what the reach of a bin must attain for the bin to hold the optimum, if g^2 = best is seen."""
    least = math.sqrt(best) * ROUNDING - SLACK
    return least * least * ROUNDING if least > 0.0 else 0.0


@compiled
def extremes(x: Array) -> tuple[float, float]:
    """Return the least and the greatest of float32 numbers; NaN is taken for a number beyond infinity.

    The bits of a float, the lower 31 inverted where it is negative, order as integers do; minima of integers become
    vector code, minima of floats do not.
    """
    low, high = np.int32(0x7FFFFFFF), np.int32(-0x80000000)
    words = x.view(np.int32)
    for i in range(words.size):
        word = words[i] ^ ((words[i] >> np.int32(31)) & np.int32(0x7FFFFFFF))
        low, high = min(low, word), max(high, word)
    ends = np.empty(2, np.int32)
    ends[0] = low ^ ((low >> np.int32(31)) & np.int32(0x7FFFFFFF))
    ends[1] = high ^ ((high >> np.int32(31)) & np.int32(0x7FFFFFFF))
    found = ends.view(np.float32)
    return np.float64(found[0]), np.float64(found[1])


@intrinsic
def _inside(_context, keys, at, first, width):  # type: ignore
    """Return the word whose bit i tells whether the key at place `at` + i lies in first .. first + width; 64 keys."""

    def generate(context, builder, signature, arguments):  # type: ignore
        array, at, first, width = arguments
        vector = ir.VectorType(ir.IntType(32), 64)
        address = pointer(context, builder, signature.args[0], array, at)
        values = builder.load(builder.bitcast(address, vector.as_pointer()), align=4)

        def everywhere(number):  # type: ignore
            single = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.IntType(32)(0))
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64)
            return builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), lanes)

        distance = builder.sub(values, everywhere(first))  # as unsigned: what lies below `first` is far above `width`
        return builder.bitcast(builder.icmp_unsigned("<=", distance, everywhere(width)), INDEX)

    return types.uint64(keys, types.intp, types.int32, types.int32), generate


@intrinsic
def _lowest(_context, word):  # type: ignore
    """Return the place of the lowest 1 of a 64-bit word that is not 0."""

    def generate(_context, builder, _signature, arguments):  # type: ignore
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.intp(types.uint64), generate


@inlined
def take_run(x: Array, keys: Array, first: int, last: int, run: Array) -> int:
    """Copy the numbers whose keys lie in first..last; return how many. ``run`` has room for all."""
    one, count = np.uint64(1), 0
    whole = x.size & ~63
    for start in range(0, whole, 64):
        word = _inside(keys, start, np.int32(first), np.int32(last - first))
        while word != np.uint64(0):
            run[count] = x[start + _lowest(word)]
            count += 1
            word &= word - one
    for i in range(whole, x.size):
        if first <= keys[i] <= last:
            run[count] = x[i]
            count += 1
    return count
