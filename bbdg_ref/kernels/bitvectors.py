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

from .vectors import FEATURES, INDEX, Builder, Value, repeat

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
    def count(_context, planes, planes_at, places, first, last, counter, counter_at):  # type: ignore
        """Count, for every pixel of a block, the ones in the planes whose places are ``places[first:last]``.

        A place is counted in words from `planes_at`; there are a multiple of `GROUP` and at most `LONGEST` of them. The
        count is written as `SLICES` planes.
        """

        def generate(context, builder, signature, arguments):  # type: ignore
            planes, planes_at, places, first, last, counter, counter_at = arguments
            planes = at(builder, planes, WORD, planes_at)
            places = at(builder, places, PLACE, first)
            counter = at(builder, counter, WORD, counter_at)

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

        index = types.intp
        return types.void(*[index] * 7), generate

    return count


def _add_counter(words: int) -> Callable[..., Any]:
    """Return the intrinsic that adds one bit-sliced counter to a longer one."""
    vector = bit_vector(words)

    @intrinsic
    def add_counter(_context, added, total):  # type: ignore
        """Add the `SLICES` planes at the address `added` to the ``2 * SLICES`` planes at `total`."""

        def generate(context, builder, signature, arguments):  # type: ignore
            added, total = (at(builder, place, WORD, INDEX(0)) for place in arguments)
            carry = constant(vector, 0)
            for number in range(2 * SLICES):
                place = builder.gep(total, [INDEX(number * words)])
                bit = load_as(builder, place, vector, 8)
                if number < SLICES:
                    other = load_as(builder, builder.gep(added, [INDEX(number * words)]), vector, 8)
                    bit, carry = full_add(builder, bit, other, carry)
                else:
                    bit, carry = builder.xor(bit, carry), builder.and_(bit, carry)
                store_as(builder, bit, place, 8)
            return context.get_dummy_value()

        return types.void(types.intp, types.intp), generate

    return add_counter


def _expand(words: int, finish: Callable[..., Value]) -> Callable[..., Any]:
    """Return the intrinsic that turns up to `SLICES` counter planes into one int16 a pixel."""
    octets, shorts = ir.VectorType(BYTE, 64), ir.VectorType(SHORT, HALF)

    @intrinsic
    def expand(  # type: ignore
        _context, counter, counter_at, slices, start, start_at, starts, starts_at, shared, result, result_at
    ):
        """Write ``finish(start, shared, 2 c)`` for the count c of every pixel of a block.

        `start` is read from the index ``start_at + starts[starts_at + i]`` on for the block's i-th word of pixels,
        `shared` and `result` from the block's first pixel on.
        """

        def generate(context, builder, signature, arguments):  # type: ignore
            counter, counter_at, slices, start, start_at, starts, starts_at, shared, result, result_at = arguments
            zero = INDEX(0)
            counter = at(builder, counter, WORD, counter_at)
            start = at(builder, start, SHORT, start_at)
            starts = at(builder, starts, INDEX, starts_at)
            shared = at(builder, shared, SHORT, zero)
            result = at(builder, result, SHORT, result_at)

            def add_slice(number, state):  # type: ignore
                *counts, weight = state
                plane = builder.gep(counter, [builder.mul(number, INDEX(words))])
                for i in range(words):
                    mask = load_as(builder, builder.gep(plane, [INDEX(i)]), WORD, 8)
                    chosen = builder.bitcast(mask, ir.VectorType(ir.IntType(1), 64))
                    counts[i] = builder.select(chosen, builder.add(counts[i], weight), counts[i])
                return [*counts, builder.add(weight, weight)]

            first = [constant(octets, 0)] * words + [constant(octets, 1)]
            counts = repeat(builder, slices, first, add_slice)[:words]
            for i, count in enumerate(counts):
                begin = builder.gep(start, [builder.load(builder.gep(starts, [INDEX(i)]))])
                for half in (0, 1):
                    lanes = ir.Constant(ir.VectorType(ir.IntType(32), HALF), [half * HALF + j for j in range(HALF)])
                    wide = builder.zext(builder.shuffle_vector(count, ir.Constant(octets, ir.Undefined), lanes), shorts)
                    place = INDEX(64 * i + HALF * half)
                    value = finish(
                        builder,
                        load_as(builder, builder.gep(begin, [INDEX(HALF * half)]), shorts, 2),
                        load_as(builder, builder.gep(shared, [place]), shorts, 2),
                        builder.add(wide, wide),
                    )
                    store_as(builder, value, builder.gep(result, [place]), 2)
            return context.get_dummy_value()

        index = types.intp
        return types.void(*[index] * 10), generate

    return expand


def _of_ones(builder: Builder, start: Value, _shared: Value, twice: Value) -> Value:
    return builder.add(start, twice)


def _of_zeros(builder: Builder, start: Value, shared: Value, twice: Value) -> Value:
    return builder.sub(builder.add(start, shared), twice)


def _add_high(words: int) -> Callable[..., Any]:
    """Return the intrinsic that adds the planes of a counter from plane `SLICES` on to the expanded int16."""
    shorts = ir.VectorType(SHORT, 64)

    @intrinsic
    def add_high(_context, counter, counter_at, slices, unit, result, result_at):  # type: ignore
        """Add ``unit * 2^k`` to every pixel whose bit is set in plane k, for `slices` planes."""

        def generate(context, builder, signature, arguments):  # type: ignore
            counter, counter_at, slices, unit, result, result_at = arguments
            counter = at(builder, counter, WORD, counter_at)
            result = at(builder, result, SHORT, result_at)

            def add_slice(number, state):  # type: ignore
                (weight,) = state
                undefined = ir.Constant(shorts, ir.Undefined)
                lanes = ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64)
                weights = builder.shuffle_vector(
                    builder.insert_element(undefined, weight, ir.IntType(32)(0)), undefined, lanes
                )
                plane = builder.gep(counter, [builder.mul(number, INDEX(words))])
                for i in range(words):
                    mask = builder.bitcast(
                        builder.load(builder.gep(plane, [INDEX(i)])), ir.VectorType(ir.IntType(1), 64)
                    )
                    place = builder.gep(result, [INDEX(64 * i)])
                    value = load_as(builder, place, shorts, 2)
                    store_as(builder, builder.select(mask, builder.add(value, weights), value), place, 2)
                return [builder.add(weight, weight)]

            repeat(builder, slices, [builder.trunc(unit, SHORT)], add_slice)
            return context.get_dummy_value()

        index = types.intp
        return types.void(*[index] * 6), generate

    return add_high


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
add_counter_wide, add_counter_narrow = _add_counter(WORDS), _add_counter(NARROW)
expand_ones_wide, expand_ones_narrow = _expand(WORDS, _of_ones), _expand(NARROW, _of_ones)
expand_zeros_wide, expand_zeros_narrow = _expand(WORDS, _of_zeros), _expand(NARROW, _of_zeros)
add_high_wide, add_high_narrow = _add_high(WORDS), _add_high(NARROW)
gather_planes_wide, gather_planes_narrow = _gather_planes(WORDS), _gather_planes(NARROW)
