"""Gradient of a convolution with respect to its weights, float32.

    dw[tap, c, o] = sum over n, q of x[n, pixel of q at tap, c] * dy[n, q, o]

With image and gradient in the layout (pixel, channel) this is a sum of outer products of short vectors. The innermost
kernel keeps a tile of `CHANNELS` input channels times two vectors of output channels in registers: per pixel two loads
of dy and `CHANNELS` broadcasts of consecutive values of x serve ``2 * CHANNELS`` vector multiply-adds. Taps outside the
image are left out.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from .._memory import empty
from .compiled import compiled
from .layout import LINE, aligned_empty, image_length, to_channels_last
from .threads import share_out
from .vectors import (
    INDEX,
    LANES,
    element,
    load,
    load_splat,
    multiply_add,
    pointer,
    repeat,
    store,
)

Array = np.ndarray[Any, Any]

ZERO, ONE = np.float32(0), np.float32(1)

CHANNELS = 4 if LANES == 8 else 8  # input channels of a tile; see IMAGES in conv2d.py
CHUNK = 262144  # float32 values of images and gradients kept in scratch memory at a time
BAND = 65536  # float32 values of gradients whose products are added for all taps before the next ones' are
PARTS = 16  # the batch is cut into at most so many parts, whatever the number of threads
PARTS_LENGTH = 4194304  # float32 values of partial sums


def _tile(count: int, vectors: int) -> Callable[..., Any]:
    """Return the intrinsic that adds the products of a set of pixels to `count` channels x `vectors` vectors of dw.

    The set is that of three nested loops, outermost first: how often each runs and how far it moves in x and in dy.
    """

    @intrinsic
    def tile(  # type: ignore
        _context, x, x_at, x_steps, dy, dy_at, dy_steps, counts, dw, dw_at, dw_channel
    ):
        def generate(context, builder, signature, arguments):  # type: ignore
            x, x_at, x_steps, dy, dy_at, dy_steps, counts, dw, dw_at, dw_channel = arguments
            x = pointer(context, builder, signature.args[0], x, x_at)
            dy = pointer(context, builder, signature.args[3], dy, dy_at)
            dw = pointer(context, builder, signature.args[7], dw, dw_at)
            channels = [element(builder, dw, c, dw_channel) for c in range(count)]
            places = [element(builder, row, v, INDEX(LANES)) for row in channels for v in range(vectors)]

            def add_pixel(x, dy, sums):  # type: ignore
                gradient = [load(builder, element(builder, dy, v, INDEX(LANES))) for v in range(vectors)]
                value = [load_splat(builder, element(builder, x, c, INDEX(1))) for c in range(count)]
                return [
                    multiply_add(builder, value[c], gradient[v], sums[c * vectors + v])
                    for c in range(count)
                    for v in range(vectors)
                ]

            def nested(level, x, dy, sums):  # type: ignore
                if level == 3:
                    return add_pixel(x, dy, sums)
                x_step, dy_step, count = (builder.extract_value(v, level) for v in (x_steps, dy_steps, counts))

                def step(number, sums):  # type: ignore
                    x_there = builder.gep(x, [builder.mul(number, x_step)])
                    dy_there = builder.gep(dy, [builder.mul(number, dy_step)])
                    return nested(level + 1, x_there, dy_there, sums)

                return repeat(builder, count, sums, step)

            sums = nested(0, x, dy, [load(builder, place) for place in places])
            for total, place in zip(sums, places, strict=True):
                store(builder, total, place)
            return context.get_dummy_value()

        index, three = types.intp, types.UniTuple(types.intp, 3)
        return types.void(x, index, three, dy, index, three, three, dw, index, index), generate

    return tile


# Sixteen running sums each, but where neither outputs nor channels suffice for so many.
two_vectors, one_vector, few_channels = _tile(CHANNELS, 2), _tile(2 * CHANNELS, 1), _tile(CHANNELS, 1)


@compiled
def _add_chunk(xs: Array, ys: Array, images: int, sizes: Array, vertical: Array, horizontal: Array, dw: Array) -> None:
    """Add the products of `images` images in scratch memory to dw (kernel rows, kernel columns, channels, outputs)."""
    height, width, channels, rows, columns, stride_v, stride_h = sizes
    kernel_columns, padded_channels, outputs = dw.shape[1:]
    x_row, x_column, x_image = width * channels, channels, image_length(height * width, channels)
    y_row, y_column, y_image = columns * outputs, outputs, image_length(rows * columns, outputs)
    band = max(1, BAND // (images * y_row))
    for top in range(0, rows, band):
        for i in range(dw.shape[0]):
            row, end = max(top, vertical[0, i]), min(top + band, vertical[1, i])
            for j in range(kernel_columns):
                column, count = horizontal[0, j], horizontal[1, j] - horizontal[0, j]
                x_at = (row * stride_v + vertical[2, i]) * x_row + (column * stride_h + horizontal[2, j]) * x_column
                y_at = row * y_row + column * y_column
                if count > images:  # the longest loop innermost
                    x_steps = stride_v * x_row, x_image, stride_h * x_column
                    y_steps, counts = (y_row, y_image, y_column), (end - row, images, count)
                else:
                    x_steps = stride_v * x_row, stride_h * x_column, x_image
                    y_steps, counts = (y_row, y_column, y_image), (end - row, count, images)
                dw_at = (i * kernel_columns + j) * padded_channels * outputs
                for output in range(0, outputs, 2 * LANES):
                    channel = 0
                    while channel < padded_channels:
                        tile = (
                            xs, x_at + channel, x_steps, ys, y_at + output, y_steps, counts,
                            dw, dw_at + channel * outputs + output, outputs,
                        )  # fmt: skip
                        if output + LANES < outputs:
                            two_vectors(*tile)
                        elif channel + CHANNELS < padded_channels:
                            one_vector(*tile)
                            channel += CHANNELS
                        else:
                            few_channels(*tile)
                        channel += CHANNELS


def _parts(batch: int, length: int) -> int:
    """Return into how many parts the batch is cut, each with its own partial sums of `length` values."""
    return min(batch, max(2, min(PARTS, PARTS_LENGTH // length)))


@compiled
def _take_signs(x: Array) -> None:
    """Replace each value by +1 where it is above 0, else by -1."""
    for k in range(x.size):
        x[k] = ONE if x[k] > ZERO else -ONE


@compiled
def _partial_sums(
    dy: Array, x: Array, signs: bool, sizes: Array, vertical: Array, horizontal: Array, partial: Array,
    first: int, last: int,
) -> None:  # fmt: skip
    """Fill the parts `first` to `last` of partial (parts, kernel rows, kernel columns, channels, outputs).

    With `signs`, x stands for its signs.
    """
    batch, parts, padded = x.shape[0], partial.shape[0], partial.shape[4]
    pixels, outputs = dy.shape[2] * dy.shape[3], dy.shape[1]
    x_pixels, channels = x.shape[2] * x.shape[3], x.shape[1]
    x_image, y_image = image_length(x_pixels, channels), image_length(pixels, padded)
    chunk = min((batch + parts - 1) // parts, max(4, CHUNK // (x_image + y_image)))
    xs, ys = aligned_empty(chunk * x_image), aligned_empty(chunk * y_image)
    for part in range(first, last):
        partial[part] = 0.0
        end = (part + 1) * batch // parts
        for start in range(part * batch // parts, end, chunk):
            images = min(chunk, end - start)
            for image in range(images):
                to_channels_last(x[start + image].reshape(channels, x_pixels), xs, image * x_image, channels)
                to_channels_last(dy[start + image].reshape(outputs, pixels), ys, image * y_image, padded)
            if signs:
                _take_signs(xs[: images * x_image])
            _add_chunk(xs, ys, images, sizes, vertical, horizontal, partial[part])


@compiled
def _add_parts(partial: Array) -> None:
    """Add the rows 1, 2, ... of partial (parts, values) to row 0, in this order."""
    total = partial[0]
    for part in range(1, partial.shape[0]):
        summand = partial[part]
        for k in range(total.shape[0]):
            total[k] += summand[k]


@compiled
def _unpack(total: Array, dw: Array) -> None:
    """Reorder total (kernel rows, kernel columns, channels, outputs) to dw (outputs, channels, rows, columns)."""
    outputs, channels, kernel_rows, kernel_columns = dw.shape
    for block in range(0, outputs, LINE):  # a cache line of outputs at a time
        for channel in range(channels):
            for i in range(kernel_rows):
                for j in range(kernel_columns):
                    for output in range(block, min(block + LINE, outputs)):
                        dw[output, channel, i, j] = total[i, j, channel, output]


def weight_gradient(
    dy: Array, x: Array, signs: bool, stride: tuple[int, int], vertical: Array, horizontal: Array, dw: Array
) -> None:
    """Compute the gradient with respect to the weights.

    Parameters
    ----------
    dy : float32 (batch, outputs, rows, columns)
    x : float32 (batch, channels, height, width)
    signs : bool
        Whether the convolution took the signs of x, +1 where x > 0, else -1.
    stride : (vertical, horizontal)
    vertical, horizontal : int64 (3, kernel rows), int64 (3, kernel columns)
        For every tap: the first output index whose input lies inside the image, the last one plus 1, and the
        input index of output index 0 (negative in the padding).
    dw : float32 (outputs, channels, kernel rows, kernel columns)
        The result.
    """
    outputs, channels, kernel_rows, kernel_columns = dw.shape
    padded_channels = -(-channels // CHANNELS) * CHANNELS
    padded_outputs = -(-outputs // LANES) * LANES
    length = kernel_rows * kernel_columns * padded_channels * padded_outputs
    parts = _parts(len(x), length)
    partial = empty((parts, kernel_rows, kernel_columns, padded_channels, padded_outputs))
    sizes = np.array((*x.shape[2:], channels, *dy.shape[2:], *stride))

    def work(first: int, last: int) -> None:
        _partial_sums(dy, x, signs, sizes, vertical, horizontal, partial, first, last)

    share_out(work, parts)
    _add_parts(partial.reshape(parts, length))
    _unpack(partial[0], dw)
