import math

import layer_checks as checks
import numpy as np
from hypothesis import event, given
from layer_strategies import adam_cases

from bbdg_ref.spec.adam import adam


@given(adam_cases())
def test_follows_the_scalar_loop(case):
    event(f"{len(case.grads)} steps")
    event(f"{case.value.dtype}, largest gradient {np.abs(case.grads).max():.0e}")
    checks.check_adam(adam, case)


def test_the_first_step_is_the_learning_rate_whatever_the_size_of_the_gradient():
    for grad in (1e-3, 1.0, 1e3):
        out = adam(np.zeros(1), np.array([grad]), np.zeros(1), np.zeros(1), 1, learning_rate=0.25, eps=0.0)
        assert abs(out.value[0] + 0.25) <= 8 * np.finfo(float).eps


def test_eps_halves_the_step_of_a_gradient_of_its_own_size():
    out = adam(np.zeros(1), np.array([1e-8]), np.zeros(1), np.zeros(1), 1, learning_rate=1.0, eps=1e-8)
    assert math.isclose(out.value[0], -0.5, rel_tol=8 * np.finfo(float).eps)


def test_no_gradient_ever_means_no_step():
    value = np.array([1.0, -2.0], np.float32)
    out = adam(value, np.zeros_like(value), np.zeros_like(value), np.zeros_like(value), 1, learning_rate=0.1)
    assert np.array_equal(out.value, value) and out.value.dtype == np.float32


def test_inputs_are_not_changed():
    arrays = [np.ones(2) for _ in range(4)]
    adam(*arrays, 3, learning_rate=0.1)
    assert all(np.array_equal(a, np.ones(2)) for a in arrays)
