"""Arrays read box by box, and passes over chunks."""

import collections
import itertools
import pickle
from functools import partial

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bbdg_ref.ops import chunks
from bbdg_ref.ops.chunks import boxes, show_chunks, show_dask, slices
from bbdg_ref.ops.digit_table import DigitTable
from bbdg_ref.ops.ordered import Line
from bbdg_ref.ops.passes import Changed, Gatherer


class Stored:
    """An array that says in which chunks it is stored, and notes which of them, and which numbers, are read."""

    def __init__(self, array, stored):
        self.array, self.chunks, self.shape, self.dtype = array, stored, array.shape, array.dtype
        self.read = np.zeros(array.shape, np.int64)
        self.stored_read = collections.Counter()

    def __getitem__(self, box):
        self.read[box] += 1
        if self.chunks:
            steps = [
                range(part.start // step, -(-min(part.stop, size) // step))
                for part, step, size in zip(box, self.chunks, self.shape, strict=True)
            ]
            self.stored_read.update(itertools.product(*steps))
        return self.array[box]


def shapes():
    return st.lists(st.integers(0, 9), min_size=0, max_size=4).map(tuple)


@given(shapes(), st.data(), st.sampled_from([1, 3, 10, 50, 10**6]))
def test_each_number_and_each_stored_chunk_is_read_once(shape, data, together):
    stored = None
    if shape and data.draw(st.booleans()):
        stored = tuple(data.draw(st.integers(1, 12)) for _ in shape)
    array = Stored(np.arange(np.prod(shape, dtype=int)).reshape(shape), stored)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "TOGETHER", together)
        parts = list(slices(array))
    event(f"{'stored in chunks' if stored else 'contiguous'}, {'one box' if len(parts) == 1 else 'several or none'}")
    assert (array.read == 1).all()
    assert set(array.stored_read.values()) <= {1}
    numbers = np.concatenate([part.ravel() for part in parts]) if parts else np.empty(0)
    assert sorted(numbers.tolist()) == list(range(array.array.size))
    most = max(together, np.prod(stored) if stored else 1)
    assert all(part.size <= most for part in parts)


def test_boxes_of_large_arrays_hold_about_a_million_numbers():
    for shape in [(10**9,), (10**4, 10**5), (3, 10**8), (10**3, 10**3, 10**3)]:
        array = Stored(np.broadcast_to(np.float32(0), shape), None)
        found = boxes(array)
        size = np.prod([part.stop - part.start for part in next(found)])
        assert 2**19 < size <= 2**20
    assert list(boxes(Stored(np.float64(3.0)[...], None))) == [()]


def test_a_pass_reads_the_chunks_anew():
    calls = []

    def function():
        calls.append(1)
        return iter([np.ones(3, np.float32), np.zeros(2, np.float32)])

    show = show_chunks(function)
    for number in (1, 2, 3):
        table = show(partial(DigitTable.of_all, Line.of(np.float32)))
        assert table.counts.sum() == 5 and len(calls) == number


def tables(parts):
    found = []
    for part in parts:
        found.append(DigitTable.of_all(Line.of(part.dtype)))
        found[-1].add(part)
    return found


def test_what_is_merged_stays_as_it_is():
    """Dask may use a result again, after the worker is lost that held what was made of it."""
    rng = np.random.default_rng(0)
    parts = rng.standard_normal((3, 1000))
    new = partial(DigitTable.of_all, Line.of(np.float64))
    whole, collectors = new(), tables(parts)
    whole.add(parts)
    before = [(t.counts.copy(), t.sums.copy(), t.squares_of(np.arange(t.counts.size))) for t in collectors]
    for _ in range(2):
        merged = chunks._merged(new, collectors)
        assert all(merged is not collector for collector in collectors)
        assert np.array_equal(merged.counts, whole.counts) and np.array_equal(merged.sums, whole.sums)
        bins = np.flatnonzero(whole.counts)
        assert merged.squares_of(bins) == whole.squares_of(bins)
    for table, (counts, sums, squares) in zip(collectors, before, strict=True):
        assert np.array_equal(table.counts, counts) and np.array_equal(table.sums, sums)
        assert table.squares_of(np.arange(counts.size)) == squares


def test_gathered_numbers_are_not_merged_twice():
    line = Line.of(np.float32)
    w = np.arange(1, 10, dtype=np.float32)
    ends = tuple(line.order(w[[0, -1]]).tolist())
    new = partial(Gatherer, line, [ends], 9)
    parts = [new(), new()]
    parts[0].add(w[:4])
    parts[1].add(w[4:])
    for _ in range(2):
        ((found),) = chunks._merged(new, parts).descending()
        assert found.tolist() == w[::-1].tolist()
    with pytest.raises(Changed):
        chunks._merged(new, [*parts, parts[1]])


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
@pytest.mark.parametrize(
    "shape, stored", [((7,), 3), ((40, 30), (7, 30)), ((40, 30), (9, 4)), ((), ()), ((2, 3, 4), 1)]
)
def test_a_dask_array_is_learnt_of_whole(scheduler, shape, stored):
    dask = pytest.importorskip("dask")
    da = pytest.importorskip("dask.array")
    w = np.random.default_rng(0).standard_normal(shape).astype(np.float32)[...]
    seen = []

    def check(block):
        seen.append(block.size)
        return block

    new = partial(DigitTable.of_all, Line.of(np.float32))
    whole = new()
    whole.add(w)
    with dask.config.set(scheduler=scheduler):
        table = show_dask(da.from_array(w, chunks=stored), check)(new)
    assert sum(seen) == w.size
    assert np.array_equal(table.counts, whole.counts) and np.array_equal(table.sums, whole.sums)


def test_collectors_of_dask_can_be_pickled():
    for new in (partial(DigitTable.of_all, Line.of("f8")), partial(Gatherer, Line.of("f8"), [(3, 8)], 1)):
        again = pickle.loads(pickle.dumps(new))()
        assert type(again) is type(new())
