"""The compiled estimators equal those of `spec`: to the bit, or EDE within the rounding of its own formula."""

import numpy as np
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from bbdg_ref.kernels.compiled import jit_is_on
from bbdg_ref.ops.activation import hardtanh_backward
from bbdg_ref.ops.estimators import clipped_ste_backward, ede_backward, quadratic_backward, sign
from bbdg_ref.spec.activation import hardtanh_backward as spec_hardtanh_backward
from bbdg_ref.spec.estimators import clipped_ste_backward as spec_clipped_ste_backward
from bbdg_ref.spec.estimators import ede_backward as spec_ede_backward
from bbdg_ref.spec.estimators import quadratic_backward as spec_quadratic_backward
from bbdg_ref.spec.estimators import sign as spec_sign

UNIT = 2.0**-24  # unit roundoff of float32

ONE = np.float32(1)
CORNERS = np.array(
    [0.0, -0.0, 1e-45, -1e-45, 1, -1, np.nextafter(ONE, 2 * ONE), -np.nextafter(ONE, 2 * ONE),
     np.nextafter(ONE, 0 * ONE), -np.nextafter(ONE, 0 * ONE), np.inf, -np.inf, np.nan, 3e38, -3e38],
    np.float32,
)  # fmt: skip

FUNCTIONS = [
    (clipped_ste_backward, spec_clipped_ste_backward),
    (quadratic_backward, spec_quadratic_backward),
    (hardtanh_backward, spec_hardtanh_backward),
]

values = st.sampled_from([float(v) for v in CORNERS]) | st.floats(-3, 3, width=32)
tensors = arrays(np.float32, array_shapes(max_dims=4, max_side=19), elements=values)


def assert_same_bits(got, want):
    """Assert equal values, NaN in the same places, and zeros of equal sign."""
    assert got.dtype == want.dtype == np.float32
    assert got.shape == want.shape
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.signbit(got) & ~np.isnan(got), np.signbit(want) & ~np.isnan(want))


@given(x=tensors)
@example(x=CORNERS)
def test_sign_is_that_of_the_specification(x):
    event(f"{x.ndim} axes")
    assert_same_bits(sign(x), spec_sign(x))


@pytest.mark.parametrize(("twin", "definition"), FUNCTIONS)
@given(x=tensors, seed=st.integers(0, 2**32 - 1))
@example(x=CORNERS, seed=0)
def test_piecewise_linear_estimators_are_those_of_the_specification(twin, definition, x, seed):
    dy = np.random.default_rng(seed).standard_normal(x.shape).astype(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):  # spec computes both branches everywhere
        assert_same_bits(twin(dy, x), definition(dy, x))


@pytest.mark.skipif(not jit_is_on(), reason="spec's float32 formula cancels")
@given(
    x=arrays(np.float32, st.integers(1, 200), elements=st.floats(-60, 60, width=32)),
    t=st.floats(0.1, 10),
    seed=st.integers(0, 2**32 - 1),
)
@example(x=np.linspace(-60, 60, 1001, dtype=np.float32), t=10.0, seed=0)
def test_ede_is_within_the_rounding_of_its_formula(x, t, seed):
    """Compare ``dy k t 4 e / (1 + e)^2``, e = exp(v), v = -2 abs(t x), in float32 with float64.

    t and t x are rounded, so v is off by ``2 u abs(v)``, and e relatively by that and about 4 u of the exponential's
    own; the quotient is not more sensitive than e, and seven more roundings follow. The definition in float64 cancels
    to 2^-52; below exp(-87) the twin stops falling.
    """
    k = max(1 / t, 1.0)
    dy = np.random.default_rng(seed).standard_normal(x.shape).astype(np.float32)
    exact = spec_ede_backward(dy.astype(np.float64), x.astype(np.float64), t=t, k=k)
    relative = (4 * np.abs(t * x.astype(np.float64)) + 12) * UNIT
    bound = relative * np.abs(exact) + np.abs(dy) * k * t * 2.0**-51 + 2.0**-126
    event(f"t x up to {10 ** np.ceil(np.log10(np.abs(t * x).max() + 1)):.0f}")
    got = ede_backward(dy, x, t=t, k=k)
    assert got.dtype == np.float32
    assert np.all(np.abs(got - exact) <= bound)


def test_ede_at_zero_is_its_largest_slope_and_keeps_nan():
    dy = np.full(5, 3, np.float32)
    got = ede_backward(dy, np.array([0.0, -0.0, np.inf, -np.inf, np.nan], np.float32), t=0.5, k=2.0)
    np.testing.assert_array_equal(got[:2], 3)
    np.testing.assert_allclose(got[2:4], 0, atol=1e-36)
    assert np.isnan(got[4])


@pytest.mark.parametrize(("twin", "definition"), FUNCTIONS)
def test_arrays_longer_than_a_thread_takes_and_of_any_strides(twin, definition):
    rng = np.random.default_rng(0)
    dy, x = rng.standard_normal((2, 31, 70, 7, 11)).astype(np.float32)
    assert_same_bits(twin(dy, x), definition(dy, x))
    dy, x = dy.transpose(2, 0, 3, 1), x[:, :, ::-1].transpose(2, 0, 3, 1)
    assert_same_bits(twin(dy, x), definition(dy, x))


@pytest.mark.parametrize("shape", [(0,), (3, 0), ()])
def test_empty_arrays_and_scalars(shape):
    x = np.zeros(shape, np.float32)
    assert_same_bits(sign(x), np.asarray(spec_sign(x)))
    assert ede_backward(x, x, t=1.0, k=1.0).shape == shape


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_float_types_are_computed_by_the_specification(dtype):
    x = np.linspace(-2, 2, 9).astype(dtype)
    assert sign(x).dtype == dtype
    np.testing.assert_array_equal(ede_backward(x, x, t=2.0, k=1.0), spec_ede_backward(x, x, t=2.0, k=1.0))
    for twin, definition in FUNCTIONS:
        np.testing.assert_array_equal(twin(x, x), definition(x, x))
