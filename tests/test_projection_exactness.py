"""`project` against whole-number arithmetic on adversarial weights.

4,000 arrays in the default run, 20,000 with the slow tests, 1,000,000 in .ci/deep; one in ten of those is also
projected as long rows are, in passes.
"""

import collections
import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest
from oracles import projection as slow_oracle
from oracles.fast_projection import Answer, solve
from projection_cases import LARGE, STRATEGIES, Arranged, arrange, case

from bbdg_ref import project
from bbdg_ref.ops import projection as projection_ops
from bbdg_ref.ops import projection_passes
from bbdg_ref.spec.projection import Projection

CASES = 20_000
SHARDS = 10
MUTANT_CASES = 3_000
SHOWN = 3  # failures that are printed in full

GATHERED = (projection_passes.GATHERED, 30, 4, 1)  # numbers that the passes keep

FIELDS = ("alpha", "beta", "threshold", "error", "n_ones", "tied")

Solver = Callable[..., Projection]


def told(value: object) -> str:
    return value.hex() if isinstance(value, float) else repr(value)


def differences(p: Projection, arranged: Arranged, answers: Sequence[Answer]) -> list[str]:
    """What of a projection is not as it must be; floats are compared bit for bit."""
    w, axis, _ = arranged
    if p.bits.shape != w.shape or p.bits.dtype != np.bool_:
        return [f"bits are {p.bits.dtype} of shape {p.bits.shape}, not bool of shape {w.shape}"]
    found = []
    shape = () if axis is None else (len(answers),)
    for name in FIELDS:
        values = np.asarray(getattr(p, name))
        if values.shape != shape:
            found.append(f"{name} has shape {values.shape}, not {shape}")
            continue
        for i, (got, answer) in enumerate(zip(values.ravel().tolist(), answers, strict=True)):
            want = getattr(answer, name)
            if told(got) != told(want):
                found.append(f"{name} of row {i}: {told(got)}, must be {told(want)}")
    for i, (row, answer) in enumerate(zip(Arranged(p.bits, axis, None).rows(), answers, strict=True)):
        wrong = np.flatnonzero(row != answer.bits)
        if wrong.size:
            found.append(f"bits of row {i}: {wrong.size} wrong, the first at {wrong[0]}")
    return found


def remade(seed: int, sizes: Sequence[int] | None, arranged: Arranged) -> str:
    """Python text that makes the arguments again: by the seed, and of few weights also by their bytes."""
    w, axis, limit = arranged
    told_sizes = "" if sizes is None else f", sizes={sizes!r}"
    lines = [f"w, channel_axis, max_ones = arrange({seed}, case({seed}{told_sizes})[1])"]
    if w.size <= 300:
        data = f'np.frombuffer(bytes.fromhex("{w.tobytes().hex()}"), "{w.dtype.str}").reshape({w.shape})'
        lines += [f"# w = {data}  # in C order", f"# channel_axis, max_ones = {axis}, {limit}"]
        lines += [f"# w is {np.array2string(w.ravel(), threshold=40, max_line_width=10**6)}"]
    return "\n".join(lines)


@dataclasses.dataclass
class Tally:
    """Counts over the cases of a strategy."""

    cases: int = 0
    weights: int = 0
    tied: int = 0
    plain_wrong: int = 0  # bits by sort, cumsum and argmax in float64, without care
    limited: int = 0

    def line(self, name: str) -> str:
        shares = (f"{100 * count / max(self.cases, 1):7.2f} %" for count in (self.tied, self.plain_wrong))
        return f"{name:16}{self.cases:10}{self.weights:14}  {'  '.join(shares)}{self.limited:10}"


def falling_sums(row: np.ndarray, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    falling = np.sort(row, kind="stable")[::-1]
    return falling, np.concatenate([[dtype(0)], np.cumsum(falling.astype(dtype), dtype=dtype)])


def plain_bits(row: np.ndarray, dtype: type = np.float64, last: bool = False) -> np.ndarray:
    """The bits by sort, prefix sums and argmax in a floating type; ``last``: the last of the greatest."""
    n = row.size
    k = np.arange(n + 1).astype(dtype)
    with np.errstate(all="ignore"):
        falling, sums = falling_sums(row, dtype)
        gain = np.zeros(n + 1, dtype)
        gain[1:] += sums[1:] * sums[1:] / k[1:]
        gain[:-1] += (sums[-1] - sums[:-1]) * (sums[-1] - sums[:-1]) / (n - k[:-1])
    gain = np.where(np.isnan(gain), -np.inf, gain)
    ones = n - int(np.argmax(gain[::-1])) if last else int(np.argmax(gain))
    return row >= falling[ones - 1] if ones else np.zeros(n, np.bool_)


def run(
    solver: Solver,
    seeds: Iterable[int],
    sizes: Sequence[int] | None = None,
    tallies: dict[str, Tally] | None = None,
) -> list[str]:
    """Check a projection on the cases of the seeds; a text for each failure."""
    failures = []
    for seed in seeds:
        name, flat = case(seed, sizes)
        arranged = arrange(seed, flat)
        w, axis, limit = arranged
        rows = arranged.rows()
        answers = [solve(row, limit) for row in rows]
        before = w.tobytes()
        try:
            found = differences(solver(w, channel_axis=axis, max_ones=limit), arranged, answers)
        except Exception as error:  # whatever it is, the seed must be told
            found = [f"{type(error).__name__}: {error}"]
        if w.tobytes() != before:
            found.append("the weights were changed")
        if tallies is not None:
            tally = tallies[name]
            tally.cases += 1
            tally.weights += w.size
            tally.tied += any(answer.tied for answer in answers)
            tally.limited += limit is not None
            if limit is None:
                tally.plain_wrong += any(
                    not np.array_equal(plain_bits(row), answer.bits) for row, answer in zip(rows, answers, strict=True)
                )
        if found:
            what = f"seed {seed}, {name}, {w.dtype}, shape {w.shape}, strides {w.strides}, channel_axis {axis}, "
            what += f"max_ones {limit}:\n  " + "\n  ".join(found[:10])
            failures.append(f"{what}\n{remade(seed, sizes, arranged)}")
    return failures


def expect_none(failures: list[str]) -> None:
    text = "\n\n".join(failures[:SHOWN])
    assert not failures, f"{len(failures)} cases fail, the first of them:\n\n{text}"


def in_passes(w: np.ndarray, **options: int | None) -> Projection:
    """`project` as if every row were long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projection_ops, "longest_row", lambda dtype: 0)
        patch.setattr(projection_passes, "GATHERED", GATHERED[w.size % len(GATHERED)])
        return project(w, **options)


@pytest.mark.parametrize("shard", [0, 1, *(pytest.param(i, marks=pytest.mark.slow) for i in range(2, SHARDS))])
def test_project_is_exact(shard):
    expect_none(run(project, range(shard, CASES, SHARDS)))


@pytest.mark.parametrize("first", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in range(1, SHARDS))])
def test_project_in_passes_is_exact(first):
    expect_none(run(in_passes, range(first, CASES, 200 if first == 0 else 40)))


def test_long_rows_are_projected_in_passes():
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projection_ops, "project_in_passes", lambda *arrays: calls.append(1) or best(*arrays))
        best = projection_passes.project_in_passes
        in_passes(np.ones((3, 4)), channel_axis=1)
        assert len(calls) == 4
        for dtype, most in ((np.float64, 2**17), (np.int64, 2**17), (np.float32, 2**21), (np.float16, 2**21)):
            calls.clear()
            most = projection_ops.longest_row(np.dtype(dtype))
            project((100 * np.random.default_rng(0).standard_normal(most)).astype(dtype))
            project(np.ones((2, most + 1), dtype), channel_axis=0)
            assert len(calls) == 2


def test_project_is_exact_for_some_thousands_of_weights():
    expect_none(run(project, range(CASES, CASES + 60), sizes=LARGE))


def test_project_is_exact_for_many_equal_float16():
    """NumPy 2.4's own sort of float16 leaves such weights in disorder on processors with AVX-512."""
    rng = np.random.default_rng(0)
    for n in (2000, 3000, 5000, 8191):
        for values in ([-3, -2, -1], [-67.6, -62.5, -60.75, -35.8, -19.33, 23.53]):
            w = np.array(values, np.float16)[rng.integers(0, len(values), n)]
            assert differences(project(w), Arranged(w, None, None), [solve(w)]) == []


@pytest.mark.slow
def test_project_is_exact_for_many_weights():
    expect_none(run(project, range(CASES, CASES + 60), sizes=(65_535, 65_536, 65_537, 100_003, 262_144)))


@pytest.mark.deep
def test_project_is_exact_on_very_many_cases(capsys):
    """$BBDG_CASES seeds (default 1,000,000); of $BBDG_SHARDS shards the one with the number $BBDG_SHARD."""
    cases, shards, shard = (
        int(os.environ.get(f"BBDG_{name}", default))
        for name, default in (("CASES", 1_000_000), ("SHARDS", 1), ("SHARD", 0))
    )
    tallies: dict[str, Tally] = collections.defaultdict(Tally)
    failures = run(project, range(shard, cases, shards), tallies=tallies)
    again = range(shard, cases, 10 * shards)
    failures += run(in_passes, again)
    total = Tally(*(sum(dataclasses.astuple(tally)[i] for tally in tallies.values()) for i in range(5)))
    with capsys.disabled():
        passes = f"{len(again)} of them also in passes"
        print(f"\nShard {shard} of {shards}: {total.cases} cases, {passes}, {len(failures)} mismatches")
        print("strategy             cases       weights       tied  float64 wrong  with a limit")
        for name in STRATEGIES:
            print(tallies[name].line(name))
        print(total.line("all"))
    expect_none(failures)


# --- long rows ---


def rows_equal(w: np.ndarray, axis: int) -> None:
    """Each channel is what it is alone."""
    p = project(w, channel_axis=axis)
    for i in range(w.shape[axis]):
        alone = project(w.take(i, axis))
        assert [told(getattr(p, name)[i].item()) for name in FIELDS] == [
            told(np.asarray(getattr(alone, name)).item()) for name in FIELDS
        ]
        equal = np.array_equal(p.bits.take(i, axis), alone.bits)
        assert equal


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_long_rows_in_any_layout(dtype, axis):
    n = projection_ops.longest_row(np.dtype(dtype)) // 512 + 1
    x = 1e3 * np.random.default_rng(axis).standard_normal((2, 512, n))
    w = np.moveaxis(x.astype(dtype), 0, axis)
    for layout in (w, np.ascontiguousarray(w), w[:, ::-1, ::-1]):
        rows_equal(layout, axis)


LONG = [
    (np.float32, (3000,), None),
    (np.float32, (2**21 + 50,), None),
    (np.float16, (3, 2**21 + 5), 0),
    (np.float64, (3000,), None),
    (np.float64, (2**17 + 50,), None),
    (np.float64, (3, 100), 0),
    (np.float64, (400, 3, 400), 1),
    (np.float64, (2, 2**17 + 5), 0),
    (np.float64, (2**17 + 5, 2), -1),
]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype, shape, axis", LONG)
def test_nan_and_infinity_are_told_by_every_route(dtype, shape, axis, bad):
    w = np.random.default_rng(0).standard_normal(shape, np.float32).astype(dtype)
    index = tuple(size - 2 for size in shape)
    w[index] = bad
    told_index = index[0] if len(index) == 1 else index
    expected = f"project: w must be .* first bad value {bad} at index {re.escape(str(told_index))}; remove or replace"
    for layout in (w, w if len(shape) > 2 else w.astype(w.dtype.newbyteorder())):
        with pytest.raises(ValueError, match=expected):
            project(layout, channel_axis=axis)
    w[index] = 0
    project(w, channel_axis=axis)


# --- the cases and the oracle are checked ---


def test_a_case_is_remade_from_its_seed():
    for seed in range(200):
        (name, w), (again, same) = case(seed), case(seed)
        assert name == again and w.dtype == same.dtype and w.tobytes() == same.tobytes()
        first, second = arrange(seed, w), arrange(seed, w)
        assert first.w.strides == second.w.strides and first.w.tobytes() == second.w.tobytes()
        assert first[1:] == second[1:]
        assert w.ndim == 1 and w.size and np.isfinite(w).all()
        assert sorted(first.w.ravel().tolist()) == sorted(w.tolist())


def test_every_strategy_type_and_layout_occurs():
    seen = collections.Counter()
    for seed in range(3000):
        name, w = case(seed)
        arranged = arrange(seed, w)
        seen.update([name, w.dtype.str, f"{arranged.w.ndim}-D", f"limit {arranged.max_ones is not None}"])
        seen[f"axis {arranged.channel_axis}"] += 1
        seen["n = 1"] += w.size == 1
        seen["n = 2"] += w.size == 2
        seen["thousands"] += w.size > 1000
        seen["not contiguous"] += not (arranged.w.flags.c_contiguous or arranged.w.flags.f_contiguous)
        seen["Fortran order"] += arranged.w.flags.f_contiguous and not arranged.w.flags.c_contiguous
        seen["bytes swapped"] += not arranged.w.dtype.isnative
    wanted = [*STRATEGIES, *(np.dtype(t).str for t in (*np.typecodes["AllInteger"], "e", "f", "d") if t not in "pP")]
    wanted += ["1-D", "2-D", "3-D", *(f"axis {axis}" for axis in (None, 0, 1, 2, -1, -2, -3)), "limit True"]
    wanted += ["n = 1", "n = 2", "thousands", "not contiguous", "Fortran order", "bytes swapped"]
    assert [what for what in wanted if seen[what] < 3] == []


def test_sizes_can_be_chosen():
    assert {case(seed, sizes=range(5, 8))[1].size for seed in range(100)} == {5, 6, 7}
    for name, make in STRATEGIES.items():
        for n in (1, 2, 3, 4, 500):
            assert make(np.random.default_rng(n), n).shape == (n,), name


def test_the_oracle_agrees_with_the_slow_ones():
    for seed in range(400):
        _, w = case(seed, sizes=range(1, 10))
        for most in {w.size, seed % (w.size + 1)}:
            fast = solve(w, most)
            slow = [slow_oracle.scan_counts(w, most)]
            if w.size <= 6:
                slow.append(slow_oracle.try_all_bits(w, slow_oracle.general, most))
            for best in slow:
                assert fast == Answer(
                    *(slow_oracle.nearest(value) for value in (best.alpha, best.beta)),
                    slow_oracle.floor_to_float((best.alpha + best.beta) / 2),
                    slow_oracle.nearest(best.error),
                    [bit == 1 for bit in best.bits],
                    sum(best.bits),
                    best.tied,
                )


# --- deliberately wrong solvers must be caught ---


def as_projection(answer: Answer) -> Projection:
    fields = {name: getattr(answer, name) for name in FIELDS}
    return Projection(bits=np.array(answer.bits, np.bool_), **fields)


def with_bits(bits_of: Callable[[np.ndarray], np.ndarray]) -> Solver:
    """A solver that is right but for the way it chooses the bits."""

    def wrong(w, *, channel_axis=None, max_ones=None):
        bits = bits_of(w)
        return as_projection(dataclasses.replace(solve(w), bits=bits.tolist(), n_ones=int(bits.sum())))

    return wrong


def with_changes(change: Callable[[np.ndarray, Answer], dict[str, object]]) -> Solver:
    """A solver of which some fields are wrong."""

    def wrong(w, *, channel_axis=None, max_ones=None):
        answer = solve(w, max_ones)
        with np.errstate(all="ignore"):
            return as_projection(dataclasses.replace(answer, **change(w, answer)))

    return wrong


def with_weights(change: Callable[[np.ndarray], np.ndarray]) -> Solver:
    """An exact solver of weights that were changed before."""

    def wrong(w, *, channel_axis=None, max_ones=None):
        return as_projection(solve(change(w)))

    return wrong


def centred(x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return x - x.mean()


def centred_and_rescaled(w: np.ndarray) -> np.ndarray:
    """What is right most often: float64, centred, its largest magnitude brought to about one."""
    x = np.ldexp(w.astype(np.float64), -8)
    x -= np.sort(x, kind="stable")[x.size // 2]
    return plain_bits(np.ldexp(x, -int(np.frexp(np.abs(x).max())[1])))


def most_ones(w: np.ndarray, answer: Answer) -> dict[str, object]:
    """Of equally good splits the one with the most ones, by its mirror image."""
    other = solve(-w if w.dtype.kind == "f" else np.invert(w))
    ones = w.size - other.n_ones
    if not 0 < other.n_ones < w.size:  # not the easy case of equal weights
        return {}
    return {"n_ones": ones, "bits": [not bit for bit in other.bits]}


def float64_means(w: np.ndarray, answer: Answer) -> dict[str, object]:
    bits = np.array(answer.bits)
    x = w.astype(np.float64)
    zeros, ones = x[~bits], x[bits]
    means = [float(group.mean()) if group.size else float(x.mean()) for group in (zeros, ones)]
    return {"alpha": means[0], "beta": means[1]}


def float64_error(w: np.ndarray, answer: Answer) -> dict[str, object]:
    values = np.where(answer.bits, answer.beta, answer.alpha)
    return {"error": float(((w.astype(np.float64) - values) ** 2).sum())}


def last_of_equals(w: np.ndarray, answer: Answer) -> dict[str, object]:
    """Of equal weights those of the highest index become ones."""
    bits = np.zeros(w.size, np.bool_)
    bits[np.argsort(w, kind="stable")[w.size - answer.n_ones :]] = True
    return {"bits": bits.tolist()}


def without_small(w: np.ndarray, below: float) -> np.ndarray:
    return np.where(np.abs(w) < below * np.abs(w.astype(np.float64)).max(), 0, w).astype(w.dtype)


MUTANTS: dict[str, Solver] = {
    "float32 prefix sums": with_bits(lambda w: plain_bits(w, np.float32)),
    "float64 without recentring": with_bits(plain_bits),
    "centred float64": with_bits(lambda w: plain_bits(centred(w.astype(np.float64)))),
    "centred and rescaled float64": with_bits(centred_and_rescaled),
    "longdouble without recentring": with_bits(lambda w: plain_bits(w, np.longdouble)),
    "last of ties": with_changes(most_ones),
    "last of the greatest in float64": with_bits(lambda w: plain_bits(w, last=True)),
    "float64 means": with_changes(float64_means),
    "float64 error": with_changes(float64_error),
    "threshold to nearest": with_changes(lambda w, a: {"threshold": a.alpha / 2 + a.beta / 2}),
    "never tied": with_changes(lambda w, a: {"tied": a.tied and a.n_ones == 0}),
    "integers read as float64": with_weights(lambda w: w.astype(np.float64)),
    "subnormals taken for 0": with_weights(
        lambda w: np.where(np.abs(w) < np.finfo(w.dtype).tiny, w.dtype.type(0), w) if w.dtype.kind == "f" else w
    ),
    "what is 2^-200 of the largest taken for 0": with_weights(lambda w: without_small(w, 2.0**-200)),
}


def first_caught(wrong: Solver, limits: bool = False) -> int | None:
    """The first seed whose weights show that a solver is wrong; a crash is not caught here."""
    for seed in range(MUTANT_CASES):
        _, w = case(seed)
        limit = seed % (w.size + 1) if limits else None
        if differences(wrong(w, max_ones=limit), Arranged(w, None, limit), [solve(w, limit)]):
            return seed
    return None


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_solver_is_caught(name):
    assert first_caught(MUTANTS[name]) is not None


def test_the_highest_index_among_equals_is_caught():
    assert first_caught(with_changes(last_of_equals), limits=True) is not None


def test_a_right_solver_is_not_caught():
    assert first_caught(with_changes(lambda w, a: {})) is None


def test_a_crash_is_reported_with_its_seed():
    def crash(w, **options):
        raise RuntimeError("no")

    (failure,) = run(crash, [7])
    assert failure.startswith("seed 7, ") and "RuntimeError: no" in failure


def test_a_failure_can_be_remade():
    def wrong(w, **options):
        return dataclasses.replace(project(w, **options), error=-1.0)

    name, w = case(4, sizes=[12])
    arranged = arrange(4, w)
    (failure,) = run(wrong, [4], sizes=[12])
    assert f"seed 4, {name}, {arranged.w.dtype}, shape {arranged.w.shape}" in failure
    lines = failure.splitlines()
    found: dict[str, object] = {}
    names = {"arrange": arrange, "case": case, "np": np, "bytes": bytes}
    (by_seed,) = [line for line in lines if line.startswith("w, channel_axis, max_ones = ")]
    exec(by_seed, names, found)
    assert found["w"].tobytes() == arranged.w.tobytes()
    (by_bytes,) = [line for line in lines if line.startswith("# w = ")]
    exec(by_bytes.removeprefix("# "), names, found)
    assert np.array_equal(found["w"], arranged.w) and found["w"].dtype == arranged.w.dtype
