import hypothesis.strategies as st
import layer_checks as checks
import numpy as np
import pytest
from hypothesis import assume, event, given
from layer_strategies import channel_cases

from bbdg_ref.spec.batchnorm import (
    batchnorm_backward,
    batchnorm_infer,
    batchnorm_train,
    not_channels,
    per_channel,
    running_update,
)

EPS = st.sampled_from([1e-5, 1e-3, 1.0])
# Values of one size: the bounds grow with max / std, and a bound that admits everything tests nothing.
SPREAD = st.sampled_from(["normal", "binary", "ties", "corners"])


def describe(case) -> None:
    event(f"{'vectors' if case.x.ndim == 2 else 'maps'}, {case.x.dtype}")
    constant = np.ptp(case.x, axis=not_channels(case.x)) == 0
    event("a constant channel" if constant.any() else "no constant channel")


@given(channel_cases(), EPS)
def test_training_uses_the_mean_and_biased_variance_of_the_batch(case, eps):
    describe(case)
    checks.check_batchnorm_train(batchnorm_train, case, eps)


@given(channel_cases(), EPS)
def test_inference_uses_the_given_statistics(case, eps):
    describe(case)
    checks.check_batchnorm_infer(batchnorm_infer, case, eps)


@given(channel_cases(SPREAD), EPS)
def test_gradients_follow_the_chain_rule(case, eps):
    describe(case)
    checks.check_batchnorm_backward(batchnorm_backward, case, eps)


@given(channel_cases(), st.sampled_from([0.1, 0.5, 1.0]))
def test_running_statistics(case, momentum):
    describe(case)
    checks.check_running_update(running_update, case, momentum)


@given(channel_cases(st.just("normal")))
def test_gradients_are_the_finite_differences(case):
    describe(case)
    x, dy, weight, bias = (a.astype(float) for a in (case.x, case.dy, case.weight, case.bias))
    eps = 0.125  # keeps every derivative of 1/std small, whatever the spread of a channel
    forward = batchnorm_train(x, weight, bias, eps=eps)
    grads = batchnorm_backward(dy, x, weight, forward.mean, forward.var, eps=eps)

    def loss(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> float:
        return float(np.vdot(dy, batchnorm_train(x, weight, bias, eps=eps).y))

    xhat = (1 + np.abs(x).max()) / eps**0.5
    magnitude = np.abs(dy).sum() * (1 + np.abs(weight).max() + np.abs(bias).max()) * xhat * x.size
    checks.assert_gradient(lambda v: loss(v, weight, bias), x, grads.x, magnitude)
    checks.assert_gradient(lambda v: loss(x, v, bias), weight, grads.weight, magnitude)
    checks.assert_gradient(lambda v: loss(x, weight, v), bias, grads.bias, magnitude)


@given(channel_cases(st.just("normal")))
def test_a_shift_or_a_scale_of_the_input_changes_nothing(case):
    """The gradient is orthogonal to both directions (to the scale up to eps, here 0)."""
    x, dy, weight = (a.astype(float) for a in (case.x, case.dy, case.weight))
    forward = batchnorm_train(x, weight, weight, eps=0.0)
    assume(forward.var.min() > 1e-3)
    event(f"{x.ndim} axes")
    grads = batchnorm_backward(dy, x, weight, forward.mean, forward.var, eps=0.0)
    axes = not_channels(x)
    size = np.abs(dy).max() * np.abs(weight) / np.sqrt(forward.var) * x.size**2
    bound = 64 * np.finfo(float).eps * size * (1 + np.abs(x).max()) ** 2 / forward.var
    checks.assert_within(grads.x.sum(axis=axes), np.zeros(x.shape[1]), bound)
    checks.assert_within((grads.x * x).sum(axis=axes), np.zeros(x.shape[1]), bound * np.abs(x).max())


def test_a_constant_channel_gives_the_bias_and_no_gradient():
    x, bias = np.full((3, 1, 2, 2), 7.0), np.array([0.25])
    forward = batchnorm_train(x, np.ones(1), bias)
    assert forward.var == 0 and np.all(forward.y == 0.25)
    grads = batchnorm_backward(np.ones_like(x), x, np.ones(1), forward.mean, forward.var)
    assert not grads.x.any() and grads.weight == 0 and grads.bias == 12


def test_the_running_variance_is_unbiased_and_the_normalizing_one_is_not():
    x = np.array([[0.0], [2.0]])
    forward = batchnorm_train(x, np.ones(1), np.zeros(1))
    assert forward.var == 1.0
    new = running_update(np.zeros(1), np.ones(1), forward.mean, forward.var, count=2, momentum=1.0)
    assert new.mean == 1.0 and new.var == 2.0


def test_training_and_inference_agree_on_the_batch_itself():
    rng = np.random.default_rng(0)
    x, weight, bias = rng.standard_normal((4, 3, 2, 5)), rng.standard_normal(3), rng.standard_normal(3)
    forward = batchnorm_train(x, weight, bias)
    assert np.array_equal(forward.y, batchnorm_infer(x, weight, bias, forward.mean, forward.var))


def test_one_value_per_channel_has_no_unbiased_variance():
    with pytest.raises(ZeroDivisionError):
        running_update(np.zeros(1), np.ones(1), np.zeros(1), np.zeros(1), count=1)


def test_one_number_for_many_channels_is_refused():
    with pytest.raises(ValueError):
        per_channel(np.ones(1), np.zeros((2, 3)))
