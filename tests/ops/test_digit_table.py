"""Tables of counts and sums against Python's integers."""

import collections
import pickle
import random
import struct
from functools import partial

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from projection_cases import case

from bbdg_ref.kernels.compiled import jit_is_on
from bbdg_ref.ops import digit_table
from bbdg_ref.ops.digit_table import BINS, DigitTable
from bbdg_ref.ops.ordered import Line

LINES = [Line(np.dtype(t)) for t in ("f2", "f4", "f8", "i2", "i4", "i8", "u2", "u4", "u8")]
CODES = {"f": "efd", "u": "HIQ", "i": "hiq"}

# An example fills tables of megabytes.
FEWER = settings(max_examples=min(2000, settings().max_examples // 2))

lines = pytest.mark.parametrize("line", LINES, ids=lambda line: str(line.dtype))
needs_jit = pytest.mark.skipif(not jit_is_on(), reason="the JIT is off: NumPy counts all numbers")


def place(line: Line, x: object) -> int:
    """The place of a number in the order of its kind, by Python's own packing."""
    code = CODES[line.dtype.kind][{16: 0, 32: 1, 64: 2}[line.bits]]
    raw = int.from_bytes(struct.pack("<" + code, x), "little")
    sign = 1 << line.bits - 1
    if line.dtype.kind == "u":
        return raw
    if line.dtype.kind == "i":
        return raw ^ sign
    return 2 * sign - 1 - raw if raw & sign else raw | sign


def expected(line: Line, starts: list[int], free: int, numbers: list) -> dict[int, tuple[int, int, int]]:
    """Count, sum of l and sum of l^2 of every bin with any numbers."""
    found = collections.defaultdict(lambda: (0, 0, 0))
    left = free - 16
    for x in numbers:
        u = place(line, x)
        for i, start in enumerate(starts):
            if start <= u < start + (1 << free):
                index, lower = i * BINS + (u - start >> left), u & (1 << left) - 1
                count, total, squares = found[index]
                found[index] = count + 1, total + lower, squares + lower * lower
    return dict(found)


def held(table: DigitTable) -> dict[int, tuple[int, int, int]]:
    bins = np.flatnonzero(table.counts)
    squares = table.squares_of(bins)
    empty = np.flatnonzero(table.counts == 0)
    assert not any(part[:, empty].any() for part in (table.sums, table.low, table.high))
    return dict(
        zip(
            bins.tolist(),
            zip(table.counts[bins].tolist(), table.of_bins(bins), squares, strict=True),
            strict=True,
        )
    )


def in_numpy(table: DigitTable) -> DigitTable:
    table.__dict__["_compiled"] = False
    return table


def weights(line: Line, seed: int) -> np.ndarray:
    """Adversarial weights of a line's dtype, and some random bits and ends of bins."""
    rng = np.random.default_rng([seed, 5])
    w = next(w for w in (case(s, sizes=range(1, 60))[1] for s in range(seed, seed + 3000)) if w.dtype == line.dtype)
    raw = rng.integers(0, 2**63, 20, dtype=np.uint64).astype(line.unsigned)
    raw[:5] |= line.unsigned.type((1 << line.bits - 16) - 1)  # the greatest l
    x = raw.view(line.dtype)
    return rng.permutation(np.concatenate([w, x[np.isfinite(x)]]))


@FEWER
@given(st.sampled_from(LINES), st.integers(0, 2**20))
def test_tables_of_all_numbers(line, seed):
    w = weights(line, seed)
    want = expected(line, [0], line.bits, w.tolist())
    table = DigitTable.of_all(line)
    event(f"{line.dtype}, {'compiled' if table._compiled else 'NumPy'}")
    for t in (table, in_numpy(DigitTable.of_all(line))):
        t.add(w)
        assert held(t) == want


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_numbers_of_eight_bits_are_counted_as_of_sixteen(dtype):
    about = np.iinfo(dtype)
    w = np.repeat(np.arange(about.min, about.max + 1).astype(dtype), np.arange(256))
    table = DigitTable.of_all(Line.of(dtype))
    table.add(w)
    assert held(table) == expected(table.line, [0], 16, w.tolist())
    assert sorted(count for count, _, _ in held(table).values()) == list(range(1, 256))


@FEWER
@given(st.sampled_from([line for line in LINES if line.bits > 16]), st.integers(0, 2**20), st.data())
def test_tables_of_runs(line, seed, data):
    w = weights(line, seed)
    free = data.draw(st.sampled_from(range(16, line.bits, 16)))
    u = line.order(w)
    chosen = data.draw(st.sets(st.sampled_from(u.tolist()), min_size=1, max_size=4))
    starts = sorted({place >> free << free for place in chosen})
    squares = data.draw(st.booleans())
    table = DigitTable(line, np.array(starts, np.uint64), free, squares)
    for part in np.array_split(w, 3):
        table.add(part)
    want = expected(line, starts, free, w.tolist())
    event(f"{line.dtype}, {free} free bits, {'some' if sum(c for c, _, _ in want.values()) < w.size else 'no'} others")
    if squares:
        assert held(table) == want
    else:
        bins = np.flatnonzero(table.counts)
        assert bins.tolist() == sorted(want)
        assert table.counts[bins].tolist() == [want[i][0] for i in bins.tolist()]
        assert table.of_bins(bins) == [want[i][1] for i in bins.tolist()]
        assert table.low.size == table.high.size == 0


def test_runs_at_both_ends_of_the_order():
    for line in LINES:
        if line.bits > 16:
            free = line.bits - 16
            raw = np.array([0, 1, 2**16 - 1, 2**line.bits - 1, 2**line.bits - 2**16], line.unsigned)
            x = np.concatenate([[line.number(int(u))] for u in raw])
            starts = [0, (1 << line.bits) - (1 << free)]
            table = DigitTable(line, np.array(starts, np.uint64), free, True)
            table.add(x)
            assert int(table.counts.sum()) == 5
            left = line.unsigned.type(free - 16)
            run = np.array([0, 0, 0, 1, 1])
            index = [int(i) for i in run * BINS + ((raw >> left) & line.unsigned.type(BINS - 1)).astype(np.int64)]
            assert np.flatnonzero(table.counts).tolist() == sorted(set(index))


@FEWER
@given(st.sampled_from(LINES), st.integers(0, 2**20), st.integers(1, 6), st.randoms(use_true_random=False))
def test_tables_of_parts_add_up_in_any_order(line, seed, parts, shuffled: random.Random):
    w = weights(line, seed)
    whole = DigitTable.of_all(line)
    whole.add(w)
    make = partial(DigitTable.of_all, line)
    tables = []
    for part in np.array_split(w, sorted(shuffled.randrange(w.size + 1) for _ in range(parts - 1))):
        table = make()
        table.add(part)
        tables.append(table)
    shuffled.shuffle(tables)
    event(f"{len(tables)} parts")
    while len(tables) > 1:
        first = tables.pop(shuffled.randrange(len(tables)))
        second = pickle.loads(pickle.dumps(tables.pop(shuffled.randrange(len(tables)))))
        first.merge(second)
        tables.append(first)
    assert held(tables[0]) == held(whole)


@pytest.mark.parametrize("before", [1, 10, 100])
@lines
def test_what_is_carried_is_not_lost(line, before, monkeypatch):
    monkeypatch.setattr(digit_table, "BEFORE_CARRY", before)
    w = np.tile(weights(line, 7), 3)
    want = expected(line, [0], line.bits, w.tolist())
    for make in (lambda: DigitTable.of_all(line), lambda: in_numpy(DigitTable.of_all(line))):
        table, other = make(), make()
        for x in np.array_split(w, 9)[:6]:
            table.add(x)
        for x in np.array_split(w, 9)[6:]:
            other.add(x)
        table.merge(other)
        assert held(table) == want
    if line.bits > 16 and before <= 10:
        assert table.high.any()  # something was carried indeed


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=needs_jit)])
def test_a_table_that_is_nearly_full(compiled):
    """As after 2**30 - 5 numbers, of which every one has the greatest l."""
    line, most = Line.of(np.float32), 2**16 - 1
    x = np.full(12, 1.0, np.float32)
    x.view(np.uint32)[...] |= most
    index = int(line.order(x)[0]) >> 16
    for more in (np.split(x, 12), [x]):
        table = DigitTable.of_all(line)
        assert table._compiled == jit_is_on()
        if not compiled:
            in_numpy(table)
        already = digit_table.BEFORE_CARRY - 5
        table.counts[index], table.sums[0, index], table.low[0, index] = already, already * most, already * most**2
        table.since_carry = already
        for part in more:
            table.add(part)
        n = already + 12
        assert held(table) == {index: (n, n * most, n * most**2)}
        other = DigitTable.of_all(line)
        other.counts[index], other.sums[0, index], other.low[0, index] = already, already * most, already * most**2
        other.since_carry = already
        table.merge(other)
        n += already
        assert held(table) == {index: (n, n * most, n * most**2)}


def test_the_bounds_leave_room():
    from bbdg_ref.kernels import digit_table as kernels

    most = 2**16 - 1
    assert (digit_table.BEFORE_CARRY + 1) * most**2 + 2**32 < 2**63  # an int64 of products
    assert digit_table.BLOCK * most**2 <= 2**53  # a float64 of them
    count = int(kernels.COUNT)
    assert kernels.MOST < 2 ** (64 - count) and kernels.MOST * most < 2**count and kernels.MOST * most**2 < 2**64
    assert kernels.MOST <= digit_table.BEFORE_CARRY


@needs_jit
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint32])
def test_more_numbers_than_a_compiled_table_holds(dtype):
    line, n = Line.of(dtype), 2**22 + 12345
    x = np.array([3], dtype)
    x.view(np.uint32)[...] |= 2**16 - 1
    index, lower = int(line.order(x)[0]) >> 16, 2**16 - 1
    for w in (np.repeat(x, n), np.broadcast_to(x, (n,))):
        table = DigitTable.of_all(line)
        assert table._compiled
        table.add(w)
        assert held(table) == {index: (n, n * lower, n * lower**2)}


def test_chunks_of_any_layout_are_counted():
    for line in LINES:
        w = np.resize(weights(line, 3), 60).reshape(3, 4, 5)
        want = expected(line, [0], line.bits, w.ravel().tolist())
        swapped = w.astype(line.dtype.newbyteorder())
        for x in (w, np.asfortranarray(w), np.moveaxis(w, 0, 2), w[::-1, :, ::-1], swapped, swapped.T):
            table = DigitTable.of_all(line)
            table.add(x)
            table.add(x[:0])
            assert held(table) == want
