"""Streams of bits: the images of a chunk, one bit a pixel, one stream for each channel and phase.

A convolution of stride s reads its input in s * s *phases*, x[ri::s, rj::s]; every tap (i, j) of the kernel reads one
phase, shifted by whole pixels. So a stream holds one phase of one channel for all images of the chunk, in a grid of
rows wide enough for the output as well, and what a tap reads is the stream shifted by a fixed number of bits.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .bitvectors import SHORT, WORD, at, bit_vector, constant, load_as, store_as
from .compiled import compiled
from .vectors import FLOAT, INDEX, address, keep, pointer, repeat

Array = np.ndarray[Any, Any]

PIECE = 16  # pixels that one comparison turns into one uint16
ONE = np.uint64(1)
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@intrinsic
def sign_pieces(_context, x, x_at, pieces, bits, bits_at):  # type: ignore
    """Write the bits of ``x > 0`` for `pieces` times `PIECE` float32 values, as uint16; return nonzero for a NaN."""

    def generate(context, builder, signature, arguments):  # type: ignore
        x, x_at, pieces, bits, bits_at = arguments
        x = pointer(context, builder, signature.args[0], x, x_at)
        bits = pointer(context, builder, signature.args[3], bits, bits_at)
        floats = ir.VectorType(FLOAT, PIECE)

        def one_piece(number, state):  # type: ignore
            values = load_as(builder, builder.gep(x, [builder.mul(number, INDEX(PIECE))]), floats, 4)
            above = builder.fcmp_ordered(">", values, ir.Constant(floats, [0.0] * PIECE))
            store_as(builder, builder.bitcast(above, SHORT), builder.gep(bits, [number]), 2)
            nan = builder.fcmp_unordered("uno", values, values)
            return [builder.or_(state[0], builder.bitcast(nan, SHORT))]

        (nans,) = repeat(builder, pieces, [SHORT(0)], one_piece)
        return builder.zext(nans, INDEX)

    index = types.intp
    return index(x, index, index, bits, index), generate


@compiled
def take(words: Array, at: int, count: int) -> Any:
    """Return `count` (1 to 64) bits from the bit `at` on; the word after them must exist."""
    word, low = at >> 6, np.uint64(at & 63)
    bits = words[word] >> low
    if low != 0:
        bits |= words[word + 1] << (np.uint64(64) - low)
    if count < 64:
        bits &= (ONE << np.uint64(count)) - ONE
    return bits


@compiled
def put(words: Array, at: int, count: int, bits: Any) -> None:
    """Replace `count` (1 to 64) bits from the bit `at` on."""
    word, low = at >> 6, np.uint64(at & 63)
    mask = ALL if count == 64 else (ONE << np.uint64(count)) - ONE
    words[word] = (words[word] & ~(mask << low)) | (bits << low)
    if (at & 63) + count > 64:
        high = np.uint64(64) - low
        words[word + 1] = (words[word + 1] & ~(mask >> high)) | (bits >> high)


@compiled
def every_second(bits: Any) -> Any:
    """Return the bits 0, 2, 4, ..., side by side."""
    bits &= np.uint64(0x5555555555555555)
    bits = (bits | (bits >> np.uint64(1))) & np.uint64(0x3333333333333333)
    bits = (bits | (bits >> np.uint64(2))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    bits = (bits | (bits >> np.uint64(4))) & np.uint64(0x00FF00FF00FF00FF)
    bits = (bits | (bits >> np.uint64(8))) & np.uint64(0x0000FFFF0000FFFF)
    return (bits | (bits >> np.uint64(16))) & np.uint64(0x00000000FFFFFFFF)


@compiled
def every(bits: Any, step: int, count: int) -> Any:
    """Return the bits 0, step, 2 step, ... of `count` bits, side by side."""
    if step == 1:
        return bits
    if step == 2:
        return every_second(bits)
    result = np.uint64(0)
    place = np.uint64(0)
    for i in range(0, count, step):
        result |= ((bits >> np.uint64(i)) & ONE) << place
        place += ONE
    return result


@compiled
def split_row(source: Array, source_at: int, width: int, step: int, target: Array, target_at: int, apart: int) -> None:
    """Deal the bits of a row out to `step` streams whose rows begin `apart` bits from each other."""
    piece = 64 // step * step  # so that every piece begins with phase 0
    if step > 64:
        for column in range(width):
            put(target, target_at + column % step * apart + column // step, 1, take(source, source_at + column, 1))
        return
    for begin in range(0, width, piece):
        count = min(piece, width - begin)
        bits = take(source, source_at + begin, count)
        for phase in range(min(step, count)):
            kept = (count - phase + step - 1) // step
            place = target_at + phase * apart + begin // step
            put(target, place, kept, every(bits >> np.uint64(phase), step, count - phase))


def _halve(lanes: int, width: int) -> Callable[..., Any]:
    """Return the intrinsic that deals out `lanes` words of an image of that width to the four phases of stride 2."""
    vector = bit_vector(lanes)

    @intrinsic
    def halve_words(_context, words, target, apart):  # type: ignore
        """Write 16 pixels a word to each of four streams of uint16 that begin `apart` elements from each other."""

        def generate(context, builder, signature, arguments):  # type: ignore
            words, target, apart = arguments
            words, target = at(builder, words, WORD, INDEX(0)), at(builder, target, SHORT, INDEX(0))
            every = load_as(builder, words, vector, 8)
            for phase_h in (0, 1):
                columns = _kept(builder, builder.lshr(every, constant(vector, phase_h)), vector, 1)
                for phase_v in (0, 1):
                    moved = builder.lshr(columns, constant(vector, phase_v * width // 2))
                    rows = _kept(builder, moved, vector, width // 2)
                    place = builder.gep(target, [builder.mul(INDEX(2 * phase_v + phase_h), apart)])
                    store_as(builder, builder.trunc(rows, ir.VectorType(SHORT, lanes)), place, 2)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 3), generate

    return halve_words


def _kept(builder: Any, bits: Any, vector: Any, group: int) -> Any:
    """Return every second group of `group` bits, side by side: of 64 bits in groups of 1, of 32 in larger ones."""
    bits_left = 32 if group == 1 else 16
    bits = builder.and_(bits, constant(vector, _every_second_group(group)))
    while group < bits_left:
        bits = builder.or_(bits, builder.lshr(bits, constant(vector, group)))
        group *= 2
        bits = builder.and_(bits, constant(vector, _every_second_group(group)))
    return bits


def _every_second_group(group: int) -> int:
    """Return the word whose groups 0, 2, 4, ... of `group` bits are ones."""
    return sum(((1 << group) - 1) << place for place in range(0, 64, 2 * group))


halve_4_8, halve_4_16, halve_4_32 = (_halve(4, width) for width in (8, 16, 32))
halve_1_8, halve_1_16, halve_1_32 = (_halve(1, width) for width in (8, 16, 32))


@compiled
def halve(words: int, count: int, width: int, target: int, apart: int) -> None:
    """Deal out the words of an image of width 8, 16 or 32 to the four phases of stride 2, as uint16."""
    done = 0
    while done + 4 <= count:
        if width == 32:
            halve_4_32(words + 8 * done, target + 2 * done, apart)
        elif width == 16:
            halve_4_16(words + 8 * done, target + 2 * done, apart)
        else:
            halve_4_8(words + 8 * done, target + 2 * done, apart)
        done += 4
    while done < count:
        if width == 32:
            halve_1_32(words + 8 * done, target + 2 * done, apart)
        elif width == 16:
            halve_1_16(words + 8 * done, target + 2 * done, apart)
        else:
            halve_1_8(words + 8 * done, target + 2 * done, apart)
        done += 1


def _copy_maps(pieces: int) -> Callable[..., Any]:
    """Return the intrinsic that copies the bits of every channel, `pieces` uint16 at a time."""

    @intrinsic
    def copy_maps(_context, source, source_step, target, target_step, channels, times):  # type: ignore
        """Copy `times` times `pieces` uint16 of every channel; the steps from channel to channel count uint16."""

        def generate(context, builder, signature, arguments):  # type: ignore
            source, source_step, target, target_step, channels, times = arguments
            source, target = at(builder, source, SHORT, INDEX(0)), at(builder, target, SHORT, INDEX(0))
            kind = ir.VectorType(SHORT, pieces)

            def one_channel(channel, _state):  # type: ignore
                here = builder.gep(source, [builder.mul(channel, source_step)])
                there = builder.gep(target, [builder.mul(channel, target_step)])

                def one_part(number, _state):  # type: ignore
                    begin = builder.mul(number, INDEX(pieces))
                    value = load_as(builder, builder.gep(here, [begin]), kind, 2)
                    store_as(builder, value, builder.gep(there, [begin]), 2)
                    return []

                repeat(builder, times, [], one_part)
                return []

            repeat(builder, channels, [], one_channel)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 6), generate

    return copy_maps


copy_maps_32, copy_maps_16, copy_maps_4, copy_maps_1 = (_copy_maps(pieces) for pieces in (32, 16, 4, 1))


@compiled
def copy_maps(source: int, source_step: int, target: int, target_step: int, channels: int, pieces: int) -> None:
    """Copy `pieces` uint16 of bits of every channel of an image from one address to another."""
    if pieces % 32 == 0:
        copy_maps_32(source, source_step, target, target_step, channels, pieces // 32)
    elif pieces % 16 == 0:
        copy_maps_16(source, source_step, target, target_step, channels, pieces // 16)
    elif pieces % 4 == 0:
        copy_maps_4(source, source_step, target, target_step, channels, pieces // 4)
    else:
        copy_maps_1(source, source_step, target, target_step, channels, pieces)


@compiled
def sign_row(x: Array, x_at: int, count: int, bits: Array) -> int:
    """Write the bits of ``x[x_at : x_at + count] > 0`` to the words `bits`; bits beyond them in the last word are 0.

    Nonzero is returned if one is NaN.
    """
    pieces = count // PIECE
    nans = sign_pieces(x, x_at, pieces, bits.view(np.uint16), 0)
    at = pieces * PIECE
    if at < count or pieces % 4:
        last = np.uint64(0)
        for i in range(at, count):
            value = x[x_at + i]
            if value > 0:
                last |= ONE << np.uint64(i - at)
            nans |= value != value
        put(bits, at, 64 - (at & 63), last)
    return nans


@compiled
def fill_streams(
    x: Array, bits: Array, packed: bool, first: int, images: int, channels: int, height: int, width: int,
    step_v: int, step_h: int, grid_width: int, pitch: int, front: int, length: int, row: Array, streams: Array,
) -> int:  # fmt: skip
    """Write the streams of a chunk of images; return nonzero if an activation is NaN.

    Parameters
    ----------
    x : float32 (flat batch, channels, height, width), or anything if `packed`
        The activations; a bit is ``x > 0``.
    bits : uint64 (flat batch, channels, ceil(height * width / 64)), or anything if not `packed`
        Their bits.
    packed : bool
        Which of the two is read.
    first, images : int
        The images of the chunk.
    step_v, step_h : int
        The convolution's stride.
    grid_width, pitch : int
        Bits from one row, and from one image, to the next.
    front : int
        Words of a stream before the chunk's first bit.
    length : int
        Words of a stream.
    row : uint64 (at least ceil(height * width / 64) + 1,)
        Scratch memory.
    streams : uint64 (flat channels, step_v * step_h, length)
        The result. Bits outside the images are not written, but for those of an image's last piece.
    """
    pixels = height * width
    stored = (pixels + 63) // 64
    whole = step_v == 1 and step_h == 1 and grid_width == width and pixels % PIECE == 0
    halved = step_v == 2 and step_h == 2 and 2 * grid_width == width and 4 * pitch == pixels and pixels % 64 == 0
    halved = halved and (width == 8 or width == 16 or width == 32)
    phases = step_v * step_h
    in_line = step_v == 1 and step_h == 1 and grid_width == width
    shorts = streams.view(np.uint16)
    streams_p, bits_p = address(streams), address(bits)
    row_shorts = row.view(np.uint16)
    nans = 0
    for image in range(images):
        if whole and packed:
            here = bits_p + 8 * (first + image) * channels * stored
            there = streams_p + 8 * front + 2 * image * (pitch // PIECE)
            copy_maps(here, 4 * stored, there, 4 * length, channels, pixels // PIECE)
            continue
        for channel in range(channels):
            number = (first + image) * channels + channel
            at = channel * phases * length + front
            if whole:
                nans |= sign_pieces(x, number * pixels, pixels // PIECE, shorts, at * 4 + image * (pitch // PIECE))
                continue
            words, words_p = number * stored, bits_p
            if not packed:
                nans |= sign_row(x, number * pixels, pixels, row)
                words, words_p = 0, address(row)
            if halved:
                target = at * 4 + image * stored
                halve(words_p + 8 * words, stored, width, streams_p + 2 * target, length * 4)
                continue
            if packed:
                for word in range(stored):
                    row[word] = bits[number * stored + word]
            if in_line:  # the rows lie behind one another already; what follows the last one is masked
                for piece in range((pixels + PIECE - 1) // PIECE):
                    shorts[at * 4 + image * (pitch // PIECE) + piece] = row_shorts[piece]
                continue
            for line in range(height):
                to = (at + line % step_v * step_h * length) * 64 + image * pitch + line // step_v * grid_width
                split_row(row, line * width, width, step_h, streams, to, length * 64)
    keep((streams, bits, row))
    return nans
