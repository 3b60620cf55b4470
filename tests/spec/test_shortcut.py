import layer_checks as checks
import numpy as np
import pytest
from hypothesis import event, given
from layer_strategies import shortcut_cases

from bbdg_ref.spec.shortcut import stride_and_pad, stride_and_pad_backward


@given(shortcut_cases())
def test_every_pixel_goes_where_it_belongs_and_back(case):
    added = case.out_channels - case.x.shape[1]
    event("no channel added" if not added else f"{'even' if added % 2 == 0 else 'odd'} number of channels added")
    checks.check_stride_and_pad(stride_and_pad, case)
    checks.check_stride_and_pad_backward(stride_and_pad_backward, case)


@given(shortcut_cases())
def test_backward_is_the_transpose_of_forward(case):
    event(f"stride {case.stride}")
    x, dy = case.x.astype(float), case.dy.astype(float)
    y = stride_and_pad(x, out_channels=case.out_channels, stride=case.stride)
    size = (x.shape[2], x.shape[3])
    dx = stride_and_pad_backward(dy, in_channels=x.shape[1], input_size=size, stride=case.stride)
    bound = x.size * np.finfo(float).eps * float(np.vdot(np.abs(dy), np.abs(y)))
    checks.assert_within(np.vdot(dx, x), np.vdot(dy, y), bound)


def test_of_an_odd_number_of_channels_the_larger_half_comes_after():
    y = stride_and_pad(np.ones((1, 1, 1, 1)), out_channels=4, stride=1)
    assert y.ravel().tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: stride_and_pad(np.zeros((1, 4, 2, 2)), out_channels=3, stride=1),
        lambda: stride_and_pad_backward(np.zeros((1, 2, 1, 1)), in_channels=1, input_size=(4, 4), stride=2),
    ],
)
def test_shapes_that_cannot_work_fail(call):
    with pytest.raises(ValueError):
        call()
