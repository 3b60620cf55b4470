"""One block of a packed convolution: its planes of bits, the counts of its outputs, their expansion to integers.

With u the bits of the activations (a = 2u - 1), b those of the weights and "valid" the taps inside the image::

    ones[o] = a * b[o] = 2 popcount(u & b[o]) - |b[o] on valid taps|
    total   = a * 1    = 2 popcount(u)        - |valid taps|

A plane is the bits that one tap of one channel reads, one bit a pixel, zero where the tap is outside the image; so the
count of output channel o is the sum of the planes that its ones name, and `total` is the count of a channel of ones,
which is kept as the last row of the lists. Where more than half of a channel's weights are ones, its zeros are listed
instead: ``a * b = a * 1 - a * (1 - b)``. See `bbdg_ref.ops.packed_plan` for the lists.
"""

from typing import Any

import numpy as np

from .bitvectors import (
    LONGEST,
    NARROW,
    SLICES,
    WORDS,
    add_counter_narrow,
    add_counter_wide,
    add_high_narrow,
    add_high_wide,
    count_narrow,
    count_wide,
    expand_ones_narrow,
    expand_ones_wide,
    expand_zeros_narrow,
    expand_zeros_wide,
    gather_planes_narrow,
    gather_planes_wide,
    peek,
)
from .compiled import compiled, inlined
from .vectors import address, keep

Array = np.ndarray[Any, Any]

# Output channels between a count and its expansion: what has just been stored is slow to load in parts.
TOGETHER = 8
COUNTER = 2 * SLICES  # planes of a counter


@compiled
def aligned_words(length: int) -> Array:
    """Return uint64 scratch memory that starts at a cache line."""
    memory = np.empty(length + 8, np.uint64)
    start = -address(memory) % 64 // 8
    return memory[start : start + length]


@compiled
def make_planes(
    words: int, streams: Array, front: int, length: int, phases: int, tap_phase: Array, tap_shift: Array,
    masks: Array, block: int, channels: int, planes: Array,
) -> None:  # fmt: skip
    """Write the planes (channel, tap) of one block, and a plane of zeros after them."""
    taps = len(tap_phase)
    stream, mask, plane = address(streams), address(masks), address(planes)
    for tap in range(taps):
        bit = (front + block * words) * 64 + tap_shift[tap]
        at = tap_phase[tap] * length + (bit >> 6)
        mask_at = tap * masks.shape[1] + block * words
        step = phases * length
        if words == WORDS:
            gather_planes_wide(stream, at, step, bit & 63, mask, mask_at, plane, tap * WORDS, taps * WORDS, channels)
        else:
            gather_planes_narrow(
                stream, at, step, bit & 63, mask, mask_at, plane, tap * NARROW, taps * NARROW, channels
            )
    for word in range(channels * taps * words, (channels * taps + 1) * words):
        planes[word] = 0
    keep((streams, masks, planes))


@inlined
def count_output(words: int, planes: int, places: int, first: int, last: int, counter: int, part: int) -> None:
    """Write the count of the listed planes, as `SLICES` planes, or ``2 * SLICES`` if there are more than `LONGEST`.

    The arrays are given by their addresses; `part` is scratch memory for `SLICES` planes.
    """
    if last - first <= LONGEST:
        if words == WORDS:
            count_wide(planes, 0, places, first, last, counter, 0)
        else:
            count_narrow(planes, 0, places, first, last, counter, 0)
        return
    if words == WORDS:
        count_wide(planes, 0, places, 0, 0, counter, 0)
        count_wide(planes, 0, places, 0, 0, counter, SLICES * WORDS)
    else:
        count_narrow(planes, 0, places, 0, 0, counter, 0)
        count_narrow(planes, 0, places, 0, 0, counter, SLICES * NARROW)
    for begin in range(first, last, LONGEST):
        end = min(begin + LONGEST, last)
        if words == WORDS:
            count_wide(planes, 0, places, begin, end, part, 0)
            add_counter_wide(part, counter)
        else:
            count_narrow(planes, 0, places, begin, end, part, 0)
            add_counter_narrow(part, counter)


@inlined
def expand_output(
    words: int, counter: int, slices: int, complement: bool, start: int, start_at: int, starts: int, starts_at: int,
    shared: int, result: int,
) -> None:  # fmt: skip
    """Write ``a * b`` of one output channel and one block as int16, one a pixel, from its count."""
    low = min(slices, SLICES)
    if complement:
        if words == WORDS:
            expand_zeros_wide(counter, 0, low, start, start_at, starts, starts_at, shared, result, 0)
        else:
            expand_zeros_narrow(counter, 0, low, start, start_at, starts, starts_at, shared, result, 0)
    elif words == WORDS:
        expand_ones_wide(counter, 0, low, start, start_at, starts, starts_at, shared, result, 0)
    else:
        expand_ones_narrow(counter, 0, low, start, start_at, starts, starts_at, shared, result, 0)
    if slices > SLICES:
        unit = -(2 << SLICES) if complement else 2 << SLICES
        if words == WORDS:
            add_high_wide(counter, SLICES * WORDS, slices - SLICES, unit, result, 0)
        else:
            add_high_narrow(counter, SLICES * NARROW, slices - SLICES, unit, result, 0)


@inlined
def count_outputs(
    words: int, begin: int, end: int, rows: int, planes: int, places: int, counter: int,
    start: int, start_row: int, starts: int, shared: int, ones: int,
) -> None:  # fmt: skip
    """Write ``a * b`` of the output channels `begin` to `end` (at most `TOGETHER`) and one block, int16 one a pixel.

    Everything is given by its address: the rows of the lists, the block's planes, the counters (with room for one more,
    as scratch memory), the table of starts with the length of its rows, the block's words in it, the shared map.
    """
    slot = COUNTER * words * 8
    for output in range(begin, end):
        first, last = peek(rows, 4 * output), peek(rows, 4 * output + 1)
        count_output(words, planes, places, first, last, counter + (output - begin) * slot, counter + TOGETHER * slot)
    for output in range(begin, end):
        expand_output(
            words, counter + (output - begin) * slot, peek(rows, 4 * output + 2), peek(rows, 4 * output + 3) != 0,
            start, output * start_row, starts, 0, shared, ones + (output - begin) * words * 128,
        )  # fmt: skip
