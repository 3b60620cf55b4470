import layer_checks as checks
import numpy as np
import pytest
from hypothesis import event, given
from layer_strategies import linear_cases

from bbdg_ref.spec.linear import linear, linear_backward


@given(linear_cases())
def test_forward_and_gradients_are_the_direct_sums(case):
    event(f"{case.x.dtype}, {'square' if len(set(case.weight.shape)) == 1 else 'rectangular'} weight")
    checks.check_linear(linear, case)
    checks.check_linear_backward(linear_backward, case)


@given(linear_cases())
def test_gradients_are_the_finite_differences(case):
    x, weight, bias, dy = (a.astype(float) for a in (case.x, case.weight, case.bias, case.dy))
    grads = linear_backward(dy, x, weight)
    sizes = linear(1 + np.abs(x), 1 + np.abs(weight), 1 + np.abs(bias))
    magnitude = float(np.vdot(np.abs(dy), sizes)) * (x.size + dy.size)
    event("no gradient at all" if not dy.any() else "some gradient")
    checks.assert_gradient(lambda v: float(np.vdot(dy, linear(v, weight, bias))), x, grads.x, magnitude)
    checks.assert_gradient(lambda v: float(np.vdot(dy, linear(x, v, bias))), weight, grads.weight, magnitude)
    checks.assert_gradient(lambda v: float(np.vdot(dy, linear(x, weight, v))), bias, grads.bias, magnitude)


@pytest.mark.parametrize(("x", "weight", "bias"), [((2, 3), (4, 2), 4), ((2, 3), (4, 3), 1), ((2, 3), (4, 3), 3)])
def test_shapes_that_cannot_work_fail(x, weight, bias):
    with pytest.raises(ValueError):
        linear(np.zeros(x), np.zeros(weight), np.zeros(bias))
