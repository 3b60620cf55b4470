"""Convolution by seven nested loops, without padding: a tap outside the image is skipped."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from oracles.sums import Sums, add_up


def both(value):
    return value if isinstance(value, tuple) else (value, value)


def positions(size: int, kernel: int, stride: int, padding: int) -> int:
    """How many windows fit, counted one by one."""
    count, start = 0, -padding
    while start + kernel <= size + padding:
        count, start = count + 1, start + stride
    return count


def taps(input_size, kernel_size, stride, padding) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Every (p, q, i, j, h, w): output pixel, kernel offset, and the pixel of the image where they meet."""
    (height, width), (kh, kw), (sv, sh), (pv, ph) = input_size, kernel_size, both(stride), both(padding)
    rows, columns = positions(height, kh, sv, pv), positions(width, kw, sh, ph)
    for p, q, i, j in product(range(rows), range(columns), range(kh), range(kw)):
        h, w = p * sv + i - pv, q * sh + j - ph
        if 0 <= h < height and 0 <= w < width:
            yield p, q, i, j, h, w


def output_shape(x, weight, stride, padding) -> tuple[int, int, int, int]:
    (sv, sh), (pv, ph) = both(stride), both(padding)
    rows = positions(x.shape[2], weight.shape[2], sv, pv)
    return len(x), len(weight), rows, positions(x.shape[3], weight.shape[3], sh, ph)


def conv2d(x: np.ndarray, weight: np.ndarray, stride, padding) -> Sums:
    x, weight = x.astype(float).tolist(), weight.astype(float)
    shape = output_shape(np.array(x), weight, stride, padding)
    size, kernel, weight = np.array(x).shape[2:], weight.shape[2:], weight.tolist()
    return add_up(
        shape,
        (
            ((n, o, p, q), x[n][c][h][w] * weight[o][c][i][j])
            for p, q, i, j, h, w in taps(size, kernel, stride, padding)
            for n, o, c in product(range(shape[0]), range(shape[1]), range(len(weight[0])))
        ),
    )


def conv2d_grad_input(dy: np.ndarray, weight: np.ndarray, input_size, stride, padding) -> Sums:
    batch, out_channels = dy.shape[:2]
    in_channels, kernel = weight.shape[1], weight.shape[2:]
    dy, weight = dy.astype(float).tolist(), weight.astype(float).tolist()
    return add_up(
        (batch, in_channels, *input_size),
        (
            ((n, c, h, w), dy[n][o][p][q] * weight[o][c][i][j])
            for p, q, i, j, h, w in taps(input_size, kernel, stride, padding)
            for n, o, c in product(range(batch), range(out_channels), range(in_channels))
        ),
    )


def conv2d_grad_weight(dy: np.ndarray, x: np.ndarray, kernel_size, stride, padding) -> Sums:
    batch, out_channels = dy.shape[:2]
    in_channels, input_size = x.shape[1], x.shape[2:]
    dy, x = dy.astype(float).tolist(), x.astype(float).tolist()
    return add_up(
        (out_channels, in_channels, *kernel_size),
        (
            ((o, c, i, j), dy[n][o][p][q] * x[n][c][h][w])
            for p, q, i, j, h, w in taps(input_size, kernel_size, stride, padding)
            for n, o, c in product(range(batch), range(out_channels), range(in_channels))
        ),
    )
