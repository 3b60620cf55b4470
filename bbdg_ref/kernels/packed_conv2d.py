"""The packed convolution with float32 results: y = (beta - alpha) (a * b) + alpha (a * 1).

The pixels of a chunk of images are cut into blocks of one vector. For each block: make the planes; count the shared map
a * 1; for each output channel count, expand the count to one int16 a pixel, finish in float64.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .bitstreams import PIECE, fill_streams
from .bitvectors import SHORT, SLICES, at, load_as, store_as, store_past_cache
from .compiled import compiled, inlined
from .packed_block import TOGETHER, aligned_words, count_outputs, make_planes
from .vectors import FLOAT, INDEX, address, keep, repeat

Array = np.ndarray[Any, Any]
DOUBLE = ir.DoubleType()
HALF_PIECE = PIECE // 2


@intrinsic
def scale_shared(_context, shared, alpha, pieces, scaled):  # type: ignore
    """Write ``scaled = alpha * shared`` in float64 for `pieces` times `PIECE` pixels."""

    def generate(context, builder, signature, arguments):  # type: ignore
        shared, alpha, pieces, scaled = arguments
        shared = at(builder, shared, SHORT, INDEX(0))
        scaled = at(builder, scaled, DOUBLE, INDEX(0))
        doubles = ir.VectorType(DOUBLE, HALF_PIECE)
        factor = splat_double(builder, alpha)

        def one(number, _state):  # type: ignore
            here = builder.mul(number, INDEX(HALF_PIECE))
            total = load_as(builder, builder.gep(shared, [here]), ir.VectorType(SHORT, HALF_PIECE), 2)
            product = builder.fmul(factor, builder.sitofp(total, doubles))
            store_as(builder, product, builder.gep(scaled, [here]), 8)
            return []

        repeat(builder, builder.mul(pieces, INDEX(2)), [], one)
        return context.get_dummy_value()

    return types.void(types.intp, types.float64, types.intp, types.intp), generate


def splat_double(builder: Any, number: Any) -> Any:
    """Return the vector of `HALF_PIECE` float64 with the number in every lane."""
    undefined = ir.Constant(ir.VectorType(DOUBLE, HALF_PIECE), ir.Undefined)
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), HALF_PIECE), [0] * HALF_PIECE)
    return builder.shuffle_vector(builder.insert_element(undefined, number, ir.IntType(32)(0)), undefined, lanes)


def _affine_pieces(past_the_cache: bool) -> Callable[..., Any]:
    """Return the intrinsic that finishes a block, with ordinary stores or with stores past the cache."""

    @intrinsic
    def affine_pieces(_context, ones, ones_at, delta, scaled, pieces, y, y_at, places, places_at):  # type: ignore
        """Write ``y = float32(delta * ones + scaled)`` for a block's pieces, to ``y[y_at + places[places_at + i]:]``.

        The product and the sum are rounded in float64, one after the other.
        """

        def generate(context, builder, signature, arguments):  # type: ignore
            ones, ones_at, delta, scaled, pieces, y, y_at, places, places_at = arguments
            ones = at(builder, ones, SHORT, ones_at)
            scaled = at(builder, scaled, DOUBLE, INDEX(0))
            y = at(builder, y, FLOAT, y_at)
            places = at(builder, places, INDEX, places_at)
            doubles = ir.VectorType(DOUBLE, HALF_PIECE)
            factor = splat_double(builder, delta)

            def one(number, _state):  # type: ignore
                target = builder.gep(y, [builder.load(builder.gep(places, [number]))])
                halves = []
                for half in (0, 1):
                    here = builder.add(builder.mul(number, INDEX(PIECE)), INDEX(half * HALF_PIECE))
                    count = load_as(builder, builder.gep(ones, [here]), ir.VectorType(SHORT, HALF_PIECE), 2)
                    product = builder.fmul(factor, builder.sitofp(count, doubles))
                    total = builder.fadd(product, load_as(builder, builder.gep(scaled, [here]), doubles, 8))
                    halves.append(builder.fptrunc(total, ir.VectorType(FLOAT, HALF_PIECE)))
                lanes = ir.Constant(ir.VectorType(ir.IntType(32), PIECE), list(range(PIECE)))
                whole = builder.shuffle_vector(*halves, lanes)
                if past_the_cache:
                    store_past_cache(builder, whole, target)
                else:
                    store_as(builder, whole, target, 4)
                return []

            repeat(builder, pieces, [], one)
            return context.get_dummy_value()

        index = types.intp
        return types.void(index, index, types.float64, *[index] * 6), generate

    return affine_pieces


affine_pieces, affine_pieces_past_cache = _affine_pieces(False), _affine_pieces(True)


@compiled
def convolve_affine(
    x: Array, bits: Array, packed: bool, numbers: Array, tap_phase: Array, tap_shift: Array, masks: Array,
    starts: Array, piece_places: Array, runs: Array, run_limits: Array, places: Array, rows: Array, start: Array,
    alpha: Array, delta: Array, y: Array, first_chunk: int, last_chunk: int,
) -> int:  # fmt: skip
    """Convolve some chunks of images; return nonzero if an activation is NaN. See `bbdg_ref.ops.packed_conv2d`."""
    batch, channels, height, width, outputs, step_v, step_h, words = numbers[:8]
    grid_width, pitch, front, length, chunk, out_pixels, aligned, past_cache = numbers[8:16]
    pixels, phases = words * 64, step_v * step_h
    row = np.empty((height * width + 63) // 64 + 1, np.uint64)
    streams = aligned_words(channels * phases * length)
    planes = aligned_words((channels * len(tap_phase) + 1) * words)
    counter = aligned_words(SLICES * words)
    shared, ones = aligned_words(pixels // 4), aligned_words(TOGETHER * pixels // 4)
    scaled, scratch = aligned_words(pixels), aligned_words(pixels // 2).view(np.float32)
    in_order = np.arange(0, pixels, PIECE)
    lists = address(rows), address(planes), address(places), address(counter), address(start), start.shape[1]
    streams[:] = 0
    nans = 0
    for number in range(first_chunk, last_chunk):
        first = number * chunk
        images = min(chunk, batch - first)
        nans |= fill_streams(
            x, bits, packed, first, images, channels, height, width,
            step_v, step_h, grid_width, pitch, front, length, row, streams,
        )  # fmt: skip
        for block in range((images * pitch + pixels - 1) // pixels):
            make_planes(words, streams, front, length, phases, tap_phase, tap_shift, masks, block, channels, planes)
            pieces = min(pixels, images * pitch - block * pixels) // PIECE
            kinds = address(starts) + 8 * block * words
            count_outputs(words, outputs, outputs + 1, *lists, kinds, 0, address(shared))
            for begin in range(0, outputs, TOGETHER):
                end = min(begin + TOGETHER, outputs)
                count_outputs(words, begin, end, *lists, kinds, address(shared), address(ones))
                for output in range(begin, end):
                    if output == 0 or alpha[output] != alpha[output - 1]:
                        scale_shared(address(shared), alpha[output], pieces, address(scaled))
                    y_at = (first * outputs + output) * out_pixels
                    finish_affine(
                        address(ones) + (output - begin) * pixels * 2, delta[output], address(scaled), pieces,
                        address(y) + 4 * y_at, address(piece_places) + 8 * (block * pixels // PIECE),
                        address(scratch), address(in_order), aligned, past_cache,
                    )  # fmt: skip
                    if not aligned:
                        for run in range(run_limits[block], run_limits[block + 1]):
                            if runs[0, run] < images:
                                to = y_at + runs[0, run] * outputs * out_pixels + runs[3, run]
                                y[to : to + runs[2, run]] = scratch[runs[1, run] : runs[1, run] + runs[2, run]]
    keep((planes, places, counter, start, starts, rows, shared, ones, scaled, scratch, y, piece_places, in_order))
    return nans


@inlined
def finish_affine(
    ones: int, delta: float, scaled: int, pieces: int, y: int, piece_places: int, scratch: int, in_order: int,
    aligned: bool, past_cache: bool,
) -> None:  # fmt: skip
    """Write the results of one output channel and one block: to their places, or in order to scratch memory."""
    if not aligned:
        affine_pieces(ones, 0, delta, scaled, pieces, scratch, 0, in_order, 0)
    elif past_cache:
        affine_pieces_past_cache(ones, 0, delta, scaled, pieces, y, 0, piece_places, 0)
    else:
        affine_pieces(ones, 0, delta, scaled, pieces, y, 0, piece_places, 0)
