"""Batch norm, sum and hardtanh in one pass equal the three one after the other, bit for bit."""

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bbdg_ref.kernels.compiled import jit_is_on
from bbdg_ref.ops.activation import hardtanh_backward
from bbdg_ref.ops.batchnorm import batchnorm_backward, batchnorm_train
from bbdg_ref.ops.clipped_norm import clipped_norm_backward, clipped_norm_train
from bbdg_ref.spec.activation import hardtanh
from bbdg_ref.spec.activation import hardtanh_backward as spec_hardtanh_backward
from bbdg_ref.spec.batchnorm import batchnorm_backward as spec_batchnorm_backward
from bbdg_ref.spec.batchnorm import batchnorm_train as spec_batchnorm_train


@st.composite
def problems(draw, dtype=np.float32):
    """Return x, what is added (or None), dy, weight and bias."""
    shape = draw(st.integers(1, 9)), draw(st.integers(1, 5)), draw(st.integers(1, 9)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    offset, spread = draw(st.sampled_from([(0, 1), (1e4, 1), (-3, 1e-4), (5, 0)]))
    added = rng.standard_normal(shape).astype(dtype) if draw(st.booleans()) else None
    event(f"offset {offset}, spread {spread}, {'no' if added is None else 'a'} shortcut")
    x = (rng.standard_normal(shape) * spread + offset).astype(dtype)
    dy, weight, bias = (rng.standard_normal(s).astype(dtype) for s in (shape, shape[1], shape[1]))
    return x, added, dy, weight, bias


def same(one, other):
    """Assert that two arrays have the same shape, dtype and bytes."""
    assert one.dtype == other.dtype and one.shape == other.shape
    np.testing.assert_array_equal(one.view(np.uint8), other.view(np.uint8))


def check(problem, norm, norm_backward, clip_backward):
    """Compare forward and backward with the given functions, one after the other."""
    x, added, dy, weight, bias = problem
    got = clipped_norm_train(x, added, weight, bias)
    normal = norm(x, weight, bias)
    same(got.y, hardtanh(normal.y if added is None else normal.y + added))
    same(got.mean, normal.mean)
    same(got.var, normal.var)
    event(f"{'some' if (abs(got.y) == 1).any() else 'none'} clipped")
    gradients = clipped_norm_backward(dy, got.y, x, weight, got.mean, got.var)
    inside = clip_backward(dy, normal.y if added is None else normal.y + added)
    want = norm_backward(inside, x, weight, normal.mean, normal.var)
    for name, value in {"added": inside, "x": want.x, "weight": want.weight, "bias": want.bias}.items():
        same(getattr(gradients, name), value)


@given(problems())
def test_float32_is_the_composition_of_the_twins(problem):
    check(problem, batchnorm_train, batchnorm_backward, hardtanh_backward)


@given(problems(np.float64))
def test_float64_is_the_composition_of_the_definitions(problem):
    check(problem, spec_batchnorm_train, spec_batchnorm_backward, spec_hardtanh_backward)


def test_a_corner_of_hardtanh_lets_no_gradient_through():
    """Batch norm with weight 0 gives its bias everywhere: exactly -1, between, and exactly 1."""
    x, zero, one = np.arange(18, dtype=np.float32).reshape(2, 3, 3, 1), np.zeros(3, np.float32), np.ones(3, np.float32)
    bias = np.array([-1, 0.5, 1], np.float32)
    forward = clipped_norm_train(x, None, zero, bias)
    gradients = clipped_norm_backward(np.ones_like(x), forward.y, x, one, forward.mean, forward.var)
    np.testing.assert_array_equal(gradients.bias, [0, 6, 0])


@pytest.mark.skipif(not jit_is_on(), reason="without the JIT there are no threads")
def test_the_number_of_threads_does_not_change_a_bit():
    import numba

    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("NUMBA_NUM_THREADS is 1")
    rng = np.random.default_rng(0)
    x, added, dy = rng.standard_normal((3, 5, 7, 6, 5)).astype(np.float32)
    weight, bias = rng.standard_normal((2, 7)).astype(np.float32)
    before, results = numba.get_num_threads(), []
    try:
        for threads in (1, 2):
            numba.set_num_threads(threads)
            forward = clipped_norm_train(x, added, weight, bias)
            back = clipped_norm_backward(dy, forward.y, x, weight, forward.mean, forward.var)
            results.append((forward.y, back.x, back.added, back.weight, back.bias))
    finally:
        numba.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        same(one, two)
