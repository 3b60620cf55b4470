import layer_checks as checks
import numpy as np
import pytest
from hypothesis import event, given
from layer_strategies import ANY_SHAPES, SEEDS, arrays, channel_cases, corner_values

from bbdg_ref.spec.activation import (
    channel_bias,
    channel_bias_backward,
    hardtanh,
    hardtanh_backward,
    prelu,
    prelu_backward,
)

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@DTYPES
def test_hardtanh_at_and_around_the_corners(dtype):
    x = corner_values(dtype)
    checks.check_hardtanh(hardtanh, x)
    checks.check_hardtanh_backward(hardtanh_backward, np.full_like(x, 3), x)


@given(arrays(ANY_SHAPES), SEEDS)
def test_hardtanh_of_any_array(x, seed):
    event("something is clipped" if np.any(np.abs(x) > 1) else "nothing is clipped")
    dy = np.random.default_rng(seed).standard_normal(x.shape).astype(x.dtype)
    checks.check_hardtanh(hardtanh, x)
    checks.check_hardtanh_backward(hardtanh_backward, dy, x)


@given(channel_cases())
def test_prelu(case):
    event(f"{case.x.ndim} axes, {'some' if np.any(case.x == 0) else 'no'} zeros")
    checks.check_prelu(prelu, case)
    checks.check_prelu_backward(prelu_backward, case)


@DTYPES
def test_prelu_at_and_around_zero(dtype):
    x = corner_values(dtype)[:, None]
    slope = np.array([0.25], dtype)
    grads = prelu_backward(np.ones_like(x), x, slope)
    assert np.array_equal(grads.x[:, 0], np.where(x[:, 0] > 0, 1, 0.25).astype(dtype))  # zero has the slope
    assert np.array_equal(prelu(x, slope), np.where(x > 0, x, x / 4))


@given(channel_cases())
def test_prelu_gradients_are_the_finite_differences_away_from_zero(case):
    x, dy, slope = (a.astype(float) for a in (case.x, case.dy, case.weight))
    x = np.where(np.abs(x) < 0.5, x + np.where(x < 0, -0.5, 0.5), x)  # further from 0 than any step
    event("negative inputs" if np.any(x < 0) else "no negative inputs")
    grads = prelu_backward(dy, x, slope)
    magnitude = float(np.vdot(np.abs(dy), prelu(1 + np.abs(x), slope) + np.abs(slope).max() * (1 + np.abs(x))))
    magnitude *= x.size
    checks.assert_gradient(lambda v: float(np.vdot(dy, prelu(v, slope))), x, grads.x, magnitude)
    checks.assert_gradient(lambda v: float(np.vdot(dy, prelu(x, v))), slope, grads.slope, magnitude)


@given(channel_cases())
def test_channel_bias(case):
    event(f"{case.x.ndim} axes, {case.x.shape[1]} channels")
    checks.check_channel_bias(channel_bias, case)
    checks.check_channel_bias_backward(channel_bias_backward, case)


def test_one_number_for_many_channels_is_refused():
    x = np.zeros((2, 3, 4, 4))
    for call in (lambda: prelu(x, np.ones(1)), lambda: channel_bias(x, np.ones(1))):
        with pytest.raises(ValueError):
            call()
