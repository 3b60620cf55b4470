import layer_checks as checks
import numpy as np
import pytest
from hypothesis import event, given
from layer_strategies import both, pool_cases

from bbdg_ref.spec.pooling import (
    avg_pool2d,
    avg_pool2d_backward,
    global_avg_pool,
    global_avg_pool_backward,
    max_pool2d,
    max_pool2d_backward,
)


def describe(case) -> None:
    overlap = any(s < k for s, k in zip(both(case.steps), both(case.size), strict=True))
    gaps = any(s > k for s, k in zip(both(case.steps), both(case.size), strict=True))
    event(f"windows {'overlap' if overlap else 'do not overlap'}{', with gaps' if gaps else ''}")
    event("padded" if any(both(case.padding)) else "not padded")


@given(pool_cases(padded=False))
def test_average(case):
    describe(case)
    checks.check_avg_pool2d(avg_pool2d, case)
    checks.check_avg_pool2d_backward(avg_pool2d_backward, case)


@given(pool_cases(padded=False))
def test_average_gradient_is_the_finite_difference(case):
    describe(case)
    x, dy = case.x.astype(float), case.dy.astype(float)
    dx = avg_pool2d_backward(dy, input_size=case.input_size, size=case.size, stride=case.stride)
    magnitude = float(np.abs(dy).sum() * (1 + np.abs(x).max())) * (dy.size + 9)

    def loss(v: np.ndarray) -> float:
        return float(np.vdot(dy, avg_pool2d(v, case.size, stride=case.stride)))

    checks.assert_gradient(loss, x, dx, magnitude)


@given(pool_cases(padded=True))
def test_maximum(case):
    describe(case)
    event("all negative" if case.x.max() < 0 else "some not negative")
    checks.check_max_pool2d(max_pool2d, case)
    checks.check_max_pool2d_backward(max_pool2d_backward, case)


@given(pool_cases(padded=False))
def test_global_average_is_one_window_over_the_map(case):
    event(f"map of {case.x[0, 0].size} pixels")
    height, width = case.input_size
    want = avg_pool2d(case.x, (height, width))
    bound = 2 * height * width * np.finfo(case.x.dtype).eps * np.abs(case.x).max()
    checks.assert_within(global_avg_pool(case.x), want[:, :, 0, 0], bound)
    dy = case.dy[:, :, 0, 0]
    got = global_avg_pool_backward(dy, input_size=(height, width))
    want = avg_pool2d_backward(dy[:, :, None, None], input_size=(height, width), size=(height, width))
    checks.assert_same(got, want)
    assert got.flags.writeable


def test_global_average_written_out():
    x = np.arange(8.0).reshape(1, 2, 2, 2)
    assert global_avg_pool(x).tolist() == [[1.5, 5.5]]


def test_padding_never_wins_even_over_minus_infinity():
    x = np.full((1, 1, 2, 2), -np.inf)
    out = max_pool2d(x, 3, stride=2, padding=1)
    assert out.y.tolist() == [[[[-np.inf]]]] and out.argmax.tolist() == [[[[0]]]]


def test_the_first_of_equal_maxima_takes_the_whole_gradient():
    out = max_pool2d(np.ones((1, 1, 3, 3)), 3, stride=1, padding=1)
    assert out.argmax[0, 0].tolist() == [[0, 0, 1], [0, 0, 1], [3, 3, 4]]
    dx = max_pool2d_backward(np.ones((1, 1, 3, 3)), out.argmax, input_size=(3, 3))
    assert dx[0, 0].tolist() == [[4, 2, 0], [2, 1, 0], [0, 0, 0]]


def test_a_pixel_that_no_window_reaches_gets_no_gradient():
    dx = avg_pool2d_backward(np.ones((1, 1, 1, 1)), input_size=(3, 2), size=2)
    assert dx[0, 0].tolist() == [[0.25, 0.25], [0.25, 0.25], [0, 0]]


@pytest.mark.parametrize(
    "call",
    [
        lambda: avg_pool2d(np.zeros((1, 1, 2, 2)), 3),
        lambda: avg_pool2d_backward(np.zeros((1, 1, 1, 1)), input_size=(4, 4), size=2),
        lambda: max_pool2d_backward(np.zeros((1, 1, 1, 1)), np.zeros((1, 1, 2, 2), int), input_size=(4, 4)),
    ],
)
def test_shapes_that_cannot_work_fail(call):
    with pytest.raises(ValueError):
        call()
