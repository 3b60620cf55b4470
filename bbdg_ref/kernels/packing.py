"""Bits into 64-bit words and back, along the middle axis of (outer, count, inner), on little-endian machines.

With inner = 1 a word is 64 neighbours in memory: one vector comparison, of which the mask is the word. Otherwise
`LANES` words grow side by side, one in each lane of a vector, from the last of their rows to the first::

    word = 2 word + bit of row 63, then of row 62, ..., then of row 0

Eight rows at a time are gathered so in vectors of bytes, and only the byte is added to the wider word. Unpacking runs
the other way. Loads reach up to a vector beyond what is wanted; where that would leave the array, the kernels work on
a copy. Stores that reach too far are overwritten by what is stored after them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compiled import compiled
from .threads import share_out
from .vectors import INDEX, Builder, Value, pointer, repeat

Array = np.ndarray[Any, Any]

WORD = 64
LANES = 32  # words that grow side by side
PIECE = 65536  # bits that are worth a thread of their own

BYTE = ir.IntType(8)
ONE = np.uint64(1)


def _constant(element: ir.Type, lanes: int, number: int) -> ir.Constant:
    """Return the vector with the number in every lane."""
    return ir.Constant(ir.VectorType(element, lanes), [number] * lanes)


def _are_ones(builder: Builder, address: Value, lanes: int) -> Value:
    """Load bytes or float32 values; return as a vector of i1 which bytes are not 0, or which values exceed 0."""
    element = address.type.pointee
    vector = ir.VectorType(element, lanes)
    values = builder.load(builder.bitcast(address, vector.as_pointer()), align=1 if element == BYTE else 4)
    if element == BYTE:
        return builder.icmp_unsigned("!=", values, _constant(BYTE, lanes, 0))
    return builder.fcmp_ordered(">", values, ir.Constant(vector, [0.0] * lanes))


def _store_bytes(builder: Builder, vector: Value, address: Value) -> None:
    builder.store(vector, builder.bitcast(address, vector.type.as_pointer()), align=1)


@intrinsic
def _word(_context, x, at):  # type: ignore
    """Return the word of the 64 consecutive elements from `at` on."""

    def generate(context, builder, signature, arguments):  # type: ignore
        address = pointer(context, builder, signature.args[0], *arguments)
        return builder.bitcast(_are_ones(builder, address, WORD), INDEX)

    return types.uint64(x, types.intp), generate


@intrinsic
def _spread(_context, word, bits, at):  # type: ignore
    """Store the 64 bits of a word to consecutive bytes from `at` on."""

    def generate(context, builder, signature, arguments):  # type: ignore
        word, bits, at = arguments
        ones = builder.bitcast(word, ir.VectorType(ir.IntType(1), WORD))
        address = pointer(context, builder, signature.args[1], bits, at)
        _store_bytes(builder, builder.zext(ones, ir.VectorType(BYTE, WORD)), address)
        return context.get_dummy_value()

    return types.void(types.uint64, bits, types.intp), generate


@intrinsic
def _gather(_context, x, at, step, rows, words):  # type: ignore
    """Store the `LANES` words of the columns from `at` on, of `rows` rows that lie `step` elements apart."""

    def generate(context, builder, signature, arguments):  # type: ignore
        x, at, step, rows, words = arguments
        base = pointer(context, builder, signature.args[0], x, at)
        octets, wide = ir.VectorType(BYTE, LANES), ir.VectorType(INDEX, LANES)
        whole, rest = builder.lshr(rows, INDEX(3)), builder.and_(rows, INDEX(7))

        def bits(row):  # type: ignore
            address = builder.gep(base, [builder.mul(row, step)])
            return builder.zext(_are_ones(builder, address, LANES), octets)

        def add_row(number, word):  # type: ignore
            row = builder.sub(builder.sub(rows, INDEX(1)), number)
            return [builder.or_(builder.add(word[0], word[0]), builder.zext(bits(row), wide))]

        def add_eight(number, word):  # type: ignore
            first = builder.shl(builder.sub(builder.sub(whole, INDEX(1)), number), INDEX(3))
            octet = bits(builder.add(first, INDEX(7)))
            for row in range(6, -1, -1):
                octet = builder.or_(builder.add(octet, octet), bits(builder.add(first, INDEX(row))))
            shifted = builder.shl(word[0], _constant(INDEX, LANES, 8))
            return [builder.or_(shifted, builder.zext(octet, wide))]

        word = repeat(builder, rest, [_constant(INDEX, LANES, 0)], add_row)
        word = repeat(builder, whole, word, add_eight)
        target = pointer(context, builder, signature.args[4], words, INDEX(0))
        builder.store(word[0], builder.bitcast(target, wide.as_pointer()), align=8)
        return context.get_dummy_value()

    index = types.intp
    return types.void(x, index, index, index, words), generate


@intrinsic
def _scatter(_context, words, bits, at, step, rows):  # type: ignore
    """Store the bits of `LANES` words to the columns from `at` on, of `rows` rows that lie `step` bytes apart."""

    def generate(context, builder, signature, arguments):  # type: ignore
        words, bits, at, step, rows = arguments
        octets, wide = ir.VectorType(BYTE, LANES), ir.VectorType(INDEX, LANES)
        base = pointer(context, builder, signature.args[1], bits, at)
        source = pointer(context, builder, signature.args[0], words, INDEX(0))
        word = builder.load(builder.bitcast(source, wide.as_pointer()), align=8)
        whole, rest = builder.lshr(rows, INDEX(3)), builder.and_(rows, INDEX(7))

        def put(octet, shift, row):  # type: ignore
            bit = builder.and_(builder.lshr(octet, _constant(BYTE, LANES, shift)), _constant(BYTE, LANES, 1))
            _store_bytes(builder, bit, builder.gep(base, [builder.mul(row, step)]))

        def take_eight(number, word):  # type: ignore
            octet = builder.trunc(word[0], octets)
            for shift in range(8):
                put(octet, shift, builder.add(builder.shl(number, INDEX(3)), INDEX(shift)))
            return [builder.lshr(word[0], _constant(INDEX, LANES, 8))]

        def take_row(number, word):  # type: ignore
            put(builder.trunc(word[0], octets), 0, builder.add(builder.shl(whole, INDEX(3)), number))
            return [builder.lshr(word[0], _constant(INDEX, LANES, 1))]

        repeat(builder, rest, repeat(builder, whole, [word], take_eight), take_row)
        return context.get_dummy_value()

    index = types.intp
    return types.void(words, bits, index, index, index), generate


@compiled
def _pack_rows(x: Array, count: int, words: Array) -> None:
    """Pack rows of `count` neighbours."""
    whole, rest = count // WORD, count % WORD
    rows = x.size // count
    each = whole + (rest > 0)
    for row in range(rows):
        at = row * count
        for k in range(whole):
            words[row * each + k] = _word(x, at + WORD * k)
        if rest > 0:
            at += WORD * whole
            if at + WORD <= x.size:
                word = _word(x, at) & ((ONE << np.uint64(rest)) - ONE)
            elif at + rest >= WORD:
                word = _word(x, at + rest - WORD) >> np.uint64(WORD - rest)
            else:
                word = np.uint64(0)
                for i in range(rest):
                    word |= np.uint64(x[at + i] > 0) << np.uint64(i)
            words[row * each + whole] = word


@compiled
def _unpack_rows(words: Array, count: int, bits: Array) -> None:
    """Unpack rows of `count` neighbours."""
    whole, rest = count // WORD, count % WORD
    rows = bits.size // count
    each = whole + (rest > 0)
    for row in range(rows):
        at = row * count
        for k in range(whole):
            _spread(words[row * each + k], bits, at + WORD * k)
        if rest > 0:
            at += WORD * whole
            word = words[row * each + whole]
            if at + WORD <= bits.size:
                _spread(word, bits, at)
            else:
                for i in range(rest):
                    bits[at + i] = (word >> np.uint64(i)) & ONE


@compiled
def _pack_columns(x: Array, count: int, inner: int, words: Array, word_step: int, column_step: int) -> None:
    """Pack the middle axis; consecutive words of a column lie `word_step` apart, those of columns `column_step`."""
    each = (count + WORD - 1) // WORD
    width = min(inner, LANES)
    lanes = np.empty(LANES, np.uint64)
    edge = np.zeros(WORD * LANES, x.dtype)
    for slab in range(x.size // (count * inner)):
        for k in range(each):
            rows = min(WORD, count - WORD * k)
            for begin in range(0, inner, LANES):
                column = min(begin, inner - width)  # the last columns overlap those before them
                at = (slab * count + WORD * k) * inner + column
                if at + (rows - 1) * inner + LANES <= x.size:
                    _gather(x, at, inner, rows, lanes)
                else:
                    for i in range(rows * inner):
                        edge[i] = x[at + i]
                    _gather(edge, 0, inner, rows, lanes)
                target = slab * each * inner + k * word_step + column * column_step
                for lane in range(width):
                    words[target + lane * column_step] = lanes[lane]


@compiled
def _unpack_columns(words: Array, word_step: int, column_step: int, count: int, inner: int, bits: Array) -> None:
    """Unpack the middle axis; consecutive words of a column lie `word_step` apart, those of columns `column_step`."""
    each = (count + WORD - 1) // WORD
    width = min(inner, LANES)
    lanes = np.zeros(LANES, np.uint64)
    edge = np.empty(WORD * LANES, np.uint8)
    for slab in range(bits.size // (count * inner)):
        for k in range(each):
            rows = min(WORD, count - WORD * k)
            for begin in range(0, inner, LANES):
                column = min(begin, inner - width)
                source = slab * each * inner + k * word_step + column * column_step
                for lane in range(width):
                    lanes[lane] = words[source + lane * column_step]
                at = (slab * count + WORD * k) * inner + column
                if at + (rows - 1) * inner + LANES <= bits.size:
                    _scatter(lanes, bits, at, inner, rows)
                else:
                    _scatter(lanes, edge, 0, inner, rows)
                    for i in range(rows * inner):
                        bits[at + i] = edge[i]


def _for_slabs(work: Callable[[slice], None], outer: int, slab: int) -> None:
    """Call ``work(range of slabs)`` on threads, so that a thread's share is worth its while."""
    each = max(1, PIECE // slab)  # slabs in a piece
    if outer <= each:
        return work(slice(outer))  # threads are not worth asking for
    return share_out(lambda first, last: work(slice(first * each, min(last * each, outer))), -(-outer // each))


def pack(x: Array, *, words_last: bool) -> Array:
    """Pack the middle axis of bytes or float32 values (outer, count, inner), C-contiguous and not empty.

    The words are uint64 of shape (outer, ceil(count/64), inner), or (outer, inner, ceil(count/64)) with `words_last`.
    """
    outer, count, inner = x.shape
    each = -(-count // WORD)
    words = np.empty((outer, inner, each) if words_last else (outer, each, inner), np.uint64)
    word_step, column_step = (1, each) if words_last else (inner, 1)

    def work(slabs: slice) -> None:
        source, target = x[slabs].reshape(-1), words[slabs].reshape(-1)
        if inner == 1:
            _pack_rows(source, count, target)
        else:
            _pack_columns(source, count, inner, target, word_step, column_step)

    _for_slabs(work, outer, count * inner)
    return words


def unpack(words: Array, count: int, *, words_last: bool) -> Array:
    """Undo `pack`: return the bits (outer, count, inner) as bytes 0 and 1."""
    outer, inner = words.shape[0], words.shape[1 if words_last else 2]
    bits = np.empty((outer, count, inner), np.uint8)
    word_step, column_step = (1, -(-count // WORD)) if words_last else (inner, 1)

    def work(slabs: slice) -> None:
        source, target = words[slabs].reshape(-1), bits[slabs].reshape(-1)
        if inner == 1:
            _unpack_rows(source, count, target)
        else:
            _unpack_columns(source, word_step, column_step, count, inner, target)

    _for_slabs(work, outer, count * inner)
    return bits
