import hypothesis.strategies as st
import layer_checks as checks
import numpy as np
import pytest
from hypothesis import event, given
from layer_strategies import SEEDS, both, conv_cases, pairs
from oracles import conv2d as oracle

from bbdg_ref.spec.conv2d import conv2d, conv2d_grad_input, conv2d_grad_weight, output_size, pair, windows


def describe(case) -> None:
    event(f"stride {both(case.stride)}")
    event("rows or columns left unused" if case.unused else "every row and column used")
    beyond = any(p >= k for p, k in zip(both(case.padding), case.kernel_size, strict=True))
    event("some windows lie wholly in the padding" if beyond else "every window touches the image")
    event(f"dtype {case.x.dtype}")


@given(conv_cases())
def test_forward_is_the_direct_sum(case):
    describe(case)
    checks.check_conv2d(conv2d, case)


@given(conv_cases())
def test_input_gradient_is_the_direct_sum(case):
    describe(case)
    checks.check_conv2d_grad_input(conv2d_grad_input, case)


@given(conv_cases())
def test_weight_gradient_is_the_direct_sum(case):
    describe(case)
    checks.check_conv2d_grad_weight(conv2d_grad_weight, case)


@given(conv_cases(), SEEDS)
def test_gradients_are_the_finite_differences(case, seed):
    x, weight, dy = (a.astype(float) for a in (case.x, case.weight, case.dy))
    steps = {"stride": case.stride, "padding": case.padding}
    dx = conv2d_grad_input(dy, weight, input_size=case.input_size, **steps)
    dweight = conv2d_grad_weight(dy, x, kernel_size=case.kernel_size, **steps)

    def of_input(v: np.ndarray) -> float:
        return float(np.vdot(dy, conv2d(v, weight, **steps)))

    def of_weight(v: np.ndarray) -> float:
        return float(np.vdot(dy, conv2d(x, v, **steps)))

    terms = float(np.vdot(np.abs(dy), conv2d(1 + np.abs(x), 1 + np.abs(weight), **steps)))
    length = weight[0].size + dy.size
    checks.assert_gradient(of_input, x, dx, terms * length, seed)
    checks.assert_gradient(of_weight, weight, dweight, terms * length, seed)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(1, 5), pairs(1, 3), pairs(0, 3))
def test_output_size_counts_the_windows(height, width, kh, kw, stride, padding):
    (sv, sh), (pv, ph) = both(stride), both(padding)
    want = oracle.positions(height, kh, sv, pv), oracle.positions(width, kw, sh, ph)
    event("nothing fits" if 0 in want else "some window fits")
    got = output_size((height, width), (kh, kw), stride, padding)
    assert tuple(max(n, 0) for n in got) == want  # the formula may go below zero


@pytest.mark.parametrize(("value", "want"), [(3, (3, 3)), ((1, 2), (1, 2)), ([1, 2], (1, 2)), (np.int64(3), (3, 3))])
def test_pair(value, want):
    assert pair(value) == want
    assert [type(v) for v in pair(value)] == [int, int]


def test_windows_is_a_view_that_cannot_be_written_by_accident():
    view = windows(np.zeros((1, 1, 3, 3)), (2, 2), (1, 1))
    assert view.shape == (1, 1, 2, 2, 2, 2) and not view.flags.writeable


def test_the_border_contributes_nothing_even_where_the_input_is_binary():
    ones = np.ones((1, 1, 3, 3), np.float32)
    y = conv2d(ones, ones, padding=1)
    assert y[0, 0].tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]  # the number of taps inside the image


def test_the_kernel_is_not_flipped():
    x, weight = np.zeros((1, 1, 3, 3)), np.arange(9.0).reshape(1, 1, 3, 3)
    x[0, 0, 0, 1] = 1
    assert conv2d(x, weight)[0, 0].tolist() == [[1.0]]


def test_an_unused_row_gets_no_gradient():
    dx = conv2d_grad_input(np.ones((1, 1, 1, 1)), np.ones((1, 1, 2, 2)), input_size=(3, 3), stride=2)
    assert dx[0, 0].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_results_are_contiguous_and_inputs_unchanged():
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, 3, 5, 5)), rng.standard_normal((4, 3, 3, 3))
    before = x.copy(), weight.copy()
    y = conv2d(x, weight, padding=1)
    dx = conv2d_grad_input(y, weight, input_size=(5, 5), padding=1)
    dweight = conv2d_grad_weight(y, x, kernel_size=3, padding=1)
    assert all(a.flags.c_contiguous for a in (y, dx, dweight))
    assert np.array_equal(x, before[0]) and np.array_equal(weight, before[1])


@pytest.mark.parametrize(
    "call",
    [
        lambda: conv2d(np.zeros((1, 3, 4, 4)), np.zeros((2, 1, 3, 3))),
        lambda: conv2d(np.zeros((1, 1, 4, 4)), np.zeros((2, 3, 3, 3))),
        lambda: conv2d(np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 3, 3))),
        lambda: conv2d_grad_input(np.zeros((1, 1, 1, 1)), np.zeros((1, 1, 3, 3)), input_size=(5, 5)),
        lambda: conv2d_grad_input(np.zeros((1, 2, 3, 3)), np.zeros((1, 1, 3, 3)), input_size=(5, 5)),
        lambda: conv2d_grad_weight(np.zeros((1, 1, 1, 1)), np.zeros((1, 1, 5, 5)), kernel_size=3),
        lambda: conv2d_grad_weight(np.zeros((1, 1, 3, 3)), np.zeros((2, 1, 5, 5)), kernel_size=3),
    ],
)
def test_shapes_that_cannot_work_fail(call):
    with pytest.raises(ValueError):
        call()
