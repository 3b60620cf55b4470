"""Vectors of bits: the full adder, counters of bits, and their expansion to integers, for `packed_conv2d`.

A *plane* is a row of bits, one a pixel, cut into blocks of `WORDS` 64-bit words (one vector register where the machine
has such). To add up many planes pixel by pixel, the counts are kept *bit-sliced*: plane k of a counter holds bit k of
every pixel's count. A full adder turns three planes of weight 2^k into one of weight 2^k and one of weight 2^(k+1)::

    sum = x ^ y ^ z,      carry = majority(x, y, z) = (x & y) | (z & (x | y)),

so one addition to 64 * `WORDS` counts costs two instructions where three-input logic exists, five where it does not.
The narrow kernels are the same code on `NARROW` words, for maps of few pixels.

The intrinsics take the *addresses* of arrays (`address`): an array passed to a function that is called for every output
channel costs more, by its reference count, than what is done with it.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .vectors import FEATURES, INDEX, Builder, Value, repeat, shuffle

WORDS = 8
NARROW = 2
GROUP = 16  # planes a step of `count` adds
LONGEST = 15 * GROUP  # planes of which the count fits `SLICES` bits, whatever they hold
SLICES = 8
WORD = ir.IntType(64)
BYTE = ir.IntType(8)
SHORT = ir.IntType(16)
PLACE = ir.IntType(32)
HALF = 32  # pixels of an int16 vector


def bit_vector(words: int) -> ir.VectorType:
    """Return the LLVM type of a vector of 64-bit words."""
    return ir.VectorType(WORD, words)


def at(builder: Builder, address: Value, kind: ir.Type, number: Value) -> Value:
    """Return the pointer to the element of that number behind an address, for elements of one type."""
    return builder.gep(builder.inttoptr(address, kind.as_pointer()), [number])


def load_as(builder: Builder, address: Value, vector: ir.VectorType, align: int) -> Value:
    """Load a vector of any type."""
    return builder.load(builder.bitcast(address, vector.as_pointer()), align=align)


def store_as(builder: Builder, value: Value, address: Value, align: int) -> None:
    """Store a vector of any type."""
    builder.store(value, builder.bitcast(address, value.type.as_pointer()), align=align)


def store_past_cache(builder: Builder, value: Value, address: Value) -> None:
    """Store a whole cache line that will not be read soon: the old line need not be fetched for it."""
    place = builder.bitcast(address, value.type.as_pointer())
    store = builder.store(value, place, align=64)
    store.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))


@intrinsic
def peek(_context, address, number):  # type: ignore
    """Return the int64 of that number behind an address."""

    def generate(_context, builder, _signature, arguments):  # type: ignore
        return builder.load(at(builder, arguments[0], INDEX, arguments[1]))

    return types.intp(types.intp, types.intp), generate


def constant(vector: ir.VectorType, number: float) -> ir.Constant:
    """Return the vector with the number in every lane."""
    return ir.Constant(vector, [number] * vector.count)


def call(builder: Builder, name: str, result: Any, *arguments: Value) -> Value:
    """Call an LLVM intrinsic function."""
    function = builder.module.globals.get(name)
    if function is None:
        function = ir.Function(builder.module, ir.FunctionType(result, [a.type for a in arguments]), name)
    return builder.call(function, arguments)


def full_add(builder: Builder, x: Value, y: Value, z: Value) -> tuple[Value, Value]:
    """Return the sum (x ^ y ^ z) and the carry (majority) of three planes."""
    wide = x.type.count == 8
    if FEATURES.get("avx512f") and (wide or FEATURES.get("avx512vl")):
        name = f"llvm.x86.avx512.pternlog.q.{64 * x.type.count}"
        # The eight bits of the last argument are the truth table, indexed by the bits of x, y, z.
        return tuple(call(builder, name, x.type, x, y, z, ir.IntType(32)(table)) for table in (0x96, 0xE8))  # type: ignore
    either = builder.xor(x, y)
    carry = builder.or_(builder.and_(either, z), builder.and_(builder.not_(either), x))
    return builder.xor(either, z), carry


def _tree(builder: Builder, state: list[Value], planes: list[Value]) -> tuple[list[Value], Value]:
    """Add `GROUP` planes to the counter bits 0 to 3; return them and the carry of weight 16."""
    # Threes of planes first and the state last: what one step waits for from the step before is one adder a weight.
    after = []
    for bit in state:
        carries = []
        while len(planes) > 2:
            total, carry = full_add(builder, *planes[:3])
            planes = [*planes[3:], total]
            carries.append(carry)
        total, carry = full_add(builder, *planes, bit)
        after.append(total)
        planes = [*carries, carry]
    return after, planes[0]


def _count(words: int) -> Callable[..., Any]:
    """Return the intrinsic that adds up the listed planes of one block."""
    vector = bit_vector(words)

    @intrinsic
    def count(_context, planes, places, first, last, counter):  # type: ignore
        """Count, for every pixel of a block, the ones in the planes whose places are ``places[first:last]``.

        A place is counted in words; there are a multiple of `GROUP` and at most `LONGEST` of them. The
        count is written as `SLICES` planes.
        """

        def generate(context, builder, signature, arguments):  # type: ignore
            planes, places, first, last, counter = arguments
            planes, counter = (at(builder, place, WORD, INDEX(0)) for place in (planes, counter))
            places = at(builder, places, PLACE, first)

            def add_group(step, state):  # type: ignore
                here = builder.gep(places, [builder.mul(step, INDEX(GROUP))])
                inputs = []
                for number in range(GROUP):
                    place = builder.load(builder.gep(here, [INDEX(number)]))
                    inputs.append(load_as(builder, builder.gep(planes, [builder.zext(place, INDEX)]), vector, 8))
                low, carry = _tree(builder, state[:4], inputs)
                high = []
                for bit in state[4:]:
                    high.append(builder.xor(bit, carry))
                    carry = builder.and_(bit, carry)
                return low + high

            groups = builder.udiv(builder.sub(last, first), INDEX(GROUP))
            state = repeat(builder, groups, [constant(vector, 0)] * SLICES, add_group)
            for number, bit in enumerate(state):
                store_as(builder, bit, builder.gep(counter, [INDEX(number * words)]), 8)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 5), generate

    return count


def _interleaved(builder: Builder, first: Value, second: Value) -> list[Value]:
    """Return the elements of two vectors in turn: from the first half of every 16 bytes, and from the second half."""
    lanes = first.type.count
    apart = 128 // first.type.element.width
    halves = []
    for half in (0, apart // 2):
        pairs = [
            (lane, lanes + lane) for begin in range(half, lanes, apart) for lane in range(begin, begin + apart // 2)
        ]
        halves.append(shuffle(builder, first, second, [lane for pair in pairs for lane in pair]))
    return halves


def _turned(builder: Builder, squares: Value) -> Value:
    """Turn squares of bits by a right angle: bit i of byte 7 - j of every 64-bit word becomes bit j of its byte i."""
    octets, vector = ir.VectorType(BYTE, squares.type.count * 8), squares.type
    data = builder.bitcast(squares, octets)
    if FEATURES.get("gfni") and FEATURES.get("avx512vl"):
        # The instruction multiplies every byte with a matrix of bits, of which byte 7 - j is the row j; here byte i is
        # the i-th unit vector, which picks the column i.
        units = ir.Constant(octets, [1 << i for i in range(8)] * vector.count)
        name = f"llvm.x86.vgf2p8affineqb.{8 * octets.count}"
        return builder.bitcast(call(builder, name, octets, units, data, BYTE(0)), vector)
    reversed_bytes = [8 * word + 7 - i for word in range(vector.count) for i in range(8)]
    squares = builder.bitcast(shuffle(builder, data, data, reversed_bytes), vector)
    for distance, mask in ((7, 0x00AA00AA00AA00AA), (14, 0x0000CCCC0000CCCC), (28, 0x00000000F0F0F0F0)):
        # Off-diagonal quarters of 2 x 2, 4 x 4 and 8 x 8 squares change places.
        apart = constant(vector, distance)
        moved = builder.and_(builder.xor(squares, builder.lshr(squares, apart)), constant(vector, mask))
        squares = builder.xor(squares, builder.xor(moved, builder.shl(moved, apart)))
    return squares


def _counts(builder: Builder, counter: Value, words: int) -> list[Value]:
    """Return the counts of a block as bytes, in the order of the pixels, from the `SLICES` planes of a counter.

    Byte j of the planes holds the bits of 8 pixels; brought together, the last plane first, those of all planes are a
    square of bits, which is turned. The bytes are brought together by interleaving planes, then pairs, then fours,
    within 16 bytes as the machine does it; so the planes' pairs of bytes are laid out beforehand such that all ends up
    in order.
    """
    lanes = words // 2  # of 16 bytes
    vectors = [ir.VectorType(kind, words * 64 // kind.width) for kind in (SHORT, BYTE, SHORT, PLACE)]
    ordered = [lanes * place + lane for lane in range(lanes) for place in range(8)]
    planes = []
    for number in reversed(range(SLICES)):
        plane = load_as(builder, builder.gep(counter, [INDEX(number * words)]), vectors[0], 8)
        planes.append(shuffle(builder, plane, plane, ordered) if lanes > 1 else plane)
    # Each round interleaves neighbours; the results of a pair are (first half, second half).
    groups = [[plane] for plane in planes]
    for vector in vectors[1:]:
        merged = []
        for low, high in zip(groups[::2], groups[1::2], strict=True):
            pairs = zip(low, high, strict=True)
            merged.append(
                [
                    part
                    for x, y in pairs
                    for part in _interleaved(builder, *(builder.bitcast(v, vector) for v in (x, y)))
                ]
            )
        groups = merged
    return [_turned(builder, builder.bitcast(part, bit_vector(words))) for part in groups[0]]


def _expand(words: int, finish: Callable[..., Value], again: bool) -> Callable[..., Any]:
    """Return the intrinsic that turns `SLICES` counter planes into one int16 a pixel, or adds them to what is there."""
    size = 8 * words  # counts of a vector of bytes
    octets, run = ir.VectorType(BYTE, size), min(size, HALF)
    shorts = ir.VectorType(SHORT, run)

    @intrinsic
    def expand(_context, counter, start, starts, shared, result):  # type: ignore
        """Write ``finish(start, shared, 2 c)`` for the count c of every pixel of a block.

        `start` is read from the index ``starts[i]`` on for the block's i-th word of pixels, `shared` and `result` from
        the block's first pixel on. With `again`, the result itself takes the place of `start`.
        """

        def generate(context, builder, signature, arguments):  # type: ignore
            counter, start, starts, shared, result = arguments
            counter, starts = at(builder, counter, WORD, INDEX(0)), at(builder, starts, INDEX, INDEX(0))
            start, shared, result = (at(builder, place, SHORT, INDEX(0)) for place in (start, shared, result))
            for number, count in enumerate(_counts(builder, counter, words)):
                count = builder.bitcast(count, octets)
                word, first = divmod(number * size, 64)
                kind = INDEX(64 * word) if again else builder.load(builder.gep(starts, [INDEX(word)]))
                begin = builder.gep(result if again else start, [kind])
                for part in range(0, size, run):
                    wide = builder.zext(shuffle(builder, count, count, range(part, part + run)), shorts)
                    place = INDEX(number * size + part)
                    value = finish(
                        builder,
                        load_as(builder, builder.gep(begin, [INDEX(first + part)]), shorts, 2),
                        lambda place=place: load_as(builder, builder.gep(shared, [place]), shorts, 2),
                        builder.add(wide, wide),
                    )
                    store_as(builder, value, builder.gep(result, [place]), 2)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 5), generate

    return expand


def _of_ones(builder: Builder, start: Value, _shared: Callable[[], Value], twice: Value) -> Value:
    return builder.add(start, twice)


def _of_zeros(builder: Builder, start: Value, shared: Callable[[], Value], twice: Value) -> Value:
    return builder.sub(builder.add(start, shared()), twice)


def _of_more_zeros(builder: Builder, start: Value, _shared: Callable[[], Value], twice: Value) -> Value:
    return builder.sub(start, twice)


def _gather_planes(words: int) -> Callable[..., Any]:
    """Return the intrinsic that makes one tap's planes of a block from the channels' streams of bits."""
    vector = bit_vector(words)

    @intrinsic
    def gather_planes(  # type: ignore
        _context, streams, stream_at, stream_step, shift, masks, mask_at, planes, plane_at, plane_step, channels
    ):
        """Write ``plane[c] = (stream[c] >> shift) & mask`` for every channel c.

        A stream's bits are taken from the word ``stream_at + c * stream_step`` on, shifted by 0 to 63 bits.
        """

        def generate(context, builder, signature, arguments):  # type: ignore
            streams, stream_at, stream_step, shift, masks, mask_at, planes, plane_at, plane_step, channels = arguments
            streams = at(builder, streams, WORD, stream_at)
            masks = at(builder, masks, WORD, mask_at)
            planes = at(builder, planes, WORD, plane_at)
            mask = load_as(builder, masks, vector, 8)
            undefined = ir.Constant(vector, ir.Undefined)
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), words), [0] * words)
            shifts = builder.shuffle_vector(
                builder.insert_element(undefined, shift, ir.IntType(32)(0)), undefined, lanes
            )

            def one_channel(channel, _state):  # type: ignore
                here = builder.gep(streams, [builder.mul(channel, stream_step)])
                low = load_as(builder, here, vector, 8)
                high = load_as(builder, builder.gep(here, [INDEX(1)]), vector, 8)
                moved = call(builder, f"llvm.fshr.v{words}i64", vector, high, low, shifts)
                place = builder.gep(planes, [builder.mul(channel, plane_step)])
                store_as(builder, builder.and_(moved, mask), place, 8)
                return []

            repeat(builder, channels, [], one_channel)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 10), generate

    return gather_planes


count_wide, count_narrow = _count(WORDS), _count(NARROW)
expand_ones_wide, expand_ones_narrow = (_expand(words, _of_ones, False) for words in (WORDS, NARROW))
expand_zeros_wide, expand_zeros_narrow = (_expand(words, _of_zeros, False) for words in (WORDS, NARROW))
more_ones_wide, more_ones_narrow = (_expand(words, _of_ones, True) for words in (WORDS, NARROW))
more_zeros_wide, more_zeros_narrow = (_expand(words, _of_more_zeros, True) for words in (WORDS, NARROW))
gather_planes_wide, gather_planes_narrow = _gather_planes(WORDS), _gather_planes(NARROW)
