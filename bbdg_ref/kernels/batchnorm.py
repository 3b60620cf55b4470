"""Batch normalization of float32 maps: sums in float64 over explicit vectors, then one pass of plain arithmetic.

Channels are shared out to threads. A thread walks through the batch image by image, so that it reads consecutive
memory, and keeps `LANES` partial sums of each kind for every channel; they are added up at the end in a fixed order.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .._memory import empty
from .compiled import compiled, inlined
from .threads import share_out
from .vectors import INDEX, LANES, element, load, multiply_add, pointer, repeat, splat

Array = np.ndarray[Any, Any]

ZERO, ONE = np.float32(0), np.float32(1)
DOUBLE = ir.VectorType(ir.DoubleType(), LANES)


def _adder(terms: Callable[..., tuple[Any, Any]]) -> Callable[..., Any]:
    """Return an intrinsic that adds two terms of every pixel to two vectors of float64 sums.

    ``terms(builder, a, d, sums)`` gets the vectors a and ``d = b - centre`` of `LANES` pixels as float64, and returns
    the two new sums.
    """

    @intrinsic
    def add(_context, a, b, at, vectors, centre, sums, sums_at):  # type: ignore
        def generate(context, builder, signature, arguments):  # type: ignore
            a, b, at, vectors, centre, sums, sums_at = arguments
            a = pointer(context, builder, signature.args[0], a, at)
            b = pointer(context, builder, signature.args[1], b, at)
            first = pointer(context, builder, signature.args[5], sums, sums_at)
            places = [builder.bitcast(element(builder, first, n, INDEX(LANES)), DOUBLE.as_pointer()) for n in (0, 1)]
            centre = splat(builder, centre, DOUBLE)

            def step(number, totals):  # type: ignore
                offset = builder.mul(number, INDEX(LANES))
                wide_a = builder.fpext(load(builder, builder.gep(a, [offset])), DOUBLE)
                wide_b = builder.fpext(load(builder, builder.gep(b, [offset])), DOUBLE)
                return terms(builder, wide_a, builder.fsub(wide_b, centre), totals)

            totals = repeat(builder, vectors, [builder.load(place, align=8) for place in places], step)
            for total, place in zip(totals, places, strict=True):
                builder.store(total, place, align=8)
            return context.get_dummy_value()

        index = types.intp
        return types.void(a, b, index, index, types.float64, sums, index), generate

    return add


def _moments(builder, _a, d, sums):  # type: ignore
    return builder.fadd(sums[0], d), multiply_add(builder, d, d, sums[1])


def _products(builder, a, d, sums):  # type: ignore
    return builder.fadd(sums[0], a), multiply_add(builder, a, d, sums[1])


_add_moments = _adder(_moments)
_add_products = _adder(_products)


@compiled
def _moments_of_channels(x: Array, first: int, last: int, centre: Array, sums: Array) -> None:
    """Fill sums (channels, 2, `LANES`) with those of ``d = x - centre`` and of ``d^2``; x (batch, channels, pixels)."""
    batch, channels, pixels = x.shape
    vectors = pixels // LANES
    for image in range(batch):
        for channel in range(first, last):
            at = (image * channels + channel) * pixels
            _add_moments(x, x, at, vectors, centre[channel], sums, channel * 2 * LANES)
            for pixel in range(vectors * LANES, pixels):
                d = np.float64(x[image, channel, pixel]) - centre[channel]
                sums[channel, 0, 0] += d
                sums[channel, 1, 0] += d * d


@compiled
def _products_of_channels(dy: Array, x: Array, first: int, last: int, centre: Array, sums: Array) -> None:
    """Fill sums (channels, 2, `LANES`) with the sums of dy and of ``dy * (x - centre)``."""
    batch, channels, pixels = x.shape
    vectors = pixels // LANES
    for image in range(batch):
        for channel in range(first, last):
            at = (image * channels + channel) * pixels
            _add_products(dy, x, at, vectors, centre[channel], sums, channel * 2 * LANES)
            for pixel in range(vectors * LANES, pixels):
                gradient = np.float64(dy[image, channel, pixel])
                sums[channel, 0, 0] += gradient
                sums[channel, 1, 0] += gradient * (x[image, channel, pixel] - centre[channel])


@inlined
def _clipped(value: np.float32) -> np.float32:
    """Return min(max(value, -1), 1); NaN stays NaN."""
    value = -ONE if value < -ONE else value
    return ONE if value > ONE else value


@compiled
def _scale(x: Array, mean: Array, scale: Array, bias: Array, y: Array, first: int, last: int) -> None:
    """Fill the images `first` to `last` of ``y = (x - mean) * scale + bias``."""
    for image in range(first, last):
        for channel in range(x.shape[1]):
            m, s, b = mean[channel], scale[channel], bias[channel]
            source, target = x[image, channel], y[image, channel]
            for pixel in range(source.size):
                target[pixel] = (source[pixel] - m) * s + b


@compiled
def _scale_and_clip(x: Array, mean: Array, scale: Array, bias: Array, y: Array, first: int, last: int) -> None:
    """Fill the images `first` to `last` of ``y = hardtanh((x - mean) * scale + bias)``."""
    for image in range(first, last):
        for channel in range(x.shape[1]):
            m, s, b = mean[channel], scale[channel], bias[channel]
            source, target = x[image, channel], y[image, channel]
            for pixel in range(source.size):
                target[pixel] = _clipped((source[pixel] - m) * s + b)


@compiled
def _scale_add_and_clip(
    x: Array, added: Array, mean: Array, scale: Array, bias: Array, y: Array, first: int, last: int
) -> None:
    """Fill the images `first` to `last` of ``y = hardtanh((x - mean) * scale + bias + added)``."""
    for image in range(first, last):
        for channel in range(x.shape[1]):
            m, s, b = mean[channel], scale[channel], bias[channel]
            source, other, target = x[image, channel], added[image, channel], y[image, channel]
            for pixel in range(source.size):
                target[pixel] = _clipped(((source[pixel] - m) * s + b) + other[pixel])


@compiled
def _clipped_products_of_channels(
    dy: Array, y: Array, x: Array, first: int, last: int, centre: Array, sums: Array, inside: Array
) -> None:
    """Write inside = dy where -1 < y < 1, else 0, and fill the sums of `_products_of_channels` for it.

    Image by image and channel by channel, so that what has just been written is summed from the nearest cache.
    """
    batch, channels, pixels = x.shape
    vectors = pixels // LANES
    for image in range(batch):
        for channel in range(first, last):
            gradient, value, target = dy[image, channel], y[image, channel], inside[image, channel]
            for pixel in range(pixels):
                target[pixel] = gradient[pixel] if (value[pixel] > -ONE) & (value[pixel] < ONE) else ZERO
            at = (image * channels + channel) * pixels
            _add_products(inside, x, at, vectors, centre[channel], sums, channel * 2 * LANES)
            for pixel in range(vectors * LANES, pixels):
                wide = np.float64(target[pixel])
                sums[channel, 0, 0] += wide
                sums[channel, 1, 0] += wide * (x[image, channel, pixel] - centre[channel])


@compiled
def _combine(dy: Array, x: Array, mean: Array, slopes: Array, dx: Array, first: int, last: int) -> None:
    """Fill the images `first` to `last` of ``dx = scale * (dy - mean_dy - (x - mean) * k)``; slopes (3, channels)."""
    for image in range(first, last):
        for channel in range(x.shape[1]):
            m, scale, mean_dy, k = mean[channel], slopes[0, channel], slopes[1, channel], slopes[2, channel]
            gradient, source, target = dy[image, channel], x[image, channel], dx[image, channel]
            for pixel in range(source.size):
                target[pixel] = scale * (gradient[pixel] - mean_dy - (source[pixel] - m) * k)


def moments(x: Array) -> tuple[Array, Array]:
    """Return mean and biased variance, float64 (channels,), of x (batch, channels, pixels).

    With d = x - x[0, :, 0]: ``mean = x[0, :, 0] + sum d / m`` and ``var = sum d^2 / m - (sum d / m)^2``. One value of
    the data as the centre keeps the difference from cancelling: ``(mean d)^2 <= m var``, so at worst the relative error
    of the variance is m times that of a float64 sum.
    """
    centre = x[0, :, 0].astype(np.float64)
    sums = np.zeros((x.shape[1], 2, LANES))

    def work(first: int, last: int) -> None:
        _moments_of_channels(x, first, last, centre, sums)

    share_out(work, x.shape[1])
    d, d2 = sums.sum(axis=2).T / (len(x) * x.shape[2])
    return centre + d, np.maximum(d2 - d * d, 0)


def products(dy: Array, x: Array, mean: Array) -> tuple[Array, Array]:
    """Return the sums of dy and of ``dy * (x - mean)`` per channel, float64 (channels,)."""
    centre = mean.astype(np.float64)
    sums = np.zeros((x.shape[1], 2, LANES))

    def work(first: int, last: int) -> None:
        _products_of_channels(dy, x, first, last, centre, sums)

    share_out(work, x.shape[1])
    dy_sum, product_sum = sums.sum(axis=2).T
    return dy_sum, product_sum


def scaled(x: Array, mean: Array, scale: Array, bias: Array) -> Array:
    """Return ``(x - mean) * scale + bias``, float32, of x (batch, channels, pixels)."""
    y = empty(x.shape)

    def work(first: int, last: int) -> None:
        _scale(x, mean, scale, bias, y, first, last)

    share_out(work, len(x))
    return y


def clipped(x: Array, added: Array | None, mean: Array, scale: Array, bias: Array) -> Array:
    """Return ``hardtanh((x - mean) * scale + bias + added)``, float32, of x (batch, channels, pixels)."""
    y = empty(x.shape)

    def work(first: int, last: int) -> None:
        if added is None:
            _scale_and_clip(x, mean, scale, bias, y, first, last)
        else:
            _scale_add_and_clip(x, added, mean, scale, bias, y, first, last)

    share_out(work, len(x))
    return y


def clipped_products(dy: Array, y: Array, x: Array, mean: Array) -> tuple[Array, Array, Array]:
    """Return dy where -1 < y < 1, else 0, and the two sums of `products` for it."""
    centre, inside = mean.astype(np.float64), empty(x.shape)
    sums = np.zeros((x.shape[1], 2, LANES))

    def work(first: int, last: int) -> None:
        _clipped_products_of_channels(dy, y, x, first, last, centre, sums, inside)

    share_out(work, x.shape[1])
    dy_sum, product_sum = sums.sum(axis=2).T
    return inside, dy_sum, product_sum


def combined(dy: Array, x: Array, mean: Array, slopes: Array) -> Array:
    """Return ``slopes[0] * (dy - slopes[1] - (x - mean) * slopes[2])``, float32."""
    dx = empty(x.shape)

    def work(first: int, last: int) -> None:
        _combine(dy, x, mean, slopes, dx, first, last)

    share_out(work, len(x))
    return dx
