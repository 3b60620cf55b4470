import inspect
import itertools
import textwrap

import numpy as np
import projection_checks as checks
import pytest
from oracles.fast_projection import solve
from projection_cases import case

from bbdg_ref.ops import projection
from bbdg_ref.ops import projection_passes as passes
from bbdg_ref.ops.digit_table import DigitTable
from bbdg_ref.ops.ordered import Line
from bbdg_ref.ops.passes import Gatherer
from bbdg_ref.spec.projection import assemble

GATHERED = (passes.GATHERED, 30, 4, 1)
CASES = 16_000
SHARDS = 16


def in_passes(w, *, gathered=passes.GATHERED):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "GATHERED", gathered)
        bits = np.empty(w.shape, np.bool_)
        return assemble([passes.project_in_passes(w, bits)], bits, None)


def wrong(w, gathered=passes.GATHERED):
    """What of the projection in passes is not as it must be; floats are compared bit for bit."""
    p, answer = in_passes(w, gathered=gathered), solve(w)
    found = [name for name in ("n_ones", "tied") if getattr(p, name) != getattr(answer, name)]
    for name in ("alpha", "beta", "threshold", "error"):
        got, want = float(getattr(p, name)).hex(), getattr(answer, name).hex()
        found += [f"{name}: {got}, must be {want}"] if got != want else []
    return found + (["bits"] if p.bits.tolist() != answer.bits else [])


@pytest.mark.parametrize("shard", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in range(1, SHARDS))])
def test_passes_are_exact(shard):
    failures = []
    for seed in range(shard, CASES, SHARDS):
        name, w = case(seed)
        gathered = GATHERED[seed // SHARDS % len(GATHERED)]
        found = wrong(w, gathered)
        if found:
            failures.append(f"case({seed}), {name}, {w.dtype}, GATHERED = {gathered}:\n  " + "\n  ".join(found))
    assert not failures, f"{len(failures)} cases fail, the first of them:\n\n" + "\n\n".join(failures[:3])


def one_zero(equal, steps):
    """The best split cuts off the least number of a bin whose other numbers are all its greatest one.

    Its triangle's corner has p = c - 1; the number of zeros there, n - K - p = 1, is lost if p is rounded first.
    """
    w = np.full(equal + 3, -1.0)  # the greatest number of its bin
    w[3] = -np.nextafter(1.0625, 0)  # the least one
    w[5] = -0.9375 - 2.0**-52 - steps * 2.0**-53  # as far away on the other side, and a little less
    w[7] = -np.nextafter(1.0, 0)  # an edge that is not best lies between them
    return w


@pytest.mark.parametrize("steps", [0, 1, 10])
@pytest.mark.parametrize("equal", [1120, 4480, 17920])
def test_one_zero_far_below_very_many_equal_ones_in_its_bin(equal, steps):
    assert wrong(one_zero(equal, steps)) == []


def far_apart():
    """Numbers near both ends of float64: differences overflow, and the sorted numbers have their middle at one end."""
    return np.concatenate([[0.97, 1], -np.linspace(0.97, 1, 4)]) * np.finfo(np.float64).max


def mirrored(n):
    """Symmetric: two best splits. The sums of the many equal numbers between them are rounded one way."""
    rng = np.random.default_rng(4)
    w = np.concatenate([np.full(n // 2, 0.07), 1 + 0.3 * rng.standard_normal(n - n // 2)])
    return np.concatenate([w, -w])


ZEROS = (
    np.array([0.0, -5e-324, -0.0, 0.0]),  # the ones are zeros of both signs
    np.array([-0.0, 1e-322, -5e-324]),  # the bin of the ones begins with 0.0, and -0.0 is not one of them
)
CASES_OF_FAULTS = (one_zero(1120, 1), far_apart(), *ZEROS, mirrored(10_000))


@pytest.mark.parametrize("gathered", GATHERED)
def test_numbers_at_both_ends_of_the_range(gathered):
    assert wrong(far_apart(), gathered) == []


@pytest.mark.parametrize("gathered", GATHERED)
def test_zeros_of_both_signs(gathered):
    for w in ZEROS:
        assert wrong(w, gathered) == wrong(-w, gathered) == []


@pytest.mark.parametrize("gathered", [passes.GATHERED, 3000])
def test_two_equal_optima_among_many_numbers(gathered):
    w = mirrored(10_000)
    assert wrong(w, gathered) == []
    assert in_passes(w, gathered=gathered).tied


# --- long arrays ---

KINDS = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "skewed": lambda rng, n: np.exp(2 * np.minimum(rng.standard_normal(n), 5)),
    "two values": lambda rng, n: rng.integers(0, 2, n) - 0.3,
    "constant": lambda rng, n: np.full(n, -0.7),
    "equal optima": lambda rng, n: np.resize([-1.0, 0.0, 1.0], n),
    "heaps": lambda rng, n: rng.integers(0, 2, n) + 0.2 * rng.standard_normal(n),
    "an outlier": lambda rng, n: np.append(rng.standard_normal(n - 1), 1e4),
}


def long_array(kind, dtype, n):
    """Floats as they are, integers of the same shape over a tenth of the range."""
    rng = np.random.default_rng(n)
    dtype = np.dtype(dtype)
    if kind == "a step apart":
        bits = dtype.itemsize * 8
        start = np.array([-0.7 if dtype.kind == "f" else np.iinfo(dtype).max - 9], dtype).view(f"u{bits // 8}")
        return (start + rng.integers(0, 4, n).astype(f"u{bits // 8}")).view(dtype)
    x = KINDS[kind](rng, n)
    if dtype.kind == "f":
        return np.clip(x, -60000, 60000).astype(dtype)
    x = np.clip(x / 40 + (dtype.kind == "u"), -0.9, 1.9) * (0.5 * float(np.iinfo(dtype).max))
    return x.astype(dtype)


def equals_the_sorted_route(w, gathered=passes.GATHERED):
    rows = w.reshape(1, -1)
    found, bits = projection._general_rows(rows, np.array([w.size]))
    checks.same_projection(in_passes(w, gathered=gathered), assemble(found, bits[0].reshape(w.shape), None))


DTYPES = ("f2", "f4", "f8", "i1", "i4", "i8", "u8")


@pytest.mark.parametrize("kind", [*KINDS, "a step apart"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_long_arrays(kind, dtype):
    equals_the_sorted_route(long_array(kind, dtype, 30_011), 2000)


@pytest.mark.parametrize("kind", ["normal", "a step apart"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "u8"])
def test_arrays_of_more_than_can_be_gathered(kind, dtype):
    equals_the_sorted_route(long_array(kind, dtype, 300_007))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, "a step apart"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_longer_arrays(kind, dtype):
    for n in (300_007, 3_000_001):
        equals_the_sorted_route(long_array(kind, dtype, n))


@pytest.mark.slow
def test_ten_million_numbers():
    equals_the_sorted_route(long_array("normal", "f4", 10**7))


# --- faults planted in the engine must be caught ---

# Where, what is replaced by what. Each is looked for with the cases above and then with those of the campaign.
FAULTS: dict[str, tuple[type, str, str, str]] = {
    "what is left after a group is dropped": (passes.Search, "take_group", "joined[several:]", "[]"),
    "what reaches no higher than an edge is dropped": (
        passes.Search,
        "forget",
        "run.reach >= ",
        "run.reach > 1.001 * ",
    ),
    "no corner": (passes.Search, "_take_bins", "np.maximum(corner, np.maximum(edges[1:], edges[:-1]))", "edges[1:]"),
    "the corner without the numbers above": (
        passes.Search,
        "_take_bins",
        "corner = np.abs(d[:-1] + rise)",
        "corner = rise",
    ),
    "the zeros of the corner by a difference": (
        passes.Search,
        "_take_bins",
        "((self.n - k[1:]) + others)",
        "(self.n - k[:-1] - p)",
    ),
    "edges only where they are better": (
        passes.Search,
        "_take_bins",
        ">= self.best * (1 - ROOM)",
        "> self.best * (1 + ROOM)",
    ),
    "no bound on the error of walked sums": (
        passes.Search,
        "take_numbers",
        "bound = self.g(error, ones)",
        "bound = 0 * g",
    ),
    "differences overflow": (passes.Search, "_centred", "down = 2 if", "down = 0 if"),
    "uint64 wraps round": (
        passes.Search,
        "_centred",
        "-(middle - u).astype(np.float64)",
        "(u - middle).astype(np.float64)",
    ),
    "joined runs without what lies between": (
        passes.Search,
        "_joined",
        "count = low.above + low.count - high.above",
        "count = high.count + low.count",
    ),
    "equal candidates counted twice": (
        passes.Search,
        "result",
        "sorted({c.ones: c for c in self.candidates}.values(),",
        "sorted(self.candidates,",
    ),
    "no limit to the size of D": (passes.Search, "__init__", "spread.bit_length() - FAR", "0"),
    "squares with each product once": (DigitTable, "squares_of", " + (i != j)", ""),
    "squares without the middle term": (passes.Search, "__init__", "2 * base * lower", "base * lower"),
    "l of the lowest digit only": (
        DigitTable,
        "of_bins",
        "range(len(self.sums))",
        "range(1)",
    ),
    "runs of negative numbers a step off": (
        Line,
        "bases",
        "np.where(positive, whole, -whole)",
        "np.where(positive, whole, ~whole)",
    ),
    "subnormal exponents one too low": (Line, "bases", "np.maximum(exponent, 1) + self", "exponent + self"),
    "the first of a run is in no run": (DigitTable, "_placed", "u >= starts[0]", "u > starts[0]"),
    "the last of a run is in no run": (
        DigitTable,
        "_placed",
        "inside = u - starts[run] <= width",
        "inside = u - starts[run] < width",
    ),
    "the first of an interval is not gathered": (
        Gatherer,
        "add",
        "u >= u.dtype.type(first)",
        "u > u.dtype.type(first)",
    ),
    "the last of an interval is not gathered": (Gatherer, "add", "block <= high", "block < high"),
    "zeros of both signs gathered together": (
        Gatherer,
        "add",
        "found[(u >= u.dtype.type(first)) & (u <= u.dtype.type(last))]",
        "found",
    ),
    "0.0 is greater than -0.0": (Line, "least_equal", "x == 0", "x != x"),
    "-0.0 reaches 0.0": (Line, "reaching", " and number != 0", ""),
}


def plant(patch, owner, name, old, new):
    """Replace a method by one whose source differs in one place."""
    source = textwrap.dedent(inspect.getsource(vars(owner)[name]))
    assert source.count(old) == 1
    found = {}
    exec(source.replace(old, new), vars(inspect.getmodule(owner)), found)
    patch.setattr(owner, name, found[name])


def first_caught(most=CASES // 8):
    """The first of the cases that shows a fault, in words. An error or a warning shows it, too."""
    known = ((f"known case {i}", w, passes.GATHERED) for i, w in enumerate(CASES_OF_FAULTS))
    drawn = ((f"case({seed})", case(seed)[1], GATHERED[seed % len(GATHERED)]) for seed in range(most))
    for name, w, gathered in itertools.chain(known, drawn):
        try:
            if wrong(w, gathered):
                return name
        except Exception:
            return name
    return None


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_engine_is_caught(fault, monkeypatch):
    plant(monkeypatch, *FAULTS[fault])
    found = first_caught()
    print(found)  # shown with -s
    assert found is not None


def test_without_a_fault_nothing_is_caught():
    assert first_caught(100) is None
