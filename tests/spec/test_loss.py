import hypothesis.strategies as st
import layer_checks as checks
import numpy as np
import pytest
from hypothesis import event, given
from layer_strategies import loss_cases
from scipy.special import log_softmax

from bbdg_ref.spec.loss import (
    cross_entropy,
    cross_entropy_backward,
    distillation,
    distillation_backward,
    mixup_targets,
    one_hot,
    smooth_targets,
)

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


TEMPERATURES = st.sampled_from([0.5, 1.0, 1.5, 4.0, 20.0])


@given(loss_cases(), TEMPERATURES)
def test_distillation_matches_decimal_arithmetic_and_scipy(case, temperature):
    event(f"{case.logits.dtype}, temperature {temperature}")
    checks.check_distillation(distillation, case, temperature)
    checks.check_distillation_backward(distillation_backward, case, temperature)
    teacher, bound = checks.taught(case), checks.divergence_bound(case, temperature)
    p, q = (log_softmax(z.astype(float) / temperature, axis=1) for z in (teacher, case.logits))
    got = distillation(case.logits, teacher, temperature)
    checks.assert_within(got, float(temperature**2 * (np.exp(p) * (p - q)).sum(axis=1).mean()), bound)
    assert got >= -bound
    grad = distillation_backward(case.logits, teacher, temperature)
    checks.assert_within(grad, temperature * (np.exp(q) - np.exp(p)) / len(p), bound / temperature / len(p))


@given(loss_cases(), TEMPERATURES)
def test_the_gradient_of_distillation_is_the_finite_difference(case, temperature):
    logits = case.logits.astype(float) / max(1.0, np.abs(case.logits).max() / 8)
    teacher = logits[::-1, ::-1] / 2
    event(f"{logits.shape[1]} classes, temperature {temperature}")
    grad = distillation_backward(logits, teacher, temperature)
    magnitude = temperature**2 * (1 + np.abs(logits).max() / temperature) * (logits.size + 8)
    checks.assert_gradient(lambda v: distillation(v, teacher, temperature), logits, grad, magnitude)


@given(loss_cases())
def test_distillation_is_the_cross_entropy_with_the_teachers_distribution_less_its_entropy(case):
    logits = case.logits.astype(float)
    teacher = logits[::-1, ::-1] / 2
    event(f"largest logit {10 ** np.ceil(np.log10(1 + np.abs(logits).max())):.0f}")
    targets = np.exp(log_softmax(teacher, axis=1))
    entropy = cross_entropy(teacher, targets)
    bound = 2 * np.finfo(float).eps * (2 * np.abs(logits).max() + logits.shape[1] + 8) * (logits.size + 8)
    checks.assert_within(distillation(logits, teacher), cross_entropy(logits, targets) - entropy, 4 * bound)
    checks.assert_within(distillation_backward(logits, teacher), cross_entropy_backward(logits, targets), bound)


@DTYPES
def test_a_shift_of_either_logits_changes_no_distillation(dtype):
    logits, teacher = np.array([[1.0, 2.0, 4.0]], dtype), np.array([[3.0, 0.0, -1.0]], dtype)
    for temperature in (0.5, 1.0, 4.0):
        loss, grad = distillation(logits, teacher, temperature), distillation_backward(logits, teacher, temperature)
        for a, b in ((1024, 0), (0, -1024), (512, 1024)):
            moved = logits + dtype(a), teacher + dtype(b), temperature
            assert distillation(*moved) == loss and np.array_equal(distillation_backward(*moved), grad)
        assert distillation(logits + dtype(64), logits, temperature) == 0.0
        assert not distillation_backward(logits + dtype(64), logits, temperature).any()


@DTYPES
@pytest.mark.filterwarnings("error")
def test_distillation_is_stable_at_logits_of_ten_thousand(dtype):
    up, down = np.array([[1e4, -1e4, 0.0]], dtype), np.array([[-1e4, 1e4, 0.0]], dtype)
    assert [distillation(up, up), distillation(up, down), distillation(down, up, 2.0)] == [0.0, 20000.0, 40000.0]
    assert distillation_backward(up, down).tolist() == [[1.0, -1.0, 0.0]]
    assert distillation_backward(up, down, 2.0).tolist() == [[2.0, -2.0, 0.0]]


def test_a_high_temperature_does_not_magnify_the_rounding_of_float32():
    rng = np.random.default_rng(0)
    teacher = rng.normal(0, 5, (128, 100)).astype(np.float32)
    logits = teacher + rng.normal(0, 0.01, teacher.shape).astype(np.float32)
    for temperature in (1.0, 100.0, 1000.0):
        exact = distillation(logits.astype(float), teacher.astype(float), temperature)
        assert 0 < distillation(logits, teacher, temperature) == exact


def test_a_high_temperature_makes_distillation_half_the_mean_square_of_the_centred_differences():
    rng = np.random.default_rng(0)
    logits, teacher = rng.standard_normal((2, 4, 5))
    difference = logits - teacher
    difference -= difference.mean(axis=1, keepdims=True)
    # arXiv 1503.02531, equation 4: the next term is smaller by 1/T
    assert abs(distillation(logits, teacher, 1e4) / (difference**2).mean(axis=1).mean() - 0.5) < 1e-3


def test_logits_of_another_batch_are_refused():
    for shapes in (((2, 3), (1, 3)), ((1, 3), (2, 3)), ((2, 3), (2, 4))):
        for function in (distillation, distillation_backward):
            with pytest.raises(ValueError):
                function(*map(np.zeros, shapes))
