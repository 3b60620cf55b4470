"""The faster weighted projection equals its definition bit for bit, and the optimum."""

import numpy as np
import projection_checks as checks
import pytest
from hypothesis import given, target
from hypothesis import strategies as st
from strategies import sample_weights, weighted_blocks, weighted_weights, weights

from bbdg_ref.ops import exact, weighted_projection
from bbdg_ref.ops import projection as ops
from bbdg_ref.spec import projection


def equals_definition(w, s, **options):
    fast = ops.project(w, sample_weight=s, **options)
    checks.same_projection(fast, projection.project(w, sample_weight=s, **options))


@given(pair=weighted_weights())
def test_project_equals_its_definition(pair):
    equals_definition(*pair)


@given(pair=weighted_weights(12))
def test_project_is_the_weighted_optimum(pair):
    checks.check_project_weighted(ops.project, *pair)


@given(pair=weighted_weights())
def test_a_power_of_two_as_common_factor_changes_the_error_alone(pair):
    checks.check_scaled_sample_weights(ops.project, *pair)


@given(w=weights(), data=st.data())
def test_whole_sample_weights_repeat_the_weights(w, data):
    s = data.draw(st.lists(st.integers(0, 3), min_size=w.size, max_size=w.size).filter(any))
    checks.check_whole_sample_weights(ops.project, w, np.array(s).reshape(w.shape))


@given(block=weighted_blocks())
def test_channels_equal_their_definition(block):
    w, s, axis = block
    equals_definition(w, s, channel_axis=axis)
    checks.check_weighted_channels(ops.project, w, s, axis)


@given(pair=weighted_weights())
def test_the_bound_keeps_every_optimum_and_little_else(pair):
    """The cuts contain each best one."""
    w, s = (array.ravel()[pair[1].ravel() > 0] for array in pair)
    order = np.argsort(w)[::-1]
    cuts = weighted_projection._cuts(w[order], s[order])
    best = int(ops.project(w, sample_weight=s).bits.sum())
    assert best in (cuts or [0])
    target(len(cuts))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_thousands_of_weights_equal_the_definition(dtype, offset):
    rng = np.random.default_rng(1)
    w = (rng.standard_normal(3000) + offset).astype(dtype)
    equals_definition(w, rng.exponential(size=w.size).astype(dtype))
    equals_definition(w, rng.integers(0, 3, w.size, np.uint8))


def test_sample_weights_of_all_scales_equal_the_definition():
    """Sums of the smallest beside the largest underflow: those cuts are settled exactly."""
    rng = np.random.default_rng(2)
    w = rng.standard_normal(500)
    s = np.ldexp(rng.random(500), rng.integers(-1070, 1020, 500))
    equals_definition(w, s)
    equals_definition(np.sort(w), np.sort(s))
    equals_definition(np.ldexp(w, rng.integers(-1000, 1000, 500)), s)
    equals_definition(np.array([1e300, 1e-20, 2e-20, 3e-20]), np.array([1e-300, 1e300, 1e300, 1e299]))


def test_an_objective_that_is_flat_to_rounding_equals_the_definition():
    """Quantiles of Student's t with two degrees of freedom, where every number of ones is a candidate."""
    q = (np.arange(2000) + 0.5) / 2000
    w = (2 * q - 1) / np.sqrt(2 * q * (1 - q))
    equals_definition(w, np.full(w.size, 0.1))


@given(pair=weighted_weights(), data=st.data())
def test_weighted_prefix_sums_are_exact_in_any_order(pair, data):
    w, s = pair[0].ravel(), pair[1].ravel()
    cuts = sorted(data.draw(st.sets(st.integers(0, w.size))))
    sums = exact.weighted_prefix_sums(w, s, cuts)
    x, t = checks.oracle.rational(w), checks.oracle.rational(s)
    for cut in {*cuts, w.size}:
        assert sums.mass[cut] * sums.sample_unit == sum(t[:cut])
        assert sums.moment[cut] * sums.sample_unit * sums.unit == sum(a * b for a, b in zip(x[:cut], t, strict=False))
    assert sums.squares * sums.sample_unit * sums.unit**2 == sum(a * a * b for a, b in zip(x, t, strict=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint64])
def test_groups_of_equal_exponents_do_not_overflow(dtype):
    """Three times the group size of the largest mantissas, whose products fill the integers that hold them."""
    largest = np.iinfo(dtype).max if dtype is np.uint64 else 2 - np.finfo(dtype).eps
    row = np.full(3 * exact.WEIGHTED_GROUP + 5, largest, dtype)
    sums = exact.weighted_prefix_sums(row, row, [7])
    x = checks.oracle.rational(row[:1])[0]
    assert sums.mass[7] * sums.sample_unit == 7 * x
    assert sums.moment[row.size] * sums.sample_unit * sums.unit == row.size * x**2
    assert sums.squares * sums.sample_unit * sums.unit**2 == row.size * x**3


@given(w=weights(), data=st.data())
def test_split_sums_are_those_of_the_bits(w, data):
    s = data.draw(sample_weights(w.shape))
    bits = np.array(data.draw(st.lists(st.booleans(), min_size=w.size, max_size=w.size)))
    sums = exact.weighted_split_sums(w.ravel(), s.ravel(), bits)
    x, t = checks.oracle.rational(w), checks.oracle.rational(s)
    ones = [i for i in range(w.size) if bits[i]]
    assert (sums.n, sums.ones) == (sum(t), sum(t[i] for i in ones))
    assert (sums.total, sums.ones_sum) == (
        sum(a * b for a, b in zip(x, t, strict=True)),
        sum(x[i] * t[i] for i in ones),
    )
    (plain,) = exact.split_sums(w.reshape(1, -1), bits.reshape(1, -1))
    whole = exact.weighted_split_sums(w.ravel(), np.ones(w.size), bits)
    assert plain == whole


@pytest.mark.slow
def test_a_million_weights_equal_the_definition():
    rng = np.random.default_rng(3)
    w = rng.standard_normal(1_000_000).astype(np.float32)
    equals_definition(w, rng.exponential(size=w.size).astype(np.float32))
