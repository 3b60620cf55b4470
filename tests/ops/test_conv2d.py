"""The convolution of `ops` and its gradients equal those of `spec`, on any number of threads."""

import numpy as np
import pytest
from hypothesis import event, example, given, target
from hypothesis import strategies as st

from bbdg_ref.kernels.compiled import jit_is_on
from bbdg_ref.ops.conv2d import conv2d, conv2d_grad_input, conv2d_grad_weight, sign_conv2d_grad_weight
from bbdg_ref.spec.conv2d import conv2d as spec_conv2d
from bbdg_ref.spec.conv2d import conv2d_grad_input as spec_grad_input
from bbdg_ref.spec.conv2d import conv2d_grad_weight as spec_grad_weight
from bbdg_ref.spec.conv2d import output_size
from bbdg_ref.spec.estimators import sign

UNIT = 2.0**-24  # unit roundoff of float32


@st.composite
def problems(draw):
    """Shapes of a convolution: (batch, in, out, input size, kernel size, stride, padding)."""
    batch = draw(st.sampled_from([1, 3, 4, 7, 8, 9, 16, 19]))
    channels = draw(st.sampled_from([1, 2, 3, 7, 8, 15, 16, 17, 33]))
    outputs = draw(st.sampled_from([1, 2, 5, 15, 16, 17, 31, 32, 33, 49]))
    kernel = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    padding = (draw(st.integers(0, 3)), draw(st.integers(0, 3)))
    smallest = [max(1, k - 2 * p) for k, p in zip(kernel, padding, strict=True)]
    size = (draw(st.integers(smallest[0], 11)), draw(st.integers(smallest[1], 11)))
    return batch, channels, outputs, size, kernel, stride, padding


def arrays(problem, seed, *, integers=False):
    """Return x, weight and dy of a problem."""
    batch, channels, outputs, size, kernel, stride, padding = problem
    rng = np.random.default_rng(seed)
    out = output_size(size, kernel, stride, padding)
    shapes = (batch, channels, *size), (outputs, channels, *kernel), (batch, outputs, *out)
    if integers:
        return [rng.integers(-8, 9, shape).astype(np.float32) for shape in shapes]
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def compare(computed, function, first, second, terms, **arguments):
    """Assert that float32 sums of `terms` products are near `function` in float64; return the worst error / bound.

    A sum of n rounded products, added in any order, is off by at most ``n u / (1 - n u)`` times the sum of their
    magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1); u is the unit roundoff.
    """
    exact = function(first.astype(np.float64), second.astype(np.float64), **arguments)
    magnitude = function(abs(first.astype(np.float64)), abs(second.astype(np.float64)), **arguments)
    bound = terms * UNIT / (1 - terms * UNIT) * magnitude
    error = abs(computed - exact)
    assert computed.dtype == np.float32
    assert computed.shape == exact.shape
    assert np.all(error <= bound)
    return float(np.max(error / np.maximum(bound, 1e-30)))


ODD = [
    (8, 3, 16, (32, 32), (3, 3), (1, 1), (1, 1)),  # a stem
    (9, 16, 32, (8, 8), (3, 3), (2, 2), (1, 1)),
    (4, 16, 48, (8, 8), (1, 1), (2, 2), (0, 0)),  # a shortcut: three quarters of dx are zero
    (4, 1, 1, (1, 1), (1, 1), (1, 1), (0, 0)),
    (5, 17, 33, (5, 7), (5, 2), (3, 1), (3, 0)),
    (4, 2, 3, (1, 1), (1, 1), (2, 3), (3, 3)),  # windows that see nothing but padding
    (4, 64, 64, (4, 4), (3, 3), (1, 1), (1, 1)),
    (8, 40, 40, (9, 15), (3, 3), (1, 1), (1, 1)),  # several bands of output
]


def with_odd_shapes(test):
    """Add the shapes of `ODD` as explicit examples."""
    for problem in ODD:
        test = example(problem=problem, seed=0)(test)
    return test


@with_odd_shapes
@given(problem=problems(), seed=st.integers(0, 2**32 - 1))
def test_forward_and_gradients_equal_the_specification_within_the_rounding_of_their_sums(problem, seed):
    batch, channels, outputs, size, kernel, stride, padding = problem
    x, weight, dy = arrays(problem, seed)
    event(f"stride {'1' if stride == (1, 1) else '> 1'}")
    event(f"batch {'fills' if batch % 8 == 0 else 'does not fill'} its tiles")
    taps = kernel[0] * kernel[1]
    steps = {"stride": stride, "padding": padding}

    y = conv2d(x, weight, **steps)
    forward = compare(y, spec_conv2d, x, weight, channels * taps, **steps)
    dx = conv2d_grad_input(dy, weight, input_size=size, **steps)
    backward = compare(dx, spec_grad_input, dy, weight, outputs * taps, input_size=size, **steps)
    dweight = conv2d_grad_weight(dy, x, kernel_size=kernel, **steps)
    pixels = batch * dy.shape[2] * dy.shape[3]
    weights = compare(dweight, spec_grad_weight, dy, x, pixels, kernel_size=kernel, **steps)
    target(max(forward, backward, weights), label="error / bound")


@with_odd_shapes
@given(problem=problems(), seed=st.integers(0, 2**32 - 1))
def test_integers_are_convolved_exactly(problem, seed):
    _, _, _, size, kernel, stride, padding = problem
    x, weight, dy = arrays(problem, seed, integers=True)
    steps = {"stride": stride, "padding": padding}

    np.testing.assert_array_equal(conv2d(x, weight, **steps), spec_conv2d(x, weight, **steps))
    np.testing.assert_array_equal(
        conv2d_grad_input(dy, weight, input_size=size, **steps),
        spec_grad_input(dy, weight, input_size=size, **steps),
    )
    np.testing.assert_array_equal(
        conv2d_grad_weight(dy, x, kernel_size=kernel, **steps),
        spec_grad_weight(dy, x, kernel_size=kernel, **steps),
    )


@with_odd_shapes
@given(problem=problems(), seed=st.integers(0, 2**32 - 1))
def test_the_gradient_for_signs_is_that_of_an_array_of_signs(problem, seed):
    _, _, _, _, kernel, stride, padding = problem
    x, _, dy = arrays(problem, seed)
    x[np.abs(x) < 0.1] = 0  # a zero counts as -1
    x[x > 2] = -0.0
    arguments = {"kernel_size": kernel, "stride": stride, "padding": padding}
    for kind in (np.float32, np.float64):
        got = sign_conv2d_grad_weight(dy.astype(kind), x.astype(kind), **arguments)
        want = conv2d_grad_weight(dy.astype(kind), sign(x.astype(kind)), **arguments)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def results(x, weight, dy):
    """Return forward and both gradients, padding 1, stride 1."""
    return (
        conv2d(x, weight, padding=1),
        conv2d_grad_input(dy, weight, input_size=x.shape[2:], padding=1),
        conv2d_grad_weight(dy, x, kernel_size=weight.shape[2:], padding=1),
    )


@pytest.mark.skipif(not jit_is_on(), reason="without the JIT there are no threads")
def test_the_number_of_threads_does_not_change_a_bit():
    import numba

    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("NUMBA_NUM_THREADS is 1")
    x, weight, dy = arrays((37, 20, 24, (9, 9), (3, 3), (1, 1), (1, 1)), 0)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = results(x, weight, dy)
        for threads in range(2, min(4, numba.config.NUMBA_NUM_THREADS) + 1):
            numba.set_num_threads(threads)
            for a, b in zip(one, results(x, weight, dy), strict=True):
                np.testing.assert_array_equal(a, b)
    finally:
        numba.set_num_threads(before)


def test_arrays_of_any_strides_are_taken_and_not_changed():
    x, weight, dy = arrays((10, 6, 5, (8, 8), (3, 3), (1, 1), (1, 1)), 1)
    twisted = [
        np.asfortranarray(x),
        weight[:, ::-1].copy()[:, ::-1],
        dy.transpose(1, 0, 3, 2).copy().transpose(1, 0, 3, 2),
    ]
    for array in (x, weight, dy, *twisted):
        array.flags.writeable = False
    before = [array.copy() for array in (x, weight, dy)]
    for straight, other in zip(results(x, weight, dy), results(*twisted), strict=True):
        np.testing.assert_array_equal(straight, other)
    for array, copy in zip((x, weight, dy), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.skipif(not jit_is_on(), reason="BLAS, which serves without the JIT, may sum differently in another batch")
def test_one_result_does_not_depend_on_the_rest_of_the_batch():
    x, weight, dy = arrays((21, 5, 18, (6, 6), (3, 3), (1, 1), (1, 1)), 2)
    y, dx, _ = results(x, weight, dy)
    for images in (4, 8, 13):
        part_y, part_dx, _ = results(x[:images], weight, dy[:images])
        np.testing.assert_array_equal(part_y, y[:images])
        np.testing.assert_array_equal(part_dx, dx[:images])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_stays_where_the_specification_puts_it(value):
    x, weight, dy = arrays((9, 3, 4, (7, 7), (3, 3), (1, 1), (1, 1)), 3)
    x[4, 1, 3, 6] = value
    dy[8, 2, 0, 0] = value
    with np.errstate(invalid="ignore"):
        got = results(x, weight, dy)
        expected = (
            spec_conv2d(x, weight, padding=1),
            spec_grad_input(dy, weight, input_size=(7, 7), padding=1),
            spec_grad_weight(dy, x, kernel_size=3, padding=1),
        )
    for a, b in zip(got, expected, strict=True):
        # spec multiplies the border's zeros: inf * 0 is NaN there, and only there may the two differ.
        np.testing.assert_array_equal(np.isfinite(a) | ~np.isfinite(b), True)
    assert not np.isfinite(got[0][4, :, 2:5, 5:]).any()
    assert not np.isfinite(got[1][8, :, :2, :2]).any()
    assert not np.isfinite(got[2][:, 1, :, 1:]).any()


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_float_types_are_computed_by_the_specification(dtype):
    x, weight, dy = (array.astype(dtype) for array in arrays((8, 3, 4, (5, 5), (3, 3), (1, 1), (1, 1)), 4))
    y, dx, dweight = results(x, weight, dy)
    np.testing.assert_array_equal(y, spec_conv2d(x, weight, padding=1))
    np.testing.assert_array_equal(dx, spec_grad_input(dy, weight, input_size=(5, 5), padding=1))
    np.testing.assert_array_equal(dweight, spec_grad_weight(dy, x, kernel_size=3, padding=1))
    assert y.dtype == dx.dtype == dweight.dtype == dtype


def test_shapes_that_do_not_fit_are_refused_as_in_the_specification():
    x, weight, dy = arrays((8, 3, 4, (5, 5), (3, 3), (1, 1), (1, 1)), 5)
    with pytest.raises(ValueError):
        conv2d(x[:, :2], weight)
    with pytest.raises(ValueError):
        conv2d(x[..., :2], weight)
    with pytest.raises(ValueError, match="dy must have height and width"):
        conv2d_grad_input(dy, weight, input_size=(5, 5))
    with pytest.raises(ValueError):
        conv2d_grad_input(dy[:, :3], weight, input_size=(5, 5), padding=1)
    with pytest.raises(ValueError):
        conv2d_grad_weight(dy, x, kernel_size=3)
    with pytest.raises(ValueError):
        conv2d_grad_weight(dy[:7], x, kernel_size=3, padding=1)
