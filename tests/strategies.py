"""Hypothesis strategies of the whole suite."""

import math

import numpy as np
from hypothesis import HealthCheck, Phase, event, example, settings
from hypothesis import strategies as st

# For a property that is to find a planted fault: the same cases every time, none kept, none made smaller.
SEARCH = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)

WIDTHS = [1, 63, 64, 65]
FLOATS = [np.float16, np.float32, np.float64]
INTEGERS = [np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64]

# Inputs that broke other exact one-dimensional solvers, and inputs with two optima.
KNOWN = [
    np.array([0.0, 3.0, 4.0]),
    np.array([0.0, 1.0, 3.0, -2.0]),
    np.array([0.0, 1.0, -2.0]),
    np.array([1.0, 2.0, 3.0, 100.0]),
    np.full(128, 1000001.0, np.float32),
    np.array([-1.0, 0.0, 1.0]),
    np.array([0.0, 1.0, 1.0, 2.0]),
    np.array([-5.0, 1.0]),
    np.array([0.1] * 10),
    np.array([-0.0, 0.0, 0.0]),
    np.array([5e-324, 0.0, 0.0]),
    np.array([1e300, -1e300, 1e-300]),
    np.array([1.7976931348623157e308] * 3 + [-1.7976931348623157e308]),
    np.array([1.0, 1.0 + 2**-52]),
    np.array([2**63 - 1, 2**63 - 2, -(2**63)], np.int64),
    np.array([2**64 - 1, 2**64 - 2, 0], np.uint64),
    np.array([[2.0, 2.0], [1.0, 5.0]]),
]


def with_known(test):
    """Decorate a property test of one argument ``w`` with the known inputs as explicit examples."""
    for value in KNOWN:
        test = example(w=value)(test)
    return test


def widths(limit: int) -> st.SearchStrategy[int]:
    """Lengths from 1 to the limit: small ones, and those around a machine word."""
    return st.integers(1, min(limit, 12)) | st.sampled_from([n for n in WIDTHS if n <= limit] or [1])


def _rounded(values: list[float], dtype: type) -> np.ndarray:
    """Round to a float dtype, clipped to its finite range."""
    top = float(np.finfo(dtype).max)
    return np.array([max(-top, min(top, x)) for x in values]).astype(dtype)


@st.composite
def offsets(draw, n: int, dtype: type) -> np.ndarray:
    """A huge offset and a tiny spread: neighbouring floats, a few units in the last place apart."""
    info = np.finfo(dtype)
    bases = [1.0, 0.1, 1000001.0, 1e6, float(info.max) / 4, float(info.tiny)]
    start = np.asarray(draw(st.sampled_from([base for base in bases if base < float(info.max)]))).astype(dtype)
    steps = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    ladder = [start]
    for _ in range(4):
        ladder.append(np.nextafter(ladder[-1], dtype(np.inf)))
    sign = draw(st.sampled_from([1, -1]))
    return np.array([sign * ladder[step] for step in steps], dtype)


@st.composite
def geometric(draw, n: int, dtype: type) -> np.ndarray:
    """A geometric sequence of either sign: each weight outweighs all smaller ones, or nearly."""
    ratio = draw(st.sampled_from([2.0, -2.0, 1.5, 3.0, 1e3, 0.5]))
    start = draw(st.sampled_from([1.0, 1e-30, 1e-300, 5e-324, 1e30]))
    values = []
    for _ in range(n):
        values.append(start)
        start = start * ratio if abs(start) < 1e300 else start
    return _rounded(values, dtype)


@st.composite
def duplicates(draw, n: int, dtype: type) -> np.ndarray:
    """A few distinct values, each many times: constants, two values, ties."""
    one = st.floats(-4, 4, width=16) | st.sampled_from([0.0, -0.0, 0.1, 1.0, -1.0, 1e-30, 1e30, 5e-324, 1e300])
    palette = draw(st.lists(one, min_size=1, max_size=4))
    return _rounded(draw(st.lists(st.sampled_from(palette), min_size=n, max_size=n)), dtype)


@st.composite
def mixtures(draw, n: int, dtype: type) -> np.ndarray:
    """Two Gaussian clusters of any distance and scale."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = 10.0 ** draw(st.sampled_from([-170, -30, -3, 0, 0, 3, 30, 150]))
    centre = rng.standard_normal(2) * draw(st.sampled_from([0.0, 1.0, 10.0, 1e6]))
    values = (centre[rng.integers(0, 2, n)] + rng.standard_normal(n)) * scale
    return _rounded(values.tolist(), dtype)


@st.composite
def flat_objectives(draw, n: int, dtype: type) -> np.ndarray:
    """Quantiles of Student's t with two degrees of freedom: every number of ones is nearly as good."""
    q = (np.arange(n) + 0.5) / n
    scale = draw(st.sampled_from([1.0, 0.1, 3e-200]))
    return _rounded((scale * (2 * q - 1) / np.sqrt(2 * q * (1 - q))).tolist(), dtype)


@st.composite
def small_integers(draw, n: int, dtype: type) -> np.ndarray:
    """Small integers as floats: many exact ties between different numbers of ones."""
    return np.array(draw(st.lists(st.integers(-4, 4), min_size=n, max_size=n)), dtype)


@st.composite
def any_floats(draw, n: int, dtype: type) -> np.ndarray:
    """Any finite floats, subnormals and the greatest included."""
    width = np.dtype(dtype).itemsize * 8
    one = st.floats(allow_nan=False, allow_infinity=False, width=width)
    return np.array(draw(st.lists(one, min_size=n, max_size=n)), dtype)


@st.composite
def any_integers(draw, n: int, dtype: type) -> np.ndarray:
    """Integers of the whole range of the dtype, with its limits and their neighbours more often."""
    info = np.iinfo(dtype)
    low, high = int(info.min), int(info.max)
    edges = sorted({low, low + 1, low + 2, high - 2, high - 1, high, 0, high // 2, high // 2 + 1})
    one = st.integers(low, high) | st.sampled_from(edges)
    return np.array(draw(st.lists(one, min_size=n, max_size=n)), dtype)


@st.composite
def weights(draw, limit: int = 65) -> np.ndarray:
    """A vector of 1 to ``limit`` weights of any real dtype and of the kinds that break solvers."""
    n = draw(widths(limit))
    if draw(st.integers(0, 4)) == 0:
        dtype = draw(st.sampled_from(INTEGERS))
        w = draw(any_integers(n, dtype))
        kind = "integers"
    else:
        dtype = draw(st.sampled_from(FLOATS))
        kinds = [small_integers, offsets, geometric, duplicates, mixtures, flat_objectives, any_floats]
        strategy = draw(st.sampled_from(kinds))
        w = draw(strategy(n, dtype))
        kind = strategy.__name__
    event(f"kind: {kind}")
    event(f"dtype: {w.dtype}")
    event(f"length: {'1' if n == 1 else '2 to 12' if n <= 12 else '63 to 65'}")
    return w


@st.composite
def weight_blocks(draw) -> tuple[np.ndarray, int]:
    """Weights with one to three axes, and the axis of the channels; channels of very different scale."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    axis = draw(st.integers(0, len(shape) - 1))
    n = math.prod(shape)
    if draw(st.booleans()):
        block = draw(any_integers(n, draw(st.sampled_from(INTEGERS)))).reshape(shape)
    else:
        strategy = draw(st.sampled_from([small_integers, duplicates, mixtures, any_floats]))
        block = draw(strategy(n, draw(st.sampled_from(FLOATS)))).reshape(shape)
    event(f"axes: {len(shape)}, channels along {axis}")
    return block, axis


@st.composite
def sample_weights(draw, shape: tuple[int, ...]) -> np.ndarray:
    """Sample weights of a shape: equal ones, whole ones, many zeros, of all scales; one at least is positive."""
    n = math.prod(shape)
    kind = draw(st.sampled_from(["equal", "whole", "zeros", "scales", "extremes", "floats", "integers"]))
    if kind == "integers":
        dtype = draw(st.sampled_from(INTEGERS))
        values = st.integers(0, int(np.iinfo(dtype).max))
    else:
        dtype = draw(st.sampled_from(FLOATS))
        info, bits = np.finfo(dtype), np.dtype(dtype).itemsize * 8
        smallest = [times * float(info.smallest_subnormal) for times in range(5)]
        values = {
            "equal": st.just(1.0),
            "whole": st.integers(0, 4),
            "zeros": st.sampled_from([0.0, 0.0, 0.0, 1.0, 3.0]),
            "scales": st.integers(-20, 15).map(lambda power: 2.0**power * 1.5),
            "extremes": st.sampled_from(smallest) | st.sampled_from([*smallest, float(info.max)]),
            "floats": st.floats(0, float(info.max), width=bits),
        }[kind]
    s = np.array(draw(st.lists(values, min_size=n, max_size=n)), dtype)
    if not s.any():
        s[draw(st.integers(0, n - 1))] = 1
    event(f"sample weights: {kind}, {s.dtype}")
    return s.reshape(shape)


def weighted_weights(limit: int = 65) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    """Weights and their sample weights."""
    return weights(limit).flatmap(lambda w: st.tuples(st.just(w), sample_weights(w.shape)))


@st.composite
def weighted_blocks(draw) -> tuple[np.ndarray, np.ndarray, int]:
    """Weights with axes, their sample weights, and the axis of the channels."""
    w, axis = draw(weight_blocks())
    n = w.size // w.shape[axis]
    rows = np.array([draw(sample_weights((n,))).astype(np.float64) for _ in range(w.shape[axis])])
    moved = (w.shape[axis], *w.shape[:axis], *w.shape[axis + 1 :])
    return w, np.ascontiguousarray(np.moveaxis(rows.reshape(moved), 0, axis)), axis


def bit_arrays(shape: tuple[int, ...]) -> st.SearchStrategy[np.ndarray]:
    """Bits of the given shape: none, all, or any."""
    n = math.prod(shape)
    whole = st.sampled_from([[False] * n, [True] * n])
    lists = whole | st.lists(st.booleans(), min_size=n, max_size=n)
    return lists.map(lambda bits: np.array(bits, np.bool_).reshape(shape))
