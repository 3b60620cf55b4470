"""The faster projection equals its definition bit for bit, and the optimum."""

import numpy as np
import projection_checks as checks
import pytest
from hypothesis import given, target
from hypothesis import strategies as st
from strategies import bit_arrays, weight_blocks, weights, with_known

from bbdg_ref.ops import exact
from bbdg_ref.ops import projection as ops
from bbdg_ref.spec import projection
from bbdg_ref.spec.domain import Domain


@with_known
@given(w=weights())
def test_project_is_the_optimum(w):
    checks.check_project(ops.project, w)


@with_known
@given(w=weights())
def test_functions_without_a_limit_equal_their_definitions(w):
    checks.same_projection(ops.project(w), projection.project(w))
    checks.same_projection(ops.project_symmetric(w), projection.project_symmetric(w))
    checks.same_projection(ops.project_zero(w), projection.project_zero(w))


@given(w=weights(), data=st.data())
def test_functions_with_a_limit_equal_their_definitions(w, data):
    k = data.draw(st.integers(0, w.size))
    checks.same_projection(ops.project(w, max_ones=k), projection.project(w, max_ones=k))
    checks.same_projection(ops.project_k(w, k), projection.project_k(w, k))
    checks.same_projection(ops.project_symmetric(w, max_ones=k), projection.project_symmetric(w, max_ones=k))
    checks.same_projection(ops.project_zero(w, max_ones=k), projection.project_zero(w, max_ones=k))


@given(block=weight_blocks(), data=st.data())
def test_per_channel_results_equal_their_definitions(block, data):
    w, axis = block
    n, channels = w.size // w.shape[axis], w.shape[axis]
    k = np.array(data.draw(st.lists(st.integers(0, n), min_size=channels, max_size=channels)))
    for name in ("project", "project_symmetric", "project_zero"):
        fast, plain = getattr(ops, name), getattr(projection, name)
        checks.same_projection(fast(w, channel_axis=axis), plain(w, channel_axis=axis))
        limited = plain(w, channel_axis=axis, max_ones=k)
        checks.same_projection(fast(w, channel_axis=axis, max_ones=k), limited)
    checks.same_projection(ops.project_k(w, k, channel_axis=axis), projection.project_k(w, k, channel_axis=axis))
    bits = data.draw(bit_arrays(w.shape))
    fast_domain = ops.fit_domain(w, bits, channel_axis=axis)
    domain = projection.fit_domain(w, bits, channel_axis=axis)
    assert fast_domain.alpha.tobytes() == domain.alpha.tobytes()
    assert fast_domain.beta.tobytes() == domain.beta.tobytes()
    assert np.array_equal(ops.assign(w, domain), projection.assign(w, domain))


@given(w=weights(), data=st.data())
def test_fit_domain_gives_the_rounded_means(w, data):
    checks.check_fit_domain(ops.fit_domain, w, data.draw(bit_arrays(w.shape)))


@given(w=weights(), data=st.data())
def test_assign_gives_the_nearest_value(w, data):
    level = st.sampled_from([float(x) for x in w.ravel().tolist()]) | st.floats(-1e308, 1e308)
    checks.check_assign(ops.assign, w, Domain(data.draw(level), data.draw(level)))


@given(w=weights())
def test_the_bound_keeps_every_optimum_and_little_else(w):
    """The candidates contain each optimal number of ones."""
    v = np.sort(w.reshape(1, -1), axis=1)[:, ::-1].copy()
    (cuts,) = ops._general_cuts(v, np.array([w.size]))
    best = projection.project(w).n_ones
    assert best in (cuts or [0])
    target(len(cuts))


@given(block=weight_blocks(), data=st.data())
def test_prefix_sums_are_exact_in_any_order(block, data):
    w, axis = block
    rows = np.moveaxis(w, axis, 0).reshape(w.shape[axis], -1)
    n = rows.shape[1]
    cuts = [sorted(data.draw(st.sets(st.integers(0, n)))) for _ in rows]
    for row, row_cuts, sums in zip(rows, cuts, exact.prefix_sums(rows, cuts), strict=True):
        x = checks.oracle.rational(row)
        assert sums.squares * sums.unit**2 == sum(value**2 for value in x)
        for cut in {*row_cuts, n}:
            assert sums.prefix[cut] * sums.unit == sum(x[:cut])


@pytest.mark.parametrize("row", [[0.0, 0.5], [0.5, 0.0], [0.0, -0.5], [0.0, 0.0, 1e300, 0.0, 5e-324]])
def test_zeros_do_not_disturb_the_groups(row):
    (sums,) = exact.prefix_sums(np.array([row]), [[1]])
    x = checks.oracle.rational(np.array(row))
    assert sums.prefix[1] * sums.unit == x[0]
    assert sums.prefix[len(row)] * sums.unit == sum(x)
    assert sums.squares * sums.unit**2 == sum(value**2 for value in x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_groups_of_equal_exponent_do_not_overflow(dtype):
    """Three times the group size of the largest mantissas, whose squares fill the integers that hold them."""
    largest = np.iinfo(dtype).max if dtype is np.int64 else 2 - np.finfo(dtype).eps
    row = np.full((1, 3 * exact.GROUP + 5), largest, dtype)
    (sums,) = exact.prefix_sums(row, [[7]])
    x = checks.oracle.rational(row[0, :1])[0]
    assert sums.prefix[row.size] * sums.unit == row.size * x
    assert sums.prefix[7] * sums.unit == 7 * x
    assert sums.squares * sums.unit**2 == row.size * x**2


@pytest.mark.parametrize("offset", [0.0, 1e4, 1e6])
def test_thousands_of_weights_equal_the_definition(offset):
    rng = np.random.default_rng(1)
    for dtype in (np.float32, np.float64):
        w = (rng.standard_normal(3000) + offset).astype(dtype)
        checks.same_projection(ops.project(w), projection.project(w))
        checks.same_projection(ops.project_zero(w), projection.project_zero(w))


def test_an_objective_that_is_flat_to_rounding_equals_the_definition():
    """Quantiles of Student's t with two degrees of freedom, where every number of ones is a candidate."""
    q = (np.arange(2000) + 0.5) / 2000
    w = (2 * q - 1) / np.sqrt(2 * q * (1 - q))
    checks.same_projection(ops.project(w), projection.project(w))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_million_weights_equal_the_definition(dtype):
    w = np.random.default_rng(2).standard_normal(1_000_000).astype(dtype)
    checks.same_projection(ops.project(w), projection.project(w))
    checks.same_projection(ops.project(w, max_ones=50_000), projection.project(w, max_ones=50_000))
    checks.same_projection(ops.project_zero(w), projection.project_zero(w))
