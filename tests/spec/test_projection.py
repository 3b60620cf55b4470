"""The definition of the projection against brute force and rational arithmetic."""

import numpy as np
import projection_checks as checks
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import projection as oracle
from strategies import bit_arrays, weight_blocks, weights, with_known

from bbdg_ref.spec import projection as spec
from bbdg_ref.spec.domain import Domain


@with_known
@given(w=weights())
def test_project_is_the_optimum(w):
    checks.check_project(spec.project, w)


@given(w=weights(12), data=st.data())
def test_project_with_a_limit_is_the_optimum_within_it(w, data):
    checks.check_project(spec.project, w, data.draw(st.integers(0, w.size + 1)))


@given(w=weights(12), data=st.data())
def test_project_k_takes_the_k_largest(w, data):
    checks.check_project_k(spec.project_k, w, data.draw(st.integers(0, w.size)))


@with_known
@given(w=weights(12))
def test_project_symmetric_is_sign_and_mean_magnitude(w):
    checks.check_project_symmetric(spec.project_symmetric, w)


@given(w=weights(7), data=st.data())
def test_project_symmetric_with_a_limit_is_the_optimum_within_it(w, data):
    checks.check_project_symmetric(spec.project_symmetric, w, data.draw(st.integers(0, w.size)))


@with_known
@given(w=weights(12))
def test_project_zero_is_the_optimum(w):
    checks.check_project_zero(spec.project_zero, w)


@given(w=weights(12), data=st.data())
def test_project_zero_with_a_limit_is_the_optimum_within_it(w, data):
    checks.check_project_zero(spec.project_zero, w, data.draw(st.integers(0, w.size)))


@given(w=weights(), data=st.data())
def test_fit_domain_gives_the_rounded_means(w, data):
    checks.check_fit_domain(spec.fit_domain, w, data.draw(bit_arrays(w.shape)))


@given(w=weights(), data=st.data())
def test_assign_gives_the_nearest_value(w, data):
    level = st.sampled_from([float(x) for x in w.ravel().tolist()]) | st.floats(-1e308, 1e308)
    checks.check_assign(spec.assign, w, Domain(data.draw(level), data.draw(level)))


@given(block=weight_blocks(), data=st.data())
def test_channels_are_projected_independently(block, data):
    w, axis = block
    n = w.size // w.shape[axis]
    counts = np.array(data.draw(st.lists(st.integers(0, n), min_size=w.shape[axis], max_size=w.shape[axis])))
    for function in (spec.project, spec.project_symmetric, spec.project_zero):
        checks.check_channels(function, w, axis)
        checks.check_channels(function, w, axis, max_ones=counts)
    checks.check_channels(spec.project_k, w, axis, k=counts)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_equal_weights_give_one_value_and_no_ones(dtype):
    p = spec.project(np.full(5, 3, dtype))
    assert (p.alpha, p.beta, p.error, p.n_ones, p.threshold) == (3, 3, 0, 0, 3)
    assert not p.bits.any()


@pytest.mark.parametrize(
    ("share", "general", "zero"),
    [
        (0.5, 0.363, 0.682),
        (0.25, 0.461, 0.596),
        (0.1, 0.658, 0.692),
        (0.05, 0.776, 0.787),
        (0.01, 0.928, 0.929),
    ],
)
def test_the_relative_error_on_a_gaussian_is_the_known_one(share, general, zero):
    """At n = 20,000 the sample quantiles of a Gaussian stand for the distribution to three digits."""
    n = 20_000
    w = gaussian_quantiles(n)
    k = round(share * n)
    total = float((w**2).sum())
    assert spec.project_k(w, k).error / total == pytest.approx(general, abs=1e-3)
    largest = np.sort(w)[-k:]
    assert 1 - largest.sum() ** 2 / k / total == pytest.approx(zero, abs=1e-3)


def gaussian_quantiles(n):
    """Quantiles of the standard Gaussian at (i + 1/2) / n, by interpolation of its distribution function."""
    from math import erf, sqrt

    grid = np.linspace(-6, 6, 24_001)
    distribution = np.array([(1 + erf(x / sqrt(2))) / 2 for x in grid])
    return np.interp((np.arange(n) + 0.5) / n, distribution, grid)


def test_the_error_overflows_to_infinity_and_underflows_to_zero():
    assert spec.project(np.array([1e300, -1e300, 0.0])).error == np.inf
    p = spec.project(np.array([1e-300, -1e-300, 0.0]))
    assert p.error == 0 and p.alpha == -1e-300 / 2 and p.beta == 1e-300


def test_the_threshold_separates_neighbouring_floats_of_each_dtype():
    for dtype in (np.float16, np.float32, np.float64):
        low = dtype(1.1)
        for _ in range(3):
            high = np.nextafter(low, dtype(2))
            p = spec.project(np.array([high, low]))
            assert (np.array([high, low]) > p.threshold).tolist() == p.bits.tolist() == [True, False]
            low = high


def test_64_bit_integers_are_compared_as_integers():
    p = spec.project(np.array([2**60 + 1, 2**60], np.int64))
    assert p.bits.tolist() == [True, False] and p.error == 0


def test_tied_reports_other_optima():
    assert spec.project(np.array([-1.0, 0.0, 1.0])).tied
    assert not spec.project(np.array([0.0, 1.0])).tied
    assert spec.project(np.array([1.0, 1.0])).tied  # any bits are as good
    assert not spec.project(np.array([1.0, 1.0]), max_ones=0).tied
    assert spec.project_k(np.array([2.0, 2.0]), 1).tied


@pytest.mark.slow
def test_a_million_weights_are_settled_exactly():
    w = np.random.default_rng(0).standard_normal(1_000_000).astype(np.float32) + np.float32(1e4)
    p = spec.project(w)
    # In units of the last place the weights are integers below 2^24 * 1e6 < 2^63.
    scaled = np.sort((w.astype(np.float64) * 2**10).astype(np.int64))[::-1]
    assert np.array_equal(scaled / 2**10, np.sort(w)[::-1].astype(np.float64))
    n, sums = w.size, np.cumsum(scaled).tolist()
    total = sums[-1]
    gains = [(n * s - k * total) ** 2 / (k * (n - k)) for k, s in enumerate(sums[:-1], 1)]
    close = max(gains) * (1 - 1e-12)
    near = [k for k, gain in enumerate(gains, 1) if gain >= close]
    best = max(near, key=lambda k: oracle.Fraction((n * sums[k - 1] - k * total) ** 2, k * (n - k)))
    assert p.n_ones == best
    assert p.beta == oracle.nearest(oracle.Fraction(sums[best - 1], best * 2**10))
    assert np.array_equal(p.bits, w > p.threshold)
