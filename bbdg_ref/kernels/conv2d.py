"""Convolution of float32 images and its gradient with respect to them, by one kernel.

Both are the same sum. With the image in the layout (pixel, channel), the taps of one row of the kernel that fall
inside the image read *consecutive* values, and with the weights in the layout (tap, channel, output channel) each of
those values meets one row of consecutive weights:

    y[n, q, o] = sum over rows i, over the values k of the run of row i, of x[n, run(q, i) + k] * w[run(i) + k, o].

The innermost kernel computes a tile of `IMAGES` images at the same pixel q times two vectors of output channels: per
value of the run, two loads of weights and `IMAGES` broadcasts serve ``2 * IMAGES`` vector multiply-adds. Since a tile
has one pixel only, taps outside the image are left out rather than multiplied by zeros, and every stride is alike.

An `axis plan` says for each output index q of one axis which taps fall inside: an integer array (3, size) of the first
input index, the first tap in packed order, and their count. See `bbdg_ref.ops.conv2d`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from .._memory import empty
from .compiled import compiled
from .layout import aligned_empty, image_length, to_channels_first, to_channels_last
from .threads import share_out
from .vectors import (
    INDEX,
    LANES,
    ZERO,
    element,
    load,
    load_splat,
    multiply_add,
    pointer,
    repeat,
    store,
)

Array = np.ndarray[Any, Any]

# Two vectors times eight images are 16 running sums: enough to hide the latency of a multiply-add (4 cycles, two at a
# time), and with 32 registers there is room for the operands. With 16 registers, four images.
IMAGES = 4 if LANES == 8 else 8
BAND = 32768  # float32 values of output kept in scratch memory before they are written out


def _tile(vectors: int) -> Callable[..., Any]:
    """Return the intrinsic that computes `IMAGES` images x `vectors` vectors of output channels at one pixel."""

    @intrinsic
    def tile(  # type: ignore
        _context, x, x_at, x_image, x_row, w, w_at, w_vector, w_row, rows, length, y, y_at, y_image
    ):
        def generate(context, builder, signature, arguments):  # type: ignore
            x, x_at, x_image, x_row, w, w_at, w_vector, w_row, rows, length, y, y_at, y_image = arguments
            x = pointer(context, builder, signature.args[0], x, x_at)
            w = pointer(context, builder, signature.args[4], w, w_at)
            y = pointer(context, builder, signature.args[10], y, y_at)

            def add_row(row, sums):  # type: ignore
                inputs = builder.gep(x, [builder.mul(row, x_row)])
                images = [element(builder, inputs, image, x_image) for image in range(IMAGES)]
                weights = builder.gep(w, [builder.mul(row, w_row)])

                def add_value(k, sums):  # type: ignore
                    here = builder.gep(weights, [builder.mul(k, INDEX(LANES))])
                    weight = [load(builder, element(builder, here, v, w_vector)) for v in range(vectors)]
                    value = [load_splat(builder, builder.gep(image, [k])) for image in images]
                    return [
                        multiply_add(builder, value[m], weight[v], sums[m * vectors + v])
                        for m in range(IMAGES)
                        for v in range(vectors)
                    ]

                return repeat(builder, length, sums, add_value)

            sums = repeat(builder, rows, [ZERO] * (IMAGES * vectors), add_row)
            for number, total in enumerate(sums):
                image, vector = divmod(number, vectors)
                at = element(builder, y, image, y_image)
                store(builder, total, element(builder, at, vector, INDEX(LANES)))
            return context.get_dummy_value()

        index = types.intp
        return types.void(x, *[index] * 3, w, *[index] * 5, y, *[index] * 2), generate

    return tile


one_vector = _tile(1)
two_vectors = _tile(2)


@compiled
def _convolve_groups(
    x: Array, weights: Array, vertical: Array, horizontal: Array, y: Array, first_group: int, last_group: int
) -> None:
    """Convolve the images of some groups of `IMAGES`, with scratch memory for one group and a band of its output."""
    channels, height, width = x.shape[1:]
    outputs, rows, columns = y.shape[1:]
    blocks, kernel_rows, kernel_columns = weights.shape[:3]
    x_row = width * channels
    x_image = image_length(height * width, channels)
    w_column = channels * LANES
    w_row = kernel_columns * w_column
    w_block = kernel_rows * w_row
    y_pixel = blocks * LANES
    band = min(rows, max(BAND // (IMAGES * columns * y_pixel), (LANES + columns - 1) // columns))
    y_image = image_length(band * columns, y_pixel)
    xs = aligned_empty(IMAGES * x_image)
    ys = aligned_empty(IMAGES * y_image)
    for group in range(first_group, last_group):
        first = group * IMAGES
        count = min(IMAGES, x.shape[0] - first)
        for image in range(count):
            to_channels_last(x[first + image].reshape(channels, height * width), xs, image * x_image, channels)
        xs[count * x_image :] = 0.0
        for top in range(0, rows, band):
            bottom = min(top + band, rows)
            for block in range(0, blocks, 2):
                for row in range(top, bottom):
                    for column in range(columns):
                        x_at = vertical[0, row] * x_row + horizontal[0, column] * channels
                        w_at = block * w_block + vertical[1, row] * w_row + horizontal[1, column] * w_column
                        y_at = ((row - top) * columns + column) * y_pixel + block * LANES
                        tile = (
                            xs, x_at, x_image, x_row, weights, w_at, w_block, w_row,
                            vertical[2, row], horizontal[2, column] * channels, ys, y_at, y_image,
                        )  # fmt: skip
                        if block + 1 < blocks:
                            two_vectors(*tile)
                        else:
                            one_vector(*tile)
            for image in range(count):
                target = y[first + image].reshape(outputs, rows * columns)
                to_channels_first(ys, image * y_image, y_pixel, target, top * columns, bottom * columns)


def convolve(x: Array, weights: Array, vertical: Array, horizontal: Array, y: Array) -> None:
    """Convolve images with packed weights, on the threads of Numba.

    Parameters
    ----------
    x : float32 (batch, channels, height, width)
    weights : float32 (blocks, kernel rows, kernel columns, channels, `LANES`)
        From `packed_forward` or `packed_backward`, the taps in the order of the axis plans.
    vertical, horizontal : int64 (3, rows), int64 (3, columns)
        The axis plans.
    y : float32 (batch, output channels, rows, columns)
        The result.
    """

    def work(first: int, last: int) -> None:
        _convolve_groups(x, weights, vertical, horizontal, y, first, last)

    share_out(work, -(-len(x) // IMAGES))


@compiled
def _pack(
    weight: Array, output_step: int, channel_step: int, rows: Array, columns: Array, outputs: int, packed: Array
) -> None:
    """Fill packed weights from the flat weight array."""
    blocks, kernel_rows, kernel_columns, channels, lanes = packed.shape
    for block in range(blocks):
        for channel in range(channels):
            for i in range(kernel_rows):
                for j in range(kernel_columns):
                    at = channel * channel_step + rows[i] * kernel_columns + columns[j]
                    for lane in range(lanes):
                        output = block * lanes + lane
                        value = weight[at + output * output_step] if output < outputs else np.float32(0)
                        packed[block, i, j, channel, lane] = value


def _packed(weight: Array, output_axis: int, rows: Array, columns: Array) -> Array:
    """Return weights as `convolve` reads them; axis `output_axis` (0 or 1) of the weight numbers its outputs."""
    kernel = weight.shape[2] * weight.shape[3]
    steps = weight.shape[1] * kernel, kernel
    outputs, channels = weight.shape[output_axis], weight.shape[1 - output_axis]
    shape = -(-outputs // LANES), *weight.shape[2:], channels, LANES
    result = empty(shape)
    _pack(weight.reshape(-1), steps[output_axis], steps[1 - output_axis], rows, columns, outputs, result)
    return result


def packed_forward(weight: Array, rows: Array, columns: Array) -> Array:
    """Return the weights of a convolution as `convolve` reads them.

    Parameters
    ----------
    weight : float32 (outputs, channels, kernel rows, kernel columns)
    rows, columns : int64 (kernel rows,), int64 (kernel columns,)
        Which tap stands in each place.

    Returns
    -------
    float32 (blocks, kernel rows, kernel columns, channels, `LANES`)
        Surplus output channels of the last block are zeros.
    """
    return _packed(weight, 0, rows, columns)


def packed_backward(weight: Array, rows: Array, columns: Array) -> Array:
    """Return the same weights for the gradient: outputs and channels of `packed_forward` change places."""
    return _packed(weight, 1, rows, columns)
