"""A binary layer of a packed network: from bits to bits, with float32 only where a shortcut needs it.

The layer's expression is that of `bbdg_ref.spec.evaluation`, every product and every sum rounded once::

    z = scale[o] * ones + (shared[o] * total + shift[o]).

Either only the bits of z are kept (what the next binary layer reads), or y = hardtanh(z + shortcut) and its bits.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .bitstreams import PIECE, fill_streams
from .bitvectors import SHORT, at, load_as, store_as
from .compiled import compiled, inlined
from .packed_block import COUNTER, TOGETHER, aligned_words, count_outputs, make_planes
from .vectors import FLOAT, INDEX, address, keep, repeat

Array = np.ndarray[Any, Any]
FLOATS = ir.VectorType(FLOAT, PIECE)
SHORTS = ir.VectorType(SHORT, PIECE)
ONES = ir.Constant(FLOATS, [1.0] * PIECE)
MINUS_ONES = ir.Constant(FLOATS, [-1.0] * PIECE)
ZEROS = ir.Constant(FLOATS, [0.0] * PIECE)


def in_every_lane(builder: Any, number: Any) -> Any:
    """Return the vector of `PIECE` float32 with the number in every lane."""
    undefined = ir.Constant(FLOATS, ir.Undefined)
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), PIECE), [0] * PIECE)
    return builder.shuffle_vector(builder.insert_element(undefined, number, ir.IntType(32)(0)), undefined, lanes)


def clipped(builder: Any, value: Any) -> Any:
    """Return min(max(value, -1), 1)."""
    low = builder.select(builder.fcmp_ordered("<", value, MINUS_ONES), MINUS_ONES, value)
    return builder.select(builder.fcmp_ordered(">", low, ONES), ONES, low)


def store_bits(builder: Any, value: Any, target: Any) -> None:
    """Store the bits of ``value > 0`` as a uint16."""
    store_as(builder, builder.bitcast(builder.fcmp_ordered(">", value, ZEROS), SHORT), target, 2)


@intrinsic
def float_shared(_context, shared, pieces, floats):  # type: ignore
    """Write the int16 of `pieces` times `PIECE` pixels as float32."""

    def generate(context, builder, signature, arguments):  # type: ignore
        shared, pieces, floats = arguments
        shared, floats = at(builder, shared, SHORT, INDEX(0)), at(builder, floats, FLOAT, INDEX(0))

        def one(number, _state):  # type: ignore
            here = builder.mul(number, INDEX(PIECE))
            total = builder.sitofp(load_as(builder, builder.gep(shared, [here]), SHORTS, 2), FLOATS)
            store_as(builder, total, builder.gep(floats, [here]), 4)
            return []

        repeat(builder, pieces, [], one)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3), generate


def _folded_pieces(residual: bool) -> Callable[..., Any]:
    """Return the intrinsic that finishes a block of one output channel, with or without a shortcut."""

    @intrinsic
    def folded_pieces(  # type: ignore
        _context, ones, total, scale, shared, shift, pieces, shortcut, y, float_places, bits, bit_places
    ):
        """Write the bits of z, or y = hardtanh(z + shortcut) and its bits, for `pieces` pieces."""

        def generate(context, builder, signature, arguments):  # type: ignore
            ones, total, scale, shared, shift, pieces, shortcut, y, float_places, bits, bit_places = arguments
            ones, total = at(builder, ones, SHORT, INDEX(0)), at(builder, total, FLOAT, INDEX(0))
            shortcut, y = at(builder, shortcut, FLOAT, INDEX(0)), at(builder, y, FLOAT, INDEX(0))
            float_places, bit_places = (at(builder, p, INDEX, INDEX(0)) for p in (float_places, bit_places))
            bits = at(builder, bits, SHORT, INDEX(0))
            scale, shared, shift = (in_every_lane(builder, number) for number in (scale, shared, shift))

            def one(number, _state):  # type: ignore
                here = builder.mul(number, INDEX(PIECE))
                count = builder.sitofp(load_as(builder, builder.gep(ones, [here]), SHORTS, 2), FLOATS)
                map_term = builder.fmul(shared, load_as(builder, builder.gep(total, [here]), FLOATS, 4))
                value = builder.fadd(builder.fmul(scale, count), builder.fadd(map_term, shift))
                if residual:
                    place = builder.load(builder.gep(float_places, [number]))
                    value = builder.fadd(value, load_as(builder, builder.gep(shortcut, [place]), FLOATS, 4))
                    store_as(builder, clipped(builder, value), builder.gep(y, [place]), 4)
                store_bits(builder, value, builder.gep(bits, [builder.load(builder.gep(bit_places, [number]))]))
                return []

            repeat(builder, pieces, [], one)
            return context.get_dummy_value()

        index, real = types.intp, types.float32
        return types.void(index, index, real, real, real, *[index] * 6), generate

    return folded_pieces


folded_bits, folded_residual = _folded_pieces(False), _folded_pieces(True)


@compiled
def binary_step(
    t: Array, floats: Array, words: Array, integers: Array, reals: Array, places: Array, start: Array, masks: Array
) -> None:
    """Run one binary layer; `t` holds its numbers (see `bbdg_ref.ops.packed_program`), the rest are the arenas."""
    source, target, shortcut, result, batch, channels, height, width, outputs = t[1:10]
    step_v, step_h, vector, grid_width, pitch, front, length, chunk, out_pixels, taps = t[10:20]
    phase, shift, starts, float_places, bit_places, rows, scale, masks_at, places_at, start_at, start_row = t[20:31]
    pixels, phases = vector * 64, step_v * step_h
    stored, out_stored = (height * width + 63) // 64, (out_pixels + 63) // 64 * 4
    mask_row = (chunk * pitch + pixels - 1) // pixels * vector
    layer_masks = masks[masks_at : masks_at + taps * mask_row].reshape(taps, mask_row)
    bits = words[source : source + batch * channels * stored]
    row = np.empty(stored + 1, np.uint64)
    streams = aligned_words(channels * phases * length)
    planes = aligned_words((channels * taps + 1) * vector)
    counter = aligned_words((TOGETHER + 1) * COUNTER * vector)
    shared, ones, total = aligned_words(pixels // 4), aligned_words(TOGETHER * pixels // 4), aligned_words(pixels // 2)
    integers_p, reals_p = address(integers), address(reals) + 4 * scale
    lists = (
        integers_p + 8 * rows, address(planes), address(places) + 4 * places_at, address(counter),
        address(start) + 2 * start_at, start_row,
    )  # fmt: skip
    streams[:] = 0
    for number in range((batch + chunk - 1) // chunk):
        first = number * chunk
        images = min(chunk, batch - first)
        fill_streams(
            floats, bits, True, first, images, channels, height, width,
            step_v, step_h, grid_width, pitch, front, length, row, streams,
        )  # fmt: skip
        for block in range((images * pitch + pixels - 1) // pixels):
            make_planes(
                vector, streams, front, length, phases, integers[phase : phase + taps], integers[shift : shift + taps],
                layer_masks, block, channels, planes,
            )  # fmt: skip
            pieces = min(pixels, images * pitch - block * pixels) // PIECE
            kinds, piece = integers_p + 8 * (starts + block * vector), block * pixels // PIECE
            count_outputs(vector, outputs, outputs + 1, *lists, kinds, 0, address(shared))
            float_shared(address(shared), pieces, address(total))
            for begin in range(0, outputs, TOGETHER):
                end = min(begin + TOGETHER, outputs)
                count_outputs(vector, begin, end, *lists, kinds, address(shared), address(ones))
                for output in range(begin, end):
                    number_y = first * outputs + output
                    finish_folded(
                        address(ones) + (output - begin) * pixels * 2, address(total), reals_p + 4 * output, outputs,
                        pieces, shortcut >= 0, address(floats) + 4 * (shortcut + number_y * out_pixels),
                        address(floats) + 4 * (result + number_y * out_pixels), integers_p + 8 * (float_places + piece),
                        address(words) + 8 * target + 2 * number_y * out_stored, integers_p + 8 * (bit_places + piece),
                    )  # fmt: skip
    keep((planes, counter, shared, ones, total, integers, reals, places, start, floats, words))


@inlined
def finish_folded(
    ones: int, total: int, factors: int, apart: int, pieces: int, residual: bool, shortcut: int, y: int,
    float_places: int, bits: int, bit_places: int,
) -> None:  # fmt: skip
    """Finish one output channel; scale, shared and shift lie `apart` float32 from each other."""
    scale, shared, shift = peek_float(factors, 0), peek_float(factors, apart), peek_float(factors, 2 * apart)
    if residual:
        folded_residual(ones, total, scale, shared, shift, pieces, shortcut, y, float_places, bits, bit_places)
    else:
        folded_bits(ones, total, scale, shared, shift, pieces, 0, 0, float_places, bits, bit_places)


@intrinsic
def peek_float(_context, address, number):  # type: ignore
    """Return the float32 of that number behind an address."""

    def generate(_context, builder, _signature, arguments):  # type: ignore
        return builder.load(at(builder, arguments[0], FLOAT, arguments[1]))

    return types.float32(types.intp, types.intp), generate
