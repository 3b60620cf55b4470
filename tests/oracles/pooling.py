"""Pooling by loops over the pixels inside the image."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from oracles.conv2d import both, positions
from oracles.sums import Sums, add_up


def members(input_size, size, stride, padding) -> Iterator[tuple[int, int, int, int]]:
    """Every (p, q, h, w): the window and a pixel of the image inside it, in C order of both."""
    (height, width), (kh, kw), (sv, sh), (pv, ph) = input_size, both(size), both(stride), both(padding)
    rows, columns = positions(height, kh, sv, pv), positions(width, kw, sh, ph)
    for p, q, h, w in product(range(rows), range(columns), range(height), range(width)):
        if 0 <= h + pv - p * sv < kh and 0 <= w + ph - q * sh < kw:
            yield p, q, h, w


def output_shape(shape, size, stride, padding) -> tuple[int, ...]:
    (kh, kw), (sv, sh), (pv, ph) = both(size), both(stride), both(padding)
    return (*shape[:2], positions(shape[2], kh, sv, pv), positions(shape[3], kw, sh, ph))


def avg_pool2d(x: np.ndarray, size, stride) -> Sums:
    area = both(size)[0] * both(size)[1]
    return add_up(
        output_shape(x.shape, size, stride, 0),
        (
            ((n, c, p, q), float(x[n, c, h, w]) / area)
            for p, q, h, w in members(x.shape[2:], size, stride, 0)
            for n, c in np.ndindex(*x.shape[:2])
        ),
    )


def avg_pool2d_backward(dy: np.ndarray, input_size, size, stride) -> Sums:
    area = both(size)[0] * both(size)[1]
    return add_up(
        (*dy.shape[:2], *input_size),
        (
            ((n, c, h, w), float(dy[n, c, p, q]) / area)
            for p, q, h, w in members(input_size, size, stride, 0)
            for n, c in np.ndindex(*dy.shape[:2])
        ),
    )


def max_pool2d(x: np.ndarray, size, stride, padding) -> tuple[np.ndarray, np.ndarray]:
    """The maxima and the lowest flat index at which each is found."""
    shape = output_shape(x.shape, size, stride, padding)
    y, argmax = np.empty(shape, x.dtype), np.full(shape, -1)
    for p, q, h, w in members(x.shape[2:], size, stride, padding):
        for n, c in np.ndindex(*shape[:2]):
            if argmax[n, c, p, q] < 0 or x[n, c, h, w] > y[n, c, p, q]:
                y[n, c, p, q], argmax[n, c, p, q] = x[n, c, h, w], h * x.shape[3] + w
    return y, argmax


def max_pool2d_backward(dy: np.ndarray, argmax: np.ndarray, input_size) -> Sums:
    width = input_size[1]
    return add_up(
        (*dy.shape[:2], *input_size),
        (((i[0], i[1], argmax[i] // width, argmax[i] % width), float(dy[i])) for i in np.ndindex(*dy.shape)),
    )
