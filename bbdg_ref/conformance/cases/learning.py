"""Cases of the loss and of the optimizer."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec import loss as spec
from ...spec.adam import adam
from ..registry import Expected, case
from ..vector import Bound
from .bounds import of_scale, of_steps
from .drawn import bell, integers, uniform

__all__: list[str] = []  # the cases are reached through the registry

Floats = npt.NDArray[Any]


def _one_hot(labels: list[int], classes: int, dtype: npt.DTypeLike = np.float64) -> Floats:
    return spec.one_hot(np.array(labels), classes, dtype)


def _entropy(logits: Floats, targets: Floats) -> Expected:
    # Every term is off by the rounding of the logarithm, of the sum of exponentials and of the differences; then as
    # many additions as there are terms.
    steps = 2 * (logits.shape[1] + 8) + logits.size
    top = _range(logits) + float(np.log(logits.shape[1]))
    expected = {"loss": spec.cross_entropy(logits, targets)}
    return Expected({"logits": logits, "targets": targets}, expected, {"loss": of_scale(steps, top)})


def _entropy_backward(logits: Floats, targets: Floats) -> Expected:
    # Probabilities up to 1, off by the error of the shifted logits, of which those far from 0 belong to small
    # probabilities: |z| exp(z) < 1.
    bound = of_scale(2 * (logits.shape[1] + 8), 1 / len(logits))
    dlogits = spec.cross_entropy_backward(logits, targets)
    return Expected({"logits": logits, "targets": targets}, {"dlogits": dlogits}, {"dlogits": bound})


def _distilled(logits: Floats, teacher: Floats, temperature: float) -> Expected:
    # As for the cross-entropy; a term p (log p - log q) has the errors of both logarithms, of p and of three products.
    steps = 4 * (logits.shape[1] + 8) + logits.size
    top = sum(_range(z) / temperature + float(np.log(z.shape[1])) for z in (logits, teacher))
    expected = {"loss": spec.distillation(logits, teacher, temperature)}
    inputs = {"logits": logits, "teacher_logits": teacher, "temperature": temperature}
    return Expected(inputs, expected, {"loss": of_scale(steps, temperature**2 * top)})


def _distilled_backward(logits: Floats, teacher: Floats, temperature: float) -> Expected:
    bound = of_scale(4 * (logits.shape[1] + 8), temperature / len(logits))
    dlogits = spec.distillation_backward(logits, teacher, temperature)
    inputs = {"logits": logits, "teacher_logits": teacher, "temperature": temperature}
    return Expected(inputs, {"dlogits": dlogits}, {"dlogits": bound})


def _range(logits: Floats) -> float:
    return float(np.abs(logits - logits.max(axis=1, keepdims=True)).max())


def _mixup(first: Floats, second: Floats, lam: float, bound: Bound | None = None) -> Expected:
    expected = {"targets": spec.mixup_targets(first, second, lam)}
    return Expected({"first": first, "second": second, "lam": lam}, expected, {"targets": bound} if bound else {})


def _smooth(targets: Floats, epsilon: float, bound: Bound | None = None) -> Expected:
    expected = {"smoothed": spec.smooth_targets(targets, epsilon)}
    return Expected({"targets": targets, "epsilon": epsilon}, expected, {"smoothed": bound} if bound else {})


@case("mixup_targets", "soft_targets", "weight_order")
def mixup_targets_three_quarters() -> Expected:
    """3/4 of the first and 1/4 of the second; where both are the same class, 1."""
    return _mixup(_one_hot([0, 2, 1], 3, np.float32), _one_hot([1, 2, 0], 3, np.float32), 0.75)


@case("mixup_targets", "generic")
def mixup_targets_drawn() -> Expected:
    """A share as it is drawn, in float32."""
    return _mixup(
        _one_hot([0, 2], 4, np.float32), _one_hot([1, 2], 4, np.float32), 0.3141592653589793, of_scale(4, 1.0)
    )


@case("smooth_targets", "smoothing_share")
def smooth_targets_four_classes() -> Expected:
    """epsilon = 1/2, four classes: 5/8 and 1/8; the true class has its part of the uniform share too."""
    return _smooth(_one_hot([3, 0], 4, np.float32), 0.5)


@case("smooth_targets", "smoothing_share", "generic")
def smooth_targets_ten_classes() -> Expected:
    """epsilon = 0.1, ten classes, in float64."""
    return _smooth(_one_hot([3, 9, 0], 10), 0.1, of_steps(6))


@case("cross_entropy", "batch_mean")
def cross_entropy_uniform() -> Expected:
    """Equal logits: log 4, whatever the targets, and the mean over the batch."""
    return _entropy(np.zeros((3, 4)), _one_hot([0, 1, 3], 4))


@case("cross_entropy", "softmax_overflow", "log_of_zero")
def cross_entropy_large_logits() -> Expected:
    """Logits of 10000 and -10000: the loss is 0 for the right class and 20000 for the wrong one."""
    return _entropy(np.array([[1e4, -1e4], [1e4, -1e4]]), _one_hot([0, 1], 2))


@case("cross_entropy", "log_of_zero")
def cross_entropy_certain() -> Expected:
    """A probability that underflows to 0 beside a target of 0: it counts 0, not NaN."""
    return _entropy(np.array([[800.0, 0.0, -800.0]]), _one_hot([0], 3))


@case("cross_entropy", "soft_targets", "batch_mean")
def cross_entropy_soft_targets() -> Expected:
    """Targets of two classes each, in quarters."""
    targets = np.array([[0.75, 0.25, 0.0], [0.0, 0.5, 0.5]])
    return _entropy(np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]]), targets)


@case("cross_entropy", "generic")
def cross_entropy_ten_classes() -> Expected:
    """Ten classes, smoothed targets."""
    return _entropy(3 * bell(281, (6, 10), np.float64), spec.smooth_targets(_one_hot([3, 1, 4, 1, 5, 9], 10), 0.1))


@case("cross_entropy_backward", "batch_mean")
def cross_entropy_backward_uniform() -> Expected:
    """Equal logits of four classes and two images: (1/4 - target)/2."""
    return _entropy_backward(np.zeros((2, 4), np.float32), _one_hot([0, 3], 4, np.float32))


@case("cross_entropy_backward", "softmax_overflow")
def cross_entropy_backward_large_logits() -> Expected:
    """Logits of 10000 and -10000: the gradient is 0, or plus and minus a half."""
    return _entropy_backward(np.array([[1e4, -1e4], [1e4, -1e4]], np.float32), _one_hot([0, 1], 2, np.float32))


@case("cross_entropy_backward", "soft_targets", "generic")
def cross_entropy_backward_float32() -> Expected:
    """Ten classes, mixed targets, float32."""
    targets = spec.mixup_targets(_one_hot([3, 1, 4], 10, np.float32), _one_hot([2, 7, 4], 10, np.float32), 0.25)
    return _entropy_backward(3 * bell(282, (3, 10)), targets)


@case("cross_entropy_backward", "generic")
def cross_entropy_backward_float64() -> Expected:
    """Five classes, hard targets, float64."""
    return _entropy_backward(2 * bell(283, (4, 5), np.float64), _one_hot([0, 4, 2, 2], 5))


@case("distillation", "divergence_direction")
def distillation_of_itself() -> Expected:
    """Logits and teacher's logits a constant apart: the distributions are the same, and the loss is 0."""
    logits = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])
    return _distilled(logits, logits + 4, 1.0)


@case("distillation", "divergence_direction", "batch_mean")
def distillation_quarters() -> Expected:
    """Teacher 3/4 and 1/4, network 1/2 and 1/2, in two images of three: (3/4 log 3 - log 2) 2/3."""
    even, sure = [0.0, 0.0], [float(np.log(3.0)), 0.0]
    return _distilled(np.array([even, even, sure]), np.array([sure, sure, sure]), 1.0)


@case("distillation", "temperature")
def distillation_temperature() -> Expected:
    """T = 4: both distributions are flattened, and the loss is multiplied by 16."""
    return _distilled(2 * bell(341, (3, 5), np.float64), 3 * bell(342, (3, 5), np.float64), 4.0)


@case("distillation", "softmax_overflow", "log_of_zero")
def distillation_large_logits() -> Expected:
    """Logits of 10000 and -10000: 0 where they agree, 20000 where they do not."""
    return _distilled(np.array([[1e4, -1e4], [1e4, -1e4]]), np.array([[1e4, -1e4], [-1e4, 1e4]]), 1.0)


@case("distillation", "generic")
def distillation_ten_classes() -> Expected:
    """Ten classes, T = 1.5."""
    return _distilled(3 * bell(343, (6, 10), np.float64), 3 * bell(344, (6, 10), np.float64), 1.5)


@case("distillation", "magnified_rounding", "temperature")
def distillation_near_the_teacher() -> Expected:
    """float32 logits a few hundredths from the teacher's, T = 100: T^2 times a divergence of about 4e-8."""
    teacher = 3 * bell(349, (4, 10))
    return _distilled(teacher + np.float32(0.03) * bell(350, (4, 10)), teacher, 100.0)


@case("distillation_backward", "temperature", "batch_mean")
def distillation_backward_temperature() -> Expected:
    """T = 2, equal logits against a teacher that is sure, two images: 2 (1/2 - 1)/2 and 2 (1/2 - 0)/2."""
    return _distilled_backward(np.zeros((2, 2), np.float32), np.array([[1e4, 0], [0, 1e4]], np.float32), 2.0)


@case("distillation_backward", "temperature", "generic")
def distillation_backward_float32() -> Expected:
    """Ten classes, T = 4, float32."""
    return _distilled_backward(3 * bell(345, (3, 10)), 3 * bell(346, (3, 10)), 4.0)


@case("distillation_backward", "softmax_overflow")
def distillation_backward_large_logits() -> Expected:
    """Logits of 10000 and -10000: the gradient is 0, or plus and minus a half."""
    teacher = np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32)
    return _distilled_backward(np.array([[1e4, -1e4], [1e4, -1e4]], np.float32), teacher, 1.0)


@case("distillation_backward", "divergence_direction", "generic")
def distillation_backward_float64() -> Expected:
    """Five classes, T = 1, float64: softmax(logits) - softmax(teacher_logits), whatever the teacher's entropy."""
    return _distilled_backward(2 * bell(347, (4, 5), np.float64), bell(348, (4, 5), np.float64), 1.0)


def _steps(
    value: Floats, grads: Floats, rate: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
    *, exact: bool = False,
) -> Expected:  # fmt: skip
    parameter, first, second = value, np.zeros_like(value), np.zeros_like(value)
    moved = 0.0
    for step, grad in enumerate(grads, 1):
        made = adam(
            parameter, grad, first, second, step, learning_rate=rate, beta1=beta1, beta2=beta2, eps=eps
        )  # fmt: skip
        moved += float(np.abs(made.value - parameter).max())
        parameter, first, second = made.value, made.first_moment, made.second_moment
    inputs = {
        "value": value, "grads": grads, "learning_rate": rate, "beta1": beta1, "beta2": beta2, "eps": eps
    }  # fmt: skip
    expected = {"value": parameter, "first_moment": first, "second_moment": second}
    if exact:
        return Expected(inputs, expected)
    # The power of beta2, near 1, is taken from 1: in float64 that leaves (step / (1 - beta2^step)) units, which is
    # about 1/(1 - beta2), and half of it under the root. In the dtype of the value a step is some ten roundings.
    float64_units = 4 / (1 - beta2) * float(np.finfo(np.float64).eps / np.finfo(value.dtype).eps)
    each = 24 + 8 * len(grads) + float64_units
    bounds = {
        "value": of_scale(round(each), float(np.abs(value).max()) + moved),
        "first_moment": of_scale(4 * len(grads) + 4, float(np.abs(grads).max())),
        "second_moment": of_steps(4 * len(grads) + 4),
    }
    if value.dtype == np.float64:
        # A port may square and scale in another order.
        bounds["second_moment"] = of_steps(6 * len(grads) + 4 + round(1 / (1 - beta2)))
    return Expected(inputs, expected, bounds)


@case("adam_steps", "bias_correction", "weight_order")
def adam_steps_first() -> Expected:
    """One step with beta1 = 1/2, beta2 = 3/4 and eps = 0: the step is the learning rate, against the gradient."""
    return _steps(np.array([1.0, -2.0, 0.5]), np.array([[4.0, -8.0, 0.25]]), 0.125, 0.5, 0.75, 0.0, exact=True)


@case("adam_steps", "adam_eps", "bias_correction")
def adam_steps_eps_after_the_root() -> Expected:
    """As the first step, gradient 1 and eps = 1: the root, corrected, is 1, and eps makes it 2."""
    return _steps(np.array([1.0, -2.0]), np.array([[1.0, -1.0]]), 0.5, 0.5, 0.75, 1.0, exact=True)


@case("adam_steps", "adam_eps", "zero")
def adam_steps_zero_gradient() -> Expected:
    """A gradient of 0: nothing moves, and nothing is divided by 0."""
    return _steps(np.array([1.0, -0.5], np.float32), np.zeros((2, 2), np.float32), 0.001, exact=True)


@case("adam_steps", "bias_correction", "generic")
def adam_steps_three_float64() -> Expected:
    """Three steps from gradients that look normal, with the usual constants, in float64."""
    return _steps(bell(284, (2, 3), np.float64), bell(285, (3, 2, 3), np.float64), 1e-3)


@case("adam_steps", "bias_correction", "scalar_precision", "generic")
def adam_steps_three_float32() -> Expected:
    """Three steps in float32; 1 - beta2 is 0.001 rounded to float32, not 1 - 0.999 in float32."""
    return _steps(bell(286, (3, 4)), bell(287, (3, 3, 4)), 1e-3)


@case("adam_steps", "adam_eps")
def adam_steps_tiny_gradients() -> Expected:
    """Three steps with gradients of 1e-9 to 1e-7, as the density penalty's push has: eps = 1e-8 shortens the step."""
    grads = uniform(288, (3, 5), 1e-9, 1e-7, np.float64)
    return _steps(np.zeros(5), grads, 1e-3)


@case("adam_steps", "adam_eps", "bias_correction")
def adam_steps_tiny_gradients_float32() -> Expected:
    """The same in float32."""
    return _steps(np.zeros(5, np.float32), uniform(289, (3, 5), 1e-9, 1e-7), 1e-3)


@case("adam_steps", "weight_order", "bias_correction")
def adam_steps_five_of_a_constant() -> Expected:
    """Five equal gradients: every corrected step is the learning rate, whatever the betas."""
    grads = np.tile(integers(290, 4, 1, 9, np.float64), (5, 1))
    return _steps(np.zeros(4), grads, 0.01, 0.5, 0.9, 0.0)
