"""The other way to count: population counts along the channels, for maps of few pixels or weights without zeros.

Here the bits of all channels of a pixel lie together, 64 to a word, in an image with a border of zeros. A kernel row of
taps is then one run of words, and the count of an output is that of ``u & b`` over its runs. `LANES` output channels
are counted side by side, in a tile of as many pixels; time does not depend on the density.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .bitstreams import ONE, PIECE
from .bitvectors import SHORT, WORD, at, bit_vector, call, constant, load_as, store_as
from .compiled import compiled
from .vectors import FLOAT, INDEX, address, keep, repeat, transposed

Array = np.ndarray[Any, Any]

LANES = 8  # output channels of a tile, and pixels
WORDS = bit_vector(LANES)


@intrinsic
def count_tile(_context, columns, pixels, rows, row_step, run, weights, counts, counts_step):  # type: ignore
    """Write ``counts[o, p]``, int16, for `LANES` output channels and as many pixels.

    The words of a pixel's window are `rows` runs of `run` words, `row_step` words apart, from ``pixels[p]`` on.
    """

    def generate(context, builder, signature, arguments):  # type: ignore
        columns, pixels, rows, row_step, run, weights, counts, counts_step = arguments
        columns, weights = at(builder, columns, WORD, INDEX(0)), at(builder, weights, WORD, INDEX(0))
        pixels, counts = at(builder, pixels, INDEX, INDEX(0)), at(builder, counts, SHORT, INDEX(0))
        windows = [builder.gep(columns, [builder.load(builder.gep(pixels, [INDEX(p)]))]) for p in range(LANES)]
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        undefined = ir.Constant(WORDS, ir.Undefined)

        def add_row(row, totals):  # type: ignore
            begin = builder.mul(row, row_step)
            here = [builder.gep(window, [begin]) for window in windows]
            row_weights = builder.gep(weights, [builder.mul(builder.mul(row, run), INDEX(LANES))])

            def add_word(number, totals):  # type: ignore
                bits = load_as(builder, builder.gep(row_weights, [builder.mul(number, INDEX(LANES))]), WORDS, 8)
                after = []
                for total, window in zip(totals, here, strict=True):
                    word = builder.load(builder.gep(window, [number]))
                    single = builder.insert_element(undefined, word, ir.IntType(32)(0))
                    both = builder.and_(bits, builder.shuffle_vector(single, undefined, lanes))
                    after.append(builder.add(total, call(builder, f"llvm.ctpop.v{LANES}i64", WORDS, both)))
                return after

            return repeat(builder, run, totals, add_word)

        totals = repeat(builder, rows, [constant(WORDS, 0)] * LANES, add_row)
        narrow = [builder.trunc(total, ir.VectorType(SHORT, LANES)) for total in totals]
        for output, row in enumerate(transposed(builder, narrow, LANES)):
            place = builder.gep(counts, [builder.mul(INDEX(output), counts_step)])
            store_as(builder, row, place, 2)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 8), generate


@intrinsic
def ones_of_counts(_context, counts, start, pieces, ones):  # type: ignore
    """Write ``ones = start + 2 * counts`` for `pieces` times `PIECE` pixels, all int16."""

    def generate(context, builder, signature, arguments):  # type: ignore
        counts, start, pieces, ones = arguments
        counts, start, ones = (at(builder, place, SHORT, INDEX(0)) for place in (counts, start, ones))
        shorts = ir.VectorType(SHORT, PIECE)

        def one(number, _state):  # type: ignore
            here = builder.mul(number, INDEX(PIECE))
            count = load_as(builder, builder.gep(counts, [here]), shorts, 2)
            first = load_as(builder, builder.gep(start, [here]), shorts, 2)
            store_as(builder, builder.add(first, builder.add(count, count)), builder.gep(ones, [here]), 2)
            return []

        repeat(builder, pieces, [], one)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), generate


def _columns(from_bits: bool) -> Any:
    """Return the intrinsic that puts the bits of up to 64 channels of `PIECE` pixels together."""

    @intrinsic
    def columns_of(_context, source, step, channels, target):  # type: ignore
        """Write `PIECE` words, bit c of which is that of channel c; return nonzero if a float is NaN.

        The channels lie `step` elements apart: float32 values, of which the bit is ``x > 0``, or uint16 of bits.
        """

        def generate(context, builder, signature, arguments):  # type: ignore
            source, step, channels, target = arguments
            source = at(builder, source, SHORT if from_bits else FLOAT, INDEX(0))
            target = at(builder, target, WORD, INDEX(0))
            whole, floats = bit_vector(PIECE), ir.VectorType(FLOAT, PIECE)
            flags = ir.VectorType(ir.IntType(1), PIECE)

            def one_channel(channel, state):  # type: ignore
                words, bit, nans = state
                place = builder.gep(source, [builder.mul(channel, step)])
                if from_bits:
                    chosen = builder.bitcast(builder.load(place), flags)
                else:
                    values = load_as(builder, place, floats, 4)
                    chosen = builder.fcmp_ordered(">", values, ir.Constant(floats, [0.0] * PIECE))
                    nan = builder.fcmp_unordered("uno", values, values)
                    nans = builder.or_(nans, builder.bitcast(nan, SHORT))
                words = builder.select(chosen, builder.or_(words, bit), words)
                return [words, builder.add(bit, bit), nans]

            first = [constant(whole, 0), constant(whole, 1), SHORT(0)]
            words, _, nans = repeat(builder, channels, first, one_channel)
            store_as(builder, words, target, 8)
            return builder.zext(nans, INDEX)

        return types.intp(*[types.intp] * 4), generate

    return columns_of


columns_of_floats, columns_of_bits = _columns(False), _columns(True)


@compiled
def fill_columns(
    x: Array, bits: Array, packed: bool, image: int, channels: int, pixels: int, pixel_place: Array, words: int,
    columns: Array,
) -> int:  # fmt: skip
    """Write the columns of one image; return nonzero if an activation is NaN.

    Parameters
    ----------
    x : float32 (flat batch, channels, pixels), or anything if `packed`
        The activations.
    bits : uint64 (flat batch, channels, ceil(pixels / 64)), or anything if not `packed`
        Their bits.
    packed : bool
        Which of the two is read.
    image, channels, pixels : int
        Which image, and its size.
    pixel_place : int64 (pixels,)
        The word where each pixel's column begins.
    words : int
        Words of a column.
    columns : uint64
        The result. The border is not written.
    """
    stored = (pixels + 63) // 64
    together = np.empty(PIECE, np.uint64)
    together_p, x_p, bits_p = address(together), address(x), address(bits)
    nans = 0
    for group in range(words):
        first = image * channels + group * 64
        count = min(64, channels - group * 64)
        for begin in range(0, pixels, PIECE):
            if packed:
                columns_of_bits(bits_p + 8 * first * stored + 2 * (begin // PIECE), stored * 4, count, together_p)
            elif begin + PIECE <= pixels:
                nans |= columns_of_floats(x_p + 4 * (first * pixels + begin), pixels, count, together_p)
            else:
                for i in range(pixels - begin):
                    word = np.uint64(0)
                    for channel in range(count):
                        value = x[(first + channel) * pixels + begin + i]
                        if value > 0:
                            word |= ONE << np.uint64(channel)
                        nans |= value != value
                    together[i] = word
            for i in range(min(PIECE, pixels - begin)):
                columns[pixel_place[begin + i] + group] = together[i]
    keep((together, x, bits))
    return nans
