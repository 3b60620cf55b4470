from typing import NamedTuple

import numpy as np
import projection_checks as checks
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bbdg_ref.kernels.compiled import jit_is_on
from bbdg_ref.ops import projection as ops
from bbdg_ref.ops.passes import NotFinite
from bbdg_ref.ops.projection_rows import FLOAT32, LARGEST, SORTED, Answers, longest_row, project_rows
from bbdg_ref.spec import projection as spec

needs_jit = pytest.mark.skipif(not jit_is_on(), reason="the JIT is off: spec's sorting twin serves every row")

ROWS = arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
SMALL = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1.5, 2.0**-149, 2.0**-30, 3.0e38, 0.1])


class Fast(NamedTuple):
    answers: Answers
    bits: np.ndarray
    proved: np.ndarray


def served(rows):
    answers, bits = Answers.empty(len(rows)), np.empty(rows.shape, np.bool_)
    return Fast(answers, bits, project_rows(rows, answers, bits))


def agrees(fast, rows):
    """What is proved equals the definition, bit for bit."""
    p = spec.project(rows, channel_axis=0)
    for i in np.flatnonzero(fast.proved):
        assert [x.hex() for x in fast.answers.values[i].tolist()] == [
            float(x[i]).hex() for x in (p.alpha, p.beta, p.threshold, p.error)
        ]
        assert np.array_equal(fast.bits[i], p.bits[i])
        assert fast.answers.ones[i] == p.n_ones[i]
        assert fast.answers.tied[i] == p.tied[i]  # a proved row is tied only if all its weights are equal


@needs_jit
@given(arrays.arrays(np.float32, ROWS, elements=FINITE | SMALL.map(np.float32).map(float)))
def test_what_is_proved_is_what_the_definition_says(rows):
    fast = served(rows)
    event(f"rows proved: {'all' if fast.proved.all() else 'some' if fast.proved.any() else 'none'}")
    agrees(fast, rows)


@needs_jit
@pytest.mark.parametrize("offset", [0.0, 1.0, 1e4, -1e6])
@pytest.mark.parametrize("n", [16, 63, 64, 65, 300, 2100])
def test_ordinary_rows_are_proved(n, offset):
    rng = np.random.default_rng(n)
    rows = (rng.standard_normal((8, n)) + offset).astype(np.float32)
    fast = served(rows)
    agrees(fast, rows)
    if offset == 0 and n >= 300:
        assert fast.proved.all()


@needs_jit
@pytest.mark.parametrize("n", [4608, 2**16 + 1, 2**18])
@pytest.mark.parametrize("kind", ["normal", "skewed", "two", "outlier"])
def test_long_rows_equal_the_sorted_route(n, kind):
    rng = np.random.default_rng([n, len(kind)])
    w = rng.standard_normal((1, n))
    if kind == "skewed":
        w = np.where(rng.random((1, n)) < 0.05, w + 4, 0.3 * w)
    elif kind == "two":
        w = w + np.where(w > 0, 7, -7)
    elif kind == "outlier":
        w[0, n // 3] = 1e6
    rows = w.astype(np.float32)
    found, bits = ops._general_rows(rows, np.array([n]))
    checks.same_projection(ops.project(rows, channel_axis=0), spec.assemble(found, bits, 0))


@pytest.mark.parametrize("dtype", FLOAT32)
def test_every_served_dtype_is_exactly_float32(dtype):
    ends = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    rows = np.array([[ends.min, 0, 1, ends.max, ends.max]], dtype)
    assert np.array_equal(rows, rows.astype(np.float32))
    checks.same_projection(ops.project(rows, channel_axis=0), spec.project(rows, channel_axis=0))


def test_others_are_left_to_the_other_routes():
    assert not served(np.ones((2, 3))).proved.any()
    assert longest_row(np.dtype(np.float64)) == SORTED
    assert longest_row(np.dtype(np.float32)) == (LARGEST if jit_is_on() else SORTED)


@needs_jit
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_not_proved(bad):
    rows = np.random.default_rng(1).standard_normal((3, 70)).astype(np.float32)
    rows[1, 69] = bad
    rows[2] = bad
    assert served(rows).proved.tolist() == [True, False, False]
    with pytest.raises(NotFinite):
        ops.project(rows, channel_axis=0)


@needs_jit
@pytest.mark.slow
def test_the_largest_row_equals_the_sorted_route():
    rows = np.random.default_rng(3).standard_normal((1, LARGEST)).astype(np.float32)
    fast = served(rows)
    assert fast.proved.all()
    found, bits = ops._general_rows(rows, np.array([LARGEST]))
    checks.same_projection(ops.project(rows, channel_axis=0), spec.assemble(found, bits, 0))


@needs_jit
def test_rows_that_cannot_be_proved_are_completed():
    """Two equal optima, beside rows that the compiled code proves."""
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((3, 99)).astype(np.float32)
    rows[1] = np.tile(np.array([-1, 0, 1], np.float32), 33)
    fast = served(rows)
    assert fast.proved.tolist() == [True, False, True]
    checks.same_projection(ops.project(rows, channel_axis=0), spec.project(rows, channel_axis=0))
