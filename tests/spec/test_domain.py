"""The binary domain: its two parametrisations, and values to bits and back."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import bit_arrays

from bbdg_ref.spec.domain import Domain, channels

levels = st.floats(allow_nan=False, allow_infinity=False)


@given(alpha=levels, beta=levels)
def test_tau_and_phi_are_half_difference_and_midpoint(alpha, beta):
    domain = Domain(alpha, beta)
    assert domain.tau == beta / 2 - alpha / 2
    assert domain.phi == alpha / 2 + beta / 2
    assert np.isfinite(domain.tau) and np.isfinite(domain.phi)


@given(tau=st.integers(-(2**50), 2**50), phi=st.integers(-(2**50), 2**50))
def test_from_tau_phi_is_the_inverse_where_nothing_is_rounded(tau, phi):
    domain = Domain.from_tau_phi(tau, phi)
    assert (domain.alpha, domain.beta) == (phi - tau, phi + tau)
    assert (domain.tau, domain.phi) == (tau, phi)


@given(alpha=levels, beta=levels, bits=bit_arrays((3, 5)))
def test_encode_undoes_decode(alpha, beta, bits):
    assume(alpha != beta)
    domain = Domain(alpha, beta)
    values = domain.decode(bits)
    assert values.dtype == np.float64 and set(values.ravel().tolist()) <= {alpha, beta}
    assert np.array_equal(values == beta, bits)
    assert np.array_equal(domain.encode(values), bits)


@given(bits=bit_arrays((2, 3, 4)))
def test_channels_use_their_own_values(bits):
    domain = Domain(np.array([1.0, 2.0, 3.0]), np.array([-1.0, -2.0, -3.0]), 1)
    values = domain.decode(bits)
    for i in range(3):
        assert np.array_equal(values[:, i], Domain(i + 1.0, -i - 1.0).decode(bits[:, i]))
    assert np.array_equal(domain.encode(values), bits)


def test_equal_values_encode_to_bit_zero():
    assert Domain(2.0, 2.0).encode([2.0, 2]).tolist() == [False, False]


def test_encode_takes_integers_as_integers():
    domain = Domain(0.0, 2.0**60)
    assert domain.encode(np.array([2**60, 0])).tolist() == [True, False]
    with pytest.raises(ValueError, match="first bad value 1152921504606846977 at index 1"):
        domain.encode(np.array([2**60, 2**60 + 1]))


def test_encode_refuses_what_is_neither_value():
    with pytest.raises(
        ValueError, match=r"alpha or beta exactly; .* first bad value 0.5 at index \(0, 1\); use assign"
    ):
        Domain(0.0, 1.0).encode([[0.0, 0.5]])
    with pytest.raises(ValueError, match="first bad value nan at index 0"):
        Domain(0.0, 1.0).encode([np.nan])
    with pytest.raises(ValueError, match=r"first bad value 0\.10000000149011612"):
        Domain(0.0, 0.1).encode(np.array([0.1], np.float32).astype(np.float64))


@pytest.mark.parametrize("values", [["a"], [True], [1j], [None]])
def test_encode_refuses_other_types(values):
    with pytest.raises(TypeError, match=r"Domain.encode: values must be real numbers"):
        Domain(0.0, 1.0).encode(values)


def test_decode_refuses_what_is_not_a_bit():
    with pytest.raises(ValueError, match=r"Domain.decode: bits must be 0 or 1; .* first bad value 2 at index 1"):
        Domain(0.0, 1.0).decode([0, 2])
    with pytest.raises(TypeError, match=r"Domain.decode: bits must be bool"):
        Domain(0.0, 1.0).decode([0.0, 1.0])


def test_channels_that_do_not_match_are_refused():
    domain = Domain(np.zeros(3), np.ones(3), 1)
    for bits in (np.zeros((3, 2), bool), np.zeros(3, bool)):
        with pytest.raises(ValueError, match="3 channels along axis 1"):
            domain.decode(bits)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.nan, 1.0), "alpha must be finite"),
        ((0.0, np.inf), "beta must be finite"),
        ((0.0, np.ones(2)), "beta must be of the shape of alpha"),
        ((np.zeros(2), np.ones(2)), "channel_axis must be given exactly when"),
        ((0.0, 1.0, 0), "channel_axis must be given exactly when"),
        ((np.zeros((2, 2)), np.ones((2, 2)), 0), "alpha must be a float or an array"),
        ((np.zeros(0), np.ones(0), 0), "alpha must be a float or an array"),
        ((2**53 + 1, 2**60), "alpha must be exactly a float64"),
    ],
)
def test_values_that_make_no_domain_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Domain(*arguments)


@pytest.mark.parametrize("value", ["1", True, 1j, None, np.longdouble(1)])
def test_values_of_other_types_are_refused(value):
    with pytest.raises(TypeError, match="Domain: beta must be real numbers"):
        Domain(0.0, value)


def test_tau_and_phi_that_overflow_are_refused():
    with pytest.raises(ValueError, match="beta must be finite"):
        Domain.from_tau_phi(1e308, 1e308)


def test_the_arrays_of_a_domain_are_its_own_and_fixed():
    alpha = np.zeros(2)
    domain = Domain(alpha, np.ones(2), 0)
    alpha[0] = 5
    assert domain.alpha.tolist() == [0, 0]
    with pytest.raises(ValueError, match="read-only"):
        domain.alpha[0] = 1
    with pytest.raises(AttributeError):
        domain.beta = 0.0


def test_channels_keep_the_flat_order_of_each_channel():
    w = np.arange(24).reshape(2, 3, 4)
    assert channels(w, None).tolist() == [list(range(24))]
    assert channels(w, 1)[2].tolist() == [8, 9, 10, 11, 20, 21, 22, 23]
