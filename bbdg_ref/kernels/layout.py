"""Between the layouts of an image: (channels, pixels) in arrays, (pixels, channels) in the kernels' scratch memory."""

from typing import Any

import numpy as np

from .compiled import compiled
from .vectors import LANES, address, transpose_in, transpose_out

LINE = 16  # float32 values in a cache line of 64 bytes


@compiled
def image_length(pixels: int, channels: int) -> int:
    """Return how far apart images of (pixels, channels) lie in scratch memory.

    At least `LANES` values of slack, since the kernels may read and write that far beyond an image; and an odd number
    of cache lines, since the same pixel of several images would otherwise compete for the same lines of the cache.
    """
    lines = (pixels * channels + LANES + LINE - 1) // LINE
    return LINE * (lines | 1)


@compiled
def aligned_empty(length: int) -> np.ndarray[Any, Any]:
    """Return float32 scratch memory that starts at a cache line."""
    memory = np.empty(length + LINE, np.float32)
    start = -address(memory) % 64 // 4
    return memory[start : start + length]


@compiled
def to_channels_last(image: np.ndarray[Any, Any], scratch: np.ndarray[Any, Any], at: int, step: int) -> None:
    """Write a (channels, pixels) image to ``scratch[at:]`` as (pixels, step), ``step >= channels``.

    What stands beyond the channels of a pixel is any finite value.
    """
    channels, pixels = image.shape
    if pixels < LANES:
        for pixel in range(pixels):
            for channel in range(channels):
                scratch[at + pixel * step + channel] = image[channel, pixel]
            for channel in range(channels, step):
                scratch[at + pixel * step + channel] = 0.0
        return
    for begin in range(0, pixels, LANES):
        start = min(begin, pixels - LANES)  # the last square overlaps the one before it
        # The incomplete square comes first: its surplus lanes spill over channels that are written after them.
        for channel in range((channels - 1) // LANES * LANES, -1, -LANES):
            last = channels - 1 - channel
            transpose_in(image, channel * pixels + start, pixels, last, scratch, at + start * step + channel, step)


@compiled
def to_channels_first(
    scratch: np.ndarray[Any, Any], at: int, step: int, image: np.ndarray[Any, Any], first: int, last: int
) -> None:
    """Write pixels `first` to `last` of a (channels, pixels) image from the pixels at ``scratch[at::step]``."""
    channels, pixels = image.shape
    if last - first < LANES:
        for channel in range(channels):
            for pixel in range(first, last):
                image[channel, pixel] = scratch[at + (pixel - first) * step + channel]
        return
    for channel in range(0, channels, LANES):
        for begin in range(first, last, LANES):
            start = min(begin, last - LANES)
            source = at + (start - first) * step + channel
            transpose_out(scratch, source, step, image, channel * pixels + start, pixels, channels - 1 - channel)
