"""The compiled step of Adam equals that of `spec`, bit for bit."""

import numpy as np
from hypothesis import event, given
from hypothesis import strategies as st

from bbdg_ref.ops.adam import adam
from bbdg_ref.spec.adam import adam as spec_adam


def assert_equal(first, second):
    """Assert that two updates have the same bytes."""
    for name in ("value", "first_moment", "second_moment"):
        a, b = getattr(first, name), getattr(second, name)
        assert a.dtype == b.dtype and a.shape == np.shape(b), name
        assert a.tobytes() == np.asarray(b).tobytes(), name


@given(
    shape=st.sampled_from([(1,), (7,), (16,), (3, 5), (2, 3, 3, 3), (0,), (65537,)]),
    scale=st.sampled_from([1.0, 1e-8, 1e-30, 1e15]),
    step=st.sampled_from([1, 2, 10, 1000, 10**6]),
    rate=st.sampled_from([1e-3, 0.5, 0.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_one_pass_gives_the_bytes_of_the_definition(shape, scale, step, rate, seed):
    event(f"scale {scale}, step {step}")
    rng = np.random.default_rng(seed)
    value, grad, first = rng.standard_normal((3, *shape)).astype(np.float32)
    grad, first = np.float32(scale) * grad, np.float32(scale) * first
    second = (first**2 + np.float32(0.1) * grad**2).astype(np.float32)
    arguments = value, grad, first, second, step
    with np.errstate(all="ignore"):
        assert_equal(adam(*arguments, learning_rate=rate), spec_adam(*arguments, learning_rate=rate))
        other = {"learning_rate": rate, "beta1": 0.5, "beta2": 0.9, "eps": 1e-3}
        assert_equal(adam(*arguments, **other), spec_adam(*arguments, **other))


def test_scalars_and_other_dtypes_are_taken_and_nothing_is_changed():
    for dtype in (np.float32, np.float64):
        for shape in ((), (4,)):
            arrays = [np.full(shape, number, dtype) for number in (1.0, 0.5, 0.1, 0.2)]
            before = [array.copy() for array in arrays]
            update = adam(*arrays, 3, learning_rate=0.1)
            assert np.asarray(update.value).dtype == dtype
            assert np.asarray(update.value).shape == shape
            assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))


def test_arrays_of_any_strides_are_taken():
    value = np.arange(12, dtype=np.float32).reshape(3, 4).T
    assert_equal(
        adam(value, 2 * value, value, value, 5, learning_rate=0.1),
        spec_adam(value.copy(), 2 * value, value, value, 5, learning_rate=0.1),
    )
