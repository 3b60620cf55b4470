"""The gradient of a convolution of two-valued weights with respect to its input: additions, and only for the ones.

With weights alpha[o] + (beta[o] - alpha[o]) * b[o, c, i, j], b in {0, 1}, and p(q, i, j) the output that read input q
by tap (i, j),

    dx[c, q] = sum over the ones (o, i, j) of b[:, c] of  (beta[o] - alpha[o]) dy[o, p(q, i, j)]  +  s[q],
    s[q] = sum over all (i, j) of  t[p(q, i, j)],    t[p] = sum over o of  alpha[o] dy[o, p].

`LANES` images go side by side: ``(beta[o] - alpha[o]) dy`` lies in a grid (row, output channel, column, image) with a
border of zeros, so that whatever a tap reads is whole vectors. For each input channel there is a list of its ones, each
the distance from a pixel to what the one reads there. A tile of `LANES` pixels, with one running sum in a register for
each, starts from s, and for each one of the list adds as many vectors; at the end it is turned round and stored.

With stride 2 the input pixels of one parity (of row and column) are a map of their own, with the taps that reach them.
In each axis, tap i reaches the pixels ``q = 2 a + r``, ``r = (i - padding) mod 2``, from the output
``p = a + (r + padding - i) / 2``; with stride 1 there is one such class, r = 0.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .bitvectors import BYTE, PLACE, at, bit_vector, call, load_as, store_as
from .compiled import compiled, inlined
from .layout import aligned_empty
from .sparse_tiles import WHOLE, WIDTHS, fill_tile, pair_tile, plain_tile, sum_tile
from .threads import share_out
from .vectors import INDEX, LANES, address, keep, repeat

__all__ = ["LANES", "WIDTHS", "Numbers", "gradient", "list_ones"]

Array = np.ndarray[Any, Any]


class Numbers(NamedTuple):
    """The shapes of a problem, and how they are cut up.

    Attributes
    ----------
    stride : int
        1, or 2 with even height and width.
    kernel, pad : int
        Kernel rows, and padding, vertical.
    channels, height, width : int
        Of dx.
    columns : int
        Of a tile of dx.
    dy_height, dy_width, outputs : int
        Of dy.
    pitch : int
        Vectors from one output channel to the next in the grid.
    dy_columns : int
        Columns of a tile of dy.
    past_cache : int
        1 to store dx past the cache.
    border_v, border_h : int
        Rows and columns of the grid's border.
    reach : int
        How many rows further down a tap reads at most.
    """

    stride: int
    kernel: int
    pad: int
    channels: int
    height: int
    width: int
    columns: int
    dy_height: int
    dy_width: int
    outputs: int
    pitch: int
    dy_columns: int
    past_cache: int
    border_v: int
    border_h: int
    reach: int


@intrinsic
def gather_bit(_context, bits, words, number, count):  # type: ignore
    """Set bit `number` of each of `count` times 8 words to the byte (0 or 1) of the same place."""

    def generate(context, builder, signature, arguments):  # type: ignore
        bits, words, number, count = arguments
        bits, words = at(builder, bits, BYTE, INDEX(0)), at(builder, words, INDEX, INDEX(0))
        eight = bit_vector(8)
        single = builder.insert_element(ir.Constant(eight, ir.Undefined), number, PLACE(0))
        places = builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(PLACE, 8), [0] * 8))

        def one(step, _state):  # type: ignore
            here = builder.mul(step, INDEX(8))
            new = builder.zext(load_as(builder, builder.gep(bits, [here]), ir.VectorType(BYTE, 8), 1), eight)
            word = builder.gep(words, [here])
            store_as(builder, builder.or_(load_as(builder, word, eight, 8), builder.shl(new, places)), word, 8)
            return []

        repeat(builder, count, [], one)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), generate


@intrinsic
def list_bits(_context, word, entries, first, step):  # type: ignore
    """Write ``first + step * k`` as int32 for each one k of a word; return the address after the last."""

    def generate(context, builder, signature, arguments):  # type: ignore
        word, entries, first, step = arguments
        before = builder.block
        head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        left, place = builder.phi(INDEX), builder.phi(INDEX)
        builder.cbranch(builder.icmp_signed("!=", left, INDEX(0)), body, done)
        builder.position_at_end(body)
        number = call(builder, "llvm.cttz.i64", INDEX, left, ir.IntType(1)(1))
        entry = builder.trunc(builder.add(first, builder.mul(step, number)), PLACE)
        builder.store(entry, at(builder, place, PLACE, INDEX(0)), align=4)
        for phi, start, after in (
            (left, word, builder.and_(left, builder.sub(left, INDEX(1)))),
            (place, entries, builder.add(place, INDEX(4))),
        ):
            phi.add_incoming(start, before)
            phi.add_incoming(after, body)
        builder.branch(head)
        builder.position_at_end(done)
        return place

    return types.intp(*[types.intp] * 4), generate


@compiled
def list_ones(
    bits: Array, kernel: Array, padding: Array, stride: int, pitch: int, line: int, entries: Array, starts: Array
) -> None:
    """List the ones of every input channel: by class of columns, channel, class of rows, kernel row, column, output.

    Parameters
    ----------
    bits : uint8 (outputs, channels * kernel rows * kernel columns)
    kernel, padding : int64 (2,)
        Vertical and horizontal.
    pitch, line : int
        Vectors from one output channel to the next in the grid, and from one row to the next.
    entries : int32 (ones,)
        Filled with the distances in float32.
    starts : int64 (stride * channels * kernel rows + 1,)
        Filled with the number of the first entry of each kernel row of each channel of each class of columns.
    """
    outputs, row = bits.shape
    kernel_v, kernel_h = kernel
    pad_v, pad_h = padding
    channels = row // (kernel_v * kernel_h)
    groups = (outputs + 63) // 64
    words = np.zeros((groups, row), np.int64)  # bit o % 64 of words[o // 64, k] is bits[o, k]
    for output in range(outputs):
        group = output // 64
        gather_bit(address(bits) + output * row, address(words) + 8 * group * row, output % 64, row // 8)
        for k in range(row // 8 * 8, row):
            words[group, k] |= np.int64(bits[output, k]) << (output % 64)
    begin = address(entries)
    end, part = begin, 0
    for class_h in range(stride):
        first_j = (class_h + pad_h) % stride
        for channel in range(channels):
            for class_v in range(stride):
                for i in range((class_v + pad_v) % stride, kernel_v, stride):
                    starts[part] = (end - begin) // 4
                    part += 1
                    for j in range(first_j, kernel_h, stride):
                        distance = (class_v + pad_v - i) // stride * line + (class_h + pad_h - j) // stride
                        k = (channel * kernel_v + i) * kernel_h + j
                        for group in range(groups):
                            first = (distance + 64 * group * pitch) * LANES
                            end = list_bits(words[group, k], end, first, pitch * LANES)
    starts[part] = (end - begin) // 4
    keep((bits, words, entries))


@inlined
def _limits(stride: int, class_v: int, kernel: int, pad: int, first: int, rows: int, size: int) -> tuple[int, ...]:
    """Return where those kernel rows of a class begin that leave the map of dy at its end, not at all, at its start.

    The last of the four numbers is where they end. They count in the order of `list_ones`.
    """
    before = 0
    for earlier in range(class_v):
        before += len(range((earlier + pad) % stride, kernel, stride))
    first_i = (class_v + pad) % stride
    count = len(range(first_i, kernel, stride))
    shift = (class_v + pad - first_i) // stride  # of the first; each further one reads one row earlier
    ending = min(max(first + rows - 1 + shift - (size - 1), 0), count)
    staying = min(max(first + shift + 1, ending), count)
    return before, before + ending, before + staying, before + count


@inlined
def _tile_row(
    n: Numbers, class_v: int, top: int, here: int, entries: int, starts: Array, box: int, box_starts: Array,
    scratch: int, dx: int,
) -> None:  # fmt: skip
    """Compute the tiles of one row of tiles and one class of rows, for all input channels."""
    stride, kernel, channels, width, columns = n.stride, n.kernel, n.channels, n.width, n.columns
    pixels, class_width, line = n.height * width, width // stride, (n.outputs + 1) * n.pitch * LANES
    image, tiles = channels * pixels, -(-class_width // columns)
    zeros, even, shared = scratch, scratch + WHOLE * LANES, scratch + 2 * WHOLE * LANES
    evens = (even, LANES, columns, 0)
    p0, p1, p2, p3 = _limits(stride, class_v, kernel, n.pad, top, LANES // columns, n.dy_height)
    for tile in range(tiles):  # s: the box sums of the channel after the last, which is t
        grid = here + 4 * LANES * (n.outputs * n.pitch + min(tile * columns, class_width - columns))
        for class_h in range(stride):
            b = class_h * kernel
            q0, q1, q2, q3 = box_starts[b + p0], box_starts[b + p1], box_starts[b + p2], box_starts[b + p3]
            sum_tile(
                columns, grid, box, q0, q1, q2, q3, line, zeros, shared + (tile * stride + class_h) * WHOLE * LANES
            )
    for channel in range(channels):
        b = channel * kernel
        q0, q1, q2, q3 = starts[b + p0], starts[b + p1], starts[b + p2], starts[b + p3]
        b += (stride - 1) * channels * kernel  # the odd columns of stride 2
        r0, r1, r2, r3 = starts[b + p0], starts[b + p1], starts[b + p2], starts[b + p3]
        to_row = dx + 4 * (channel * pixels + (top * stride + class_v) * width)
        for tile in range(tiles):
            left = min(tile * columns, class_width - columns)  # the last tile may overlap the one before it
            grid, to = here + 4 * LANES * left, to_row + 4 * left * stride
            start = shared + tile * stride * WHOLE * LANES
            first, first_image, first_row, first_past = (to, image, width, n.past_cache) if stride == 1 else evens
            plain_tile(
                columns, grid, entries, q0, q1, q2, q3, line, start, first, first_image, first_row, first_past
            )  # fmt: skip
            if stride == 2:
                start += WHOLE * LANES
                pair_tile(
                    columns, grid, entries, r0, r1, r2, r3, line, start, even, to, image, 2 * width, n.past_cache
                )  # fmt: skip


@inlined
def _fill_rows(n: Numbers, dy: int, delta: int, alpha: int, grid: int, filled: int, needed: int) -> int:
    """Bring rows of dy to the grid until those before `needed` are there; return how many are."""
    width, outputs, columns = n.dy_width, n.outputs, n.dy_columns
    pixels, line, rows = n.dy_height * width, (outputs + 1) * n.pitch * LANES, LANES // columns
    while filled < needed:
        row = min(filled, n.dy_height - rows)
        for tile_column in range(0, width, columns):
            column = min(tile_column, width - columns)
            fill_tile(
                columns, dy + 4 * (row * width + column), outputs * pixels, pixels, width, outputs, delta, alpha,
                grid + 4 * (row * line + column * LANES), n.pitch * LANES, line,
            )  # fmt: skip
        filled = row + rows
    return filled


@compiled
def _gradient_groups(
    dy: Array, n: Numbers, delta: Array, alpha: Array, entries: Array, starts: Array, box: Array,
    box_starts: Array, dx: Array, first_group: int, last_group: int,
) -> None:  # fmt: skip
    """Compute the gradient of some groups of `LANES` images; see `gradient`."""
    rows, class_height, line = LANES // n.columns, n.height // n.stride, (n.outputs + 1) * n.pitch * LANES
    dy_image, dx_image = n.outputs * n.dy_height * n.dy_width, n.channels * n.height * n.width
    # Zeros everywhere: the borders are never written. The border right of a channel is also that left of the next.
    grid = aligned_empty((n.dy_height + 2 * n.border_v) * line + n.border_h * LANES)
    grid[:] = 0.0
    scratch = aligned_empty((2 + n.width) * LANES * LANES)
    scratch[: LANES * LANES] = 0.0
    few_dy, few_dx = np.empty(0, np.float32), np.empty(0, np.float32)
    place = address(grid) + 4 * (n.border_v * line + n.border_h * LANES)
    for group in range(first_group, last_group):
        count = min(LANES, dy.shape[0] - group * LANES)
        dy_p = address(dy) + 4 * group * LANES * dy_image
        dx_p = address(dx) + 4 * group * LANES * dx_image
        if count < LANES:  # only the last group
            few_dy, few_dx = np.zeros(LANES * dy_image, np.float32), aligned_empty(LANES * dx_image)
            few_dy[: count * dy_image] = dy[group * LANES :].reshape(-1)
            dy_p, dx_p = address(few_dy), address(few_dx)
        filled = 0
        for tile_row in range(0, class_height, rows):
            top = min(tile_row, class_height - rows)
            needed = min(n.dy_height, top + rows + n.reach)  # row by row, so that they are still in the cache when read
            filled = _fill_rows(n, dy_p, address(delta), address(alpha), place, filled, needed)
            for class_v in range(n.stride):
                _tile_row(
                    n, class_v, top, place + 4 * top * line, address(entries), starts, address(box), box_starts,
                    address(scratch), dx_p,
                )  # fmt: skip
        if count < LANES:
            dx[group * LANES :] = few_dx[: count * dx_image].reshape((count, n.channels, n.height, n.width))
    keep((dy, delta, alpha, entries, box, dx, grid, scratch, few_dy, few_dx))


def gradient(
    dy: Array, numbers: Numbers, delta: Array, alpha: Array, entries: Array, starts: Array, box: Array,
    box_starts: Array, dx: Array,
) -> None:  # fmt: skip
    """Compute the gradient, on the threads of Numba.

    Parameters
    ----------
    dy : float32 (batch, outputs, dy height, dy width)
    numbers : Numbers
        The shapes.
    delta, alpha : float32 (outputs,)
        beta - alpha, and alpha.
    entries, starts
        The ones, from `list_ones`.
    box, box_starts
        The same for one input channel, one output channel and a kernel of ones.
    dx : float32 (batch, channels, height, width)
        The result.
    """

    def work(first: int, last: int) -> None:
        _gradient_groups(dy, numbers, delta, alpha, entries, starts, box, box_starts, dx, first, last)

    share_out(work, -(-len(dy) // LANES))
