"""Numbers gathered from intervals."""

import pickle

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bbdg_ref.ops.ordered import Line
from bbdg_ref.ops.passes import BLOCK, Changed, Gatherer

LINES = [Line(np.dtype(t)) for t in ("f2", "f4", "f8", "i2", "i4", "i8", "u2", "u4", "u8")]


def finite(line: Line, size: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    raw = rng.integers(*line.finite, size, dtype=np.uint64, endpoint=True)
    x = np.array([line.number(u) for u in raw.tolist()], line.dtype)
    zeros = np.array([0, 0, 0, 1], line.dtype)
    zeros[1:3] = -zeros[1:3]
    return rng.permutation(np.concatenate([x, x[: size // 3], zeros]))


def outcome(gatherer: Gatherer) -> list[list[int]]:
    return [gatherer.line.order(np.ascontiguousarray(x)).tolist() for x in gatherer.descending()]


def numbers(line: Line, places: list[int]) -> list:
    return [line.number(u).item() for u in places]


@given(st.sampled_from(LINES), st.integers(0, 10**6), st.integers(1, 5), st.data())
def test_the_numbers_of_intervals_are_gathered(line, seed, parts, data):
    w = finite(line, 40, seed)
    u = sorted(line.order(w).tolist())
    ends = sorted(data.draw(st.sets(st.sampled_from(u), min_size=2, max_size=6)))
    intervals = [(a, b) for a, b in zip(ends[::2], ends[1::2], strict=False)]
    intervals = data.draw(st.permutations(intervals))
    want = [sorted(x for x in u if a <= x <= b) for a, b in intervals]
    expected = sum(map(len, want))
    gatherers = []
    for part in np.array_split(w, parts):
        gatherers.append(Gatherer(line, intervals, expected))
        gatherers[-1].add(part)
    whole = Gatherer(line, intervals, expected)
    for gatherer in data.draw(st.permutations(gatherers)):
        whole.merge(pickle.loads(pickle.dumps(gatherer)))
    event(f"{line.dtype}, {len(intervals)} intervals")
    assert whole.count == expected
    for got, wanted in zip(whole.descending(), want, strict=True):
        # As numbers: NumPy's sort may take the zeros of both signs for each other.
        assert got.tolist() == numbers(line, wanted)[::-1]


@pytest.mark.parametrize("line", LINES[:3], ids=lambda line: str(line.dtype))
def test_zeros_of_both_signs_are_told_apart(line):
    w = np.array([0.0, -0.0, -0.0, 1.0, -1.0], line.dtype)
    minus = line.least_equal(line.dtype.type(0))
    for interval, want in [
        ((minus, minus), [minus] * 2),
        ((minus + 1, minus + 1), [minus + 1]),
        ((line.finite[0], minus), None),
    ]:
        gatherer = Gatherer(line, [interval], 3)
        gatherer.add(w)
        ((got),) = outcome(gatherer)
        assert sorted(got) == (want or sorted([*line.order(np.array([-1.0], line.dtype)).tolist(), minus, minus]))


def test_the_ends_of_intervals_belong_to_them():
    line = Line.of(np.int64)
    w = np.array([2**62 - 1, 2**62, 2**62 + 1, 2**62 + 2, 2**62 + 3])  # float64 cannot tell them apart
    u = line.order(w).tolist()
    gatherer = Gatherer(line, [(u[1], u[3])], 3)
    gatherer.add(w)
    assert [x.tolist() for x in gatherer.descending()] == [w[3:0:-1].tolist()]


def test_more_numbers_than_there_were_are_noticed_at_once():
    line = Line.of(np.float32)
    w = np.ones(10, np.float32)
    (u,) = set(line.order(w).tolist())
    gatherer = Gatherer(line, [(u, u)], 15)
    gatherer.add(w)
    with pytest.raises(Changed):
        gatherer.add(w)
    whole, half = Gatherer(line, [(u, u)], 15), Gatherer(line, [(u, u)], 15)
    half.add(w)
    whole.merge(half)
    with pytest.raises(Changed):
        whole.merge(half)


def test_without_any_chunk_nothing_is_gathered():
    gatherer = Gatherer(Line.of(np.float32), [(0, 5), (8, 9)], 3)
    assert [x.size for x in gatherer.descending()] == [0, 0]


def test_large_arrays_of_any_layout_are_gathered_from():
    rng = np.random.default_rng(0)
    line = Line.of(np.float64)
    w = rng.permutation(np.arange(2 * BLOCK + 6.0)).reshape(2, -1)
    low, high = line.order(np.array([1000.0, 2000.0])).tolist()
    for x in (w, w.T, w.astype(">f8"), w[:, ::-1]):
        gatherer = Gatherer(line, [(low, high)], 1001)
        gatherer.add(x)
        assert [x.tolist() for x in gatherer.descending()] == [np.arange(2000.0, 999.0, -1).tolist()]
