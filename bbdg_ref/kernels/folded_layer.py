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


@compiled
def largest_of_windows(x: Array, sign: Array, size: int, stride: int, padding: int, line: Array, y: Array) -> None:
    """Write ``y = sign[c] * (maximum of sign[c] * x over the window)``; NaN wins.

    Maps have their height and width here: `x` (batch, channels, height, width), `y` with the output's. `line` is
    scratch memory for a row of `x`: the maxima of columns.
    """
    batch, channels, height, width = x.shape
    rows, columns = y.shape[2:]
    for n in range(batch):
        for c in range(channels):
            factor = sign[c]
            for i in range(rows):
                top, bottom = max(0, i * stride - padding), min(height, i * stride - padding + size)
                for q in range(width):
                    line[q] = factor * x[n, c, top, q]
                for p in range(top + 1, bottom):
                    row = x[n, c, p]
                    for q in range(width):
                        value = factor * row[q]
                        line[q] = value if value > line[q] or value != value else line[q]
                for j in range(columns):
                    first, last = max(0, j * stride - padding), min(width, j * stride - padding + size)
                    most = line[first]
                    for q in range(first + 1, last):
                        value = line[q]
                        most = value if value > most or value != value else most
                    y[n, c, i, j] = factor * most


@compiled
def means_of_windows(x: Array, size: int, y: Array) -> None:
    """Write the mean of every window of `size` by `size` pixels, which are added up in C order, from 0 on.

    Maps have their height and width here, and are read as far as whole windows reach.
    """
    batch, channels, rows, columns = y.shape
    pixels = np.float32(size * size)
    for n in range(batch):
        for c in range(channels):
            for i in range(rows):
                result = y[n, c, i]
                for j in range(columns):
                    result[j] = ZERO
                for p in range(i * size, (i + 1) * size):
                    row = x[n, c, p]
                    for q in range(size):
                        for j in range(columns):
                            result[j] += row[j * size + q]
                for j in range(columns):
                    result[j] /= pixels
