import hypothesis.strategies as st
import layer_checks as checks
import numpy as np
import pytest
from hypothesis import event, given
from layer_strategies import loss_cases

from bbdg_ref.spec.loss import cross_entropy, cross_entropy_backward, mixup_targets, one_hot, smooth_targets

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@given(loss_cases())
def test_loss_and_gradient_match_decimal_arithmetic(case):
    event(f"{case.logits.dtype}, largest logit {10 ** np.ceil(np.log10(1 + np.abs(case.logits).max())):.0f}")
    checks.check_cross_entropy(cross_entropy, case)
    checks.check_cross_entropy_backward(cross_entropy_backward, case)


@given(loss_cases())
def test_gradient_is_the_finite_difference(case):
    targets = case.targets.astype(float)
    targets /= targets.sum(axis=1, keepdims=True)  # the gradient is stated for rows that sum to 1
    logits = case.logits.astype(float) / max(1.0, np.abs(case.logits).max() / 8)
    event(f"{targets.shape[1]} classes")
    grad = cross_entropy_backward(logits, targets)
    magnitude = float(targets.sum()) * (1 + np.abs(logits).max()) * (logits.size + 8)
    checks.assert_gradient(lambda v: cross_entropy(v, targets), logits, grad, magnitude)


@DTYPES
def test_stable_at_logits_of_ten_thousand(dtype):
    logits = np.array([[1e4, -1e4, 0.0]], dtype)
    eye = np.eye(3, dtype=dtype)
    assert [cross_entropy(logits, eye[[c]]) for c in range(3)] == [0.0, 20000.0, 10000.0]
    assert cross_entropy_backward(logits, eye[[1]]).tolist() == [[1.0, -1.0, 0.0]]


@DTYPES
def test_a_shift_of_the_logits_changes_nothing(dtype):
    logits, targets = np.array([[1.0, 2.0, 4.0]], dtype), np.array([[0.5, 0.25, 0.25]], dtype)
    assert cross_entropy(logits + dtype(1024), targets) == cross_entropy(logits, targets)


def test_uniform_logits_cost_the_logarithm_of_the_number_of_classes():
    got = cross_entropy(np.zeros((4, 10)), one_hot(np.arange(4), 10, np.float64))
    assert abs(got - np.log(10)) <= 8 * np.finfo(float).eps


@given(st.lists(st.integers(0, 4), max_size=6), st.integers(5, 8), st.sampled_from([np.uint8, np.int64]))
def test_one_hot(labels, classes, dtype):
    event(f"{len(labels)} labels")
    checks.check_one_hot(one_hot, np.array(labels, dtype), classes)


@given(loss_cases(), st.floats(0, 1))
def test_mixup_mixes_targets_and_so_the_loss(case, lam):
    event(f"lam {'at an end' if lam in (0, 1) else 'inside'}")
    second = case.targets[::-1]
    checks.check_mixup_targets(mixup_targets, case.targets, second, lam)
    logits, first, second = (a.astype(float) for a in (case.logits, case.targets, second))
    mixed = cross_entropy(logits, mixup_targets(first, second, lam))
    want = lam * cross_entropy(logits, first) + (1 - lam) * cross_entropy(logits, second)
    size = (2 * np.abs(logits).max() + logits.shape[1]) * (logits.size + 8)
    checks.assert_within(mixed, want, 4 * np.finfo(float).eps * size)


@given(loss_cases(), st.floats(0, 1))
def test_smoothing_mixes_with_the_uniform_distribution(case, epsilon):
    event(f"epsilon {'at an end' if epsilon in (0, 1) else 'inside'}")
    checks.check_smooth_targets(smooth_targets, case.targets, epsilon)


def test_mixup_and_smoothing_written_out():
    eye = np.eye(4, dtype=np.float32)
    assert mixup_targets(eye[:1], eye[1:2], 0.75).tolist() == [[0.75, 0.25, 0, 0]]
    assert smooth_targets(eye[:1], 0.5).tolist() == [[0.625, 0.125, 0.125, 0.125]]


def test_targets_of_another_batch_are_refused():
    with pytest.raises(ValueError):
        cross_entropy(np.zeros((2, 3)), np.ones((1, 3)))
