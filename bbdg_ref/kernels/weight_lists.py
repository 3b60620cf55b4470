"""The lists of planes that a packed convolution adds up, made from the bits of the weights in one pass.

During training the bits change with every step, so that making the lists counts.
"""

from typing import Any

import numpy as np

from .compiled import compiled

Array = np.ndarray[Any, Any]


@compiled
def count_ones(bits: Array, ones: Array) -> None:
    """Write how many of each row's bits are set; bits uint8 (rows, planes), ones int64 (rows,)."""
    for row in range(bits.shape[0]):
        total = np.int64(0)
        line = bits[row]
        for plane in range(line.size):
            total += line[plane]
        ones[row] = total


@compiled
def list_planes(bits: Array, complement: Array, first: Array, words: int, places: Array, on_tap: Array) -> None:
    """List for each row the planes whose bit is set (not set if `complement`), as offsets in words.

    Every place is written, and the next one taken only where the bit was listed: no branch to be mispredicted.

    Parameters
    ----------
    bits : uint8 (rows, channels, taps)
    complement : uint8 (rows,)
    first : int64 (rows,)
        Where each row's list begins in `places`; there must be room for one entry more than it has.
    words : int
        Words of a plane.
    places : uint32
    on_tap : float64 (rows, taps)
        How many planes of each tap are listed.
    """
    rows, channels, taps = bits.shape
    count = np.zeros(taps, np.int64)
    for row in range(rows):
        count[:] = 0
        turned, at = complement[row], first[row]
        for channel in range(channels):
            for tap in range(taps):
                listed = bits[row, channel, tap] ^ turned
                places[at] = (channel * taps + tap) * words
                at += listed
                count[tap] += listed
        for tap in range(taps):
            on_tap[row, tap] = count[tap]
