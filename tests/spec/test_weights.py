import layer_checks as checks
import numpy as np
from hypothesis import event, given
from layer_strategies import weight_cases

from bbdg_ref.spec.weights import (
    bipolar_weights,
    bipolar_weights_backward,
    closed_form_weights,
    closed_form_weights_backward,
    conditional_means,
    general_weights,
    general_weights_backward,
    symmetric_scale,
    symmetric_weights,
    symmetric_weights_backward,
)


def describe(case) -> None:
    ones = np.count_nonzero(case.s > 0)
    event("no ones" if ones == 0 else "all ones" if ones == case.s.size else "both signs")
    event(f"dtype {case.latent.dtype}")


@given(weight_cases())
def test_bipolar(case):
    describe(case)
    checks.check_bipolar(bipolar_weights, bipolar_weights_backward, case)


@given(weight_cases())
def test_symmetric(case):
    describe(case)
    checks.check_symmetric(symmetric_weights, symmetric_weights_backward, case)


@given(weight_cases())
def test_symmetric_weights_are_the_scale_of_their_filter_and_its_negative_exactly(case):
    describe(case)
    scale = symmetric_scale(case.latent)
    assert scale.dtype == case.latent.dtype and scale.shape == (len(case.latent), 1, 1, 1)
    assert np.array_equal(symmetric_weights(case.latent, case.s), np.where(case.s > 0, scale, -scale))


@given(weight_cases())
def test_general(case):
    describe(case)
    checks.check_general(general_weights, general_weights_backward, case)


@given(weight_cases())
def test_closed_form(case):
    describe(case)
    checks.check_closed_form(closed_form_weights, closed_form_weights_backward, case)


@given(weight_cases())
def test_general_gradients_are_the_finite_differences(case):
    describe(case)
    s, dw = case.s.astype(float), case.dw.astype(float)
    grads = general_weights_backward(dw, s, case.tau, case.phi)
    magnitude = float(np.abs(dw).sum()) * 4 * (dw.size + 2)
    tau, phi = np.array(case.tau), np.array(case.phi)
    checks.assert_gradient(lambda v: float(np.vdot(dw, general_weights(s, v, phi))), tau, grads.tau, magnitude)
    checks.assert_gradient(lambda v: float(np.vdot(dw, general_weights(s, tau, v))), phi, grads.phi, magnitude)
    checks.assert_gradient(lambda v: float(np.vdot(dw, general_weights(v, tau, phi))), s, grads.s, magnitude)


@given(weight_cases())
def test_closed_form_gradient_through_the_means_is_the_finite_difference_at_fixed_bits(case):
    describe(case)
    latent, s, dw = (a.astype(float) for a in (case.latent, case.s, case.dw))
    grads = closed_form_weights_backward(dw, latent, s)
    magnitude = float(np.abs(dw).sum() * (1 + np.abs(latent).max())) * (dw.size + 2)
    checks.assert_gradient(lambda v: float(np.vdot(dw, closed_form_weights(v, s))), latent, grads.latent, magnitude)


@given(weight_cases())
def test_conditional_means_leave_no_mean_in_either_class(case):
    """At the least-squares optimum the residuals of each class sum to zero."""
    describe(case)
    latent = case.latent.astype(float)
    domain = conditional_means(latent, case.s)
    assert type(domain.alpha) is float and type(domain.beta) is float
    residual = latent - np.where(case.s > 0, domain.beta, domain.alpha)
    bound = 4 * latent.size**2 * np.finfo(float).eps * np.abs(latent).max()
    for group in (case.s > 0, case.s < 0):
        checks.assert_within(residual[group].sum(), 0.0, bound)


def test_a_missing_class_takes_the_others_mean_and_gets_no_gradient():
    latent, dw = np.array([1.0, 2.0, 6.0]), np.array([1.0, 0.0, 2.0])
    for s in (np.ones(3), -np.ones(3)):
        domain = conditional_means(latent, s)
        assert domain.alpha == domain.beta == 3.0
        grads = closed_form_weights_backward(dw, latent, s)
        assert grads.s.tolist() == [0, 0, 0] and grads.latent.tolist() == [1, 1, 1]


def test_alpha_may_exceed_beta():
    latent, s = np.array([5.0, 1.0]), np.array([-1.0, 1.0])
    assert closed_form_weights(latent, s).tolist() == [5.0, 1.0]
    assert closed_form_weights_backward(np.ones(2), latent, s).s.tolist() == [-2.0, -2.0]


def test_float32_means_are_summed_in_float64():
    latent = np.full(1 << 16, 16777217.0 / 2**24, np.float32)
    latent[0] = 1e8  # a float32 running sum would then drop every following number
    want = float(np.float32((1e8 + latent[1:].astype(float).sum()) / latent.size))
    assert closed_form_weights(latent, np.ones_like(latent))[0] == want


def test_tau_and_phi_may_be_arrays_of_another_dtype_without_changing_the_result():
    s = np.array([1.0, -1.0], np.float32)
    got = general_weights(s, np.array(0.5), np.array(0.25))
    assert got.dtype == np.float32 and got.tolist() == [0.75, -0.25]
