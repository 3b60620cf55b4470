"""Explicit LLVM vectors: what the vector kernels are built from.

Plain Numba loops over several arrays rarely become vector code: every index is checked for Python's negative
wraparound, and the arrays might overlap. The kernels therefore write their inner loops in LLVM's own language, with
llvmlite's builder, as ``numba.extending.intrinsic`` functions; the Python loops around the builder's calls unroll the
code. LLVM cuts a vector that is wider than the machine's registers into pieces, so the kernels are right everywhere
and fast where `LANES` fits.

Offsets and strides count float32 elements, never bytes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _features() -> dict[str, bool]:
    """Return what the machine can do for which Numba compiles (``NUMBA_CPU_NAME`` may name another than this one)."""
    name, listed = numba.config.CPU_NAME, numba.config.CPU_FEATURES  # type: ignore[attr-defined]
    if name in (None, "host") and listed is None:
        return dict(llvmlite.binding.get_host_cpu_features())
    return {feature[1:]: feature[0] == "+" for feature in (listed or "").split(",") if feature}


def _lanes() -> int:
    """Return how many float32 values one vector register holds."""
    if FEATURES.get("avx512f"):
        return 16
    return 8 if FEATURES.get("avx2") else 4


FEATURES = _features()
LANES = _lanes()
FLOAT = ir.FloatType()
VECTOR = ir.VectorType(FLOAT, LANES)
INDEX = ir.IntType(64)
ZERO = ir.Constant(VECTOR, [0.0] * LANES)

Value = Any  # llvmlite has no annotations: these two say what is meant
Builder = Any


def pointer(context: Any, builder: Builder, array_type: types.Array, array: Value, offset: Value) -> Value:
    """Return the address of the element `offset` places after the array's first."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [offset])


def element(builder: Builder, base: Value, number: int, step: Value) -> Value:
    """Return the address ``base + number * step``."""
    return builder.gep(base, [builder.mul(INDEX(number), step)]) if number else base


def load(builder: Builder, address: Value) -> Value:
    """Load a vector of `LANES` consecutive float32 values."""
    return builder.load(builder.bitcast(address, VECTOR.as_pointer()), align=4)


def store(builder: Builder, vector: Value, address: Value) -> None:
    """Store a vector to `LANES` consecutive float32 values."""
    builder.store(vector, builder.bitcast(address, VECTOR.as_pointer()), align=4)


def shuffle(builder: Builder, first: Value, second: Value, lanes: Sequence[int]) -> Value:
    """Return the vector of the given lanes of `first` followed by `second`."""
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes))
    return builder.shuffle_vector(first, second, mask)


def splat(builder: Builder, number: Value, vector_type: ir.VectorType = VECTOR) -> Value:
    """Return the vector with the number in every lane."""
    undefined = ir.Constant(vector_type, ir.Undefined)
    single = builder.insert_element(undefined, number, ir.IntType(32)(0))
    return shuffle(builder, single, undefined, [0] * LANES)


def load_splat(builder: Builder, address: Value) -> Value:
    """Load one float32 value into every lane."""
    return splat(builder, builder.load(address))


def multiply_add(builder: Builder, a: Value, b: Value, c: Value) -> Value:
    """Return ``a * b + c`` in every lane, rounded once; vectors of float32 or of float64."""
    name = f"llvm.fma.v{LANES}f{32 if a.type == VECTOR else 64}"
    function = builder.module.globals.get(name)
    if function is None:
        function = ir.Function(builder.module, ir.FunctionType(a.type, [a.type] * 3), name)
    return builder.call(function, [a, b, c])


def repeat(
    builder: Builder,
    count: Value,
    carried: Sequence[Value],
    step: Callable[[Value, list[Value]], Sequence[Value]],
) -> list[Value]:
    """Emit the loop ``for i in range(count): carried = step(i, carried)`` and return what is carried out of it."""
    before = builder.block
    head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(INDEX)
    phis = [builder.phi(value.type) for value in carried]
    builder.cbranch(builder.icmp_signed("<", index, count), body, done)
    builder.position_at_end(body)
    after = step(index, phis)
    following = builder.add(index, INDEX(1))
    for phi, start, value in zip([index, *phis], [INDEX(0), *carried], [following, *after], strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(value, builder.block)
    builder.branch(head)
    builder.position_at_end(done)
    return phis


def transposed(builder: Builder, rows: list[Value], lanes: int = LANES) -> list[Value]:
    """Return the columns of a square of `lanes` vectors of `lanes` values.

    The off-diagonal quarters of every 2d x 2d square swap places, for d = 1, 2, 4, ...: log2(`lanes`) rounds of two
    shuffles for every pair of rows.
    """
    distance = 1
    while distance < lanes:
        upper = [lane if not lane & distance else lanes + lane - distance for lane in range(lanes)]
        lower = [lane + distance if not lane & distance else lanes + lane for lane in range(lanes)]
        for row in (row for row in range(lanes) if not row & distance):
            first, second = rows[row], rows[row + distance]
            rows[row] = shuffle(builder, first, second, upper)
            rows[row + distance] = shuffle(builder, first, second, lower)
        distance *= 2
    return rows


def _row_addresses(builder: Builder, base: Value, step: Value, last: Value) -> list[Value]:
    """Return the addresses of `LANES` rows, those after the row `last` replaced by that row."""
    numbers = [INDEX(row) for row in range(LANES)]
    within = [builder.select(builder.icmp_signed("<", last, row), last, row) for row in numbers]
    return [builder.gep(base, [builder.mul(row, step)]) for row in within]


@intrinsic
def transpose_in(_context, source, source_at, source_step, source_last, target, target_at, target_step):  # type: ignore
    """Transpose a square of `LANES` x `LANES` values of which only the rows up to `source_last` exist.

    The lanes of the target's rows that correspond to missing rows are filled with copies of the last one. The target's
    rows are written in ascending order, so a row's surplus may be overwritten by the next row.
    """

    def generate(context, builder, signature, arguments):  # type: ignore
        source, source_at, source_step, source_last, target, target_at, target_step = arguments
        source = pointer(context, builder, signature.args[0], source, source_at)
        target = pointer(context, builder, signature.args[4], target, target_at)
        rows = [load(builder, row) for row in _row_addresses(builder, source, source_step, source_last)]
        for number, column in enumerate(transposed(builder, rows)):
            store(builder, column, element(builder, target, number, target_step))
        return context.get_dummy_value()

    index = types.intp
    return types.void(source, index, index, index, target, index, index), generate


@intrinsic
def transpose_out(_context, source, source_at, source_step, target, target_at, target_step, target_last):  # type: ignore
    """Transpose a square of `LANES` x `LANES` values and store only the rows up to `target_last` of the result.

    The surplus rows are stored first, onto the row `target_last`, which is stored after them.
    """

    def generate(context, builder, signature, arguments):  # type: ignore
        source, source_at, source_step, target, target_at, target_step, target_last = arguments
        source = pointer(context, builder, signature.args[0], source, source_at)
        target = pointer(context, builder, signature.args[3], target, target_at)
        rows = [load(builder, element(builder, source, number, source_step)) for number in range(LANES)]
        columns = transposed(builder, rows)
        addresses = _row_addresses(builder, target, target_step, target_last)
        for column, address in reversed(list(zip(columns, addresses, strict=True))):
            store(builder, column, address)
        return context.get_dummy_value()

    index = types.intp
    return types.void(source, index, index, target, index, index, index), generate


@intrinsic
def address(_context, array):  # type: ignore
    """Return the address of an array's first element (``array.ctypes`` would keep a kernel out of the cache)."""

    def generate(context, builder, signature, arguments):  # type: ignore
        return builder.ptrtoint(context.make_array(signature.args[0])(context, builder, arguments[0]).data, INDEX)

    return types.intp(array), generate


@intrinsic
def keep(_context, arrays):  # type: ignore
    """Do nothing with a tuple of arrays: memory of which only the address is used is freed after its last mention."""

    def generate(context, _builder, _signature, _arguments):  # type: ignore
        return context.get_dummy_value()

    return types.void(arrays), generate
