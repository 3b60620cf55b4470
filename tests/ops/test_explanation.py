"""The explanation of a wrong projection: exact errors, and a message that names the fault."""

import math

import numpy as np
import projection_checks as checks
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from strategies import bit_arrays, sample_weights, weights, with_known

from bbdg_ref.ops.explanation import explain
from bbdg_ref.spec.projection import project

W = np.array([1.0, 2.0, 3.0, 100.0])


@given(w=weights(), data=st.data())
def test_errors_and_verdict_are_exact(w, data):
    p = project(w)
    bits = data.draw(st.just(p.bits) | bit_arrays(w.shape))
    values = st.sampled_from([p.alpha, p.beta, math.nextafter(p.alpha, 0.0), 0.0])
    alpha, beta = data.draw(st.just((p.alpha, p.beta)) | st.tuples(values, values))
    checks.check_explain(explain, w, alpha, beta, bits)
    event(f"optimal: {explain(w, alpha, beta, bits).optimal}")


@given(w=weights(12), data=st.data())
def test_errors_and_verdict_are_exact_with_sample_weights(w, data):
    s = data.draw(sample_weights(w.shape))
    p = project(w, sample_weight=s)
    bits = data.draw(st.just(p.bits) | bit_arrays(w.shape))
    values = st.sampled_from([p.alpha, p.beta, math.nextafter(p.alpha, 0.0), 0.0])
    alpha, beta = data.draw(st.just((p.alpha, p.beta)) | st.tuples(values, values))
    checks.check_explain(explain, w, alpha, beta, bits, s)
    assert explain(w, p.alpha, p.beta, p.bits, sample_weight=s).optimal
    event(f"optimal: {explain(w, alpha, beta, bits, sample_weight=s).optimal}")


@with_known
@given(w=weights())
def test_a_projection_is_optimal_and_has_no_fault_but_rounding(w):
    p = project(w)
    e = explain(w, p.alpha, p.beta, p.bits)
    assert e.optimal and e.gap >= 0
    assert "swapped" not in e.message and "mean" not in e.message and "differ" not in e.message


@pytest.mark.parametrize(
    ("alpha", "beta", "bits", "words"),
    [
        (100.0, 2.0, [0, 0, 0, 1], "alpha and beta are swapped"),
        (100.0, 2.0, [1, 1, 1, 0], "alpha = 100.0 > beta = 2.0"),
        (2.5, 100.0, [0, 0, 0, 1], "alpha = 2.5, but the mean of the 3 weights with bit 0 is 2.0"),
        (2.0, 99.0, [0, 0, 0, 1], "beta = 99.0, but the mean of the 1 weights with bit 1 is 100.0"),
        (
            1.5,
            51.5,
            [0, 0, 1, 1],
            "other bits are better: 1 ones where there are 2, 1 of 4 bits differ, first at index 2",
        ),
        (
            2.0,
            100.0,
            [0, 1, 0, 1],
            "1 of 4 bits are not those of the nearer value, first at index 1: weight 2.0 has bit 1",
        ),
    ],
)
def test_the_message_names_the_fault(alpha, beta, bits, words):
    e = explain(W, alpha, beta, np.array(bits, bool))
    assert words in e.message


def test_another_optimum_is_optimal_but_named():
    e = explain(np.array([-1.0, 0.0, 1.0]), -1.0, 0.5, np.array([False, True, True]))
    assert e.optimal and e.gap == 0
    assert "equally good, but the tie rule takes other bits" in e.message


def test_without_bits_the_nearest_values_are_taken():
    assert explain(W, 2.0, 100.0).optimal
    assert not explain(W, 0.0, 1.0).optimal


def test_sample_weights_change_what_is_optimal():
    s = np.array([4, 1, 3, 0])
    e = explain(W, 2.0, 100.0, sample_weight=s)
    assert (e.optimal, e.error, e.optimal_error) == (False, 7.0, 0.75)
    assert "alpha = 2.0, but the mean of the 3 weights with bit 0 is 1.875" in e.message
    assert "beta" not in e.message.split(";")[1]  # the value of the last weight, which does not count, is free
    assert "other bits are better: 3 ones where there are 1" in e.message
    assert explain(W, 1.0, 2.75, sample_weight=s).optimal


def test_the_index_of_a_matrix_is_a_pair():
    assert "first at index (1, 0)" in explain(W.reshape(2, 2), 1.5, 51.5, W.reshape(2, 2) > 2.5).message


def test_a_gap_below_the_rounding_of_the_error_is_seen():
    w = np.array([0.0, 1.0, 4.0, 4.0, 7.0])
    p = project(w)
    e = explain(w, p.alpha, p.beta, p.bits)
    assert (e.optimal, e.gap) == (True, 0)
    off = explain(w, p.alpha, float(np.nextafter(p.beta, np.inf)), p.bits)
    assert not off.optimal and off.error == e.error and off.gap == 3 * 2.0**-100  # three ones, off by 2**-50
