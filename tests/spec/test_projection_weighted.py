"""The definition of the projection with sample weights against brute force and rational arithmetic."""

import numpy as np
import projection_checks as checks
from hypothesis import given
from hypothesis import strategies as st
from strategies import bit_arrays, sample_weights, weighted_blocks, weighted_weights, weights

from bbdg_ref.spec import projection as spec


@given(pair=weighted_weights(12))
def test_project_is_the_weighted_optimum(pair):
    checks.check_project_weighted(spec.project, *pair)


@given(pair=weighted_weights(12))
def test_a_power_of_two_as_common_factor_changes_the_error_alone(pair):
    checks.check_scaled_sample_weights(spec.project, *pair)


@given(w=weights(12), data=st.data())
def test_whole_sample_weights_repeat_the_weights(w, data):
    s = data.draw(st.lists(st.integers(0, 3), min_size=w.size, max_size=w.size).filter(any))
    checks.check_whole_sample_weights(spec.project, w, np.array(s).reshape(w.shape))


@given(block=weighted_blocks())
def test_channels_are_projected_independently(block):
    checks.check_weighted_channels(spec.project, *block)


@given(w=weights(12), data=st.data())
def test_no_bits_have_a_smaller_weighted_error_with_any_values(w, data):
    s = data.draw(sample_weights(w.shape))
    bits = tuple(data.draw(bit_arrays(w.shape)).ravel().tolist())
    x, t = checks.oracle.rational(w), checks.oracle.rational(s)
    error = checks.oracle.weighted_error(x, t, *checks.oracle.weighted_means(x, t, bits), bits)
    assert spec.project(w, sample_weight=s).error <= checks.oracle.nearest(error)


def test_weights_without_sample_weight_take_the_bit_of_the_threshold():
    p = spec.project(np.array([5.0, 0.0, 4.0, 2.5, 2.0]), sample_weight=np.array([0, 1, 1, 0, 0]))
    assert (p.alpha, p.beta, p.threshold, p.error, p.n_ones) == (0, 4, 2, 0, 3)
    assert p.bits.tolist() == [True, False, True, True, False]
    p = spec.project(np.array([3.0, 3.0, 7.0]), sample_weight=np.array([1, 2, 0]))
    assert (p.alpha, p.beta, p.error, p.tied) == (3, 3, 0, True)
    assert p.bits.tolist() == [False, False, True]


def test_64_bit_integers_are_compared_as_integers():
    p = spec.project(np.array([2**60 + 1, 2**60], np.int64), sample_weight=np.array([2**64 - 1, 1], np.uint64))
    assert p.bits.tolist() == [True, False] and p.error == 0


def test_the_best_bits_within_a_limit_need_not_be_those_of_the_largest_weights():
    """Why a limit and sample weights do not go together: with one 1 allowed, the middle weight is the best one."""
    x, t = checks.oracle.rational(np.array([0.0, 9.0, 10.0])), checks.oracle.rational(np.array([100.0, 100.0, 1.0]))
    error = {
        bits: checks.oracle.weighted_error(x, t, *checks.oracle.weighted_means(x, t, bits), bits)
        for bits in ((0, 0, 1), (0, 1, 0))
    }
    assert error[0, 1, 0] < error[0, 0, 1]
