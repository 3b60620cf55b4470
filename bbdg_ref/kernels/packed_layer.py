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
from .bitvectors import SHORT, SLICES, at, load_as, store_as
from .compiled import compiled, inlined
from .packed_block import TOGETHER, aligned_words, count_outputs, make_planes
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


def clipped(builder: Any, value: Any, low: Any = MINUS_ONES, high: Any = ONES) -> Any:
    """Return min(max(value, low), high)."""
    value = builder.select(builder.fcmp_ordered("<", value, low), low, value)
    return builder.select(builder.fcmp_ordered(">", value, high), high, value)


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
    """Return the intrinsic that finishes some output channels of a block, with or without a shortcut."""

    @intrinsic
    def folded_pieces(  # type: ignore
        _context, ones, ones_step, outputs, total, factors, apart, runs, run, shortcut, y, y_step, float_places,
        bits, bits_step, bit_places,
    ):  # fmt: skip
        """Write the bits of z, or y = hardtanh(z + shortcut) and its bits.

        The pieces of a block are `runs` runs of `run` pieces that lie behind one another. A run of every output channel
        comes before the next run: on small maps, the channels of an image are neighbours, and its images far apart. The
        places of every piece are those of the first channel, the others follow in steps. Scale, shared and shift of a
        channel lie `apart` float32 from each other.
        """

        def generate(context, builder, signature, arguments):  # type: ignore
            (ones, ones_step, outputs, total, factors, apart, runs, run, shortcut, y, y_step, float_places,
             bits, bits_step, bit_places) = arguments  # fmt: skip
            ones, total = at(builder, ones, SHORT, INDEX(0)), at(builder, total, FLOAT, INDEX(0))
            shortcut, y = at(builder, shortcut, FLOAT, INDEX(0)), at(builder, y, FLOAT, INDEX(0))
            float_places, bit_places = (at(builder, p, INDEX, INDEX(0)) for p in (float_places, bit_places))
            bits, factors = at(builder, bits, SHORT, INDEX(0)), at(builder, factors, FLOAT, INDEX(0))

            def one_run(number, _state):  # type: ignore
                first = builder.mul(number, run)
                float_place = builder.load(builder.gep(float_places, [first]))
                bit_place = builder.load(builder.gep(bit_places, [first]))
                begin = builder.mul(first, INDEX(PIECE))

                def one_output(output, _state):  # type: ignore
                    places = [builder.gep(factors, [builder.add(output, step)]) for step in steps]
                    scale, shared, shift = (in_every_lane(builder, builder.load(place)) for place in places)
                    counts = builder.gep(ones, [builder.add(begin, builder.mul(output, ones_step))])
                    of_floats = builder.add(float_place, builder.mul(output, y_step))
                    of_bits = builder.gep(bits, [builder.add(bit_place, builder.mul(output, bits_step))])

                    def one_piece(piece, _state):  # type: ignore
                        here = builder.mul(piece, INDEX(PIECE))
                        count = builder.sitofp(load_as(builder, builder.gep(counts, [here]), SHORTS, 2), FLOATS)
                        map_place = builder.gep(total, [builder.add(begin, here)])
                        map_term = builder.fmul(shared, load_as(builder, map_place, FLOATS, 4))
                        value = builder.fadd(builder.fmul(scale, count), builder.fadd(map_term, shift))
                        if residual:
                            place = builder.add(of_floats, here)
                            value = builder.fadd(value, load_as(builder, builder.gep(shortcut, [place]), FLOATS, 4))
                            store_as(builder, clipped(builder, value), builder.gep(y, [place]), 4)
                        store_bits(builder, value, builder.gep(of_bits, [piece]))
                        return []

                    repeat(builder, run, [], one_piece)
                    return []

                repeat(builder, outputs, [], one_output)
                return []

            steps = [INDEX(0), apart, builder.add(apart, apart)]
            repeat(builder, runs, [], one_run)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 15), generate

    return folded_pieces


folded_bits, folded_residual = _folded_pieces(False), _folded_pieces(True)


@inlined
def finish_folded(
    ones: int, ones_step: int, outputs: int, total: int, factors: int, apart: int, runs: int, run: int, residual: bool,
    shortcut: int, y: int, y_step: int, float_places: int, bits: int, bits_step: int, bit_places: int,
) -> None:  # fmt: skip
    """Finish some output channels of a block, see `_folded_pieces`."""
    if residual:
        folded_residual(
            ones, ones_step, outputs, total, factors, apart, runs, run, shortcut, y, y_step, float_places,
            bits, bits_step, bit_places,
        )  # fmt: skip
    else:
        folded_bits(
            ones, ones_step, outputs, total, factors, apart, runs, run, 0, 0, y_step, float_places,
            bits, bits_step, bit_places,
        )  # fmt: skip


@compiled
def binary_step(
    t: Array, floats: Array, words: Array, integers: Array, reals: Array, places: Array, start: Array, masks: Array
) -> None:
    """Run one binary layer; `t` holds its numbers (see `bbdg_ref.ops.packed_program`), the rest are the arenas."""
    source, target, shortcut, result, batch, channels, height, width, outputs = t[1:10]
    step_v, step_h, vector, grid_width, pitch, front, length, chunk, out_pixels, taps = t[10:20]
    phase, shift, starts, float_places, bit_places, rows, scale, masks_at, places_at, start_at, start_row = t[20:31]
    pixels, phases = vector * 64, step_v * step_h
    run = pixels // PIECE  # pieces of a block that surely lie behind one another
    while out_pixels // PIECE % run > 0:
        run //= 2
    stored, out_stored = (height * width + 63) // 64, (out_pixels + 63) // 64 * 4
    mask_row = (chunk * pitch + pixels - 1) // pixels * vector
    layer_masks = masks[masks_at : masks_at + taps * mask_row].reshape(taps, mask_row)
    bits = words[source : source + batch * channels * stored]
    row = np.empty(stored + 1, np.uint64)
    streams = aligned_words(channels * phases * length)
    planes = aligned_words((channels * taps + 1) * vector)
    counter = aligned_words(SLICES * vector)
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
                number_y = first * outputs + begin
                finish_folded(
                    address(ones), pixels, end - begin, address(total), reals_p + 4 * begin, outputs,
                    pieces // run, run, shortcut >= 0, address(floats) + 4 * (shortcut + number_y * out_pixels),
                    address(floats) + 4 * (result + number_y * out_pixels), out_pixels,
                    integers_p + 8 * (float_places + piece), address(words) + 8 * target + 2 * number_y * out_stored,
                    out_stored, integers_p + 8 * (bit_places + piece),
                )  # fmt: skip
    keep((planes, counter, shared, ones, total, integers, reals, places, start, floats, words))
