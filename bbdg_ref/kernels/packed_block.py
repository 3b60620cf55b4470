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
    WORDS,
    count_narrow,
    count_wide,
    expand_ones_narrow,
    expand_ones_wide,
    expand_zeros_narrow,
    expand_zeros_wide,
    gather_planes_narrow,
    gather_planes_wide,
    more_ones_narrow,
    more_ones_wide,
    more_zeros_narrow,
    more_zeros_wide,
    peek,
)
from .compiled import compiled, inlined
from .vectors import address, keep

Array = np.ndarray[Any, Any]

# Output channels between an expansion and what reads it: what has just been stored is slow to load in parts.
TOGETHER = 8


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
def count_output(words: int, planes: int, places: int, first: int, last: int, counter: int) -> None:
    """Write the count of the listed planes, at most `LONGEST`; the arrays are given by their addresses."""
    if words == WORDS:
        count_wide(planes, places, first, last, counter)
    else:
        count_narrow(planes, places, first, last, counter)


@inlined
def expand_output(
    words: int, counter: int, complement: bool, start: int, starts: int, shared: int, result: int
) -> None:  # fmt: skip
    """Write ``a * b`` of one output channel and one block as int16, one a pixel, from its count."""
    if words == WORDS and complement:
        expand_zeros_wide(counter, start, starts, shared, result)
    elif words == WORDS:
        expand_ones_wide(counter, start, starts, shared, result)
    elif complement:
        expand_zeros_narrow(counter, start, starts, shared, result)
    else:
        expand_ones_narrow(counter, start, starts, shared, result)


@inlined
def expand_more(words: int, counter: int, complement: bool, result: int) -> None:
    """Add the count of further planes to what `expand_output` wrote."""
    if words == WORDS and complement:
        more_zeros_wide(counter, 0, 0, 0, result)
    elif words == WORDS:
        more_ones_wide(counter, 0, 0, 0, result)
    elif complement:
        more_zeros_narrow(counter, 0, 0, 0, result)
    else:
        more_ones_narrow(counter, 0, 0, 0, result)


@inlined
def count_outputs(
    words: int, begin: int, end: int, rows: int, planes: int, places: int, counter: int,
    start: int, start_row: int, starts: int, shared: int, ones: int,
) -> None:  # fmt: skip
    """Write ``a * b`` of the output channels `begin` to `end` (at most `TOGETHER`) and one block, int16 one a pixel.

    Everything is given by its address: the rows of the lists, the block's planes, a counter as scratch memory, the
    table of starts with the length of its rows, the block's words in it, the shared map.
    """
    for output in range(begin, end):
        first, last, complement = peek(rows, 3 * output), peek(rows, 3 * output + 1), peek(rows, 3 * output + 2) != 0
        result = ones + (output - begin) * words * 128
        count_output(words, planes, places, first, min(first + LONGEST, last), counter)
        expand_output(words, counter, complement, start + 2 * output * start_row, starts, shared, result)
        for part in range(first + LONGEST, last, LONGEST):
            count_output(words, planes, places, part, min(part + LONGEST, last), counter)
            expand_more(words, counter, complement, result)
