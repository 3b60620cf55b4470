import hypothesis.strategies as st
import layer_checks as checks
import numpy as np
import pytest
from hypothesis import event, given
from layer_strategies import ANY_SHAPES, SEEDS, arrays, corner_values
from oracles import estimators as oracle

from bbdg_ref.spec.estimators import (
    EDEParameters,
    clipped_ste_backward,
    ede_backward,
    ede_schedule,
    identity_backward,
    quadratic_backward,
    sign,
    sign_bits,
)

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def gradient_like(x: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(x.shape).astype(x.dtype)


@DTYPES
def test_sign_at_and_around_the_corners(dtype):
    checks.check_sign(sign, corner_values(dtype))
    checks.check_sign_bits(sign_bits, corner_values(dtype))


@DTYPES
def test_both_zeros_are_bit_zero_and_the_smallest_positive_number_is_bit_one(dtype):
    smallest = np.finfo(dtype).smallest_subnormal
    x = np.array([0.0, -0.0, smallest, -smallest], dtype)
    assert sign_bits(x).tolist() == [False, False, True, False]
    assert sign(x).tolist() == [-1, -1, 1, -1]


@given(arrays(ANY_SHAPES))
def test_sign_of_any_array(x):
    event(f"{x.ndim} axes, {x.dtype}")
    event("holds a zero" if np.any(x == 0) else "holds no zero")
    checks.check_sign(sign, x)
    checks.check_sign_bits(sign_bits, x)


@given(arrays(ANY_SHAPES), SEEDS)
def test_estimators_follow_the_published_slopes(x, seed):
    event(f"entries at distance 1 from 0: {'some' if np.any(np.abs(x) == 1) else 'none'}")
    dy = gradient_like(x, seed)
    checks.check_estimator(identity_backward, oracle.identity, dy, x)
    checks.check_estimator(clipped_ste_backward, oracle.clipped, dy, x)
    checks.check_estimator(quadratic_backward, oracle.quadratic, dy, x, ulps=4)


@DTYPES
def test_estimators_at_and_around_the_corners(dtype):
    x = corner_values(dtype)
    dy = gradient_like(x)
    checks.check_estimator(identity_backward, oracle.identity, dy, x)
    checks.check_estimator(clipped_ste_backward, oracle.clipped, dy, x)
    checks.check_estimator(quadratic_backward, oracle.quadratic, dy, x, ulps=4)


@DTYPES
@pytest.mark.parametrize(
    ("backward", "at"),
    [
        (clipped_ste_backward, {"-1-": 0, "-1": 1, "-1+": 1, "-0": 1, "0": 1, "1-": 1, "1": 1, "1+": 0}),
        (quadratic_backward, {"-1-": 0, "-1": 0, "-0": 2, "0": 2, "1": 0, "1+": 0}),
    ],
)
def test_slopes_written_out(backward, at, dtype):
    points = {
        "-1-": np.nextafter(dtype(-1), dtype(-2)),
        "-1": -1.0,
        "-1+": np.nextafter(dtype(-1), dtype(0)),
        "-0": -0.0,
        "0": 0.0,
        "1-": np.nextafter(dtype(1), dtype(0)),
        "1": 1.0,
        "1+": np.nextafter(dtype(1), dtype(2)),
    }
    x = np.array([points[name] for name in at], dtype)
    assert backward(np.ones_like(x), x).tolist() == list(at.values())


@DTYPES
def test_the_quadratic_is_continuous_next_to_its_corners(dtype):
    x = np.nextafter(np.array([-1, 1], dtype), dtype(0))
    ulp = float(np.finfo(dtype).eps) / 2  # numbers just below 1 are half an eps apart
    assert quadratic_backward(np.ones(2, dtype), x).tolist() == [2 * ulp, 2 * ulp]


@given(arrays(ANY_SHAPES), SEEDS, st.integers(1, 500), st.data())
def test_ede_follows_the_published_slope_in_every_epoch(x, seed, epochs, data):
    parameters = ede_schedule(data.draw(st.integers(0, epochs - 1)), epochs)
    event("first half: k > 1" if parameters.k > 1 else "second half: k = 1")
    checks.check_ede(ede_backward, gradient_like(x, seed), x, parameters.t, parameters.k)


@DTYPES
@pytest.mark.parametrize(("t", "k"), [(0.1, 10.0), (1.0, 1.0), (10.0, 1.0)])
def test_ede_at_and_around_the_corners(dtype, t, k):
    x = corner_values(dtype)
    checks.check_ede(ede_backward, gradient_like(x), x, t, k)
    assert ede_backward(np.ones(1, dtype), np.zeros(1, dtype), t=t, k=k) == dtype(k * t)


@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 300, 500])
def test_ede_schedule(epochs):
    checks.check_ede_schedule(ede_schedule, epochs)


def test_ede_schedule_starts_as_the_identity():
    assert ede_schedule(0, 500) == EDEParameters(t=0.1, k=10.0)


def test_the_gradient_is_a_new_array():
    dy = np.ones(3)
    assert not np.shares_memory(identity_backward(dy, np.zeros(3)), dy)
