from dataclasses import dataclass
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import event, example, given
from layer_strategies import SEEDS, both, pairs
from oracles import popcount_conv as oracle

from bbdg_ref.spec.conv2d import conv2d
from bbdg_ref.spec.estimators import sign
from bbdg_ref.spec.popcount_conv import binary_counts, popcount_conv2d, popcount_linear

CHANNELS = st.sampled_from([1, 2, 3, 31, 32, 63, 64, 65, 127, 128, 129, 130]) | st.integers(1, 130)
DENSITIES = st.sampled_from([0.0, 0.02, 0.5, 0.98, 1.0])
LEVELS = st.floats(-4, 4) | st.sampled_from([-1.0, 0.0, -0.0, 1.0, 0.1, 1e-30, -1e20])


@dataclass(frozen=True, eq=False)
class Case:
    u: np.ndarray
    bits: np.ndarray
    stride: int | tuple[int, int]
    padding: int | tuple[int, int]


@st.composite
def cases(draw) -> Case:
    stride, padding = draw(pairs(1, 3)), draw(pairs(0, 3))
    kernel = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    size = tuple(
        max(1, k - 2 * p) + draw(st.integers(0, 3)) for k, p in zip(kernel, both(padding), strict=True)
    )  # fmt: skip
    channels = draw(CHANNELS)
    batch, out = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(SEEDS))
    event(f"words: {-(-channels // 64)}, the last {'full' if channels % 64 == 0 else 'not full'}")
    event(f"kernel area {'1' if kernel == (1, 1) else 'up to 9' if kernel[0] * kernel[1] <= 9 else 'above 9'}")
    event(f"padding {'none' if both(padding) == (0, 0) else 'some'}")
    return Case(
        u=rng.random((batch, channels, *size)) < draw(DENSITIES),
        bits=rng.random((out, channels, *kernel)) < draw(DENSITIES),
        stride=stride,
        padding=padding,
    )


def check(case: Case) -> None:
    got = binary_counts(case.u, case.bits, stride=case.stride, padding=case.padding)
    ones, total = oracle.counts(case.u, case.bits, case.stride, case.padding)
    assert got.ones.dtype == got.total.dtype == np.int64
    assert got.ones.shape == ones.shape and got.total.shape == total.shape
    assert got.ones.tolist() == ones.tolist()
    assert got.total.tolist() == total.tolist()


@given(cases())
def test_counts_are_the_direct_sums(case):
    check(case)


@pytest.mark.parametrize("channels", range(1, 131))
def test_counts_with_every_number_of_channels(channels):
    rng = np.random.default_rng(channels)
    u, bits = rng.random((1, channels, 2, 3)) < 0.5, rng.random((2, channels, 2, 2)) < 0.5
    check(Case(u, bits, 1, (0, 1)))


@pytest.mark.parametrize("kernel", range(1, 8))
@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("activations", [False, True])
def test_counts_where_every_bit_is_the_same(kernel, weights, activations):
    u, bits = np.full((1, 65, 8, 7), activations), np.full((1, 65, kernel, kernel), weights)
    got = binary_counts(u, bits, padding=kernel // 2)
    taps = conv2d(np.ones((1, 1, 8, 7)), np.ones((1, 1, kernel, kernel)), padding=kernel // 2)  # on the image
    assert np.array_equal(got.total, 65 * taps if activations else -65 * taps)
    assert np.array_equal(got.ones, got.total if weights else 0 * got.total)


def test_the_border_is_neither_minus_one_nor_plus_one():
    u, bits = np.ones((1, 1, 1, 1), bool), np.ones((1, 1, 3, 3), bool)
    got = binary_counts(u, bits, padding=2)
    assert got.ones[0, 0].tolist() == got.total[0, 0].tolist() == [[1, 1, 1]] * 3
    assert binary_counts(~u, bits, padding=2).ones[0, 0].tolist() == [[-1, -1, -1]] * 3


@given(cases(), LEVELS, LEVELS, SEEDS)
def test_the_convolution_splits_into_the_two_counts(case, alpha, beta, seed):
    """conv(a, W) = (beta - alpha) ones + alpha total, in rationals: without any rounding."""
    spread = np.random.default_rng(seed).integers(0, 4, len(case.bits)) / 2
    low, high = [alpha + step for step in spread.tolist()], [beta - step for step in spread.tolist()]
    got = binary_counts(case.u, case.bits, stride=case.stride, padding=case.padding)
    want = oracle.convolve(case.u, case.bits, low, high, case.stride, case.padding)
    for n, o, p, q in np.ndindex(want.shape):
        ones, total = int(got.ones[n, o, p, q]), int(got.total[n, 0, p, q])
        assert (Fraction(high[o]) - Fraction(low[o])) * ones + Fraction(low[o]) * total == want[n, o, p, q]


@given(cases(), LEVELS, LEVELS, SEEDS)
def test_floating_point_enters_once_in_the_order_written(case, alpha, beta, seed):
    rng = np.random.default_rng(seed)
    x = np.where(case.u, 1, -1) * rng.random(case.u.shape)
    x[x == 0] = -0.5
    u = x > 0
    steps, out = {"stride": case.stride, "padding": case.padding}, len(case.bits)
    ones, total = oracle.counts(u, case.bits, case.stride, case.padding)
    got = popcount_conv2d(x.astype(np.float32), case.bits, alpha, beta, **steps)
    assert got.dtype == np.float32
    assert np.array_equal(got, oracle.affine(ones, total, [alpha] * out, [beta] * out))
    low, high = alpha + rng.standard_normal(out), beta + rng.standard_normal(out)
    got = popcount_conv2d(x, case.bits, low, high, **steps)
    assert np.array_equal(got, oracle.affine(ones, total, low.tolist(), high.tolist()))


def test_it_is_the_convolution_of_signs_with_two_valued_weights():
    rng = np.random.default_rng(0)
    x, bits = rng.integers(-2, 3, (2, 70, 6, 5)).astype(float), rng.random((4, 70, 3, 3)) < 0.1
    y = popcount_conv2d(x, bits, -0.25, 1.5, stride=(2, 1), padding=1)
    weight = np.where(bits, 1.5, -0.25)
    assert np.array_equal(y, conv2d(sign(x), weight, stride=(2, 1), padding=1))  # quarters add up exactly


def test_zero_is_bit_zero_whatever_its_sign():
    x = np.array([[[[0.0, -0.0, 5e-324, -5e-324]]]])
    y = popcount_conv2d(x, np.ones((1, 1, 1, 1), bool), 0.0, 1.0)
    assert y[0, 0, 0].tolist() == [-1, -1, 1, -1]


@given(st.integers(1, 4), CHANNELS, st.integers(1, 4), DENSITIES, LEVELS, LEVELS, SEEDS)
@example(1, 64, 1, 1.0, -1.0, 1.0, 0)
def test_linear_is_the_same_sum_over_rows(batch, features, out, density, alpha, beta, seed):
    rng = np.random.default_rng(seed)
    x, bits = rng.standard_normal((batch, features)), rng.random((out, features)) < density
    got = popcount_linear(x, bits, alpha, beta)
    ones, total = oracle.counts((x > 0)[:, :, None, None], bits[:, :, None, None], 1, 0)
    want = oracle.affine(ones, total, [alpha] * out, [beta] * out)
    assert got.dtype == np.float32 and np.array_equal(got, want[:, :, 0, 0])


@pytest.mark.parametrize(("have", "want"), [(3, 2), (2, 3), (65, 63), (64, 65)])
def test_other_numbers_of_channels_are_refused(have, want):
    u, bits = np.ones((1, have, 3, 3), bool), np.ones((1, want, 3, 3), bool)
    with pytest.raises(ValueError, match=f"bits must have {have} input channels; got {want}"):
        binary_counts(u, bits)


def test_a_kernel_larger_than_the_padded_image_is_refused():
    with pytest.raises(ValueError):
        binary_counts(np.ones((1, 1, 2, 2), bool), np.ones((1, 1, 5, 5), bool), padding=1)


def test_inputs_are_unchanged():
    rng = np.random.default_rng(0)
    u, bits = rng.random((2, 5, 4, 4)) < 0.5, rng.random((3, 5, 3, 3)) < 0.5
    before = u.copy(), bits.copy()
    binary_counts(u, bits, padding=1)
    assert np.array_equal(u, before[0]) and np.array_equal(bits, before[1])
