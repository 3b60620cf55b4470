import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from network_cases import DOMAINS, difference, rng
from oracles.binary_layer import scales

from bbdg_ref import nn
from bbdg_ref.nn import Parameter

SHAPE = (3, 2, 3, 3)


def made(name: str) -> nn.WeightDomain:
    domain = nn.DOMAINS[name]()
    if name == "general":
        domain.tau.value, domain.phi.value = np.array(-0.75), np.array(0.3)
    return domain


def latent_and_signs(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    latent = rng(seed).normal(0, 0.5, SHAPE)
    return latent, np.where(latent > 0.2, 1.0, -1.0)


@pytest.mark.parametrize("name", DOMAINS)
def test_weights_are_the_two_values_that_the_formula_gives(name):
    latent, s = latent_and_signs()
    half, middle = scales(name, latent, s, -0.75, 0.3)
    weights = made(name).weights(latent, s)
    assert np.allclose(weights, half * s + middle, rtol=8 * np.finfo(float).eps, atol=0)


@pytest.mark.parametrize("name", DOMAINS)
def test_the_domain_names_the_weights_values(name):
    latent, s = latent_and_signs()
    domain = made(name)
    values, weights = domain.domain(latent, s), domain.weights(latent, s)
    assert np.array_equal(values.decode(s > 0), weights)
    assert (values.channel_axis == 0) == (name == "symmetric")


@pytest.mark.parametrize("name", DOMAINS)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from([np.float32, np.float64]),
    threshold=st.sampled_from([-9.0, 0.0, 0.2, 9.0]),
    tau=st.floats(-2, 2, width=32),
    phi=st.floats(-2, 2, width=32),
)
def test_the_domains_values_are_exactly_those_of_the_weights(name, seed, dtype, threshold, tau, phi):
    latent = rng(seed).normal(0, 0.5, SHAPE).astype(dtype)
    bits = latent > threshold
    s = np.where(bits, 1, -1).astype(dtype)
    domain = nn.DOMAINS[name]()
    if name == "general":
        domain.tau.value, domain.phi.value = np.array(tau, np.float32), np.array(phi, np.float32)
    weights, values = domain.weights(latent, s), domain.domain(latent, s)
    assert weights.dtype == dtype
    assert np.array_equal(values.decode(bits), weights)
    distinct = np.all(np.not_equal(values.alpha, values.beta))
    event("alpha != beta" if distinct else "alpha == beta")
    assert np.array_equal(values.encode(weights), bits & distinct)


def test_bipolar_is_minus_one_and_one():
    values = nn.Bipolar().domain(*latent_and_signs())
    assert (values.alpha, values.beta) == (-1.0, 1.0)


def test_general_starts_as_bipolar():
    domain, (latent, s) = nn.General(), latent_and_signs()
    assert np.array_equal(domain.weights(latent, s), s)
    assert set(domain.parameters()) == {"tau", "phi"}
    assert all(p.value.shape == () and p.value.dtype == np.float32 for p in domain.parameters().values())


def test_gradients_of_tau_and_phi_are_those_of_finite_differences():
    domain, (latent, s), dw = made("general"), latent_and_signs(), rng(1).standard_normal(SHAPE)
    domain.weights_backward(dw, latent, s)
    for parameter in (domain.tau, domain.phi):
        want = difference(lambda: float((dw * domain.weights(latent, s)).sum()), parameter, np.ones(()), 0.125)
        assert parameter.grad.shape == ()  # linear in both, so that the difference is exact but for rounding
        assert abs(float(parameter.grad) - want) <= 1e-13 * np.abs(dw).sum()


@pytest.mark.parametrize("seed", range(5))
def test_closed_form_gradient_through_the_conditional_means_at_fixed_bits(seed):
    domain, (latent, s), dw = nn.GeneralClosed(), latent_and_signs(seed), rng(seed + 9).standard_normal(SHAPE)
    gradient = domain.weights_backward(dw, latent, s).latent
    inputs = Parameter(latent)
    for index in np.ndindex(*SHAPE):
        direction = np.zeros(SHAPE)
        direction[index] = 1
        want = difference(lambda: float((dw * domain.weights(inputs.value, s)).sum()), inputs, direction, 0.125)
        assert abs(gradient[index] - want) <= 1e-12 * np.abs(dw).sum()


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_missing_class_takes_the_others_mean_and_no_estimator_gradient(sign):
    latent, s = rng().normal(0, 1, SHAPE), np.full(SHAPE, sign)
    domain = nn.GeneralClosed()
    values = domain.domain(latent, s)
    assert values.alpha == values.beta
    gradients = domain.weights_backward(np.ones(SHAPE), latent, s)
    assert not gradients.s.any()
    assert np.allclose(gradients.latent, 1)


def test_the_scale_of_symmetric_weights_is_not_differentiated():
    latent, s = latent_and_signs()
    gradients = nn.Symmetric().weights_backward(np.ones(SHAPE), latent, s)
    assert gradients.latent is None
    assert np.allclose(gradients.s, np.abs(latent).mean(axis=(1, 2, 3), keepdims=True), rtol=1e-14)


def test_the_protocol_without_an_implementation_says_so():
    protocol, (latent, s) = nn.WeightDomain(), latent_and_signs()
    for call in (protocol.weights, protocol.domain):
        with pytest.raises(NotImplementedError):
            call(latent, s)
    with pytest.raises(NotImplementedError):
        protocol.weights_backward(latent, latent, s)
