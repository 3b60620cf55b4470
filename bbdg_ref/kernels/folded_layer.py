"""Real numbers after a packed binary convolution: its folded sums, and what a block does with them.

Every product and every sum is rounded once, in the order of `bbdg_ref.spec.evaluation`. Maps are given with their
pixels in a row: (batch, channels, pixels).
"""

from typing import Any

import numpy as np

from .compiled import compiled

Array = np.ndarray[Any, Any]

ZERO, ONE = np.float32(0), np.float32(1)


@compiled
def folded_sums(counts: Array, scale: Array, shared: Array, shift: Array, z: Array) -> None:
    """Write ``z = scale[o] * ones + (shared[o] * total + shift[o])``; `counts` holds `total` behind its channels."""
    batch, outputs, pixels = z.shape
    for n in range(batch):
        total = counts[n, outputs]
        for o in range(outputs):
            ones, row = counts[n, o], z[n, o]
            of_ones, of_total, constant = scale[o], shared[o], shift[o]
            for p in range(pixels):
                row[p] = of_ones * ones[p] + (of_total * total[p] + constant)


@compiled
def add_clipped(z: Array, shortcut: Array, y: Array) -> None:
    """Write ``y = hardtanh(z + shortcut)``."""
    batch, channels, pixels = y.shape
    for n in range(batch):
        for c in range(channels):
            sums, others, row = z[n, c], shortcut[n, c], y[n, c]
            for p in range(pixels):
                h = sums[p] + others[p]
                h = -ONE if h < -ONE else h
                row[p] = ONE if h > ONE else h


@compiled
def add_rprelu(z: Array, shortcut: Array, before: Array, slope: Array, after: Array, y: Array) -> None:
    """Write RPReLU of ``z + shortcut``: ``y = p + after[c]``, p = h if h > 0 else slope[c] * h, h the sum + before."""
    batch, channels, pixels = y.shape
    for n in range(batch):
        for c in range(channels):
            sums, others, row = z[n, c], shortcut[n, c], y[n, c]
            first, factor, last = before[c], slope[c], after[c]
            for p in range(pixels):
                h = (sums[p] + others[p]) + first
                row[p] = (h if h > ZERO else factor * h) + last
