"""The real layers of a packed network: stem, shortcuts, classifier; each sum in the order of `spec.evaluation`.

A convolution adds one product after the other (channel, kernel row, kernel column), each rounded; so its sums cannot be
split, but many run side by side: a tile of `TILE` pixels times `TILE` output channels, a vector of channels for each
pixel, turned round at the end.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .bitstreams import PIECE
from .bitvectors import SHORT, at, load_as, store_as
from .compiled import compiled
from .packed_layer import FLOATS, clipped, in_every_lane, store_bits
from .vectors import FLOAT, INDEX, address, element, keep, repeat, transposed

Array = np.ndarray[Any, Any]
TILE = PIECE


def _gather_pixels(run: int, stride: int) -> Callable[..., Any]:
    """Return the intrinsic that brings together what the taps of `TILE` output pixels read.

    Every `run` pixels of the tile lie `stride` apart in the input.
    """

    @intrinsic
    def gather_pixels(_context, x, pixels, offsets, taps, target):  # type: ignore
        """Write ``target[t, p] = x[pixel[p] + offset[t]]``."""

        def generate(context, builder, signature, arguments):  # type: ignore
            x, pixels, offsets, taps, target = arguments
            x, target = at(builder, x, FLOAT, INDEX(0)), at(builder, target, FLOAT, INDEX(0))
            pixels, offsets = (at(builder, place, INDEX, INDEX(0)) for place in (pixels, offsets))
            starts = [builder.gep(x, [builder.load(builder.gep(pixels, [INDEX(p)]))]) for p in range(0, TILE, run)]
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), run), list(range(0, run * stride, stride)))
            whole = ir.VectorType(FLOAT, run * stride)

            def one_tap(tap, _state):  # type: ignore
                offset = builder.load(builder.gep(offsets, [tap]))
                row = builder.gep(target, [builder.mul(tap, INDEX(TILE))])
                for number, start in enumerate(starts):
                    here = builder.gep(start, [offset])
                    if run == 1:
                        builder.store(builder.load(here), builder.gep(row, [INDEX(number)]))
                        continue
                    values = load_as(builder, here, whole, 4)
                    kept = builder.shuffle_vector(values, ir.Constant(whole, ir.Undefined), lanes)
                    store_as(builder, kept, builder.gep(row, [INDEX(number * run)]), 4)
                return []

            repeat(builder, taps, [], one_tap)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 5), generate

    return gather_pixels


def _real_tile(clip: bool) -> Callable[..., Any]:
    """Return the intrinsic that computes `TILE` pixels times `TILE` output channels.

    With `clip`, hardtanh of the sums and their bits are stored.
    """

    @intrinsic
    def real_tile(_context, x, taps, weight, bias, outputs, y, y_step, bits, bits_step):  # type: ignore
        """Write ``y[o, p] = bias[o] + sum over t of weight[t, o] * x[t, p]``, in the order of the taps."""

        def generate(context, builder, signature, arguments):  # type: ignore
            x, taps, weight, bias, outputs, y, y_step, bits, bits_step = arguments
            x, weight, bias, y = (at(builder, place, FLOAT, INDEX(0)) for place in (x, weight, bias, y))
            bits = at(builder, bits, SHORT, INDEX(0))

            def add_tap(tap, sums):  # type: ignore
                begin = builder.mul(tap, INDEX(TILE))
                factors = load_as(builder, builder.gep(weight, [begin]), FLOATS, 4)
                row = builder.gep(x, [begin])
                values = [builder.load(builder.gep(row, [INDEX(p)])) for p in range(TILE)]
                products = [builder.fmul(factors, in_every_lane(builder, value)) for value in values]
                return [builder.fadd(total, product) for total, product in zip(sums, products, strict=True)]

            sums = repeat(builder, taps, [load_as(builder, bias, FLOATS, 4)] * TILE, add_tap)
            for number, row in enumerate(transposed(builder, sums, TILE)):
                with builder.if_then(builder.icmp_signed("<", INDEX(number), outputs)):
                    value = clipped(builder, row) if clip else row
                    store_as(builder, value, element(builder, y, number, y_step), 4)
                    if clip:
                        store_bits(builder, value, element(builder, bits, number, bits_step))
            return context.get_dummy_value()

        return types.void(*[types.intp] * 9), generate

    return real_tile


gather_16_1, gather_8_1, gather_4_1, gather_1 = (_gather_pixels(run, 1) for run in (16, 8, 4, 1))
gather_16_2, gather_8_2, gather_4_2 = (_gather_pixels(run, 2) for run in (16, 8, 4))
real_tile, stem_tile = _real_tile(clip=False), _real_tile(clip=True)


@compiled
def real_step(
    t: Array, x: Array, floats: Array, words: Array, integers: Array, reals: Array, border: Array, gathered: Array
) -> None:
    """Run one real convolution from `x` to an arena; `t` holds its numbers (see `bbdg_ref.ops.packed_program`)."""
    source, target, result, batch, channels, height, width = t[1], t[2], t[4], t[5], t[6], t[7], t[8]
    outputs, pad_v, pad_h, out_pixels, taps = t[9], t[10], t[11], t[18], t[19]
    pixel_places, tap_places, weight, bias, run, stride = t[20], t[21], t[26], t[27], t[12], t[13]
    tap_p, gathered_p = address(integers) + 8 * tap_places, address(gathered)
    stored = (out_pixels + 63) // 64 * 4
    for image in range(batch):
        first = source + image * channels * height * width
        x_p = address(x) + 4 * first
        if pad_v > 0 or pad_h > 0:
            surround(x, first, channels, height, width, pad_v, pad_h, border)
            x_p = address(border)
        for pixel in range(0, out_pixels, TILE):
            pixel_p = address(integers) + 8 * (pixel_places + pixel)
            if stride == 1 and run == 16:
                gather_16_1(x_p, pixel_p, tap_p, taps, gathered_p)
            elif stride == 1 and run == 8:
                gather_8_1(x_p, pixel_p, tap_p, taps, gathered_p)
            elif stride == 1 and run == 4:
                gather_4_1(x_p, pixel_p, tap_p, taps, gathered_p)
            elif stride == 2 and run == 16:
                gather_16_2(x_p, pixel_p, tap_p, taps, gathered_p)
            elif stride == 2 and run == 8:
                gather_8_2(x_p, pixel_p, tap_p, taps, gathered_p)
            elif stride == 2 and run == 4:
                gather_4_2(x_p, pixel_p, tap_p, taps, gathered_p)
            else:
                gather_1(x_p, pixel_p, tap_p, taps, gathered_p)
            for group in range(0, outputs, TILE):
                w_p, b_p = address(reals) + 4 * (weight + group * taps), address(reals) + 4 * (bias + group)
                number = image * outputs + group
                to = address(floats) + 4 * (result + number * out_pixels + pixel)
                bits_to = address(words) + 8 * target + 2 * (number * stored + pixel // TILE)
                if target >= 0:
                    stem_tile(gathered_p, taps, w_p, b_p, outputs - group, to, out_pixels, bits_to, stored)
                else:
                    real_tile(gathered_p, taps, w_p, b_p, outputs - group, to, out_pixels, bits_to, stored)
    keep((x, floats, words, integers, reals, border, gathered))


@compiled
def surround(
    x: Array, first: int, channels: int, height: int, width: int, pad_v: int, pad_h: int, border: Array
) -> None:
    """Copy an image to the middle of a larger one of zeros."""
    padded_h, padded_w = height + 2 * pad_v, width + 2 * pad_h
    for place in range(channels * padded_h * padded_w):
        border[place] = 0.0
    for channel in range(channels):
        for line in range(height):
            into = (channel * padded_h + line + pad_v) * padded_w + pad_h
            out_of = first + (channel * height + line) * width
            copy_floats(address(x) + 4 * out_of, address(border) + 4 * into, width)
    keep((x, border))


@intrinsic
def copy_floats(_context, source, target, count):  # type: ignore
    """Copy so many float32 from one address to another."""

    def generate(context, builder, _signature, arguments):  # type: ignore
        source, target, count = arguments

        def copy(size: int, begin: Any, copies: Any) -> None:
            kind = ir.VectorType(FLOAT, size)

            def one(number, _state):  # type: ignore
                here = builder.add(begin, builder.mul(number, INDEX(size)))
                value = load_as(builder, at(builder, source, FLOAT, here), kind, 4)
                store_as(builder, value, at(builder, target, FLOAT, here), 4)
                return []

            repeat(builder, copies, [], one)

        whole = builder.udiv(count, INDEX(PIECE))
        copy(PIECE, INDEX(0), whole)
        done = builder.mul(whole, INDEX(PIECE))
        copy(1, done, builder.sub(count, done))
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3), generate


@compiled
def stride_pad_step(t: Array, floats: Array) -> None:
    """Take every stride-th pixel and put channels of zeros round the channels."""
    source, result, batch, channels, height, width = t[1], t[4], t[5], t[6], t[7], t[8]
    outputs, stride = t[9], t[10]
    rows, columns = (height + stride - 1) // stride, (width + stride - 1) // stride
    before = (outputs - channels) // 2
    for image in range(batch):
        for output in range(outputs):
            into = result + (image * outputs + output) * rows * columns
            channel = output - before
            inside = 0 <= channel < channels
            out_of = source + (image * channels + channel) * height * width
            for line in range(rows):
                for column in range(columns):
                    value = floats[out_of + line * stride * width + column * stride] if inside else np.float32(0)
                    floats[into + line * columns + column] = value


@compiled
def classifier_step(t: Array, floats: Array, reals: Array, logits: Array) -> None:
    """Mean over the pixels and linear layer, every sum in order."""
    source, batch, channels, pixels, classes, weight, bias = t[1], t[5], t[6], t[7], t[9], t[26], t[27]
    for image in range(batch):
        for k in range(classes):
            logits[image, k] = reals[bias + k]
        for channel in range(channels):
            at_x = source + (image * channels + channel) * pixels
            total = np.float32(0)
            for pixel in range(pixels):
                total += floats[at_x + pixel]
            feature = total / np.float32(pixels)
            for k in range(classes):
                logits[image, k] += reals[weight + channel * classes + k] * feature
