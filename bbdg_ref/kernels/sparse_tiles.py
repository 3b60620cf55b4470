"""The tiles of `sparse_conv2d`: `LANES` pixels of as many images, a running sum in a register for each pixel.

A tile is ``LANES / columns`` rows of one of the `WIDTHS`; each function here passes its arguments to the intrinsic for
the width. Steps count float32, places are addresses.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .bitvectors import PLACE, at, load_as, store_as, store_past_cache
from .compiled import inlined
from .vectors import FLOAT, INDEX, LANES, VECTOR, ZERO, element, multiply_add, repeat, splat, transposed

WIDTHS = (LANES, LANES // 2, LANES // 4)  # columns of a tile; it has LANES / columns rows
WHOLE = 4 * LANES  # bytes of a vector


def _sums(builder: Any, columns: int, grid: Any, entries: Any, limits: list[Any], row_step: Any, start: Any) -> Any:
    """Add up a tile: the entries between limits 0 and 1 without its last row, 1 to 2 whole, 2 to 3 without its first.

    A tile of one row takes those from 1 to 2 only.
    """
    rows = LANES // columns
    grid, entries = at(builder, grid, FLOAT, INDEX(0)), at(builder, entries, PLACE, INDEX(0))
    start = at(builder, start, VECTOR, INDEX(0))
    sums = [builder.load(builder.gep(start, [INDEX(pixel)]), align=WHOLE) for pixel in range(LANES)]

    def add(part: int, taken: range, sums: list[Any]) -> list[Any]:
        listed = builder.gep(entries, [limits[part]])

        def add_one(number, sums):  # type: ignore
            offset = builder.sext(builder.load(builder.gep(listed, [number])), INDEX)
            here = builder.gep(grid, [offset])
            after = list(sums)
            for row in taken:
                line = element(builder, here, row, row_step)
                for column in range(columns):
                    value = load_as(builder, builder.gep(line, [INDEX(LANES * column)]), VECTOR, WHOLE)
                    pixel = row * columns + column
                    after[pixel] = builder.fadd(sums[pixel], value)
            return after

        return repeat(builder, builder.sub(limits[part + 1], limits[part]), sums, add_one)

    if rows == 1:
        return add(1, range(1), sums)
    for part, taken in enumerate((range(rows - 1), range(rows), range(1, rows))):
        sums = add(part, taken, sums)
    return sums


def _sum_tile(columns: int) -> Callable[..., Any]:
    """Return the intrinsic that adds up a tile and stores (pixel, image)."""

    @intrinsic
    def sum_tile(_context, grid, entries, first, second, third, fourth, row_step, start, target):  # type: ignore
        def generate(context, builder, signature, arguments):  # type: ignore
            grid, entries, *limits, row_step, start, target = arguments
            target = at(builder, target, VECTOR, INDEX(0))
            for pixel, total in enumerate(_sums(builder, columns, grid, entries, limits, row_step, start)):
                builder.store(total, builder.gep(target, [INDEX(pixel)]), align=WHOLE)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 9), generate

    return sum_tile


def _turned_tile(columns: int, interleaved: bool) -> Callable[..., Any]:
    """Return the intrinsic that adds up a tile and stores it to `LANES` images.

    If interleaved, the tile holds the odd columns, and (image, pixel) at `even` the even ones. What is stored past the
    cache is whole cache lines; a tile that is not interleaved is then one line of each image.
    """

    def pieces(builder: Any, even: Any, odd: Any) -> list[Any]:
        rows = [range(row * columns, (row + 1) * columns) for row in range(LANES // columns)]
        if interleaved:
            chosen = [[lane for column in row for lane in (column, LANES + column)] for row in rows]
        else:
            chosen = [list(row) for row in rows]
        masks = [ir.Constant(ir.VectorType(PLACE, len(lanes)), lanes) for lanes in chosen]
        return [builder.shuffle_vector(even, odd, mask) for mask in masks]

    @intrinsic
    def turned_tile(  # type: ignore
        _context, grid, entries, first, second, third, fourth, row_step, start, even, target, image_step, target_step,
        past_cache,
    ):  # fmt: skip
        def generate(context, builder, signature, arguments):  # type: ignore
            grid, entries, *limits, row_step, start, even, target, image_step, target_step, past_cache = arguments
            even, target = at(builder, even, VECTOR, INDEX(0)), at(builder, target, FLOAT, INDEX(0))
            images = transposed(builder, _sums(builder, columns, grid, entries, limits, row_step, start))
            evens = images
            if interleaved:
                evens = [builder.load(builder.gep(even, [INDEX(number)]), align=WHOLE) for number in range(LANES)]
            with builder.if_else(builder.icmp_signed("!=", past_cache, INDEX(0))) as (past, through):
                with past:
                    for number in range(LANES):
                        stored = pieces(builder, evens[number], images[number]) if interleaved else [images[number]]
                        into = element(builder, target, number, image_step)
                        for row, piece in enumerate(stored):
                            store_past_cache(builder, piece, element(builder, into, row, target_step))
                with through:
                    for number in range(LANES):
                        into = element(builder, target, number, image_step)
                        for row, piece in enumerate(pieces(builder, evens[number], images[number])):
                            store_as(builder, piece, element(builder, into, row, target_step), 4)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 13), generate

    return turned_tile


def _fill_tile(columns: int) -> Callable[..., Any]:
    """Return the intrinsic that brings `LANES` pixels of every channel of `LANES` images to the grid."""

    @intrinsic
    def fill_tile(  # type: ignore
        _context, source, image_step, channel_step, source_row, channels, delta, alpha,
        grid, grid_channel, grid_row,
    ):  # fmt: skip
        """Write ``grid[row, o, column] = delta[o] * dy[o]``, and after the last o the sum of ``alpha[o] * dy[o]``."""

        def generate(context, builder, signature, arguments):  # type: ignore
            source, image_step, channel_step, source_row, channels, *rest = arguments
            delta, alpha, grid, grid_channel, grid_row = rest
            source, delta, alpha = (at(builder, place, FLOAT, INDEX(0)) for place in (source, delta, alpha))
            grid, rows = at(builder, grid, FLOAT, INDEX(0)), LANES // columns
            shared = builder.gep(grid, [builder.mul(channels, grid_channel)])
            shared_rows = [element(builder, shared, row, grid_row) for row in range(rows)]
            totals = [builder.gep(row, [INDEX(LANES * column)]) for row in shared_rows for column in range(columns)]
            for total in totals:
                store_as(builder, ZERO, total, WHOLE)

            def one_channel(channel, _state):  # type: ignore
                here = builder.gep(source, [builder.mul(channel, channel_step)])
                into = builder.gep(grid, [builder.mul(channel, grid_channel)])
                scale = splat(builder, builder.load(builder.gep(delta, [channel])))
                level = splat(builder, builder.load(builder.gep(alpha, [channel])))
                images = []
                for number in range(LANES):
                    image = element(builder, here, number, image_step)
                    pieces = [element(builder, image, row, source_row) for row in range(rows)]
                    images.append(_joined(builder, pieces, columns))
                for pixel, value in enumerate(transposed(builder, images)):
                    row, column = divmod(pixel, columns)
                    place = builder.gep(element(builder, into, row, grid_row), [INDEX(LANES * column)])
                    store_as(builder, builder.fmul(scale, value), place, WHOLE)
                    before = load_as(builder, totals[pixel], VECTOR, WHOLE)
                    store_as(builder, multiply_add(builder, level, value, before), totals[pixel], WHOLE)
                return []

            repeat(builder, channels, [], one_channel)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 10), generate

    return fill_tile


def _joined(builder: Any, places: list[Any], columns: int) -> Any:
    """Load `columns` float32 from each place and return them as one vector."""
    pieces = [load_as(builder, place, ir.VectorType(FLOAT, columns), 4) for place in places]
    while len(pieces) > 1:
        lanes = list(range(2 * pieces[0].type.count))
        mask = ir.Constant(ir.VectorType(PLACE, len(lanes)), lanes)
        pieces = [builder.shuffle_vector(*pieces[k : k + 2], mask) for k in range(0, len(pieces), 2)]
    return pieces[0]


sum_tile_1, sum_tile_2, sum_tile_4 = (_sum_tile(columns) for columns in WIDTHS)
plain_tile_1, plain_tile_2, plain_tile_4 = (_turned_tile(columns, False) for columns in WIDTHS)
pair_tile_1, pair_tile_2, pair_tile_4 = (_turned_tile(columns, True) for columns in WIDTHS)
fill_tile_1, fill_tile_2, fill_tile_4 = (_fill_tile(columns) for columns in WIDTHS)


@inlined
def fill_tile(columns: int, *rest: int) -> None:
    """Bring a tile of every output channel to the grid; see `_fill_tile`."""
    if columns == LANES:
        fill_tile_1(*rest)
    elif columns == LANES // 2:
        fill_tile_2(*rest)
    else:
        fill_tile_4(*rest)


@inlined
def sum_tile(columns: int, *rest: int) -> None:
    """Add up a tile as (pixel, image); see `_sum_tile`."""
    if columns == LANES:
        sum_tile_1(*rest)
    elif columns == LANES // 2:
        sum_tile_2(*rest)
    else:
        sum_tile_4(*rest)


@inlined
def plain_tile(columns: int, g: int, e: int, a: int, b: int, c: int, d: int, s: int, z: int, *rest: int) -> None:
    """Add up a tile and store it to the images; see `_turned_tile`."""
    # Between the start and the target stands the address of the even columns, which is not read here.
    if columns == LANES:
        plain_tile_1(g, e, a, b, c, d, s, z, z, *rest)
    elif columns == LANES // 2:
        plain_tile_2(g, e, a, b, c, d, s, z, z, *rest)
    else:
        plain_tile_4(g, e, a, b, c, d, s, z, z, *rest)


@inlined
def pair_tile(columns: int, *rest: int) -> None:
    """Add up a tile of odd columns and store it with the even ones; see `_turned_tile`."""
    if columns == LANES:
        pair_tile_1(*rest)
    elif columns == LANES // 2:
        pair_tile_2(*rest)
    else:
        pair_tile_4(*rest)
