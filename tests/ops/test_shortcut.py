"""Shortcuts in memory that is used again equal those of `spec`; sums in place are sums."""

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from layer_strategies import shortcut_cases

from bbdg_ref.ops.shortcut import add_to, stride_and_pad, stride_and_pad_backward
from bbdg_ref.spec.shortcut import stride_and_pad as spec_stride_and_pad
from bbdg_ref.spec.shortcut import stride_and_pad_backward as spec_stride_and_pad_backward


@given(shortcut_cases(), st.sampled_from([np.float32, np.float64]))
def test_every_pixel_goes_where_the_definition_puts_it(case, dtype):
    event(f"{dtype.__name__}, stride {case.stride}")
    x, dy = case.x.astype(dtype), case.dy.astype(dtype)
    forward = {"out_channels": case.out_channels, "stride": case.stride}
    y, want = stride_and_pad(x, **forward), spec_stride_and_pad(x, **forward)
    assert y.dtype == want.dtype
    np.testing.assert_array_equal(y, want)
    back = {"in_channels": x.shape[1], "input_size": x.shape[2:], "stride": case.stride}
    dx, want = stride_and_pad_backward(dy, **back), spec_stride_and_pad_backward(dy, **back)
    assert dx.dtype == want.dtype
    np.testing.assert_array_equal(dx, want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_does_not_fit_is_refused_as_in_the_definition(dtype):
    with pytest.raises(ValueError):
        stride_and_pad(np.zeros((1, 4, 2, 2), dtype), out_channels=3, stride=1)
    with pytest.raises(ValueError, match="stride_and_pad_backward: dy must end in"):
        stride_and_pad_backward(np.zeros((1, 2, 1, 1), dtype), in_channels=1, input_size=(4, 4), stride=2)


@given(
    shape=st.sampled_from([(1,), (3, 5), (2, 3, 4, 5), (70000,), (3, 65536)]),
    dtype=st.sampled_from([np.float32, np.float64]),
    order=st.sampled_from("CF"),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_sum_is_made_in_place(shape, dtype, order, seed):
    event(f"{dtype.__name__}, {order} order")
    total, other = np.random.default_rng(seed).standard_normal((2, *shape)).astype(dtype)
    want, total, before = total + other, np.asarray(total, order=order), other.copy()
    assert add_to(total, other) is total
    np.testing.assert_array_equal(total, want)
    np.testing.assert_array_equal(other, before)
