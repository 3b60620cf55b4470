"""The gradient by the ones of two-valued weights equals that of `spec`, on any number of threads."""

import numpy as np
import pytest
from hypothesis import event, example, given, target
from hypothesis import strategies as st

import bbdg_ref.ops.sparse_conv2d as module
from bbdg_ref.kernels.compiled import jit_is_on
from bbdg_ref.kernels.vectors import LANES
from bbdg_ref.ops.conv2d import conv2d_grad_input
from bbdg_ref.ops.sparse_conv2d import two_valued_grad_input
from bbdg_ref.spec.conv2d import conv2d_grad_input as spec_grad_input
from bbdg_ref.spec.conv2d import output_size

UNIT = 2.0**-24  # unit roundoff of float32
needs_kernel = pytest.mark.skipif(not jit_is_on(), reason="without the JIT the dense function serves")


@st.composite
def problems(draw):
    """(batch, in, out, input size, kernel size, stride, padding, density)."""
    batch = draw(st.integers(1, 40))
    channels, outputs = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    kernel = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    stride = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (2, 2), (1, 2), (3, 3)]))
    padding = (draw(st.integers(0, 3)), draw(st.integers(0, 3)))
    smallest = [max(1, k - 2 * p) for k, p in zip(kernel, padding, strict=True)]
    size = tuple(draw(st.one_of(st.integers(s, 9), st.sampled_from([8, 10, 16, 18, 33]))) for s in smallest)
    return batch, channels, outputs, size, kernel, stride, padding, draw(st.sampled_from([0, 0.02, 0.1, 0.2, 0.5, 1]))


def arrays(problem, seed, *, per_channel=True):
    """Return dy, bits, alpha and beta of a problem."""
    batch, channels, outputs, size, kernel, stride, padding, density = problem
    rng = np.random.default_rng(seed)
    dy = rng.standard_normal((batch, outputs, *output_size(size, kernel, stride, padding))).astype(np.float32)
    bits = rng.random((outputs, channels, *kernel)) < density
    alpha, beta = rng.standard_normal((2, outputs)) if per_channel else rng.standard_normal(2)
    return dy, bits, alpha, beta


def decoded(bits, alpha, beta):
    alpha, beta = (np.broadcast_to(level, len(bits)).reshape(-1, 1, 1, 1) for level in (alpha, beta))
    return np.where(bits, beta, alpha)


def check(problem, seed, per_channel):
    """Assert that the result is near the definition in float64; return the worst error / bound.

    Each value is a sum of at most ``outputs * taps`` products for the ones and as many for the map. alpha and
    beta - alpha (in the dense function: the weight) are rounded twice at most, each product once, and a sum of n terms
    is off by ``n u / (1 - n u)`` times the sum of their magnitudes in any order (Higham, section 3.1); the roundings of
    a factor and of a product are three additions more in the same bound.
    """
    _, _, outputs, size, kernel, stride, padding, _ = problem
    dy, bits, alpha, beta = arrays(problem, seed, per_channel=per_channel)
    steps = {"input_size": size, "stride": stride, "padding": padding}
    dx = two_valued_grad_input(dy, bits, alpha, beta, **steps)
    exact = spec_grad_input(dy.astype(np.float64), decoded(bits, alpha, beta), **steps)
    sizes = decoded(bits, abs(alpha), abs(alpha) + abs(beta - alpha))  # |alpha| + |beta - alpha| bits
    magnitude = spec_grad_input(abs(dy.astype(np.float64)), sizes, **steps)
    terms = 2 * outputs * kernel[0] * kernel[1] + 3
    bound = terms * UNIT / (1 - terms * UNIT) * magnitude
    assert dx.dtype == np.float32
    assert dx.shape == exact.shape
    assert np.all(abs(dx - exact) <= bound)
    return float(np.max(abs(dx - exact) / np.maximum(bound, 1e-30)))


SHAPES = [
    (16, 16, 16, (32, 32), (3, 3), (1, 1), (1, 1), 0.05),
    (17, 5, 6, (16, 16), (3, 3), (1, 1), (1, 1), 0.1),
    (32, 20, 70, (8, 8), (3, 3), (1, 1), (1, 1), 0.1),  # more outputs than a word of bits
    (16, 33, 64, (4, 4), (3, 3), (1, 1), (1, 1), 0.05),
    (16, 4, 8, (32, 32), (3, 3), (2, 2), (1, 1), 0.1),
    (16, 4, 8, (16, 16), (3, 3), (2, 2), (1, 1), 0.1),
    (30, 4, 8, (8, 8), (3, 3), (2, 2), (1, 1), 0.1),
    (16, 9, 8, (16, 16), (1, 1), (2, 2), (0, 0), 0.1),  # three quarters see no tap at all
    (16, 2, 3, (9, 21), (5, 5), (1, 1), (2, 2), 0.1),  # tiles that overlap
    (16, 3, 4, (4, 6), (3, 1), (1, 1), (0, 3), 0.1),  # dy has half a tile's rows; padding wider than the kernel
    (16, 3, 4, (2, 8), (5, 5), (1, 1), (2, 2), 0.1),  # taps outside the map on both sides
]


def with_shapes(test):
    """Add `SHAPES` as explicit examples."""
    for problem in SHAPES:
        test = example(problem=problem, seed=0, per_channel=True)(test)
    return test


@with_shapes
@given(problem=problems(), seed=st.integers(0, 2**32 - 1), per_channel=st.booleans())
def test_the_gradient_equals_the_specification_within_the_rounding_of_its_sums(problem, seed, per_channel):
    event(f"stride {problem[5]}")
    target(check(problem, seed, per_channel), label="error / bound")


@needs_kernel
@given(problem=problems(), seed=st.integers(0, 2**32 - 1))
def test_the_kernel_is_right_at_every_density_and_batch(problem, seed):
    densest = module.DENSEST
    try:
        module.DENSEST = 20.0
        check(problem, seed, True)
    finally:
        module.DENSEST = densest


@pytest.mark.parametrize("problem", SHAPES)
def test_integers_are_added_exactly(problem):
    _, _, _, size, _, stride, padding, _ = problem
    dy, bits, _, _ = arrays(problem, 1)
    dy = np.rint(4 * dy)
    alpha, beta = np.random.default_rng(2).integers(-3, 4, (2, len(bits))).astype(np.float64)
    steps = {"input_size": size, "stride": stride, "padding": padding}
    expected = spec_grad_input(dy, decoded(bits, alpha, beta).astype(np.float32), **steps)
    np.testing.assert_array_equal(two_valued_grad_input(dy, bits, alpha, beta, **steps), expected)


@needs_kernel
@pytest.mark.parametrize("problem", SHAPES)
def test_the_shapes_above_reach_the_kernel(problem, monkeypatch):
    _, _, _, size, _, stride, padding, _ = problem
    dy, bits, alpha, beta = arrays(problem, 0)
    monkeypatch.setattr(module, "conv2d_grad_input", None)
    two_valued_grad_input(dy, bits, alpha, beta, input_size=size, stride=stride, padding=padding)


@needs_kernel
@pytest.mark.parametrize("problem", [problem for problem in SHAPES if problem[3] in ((32, 32), (16, 16), (8, 8))])
def test_stores_past_the_cache_change_nothing(problem, monkeypatch):
    _, _, _, size, _, stride, padding, _ = problem
    dy, bits, alpha, beta = arrays(problem, 3)
    steps = {"input_size": size, "stride": stride, "padding": padding}
    through = two_valued_grad_input(dy, bits, alpha, beta, **steps)
    monkeypatch.setattr(module, "PAST_CACHE", 0)
    np.testing.assert_array_equal(two_valued_grad_input(dy, bits, alpha, beta, **steps), through)


@needs_kernel
def test_the_number_of_threads_does_not_change_a_bit():
    import numba

    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("NUMBA_NUM_THREADS is 1")
    arguments = arrays((70, 20, 24, (8, 8), (3, 3), (1, 1), (1, 1), 0.1), 0)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = two_valued_grad_input(*arguments, input_size=(8, 8), padding=1)
        for threads in range(2, min(4, numba.config.NUMBA_NUM_THREADS) + 1):
            numba.set_num_threads(threads)
            np.testing.assert_array_equal(two_valued_grad_input(*arguments, input_size=(8, 8), padding=1), one)
    finally:
        numba.set_num_threads(before)


@needs_kernel
def test_one_result_does_not_depend_on_the_rest_of_the_batch():
    dy, bits, alpha, beta = arrays((37, 5, 18, (8, 8), (3, 3), (1, 1), (1, 1), 0.05), 2)
    dx = two_valued_grad_input(dy, bits, alpha, beta, input_size=(8, 8), padding=1)
    for images in (14, 16, 29):
        part = two_valued_grad_input(dy[:images], bits, alpha, beta, input_size=(8, 8), padding=1)
        np.testing.assert_array_equal(part, dx[:images])


def test_arrays_of_any_strides_are_taken_and_not_changed():
    dy, bits, alpha, beta = arrays((16, 6, 5, (8, 8), (3, 3), (1, 1), (1, 1), 0.1), 4)
    straight = two_valued_grad_input(dy, bits, alpha, beta, input_size=(8, 8), padding=1)
    twisted = np.asfortranarray(dy), bits[:, ::-1].copy()[:, ::-1], np.repeat(alpha, 2)[::2], np.repeat(beta, 2)[::2]
    before = [array.copy() for array in twisted]
    for array in twisted:
        array.flags.writeable = False
    np.testing.assert_array_equal(two_valued_grad_input(*twisted, input_size=(8, 8), padding=1), straight)
    for array, copy in zip(twisted, before, strict=True):
        np.testing.assert_array_equal(array, copy)


for_long_registers = pytest.mark.skipif(LANES < 16, reason="the kernel of shorter registers takes these")
FALLBACKS = {
    "float64": ((16, 3, 4, (8, 8), (3, 3), (1, 1), (1, 1), 0.1), np.float64),
    "float16": ((16, 3, 4, (8, 8), (3, 3), (1, 1), (1, 1), 0.1), np.float16),
    "few images": ((3, 3, 4, (8, 8), (3, 3), (1, 1), (1, 1), 0.1), np.float32),
    "many ones": ((16, 3, 4, (8, 8), (3, 3), (1, 1), (1, 1), 0.6), np.float32),
    "half the lanes": ((8, 3, 4, (8, 8), (3, 3), (1, 1), (1, 1), 0.25), np.float32),
    "strides differ": ((16, 3, 4, (8, 8), (3, 3), (1, 2), (1, 1), 0.1), np.float32),
    "odd size": ((16, 3, 4, (9, 8), (3, 3), (2, 2), (1, 1), 0.1), np.float32),
    "narrow map": ((16, 3, 4, (8, 3), (3, 3), (1, 1), (1, 1), 0.1), np.float32),
    "low map": ((16, 3, 4, (1, 8), (3, 3), (1, 1), (1, 1), 0.1), np.float32),
}


@pytest.mark.parametrize(
    "problem, dtype",
    [
        pytest.param(*case, id=name, marks=[for_long_registers] if "lanes" in name or "map" in name else [])
        for name, case in FALLBACKS.items()
    ],
)
def test_what_the_kernel_does_not_take_is_computed_by_the_dense_function(problem, dtype):
    _, _, _, size, _, stride, padding, _ = problem
    dy, bits, alpha, beta = arrays(problem, 5)
    dy = dy.astype(dtype)
    steps = {"input_size": size, "stride": stride, "padding": padding}
    dx = two_valued_grad_input(dy, bits, alpha, beta, **steps)
    assert dx.dtype == dtype
    np.testing.assert_array_equal(dx, conv2d_grad_input(dy, decoded(bits, alpha, beta).astype(dtype), **steps))


def test_shapes_that_do_not_fit_are_refused_as_in_the_specification():
    dy, bits, alpha, beta = arrays((16, 3, 4, (8, 8), (3, 3), (1, 1), (1, 1), 0.1), 6)
    with pytest.raises(ValueError, match="dy must have height and width"):
        two_valued_grad_input(dy, bits, alpha, beta, input_size=(8, 8))
    with pytest.raises(ValueError):
        two_valued_grad_input(dy[:, :3], bits, alpha, beta, input_size=(8, 8), padding=1)


@pytest.mark.parametrize("byte", [2, 3, 255])
@pytest.mark.parametrize("problem", [*SHAPES[:3], *(problem for problem, _ in FALLBACKS.values())])
def test_any_byte_but_zero_counts_as_one_bit(problem, byte):
    _, _, _, size, _, stride, padding, _ = problem
    dy, bits, alpha, beta = arrays(problem, 7)
    steps = {"input_size": size, "stride": stride, "padding": padding}
    other = (bits * np.uint8(byte)).view(np.bool_)
    want = two_valued_grad_input(dy, bits, alpha, beta, **steps)
    np.testing.assert_array_equal(two_valued_grad_input(dy, other, alpha, beta, **steps), want)
