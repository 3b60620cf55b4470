"""The real layers of a packed network: stem, shortcuts, classifier; each sum in the order of `spec.evaluation`.

A convolution adds one product after the other (channel, kernel row, kernel column), each rounded; so its sums cannot be
split, but many run side by side. A tile is one or two pieces of `PIECE` pixels times some output channels: what its
taps read is brought together first (`gather`); then every tap takes a vector of pixels a piece and one weight an output
channel, in every lane. Two pieces times 8 channels take 10 loads a tap, one times 16 takes 17; both 16 products, of
which the processors at hand begin two a cycle: that is what limits them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .bitstreams import PIECE
from .bitvectors import SHORT, at, load_as, store_as
from .compiled import compiled, inlined
from .packed_layer import FLOATS, ZEROS, clipped, in_every_lane, store_bits
from .vectors import FLOAT, INDEX, address, element, keep, repeat, transposed

Array = np.ndarray[Any, Any]
GROUP = PIECE  # output channels whose weights lie together, tap by tap


def _gather_pixels(run: int, stride: int) -> Callable[..., Any]:
    """Return the intrinsic that brings together what the taps of a piece of output pixels read.

    Every `run` pixels of the piece lie `stride` apart in the input.
    """

    @intrinsic
    def gather_pixels(_context, x, pixels, offsets, taps, target, row_step):  # type: ignore
        """Write ``target[t * row_step + p] = x[pixel[p] + offset[t]]``."""

        def generate(context, builder, signature, arguments):  # type: ignore
            x, pixels, offsets, taps, target, row_step = arguments
            x, target = at(builder, x, FLOAT, INDEX(0)), at(builder, target, FLOAT, INDEX(0))
            pixels, offsets = (at(builder, place, INDEX, INDEX(0)) for place in (pixels, offsets))
            starts = [builder.gep(x, [builder.load(builder.gep(pixels, [INDEX(p)]))]) for p in range(0, PIECE, run)]
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), run), list(range(0, run * stride, stride)))
            whole = ir.VectorType(FLOAT, run * stride)

            def one_tap(tap, _state):  # type: ignore
                offset = builder.load(builder.gep(offsets, [tap]))
                row = builder.gep(target, [builder.mul(tap, row_step)])
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

        return types.void(*[types.intp] * 6), generate

    return gather_pixels


def _real_tile(pieces: int, channels: int, stem: bool) -> Callable[..., Any]:
    """Return the intrinsic that computes a tile of so many pieces and output channels.

    For a stem, the sums are clipped to a bound, and their bits are stored as well.
    """

    @intrinsic
    def real_tile(  # type: ignore
        _context, x, taps, weight, bias, outputs, y, y_step, y_apart, bits, bits_step, bits_apart, bound
    ):
        """Write ``y[o, p] = bias[o] + sum over t of weight[t, o] * x[t, p]``, in the order of the taps.

        Only the first `outputs` channels are stored. Channels lie `y_step` apart, and pieces `y_apart`; bits alike.
        """

        def generate(context, builder, signature, arguments):  # type: ignore
            x, taps, weight, bias, outputs, y, y_step, y_apart, bits, bits_step, bits_apart, bound = arguments
            x, weight, bias, y = (at(builder, place, FLOAT, INDEX(0)) for place in (x, weight, bias, y))
            bits = at(builder, bits, SHORT, INDEX(0))

            def factors(row):  # type: ignore
                numbers = [builder.load(builder.gep(row, [INDEX(o)])) for o in range(channels)]
                return [in_every_lane(builder, number) for number in numbers]

            def add_tap(tap, sums):  # type: ignore
                row = builder.gep(x, [builder.mul(tap, INDEX(PIECE * pieces))])
                values = [load_as(builder, element(builder, row, n, INDEX(PIECE)), FLOATS, 4) for n in range(pieces)]
                weights = factors(builder.gep(weight, [builder.mul(tap, INDEX(GROUP))]))
                products = [builder.fmul(number, value) for number in weights for value in values]
                return [builder.fadd(total, product) for total, product in zip(sums, products, strict=True)]

            low, high = (in_every_lane(builder, number) for number in (builder.fneg(bound), bound))
            sums = iter(repeat(builder, taps, [first for first in factors(bias) for _ in range(pieces)], add_tap))
            for number in range(channels):
                of_channel = [next(sums) for _ in range(pieces)]
                with builder.if_then(builder.icmp_signed("<", INDEX(number), outputs)):
                    to, bits_to = element(builder, y, number, y_step), element(builder, bits, number, bits_step)
                    for piece, total in enumerate(of_channel):
                        value = clipped(builder, total, low, high) if stem else total
                        store_as(builder, value, element(builder, to, piece, y_apart), 4)
                        if stem:
                            store_bits(builder, value, element(builder, bits_to, piece, bits_apart))
            return context.get_dummy_value()

        return types.void(*[types.intp] * 11, types.float32), generate

    return real_tile


gather_16_1, gather_8_1, gather_4_1, gather_1 = (_gather_pixels(run, 1) for run in (16, 8, 4, 1))
gather_16_2, gather_8_2, gather_4_2 = (_gather_pixels(run, 2) for run in (16, 8, 4))
real_pair, real_single = _real_tile(2, GROUP // 2, stem=False), _real_tile(1, GROUP, stem=False)
stem_pair, stem_single = _real_tile(2, GROUP // 2, stem=True), _real_tile(1, GROUP, stem=True)


@compiled
def gather(stride: int, run: int, x: int, pixels: int, offsets: int, taps: int, target: int, row_step: int) -> None:
    """Bring together what the taps of a piece read, see `_gather_pixels`."""
    if stride == 1 and run == 16:
        gather_16_1(x, pixels, offsets, taps, target, row_step)
    elif stride == 1 and run == 8:
        gather_8_1(x, pixels, offsets, taps, target, row_step)
    elif stride == 1 and run == 4:
        gather_4_1(x, pixels, offsets, taps, target, row_step)
    elif stride == 2 and run == 16:
        gather_16_2(x, pixels, offsets, taps, target, row_step)
    elif stride == 2 and run == 8:
        gather_8_2(x, pixels, offsets, taps, target, row_step)
    elif stride == 2 and run == 4:
        gather_4_2(x, pixels, offsets, taps, target, row_step)
    else:
        gather_1(x, pixels, offsets, taps, target, row_step)


@inlined
def convolve_tile(
    pieces: int, stem: bool, x: int, taps: int, weight: int, bias: int, outputs: int,
    y: int, y_step: int, y_apart: int, bits: int, bits_step: int, bits_apart: int, bound: np.float32,
) -> None:  # fmt: skip
    """Compute all output channels of one piece or two, see `_real_tile`; everything is given by its address."""
    step = GROUP // pieces
    for first in range(0, outputs, step):
        group, left = first // GROUP * GROUP, outputs - first
        w, b = weight + 4 * (group * taps + first - group), bias + 4 * first
        to, bits_to = y + 4 * first * y_step, bits + 2 * first * bits_step
        if stem and pieces == 2:
            stem_pair(x, taps, w, b, left, to, y_step, y_apart, bits_to, bits_step, bits_apart, bound)
        elif stem:
            stem_single(x, taps, w, b, left, to, y_step, 0, bits_to, bits_step, 0, bound)
        elif pieces == 2:
            real_pair(x, taps, w, b, left, to, y_step, y_apart, 0, 0, 0, bound)
        else:
            real_single(x, taps, w, b, left, to, y_step, 0, 0, 0, 0, bound)


@compiled
def real_step(
    t: Array, bound: np.float32, x: Array, floats: Array, words: Array, integers: Array, reals: Array, border: Array,
    gathered: Array,
) -> None:  # fmt: skip
    """Run one real convolution from `x` to an arena; `t` holds its numbers (see `bbdg_ref.ops.packed_program`).

    If it writes bits, its sums are clipped to -`bound` ... `bound`.
    """
    source, target, result, batch, channels, height, width = t[1], t[2], t[4], t[5], t[6], t[7], t[8]
    outputs, pad_v, pad_h, out_pixels, taps = t[9], t[10], t[11], t[18], t[19]
    pixel_places, tap_places, weight, bias, run, stride = t[20], t[21], t[26], t[27], t[12], t[13]
    tap_p, gathered_p = address(integers) + 8 * tap_places, address(gathered)
    pixels_p, weight_p, bias_p = (
        address(integers) + 8 * pixel_places,
        address(reals) + 4 * weight,
        address(reals) + 4 * bias,
    )
    y_p, bits_p = address(floats) + 4 * result, address(words) + 8 * target
    size, stored, of_image = channels * height * width, (out_pixels + 63) // 64 * 4, out_pixels // PIECE
    padded = pad_v > 0 or pad_h > 0
    together = 1 if padded else batch  # images whose pieces may share a tile
    for begin in range(0, batch, together):
        x_p = address(x) + 4 * (source + begin * size)
        if padded:
            surround(x, source + begin * size, channels, height, width, pad_v, pad_h, begin == 0, border)
            x_p = address(border)
        for piece in range(0, together * of_image, 2):
            pieces = min(2, together * of_image - piece)
            for number in range(pieces):
                image, place = (piece + number) // of_image, (piece + number) % of_image
                gather(
                    stride, run, x_p + 4 * image * size, pixels_p + 8 * PIECE * place, tap_p, taps,
                    gathered_p + 4 * PIECE * number, PIECE * pieces,
                )  # fmt: skip
            image, place = piece // of_image, piece % of_image
            alone = place + 1 == of_image  # the next piece is the first one of the next image
            y_apart = (outputs - 1) * out_pixels + PIECE if alone else PIECE
            bits_apart = outputs * stored - place if alone else 1
            convolve_tile(
                pieces, target >= 0, gathered_p, taps, weight_p, bias_p, outputs,
                y_p + 4 * ((begin + image) * outputs * out_pixels + place * PIECE), out_pixels, y_apart,
                bits_p + 2 * ((begin + image) * outputs * stored + place), stored, bits_apart, bound,
            )  # fmt: skip
    keep((x, floats, words, integers, reals, border, gathered))


@compiled
def surround(
    x: Array, first: int, channels: int, height: int, width: int, pad_v: int, pad_h: int, clean: bool, border: Array
) -> None:
    """Copy an image to the middle of a larger one, of zeros if it is to be made `clean`."""
    padded_h, padded_w = height + 2 * pad_v, width + 2 * pad_h
    if clean:
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


@intrinsic
def mean_of_maps(_context, maps, pixels, last, target):  # type: ignore
    """Write the means of `GROUP` maps, each summed up in order; those after the map `last` are not read.

    A square of pieces is turned round, so that its sums run side by side.
    """

    def generate(context, builder, signature, arguments):  # type: ignore
        maps, pixels, last, target = arguments
        maps, target = at(builder, maps, FLOAT, INDEX(0)), at(builder, target, FLOAT, INDEX(0))
        numbers = [builder.select(builder.icmp_signed("<", last, INDEX(n)), last, INDEX(n)) for n in range(GROUP)]
        rows = [builder.gep(maps, [builder.mul(number, pixels)]) for number in numbers]

        def add_square(number, state):  # type: ignore
            (total,) = state
            begin = builder.mul(number, INDEX(PIECE))
            pieces = [load_as(builder, builder.gep(row, [begin]), FLOATS, 4) for row in rows]
            for of_pixel in transposed(builder, pieces, PIECE):
                total = builder.fadd(total, of_pixel)
            return [total]

        (total,) = repeat(builder, builder.udiv(pixels, INDEX(PIECE)), [ZEROS], add_square)
        count = in_every_lane(builder, builder.sitofp(pixels, FLOAT))
        store_as(builder, builder.fdiv(total, count), target, 4)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), generate


@intrinsic
def linear_group(_context, features, channels, weight, bias, target):  # type: ignore
    """Write ``bias[k] + sum over c of weight[c, k] * features[c]``, in the order of c, for `GROUP` classes k."""

    def generate(context, builder, signature, arguments):  # type: ignore
        features, channels, weight, bias, target = arguments
        features, weight, bias, target = (
            at(builder, place, FLOAT, INDEX(0)) for place in (features, weight, bias, target)
        )

        def add_channel(channel, state):  # type: ignore
            row = load_as(builder, builder.gep(weight, [builder.mul(channel, INDEX(GROUP))]), FLOATS, 4)
            feature = in_every_lane(builder, builder.load(builder.gep(features, [channel])))
            return [builder.fadd(state[0], builder.fmul(row, feature))]

        (total,) = repeat(builder, channels, [load_as(builder, bias, FLOATS, 4)], add_channel)
        store_as(builder, total, target, 4)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 5), generate


@compiled
def classifier_step(t: Array, floats: Array, reals: Array, logits: Array, scratch: Array) -> None:
    """Mean over the pixels and linear layer, every sum in order."""
    source, batch, channels, pixels, classes, weight, bias = t[1], t[5], t[6], t[7], t[9], t[26], t[27]
    group_of_logits = np.empty(GROUP, np.float32)
    floats_p, reals_p, means_p, group_p = address(floats), address(reals), address(scratch), address(group_of_logits)
    for image in range(batch):
        for channel in range(0, channels, GROUP):
            maps_p = floats_p + 4 * (source + (image * channels + channel) * pixels)
            mean_of_maps(maps_p, pixels, channels - channel - 1, means_p + 4 * channel)
        for group in range(0, classes, GROUP):
            weight_p, bias_p = reals_p + 4 * (weight + group * channels), reals_p + 4 * (bias + group)
            linear_group(means_p, channels, weight_p, bias_p, group_p)
            for k in range(group, min(classes, group + GROUP)):
                logits[image, k] = group_of_logits[k - group]
    keep((floats, reals, scratch, group_of_logits))
