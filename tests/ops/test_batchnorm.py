"""Compiled batch normalization is within the rounding of its own formulas of `spec` in float64."""

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bbdg_ref.kernels.compiled import jit_is_on
from bbdg_ref.ops.batchnorm import batchnorm_backward, batchnorm_infer, batchnorm_train
from bbdg_ref.spec.batchnorm import batchnorm_backward as spec_batchnorm_backward
from bbdg_ref.spec.batchnorm import batchnorm_infer as spec_batchnorm_infer
from bbdg_ref.spec.batchnorm import batchnorm_train as spec_batchnorm_train

# Without the JIT, spec's float32 sums are served, which do not keep the bounds of sums in float64.
needs_jit = pytest.mark.skipif(not jit_is_on(), reason="the twins are served with the JIT on")

UNIT = 2.0**-24  # unit roundoff of float32
TINY = 2.0**-126


@st.composite
def problems(draw):
    """Return x, dy (batch, channels, height, width), weight and bias, float32."""
    shape = draw(st.integers(1, 17)), draw(st.integers(1, 5)), draw(st.integers(1, 9)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    offset, spread = draw(st.sampled_from([(0, 1), (1e4, 1), (-3, 1e-4), (1e6, 0.3), (5, 0), (0, 1e5)]))
    event(f"offset {offset}, spread {spread}")
    x = (rng.standard_normal(shape) * spread + offset).astype(np.float32)
    dy = rng.standard_normal(shape).astype(np.float32)
    weight, bias = rng.standard_normal((2, shape[1])).astype(np.float32)
    return x, dy, weight, bias


def wide(*arrays):
    """Return the arrays as float64."""
    return [array.astype(np.float64) for array in arrays]


def column(values):
    """Return one number per channel as (1, channels, 1, 1)."""
    return np.asarray(values, np.float64).reshape(1, -1, 1, 1)


@needs_jit
@given(problem=problems())
def test_statistics_are_rounded_once(problem):
    """The float64 sums of m values are off by m units, the variance by another m through its shifted centre."""
    x, _, weight, bias = problem
    m = x.size // x.shape[1]
    exact = spec_batchnorm_train(*wide(x, weight, bias))
    got = batchnorm_train(x, weight, bias)
    assert got.mean.dtype == got.var.dtype == got.y.dtype == np.float32
    assert np.all(
        np.abs(got.mean - exact.mean) <= (UNIT + m * 2.0**-52) * np.abs(exact.mean) + 2.0**-50 * np.abs(x).max()
    )
    # The definition itself rounds x - mean in float64, relative to the mean.
    spread = 2.0**-52 * np.abs(exact.mean)
    bound = (UNIT + m * m * 2.0**-52) * exact.var + 4 * spread * np.sqrt(exact.var) + spread**2 + TINY
    assert np.all(np.abs(got.var - exact.var) <= bound)


@needs_jit
@given(problem=problems())
def test_forward_is_within_the_rounding_of_its_formula(problem):
    """``(x - mean) * scale + bias``: three roundings of the product, one of the sum."""
    x, _, weight, bias = problem
    got = batchnorm_train(x, weight, bias)
    exact = spec_batchnorm_infer(*wide(x, weight, bias, got.mean, got.var))
    bound = 1.01 * UNIT * (3 * np.abs(exact - column(bias)) + np.abs(exact)) + TINY
    assert np.all(np.abs(got.y - exact) <= bound)
    np.testing.assert_array_equal(batchnorm_infer(x, weight, bias, got.mean, got.var), got.y)


@needs_jit
@given(problem=problems())
def test_backward_is_within_the_rounding_of_its_formula(problem):
    """``scale * (dy - mean_dy - (x - mean) * k)``: at most six roundings touch each term."""
    x, dy, weight, bias = problem
    forward = batchnorm_train(x, weight, bias)
    mean, var = forward.mean, forward.var
    exact = spec_batchnorm_backward(*wide(dy, x, weight, mean, var))
    got = batchnorm_backward(dy, x, weight, mean, var)

    m = x.size // x.shape[1]
    std = np.sqrt(column(var) + 1e-5)
    xhat = (x.astype(np.float64) - column(mean)) / std
    mean_dy = np.abs(dy.astype(np.float64)).mean(axis=(0, 2, 3), keepdims=True)
    mean_product = np.abs(dy * xhat).mean(axis=(0, 2, 3), keepdims=True)
    # The means are bounded by the means of magnitudes, so that the rounding of their sums is covered too.
    terms = np.abs(dy) + mean_dy + np.abs(xhat) * mean_product
    assert np.all(np.abs(got.x - exact.x) <= 6.1 * UNIT * np.abs(column(weight)) / std * terms + TINY)
    sums = (UNIT + m * 2.0**-51) * m
    assert np.all(np.abs(got.weight - exact.weight) <= sums * mean_product.ravel() + TINY)
    assert np.all(np.abs(got.bias - exact.bias) <= sums * mean_dy.ravel() + TINY)
    assert got.x.dtype == got.weight.dtype == got.bias.dtype == np.float32


@needs_jit
def test_a_constant_channel_has_no_variance_and_becomes_the_bias():
    x = np.full((6, 3, 5, 5), 1e6 + 1 / 16, np.float32)
    got = batchnorm_train(x, np.ones(3, np.float32), np.arange(3, dtype=np.float32))
    np.testing.assert_array_equal(got.mean, x[0, 0, 0, 0])
    np.testing.assert_array_equal(got.var, 0)
    np.testing.assert_array_equal(got.y, np.broadcast_to(np.arange(3).reshape(1, 3, 1, 1), x.shape))


def test_vectors_and_other_types_are_computed_by_the_specification():
    rng = np.random.default_rng(0)
    for dtype, shape in ((np.float32, (8, 3)), (np.float64, (8, 3, 2, 2)), (np.float64, (8, 3))):
        x, dy = rng.standard_normal((2, *shape)).astype(dtype)
        weight, bias = rng.standard_normal((2, 3)).astype(dtype)
        got, expected = batchnorm_train(x, weight, bias), spec_batchnorm_train(x, weight, bias)
        np.testing.assert_array_equal(got.y, expected.y)
        back = batchnorm_backward(dy, x, weight, got.mean, got.var)
        np.testing.assert_array_equal(back.x, spec_batchnorm_backward(dy, x, weight, got.mean, got.var).x)
        assert got.y.dtype == back.x.dtype == dtype


def results(x, dy, weight, bias):
    """Return everything that batch normalization computes."""
    forward = batchnorm_train(x, weight, bias)
    backward = batchnorm_backward(dy, x, weight, forward.mean, forward.var)
    return forward.y, forward.mean, forward.var, backward.x, backward.weight, backward.bias


@needs_jit
def test_neither_threads_nor_strides_change_a_bit():
    import numba

    rng = np.random.default_rng(1)
    x, dy = rng.standard_normal((2, 13, 7, 9, 5)).astype(np.float32)
    weight, bias = rng.standard_normal((2, 7)).astype(np.float32)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = results(x, dy, weight, bias)
        numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
        for a, b in zip(one, results(np.asfortranarray(x), np.asfortranarray(dy), weight, bias), strict=True):
            np.testing.assert_array_equal(a, b)
    finally:
        numba.set_num_threads(before)
