"""Cases of batch norm."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec import batchnorm as spec
from ..registry import Expected, case
from .bounds import of_scale, of_steps
from .drawn import bell, uniform

__all__: list[str] = []  # the cases are reached through the registry

Floats = npt.NDArray[Any]


def _values(x: Floats) -> int:
    """Return m, how many values a channel has."""
    return x.size // x.shape[1]


def _statistics(x: Floats) -> tuple[Floats, Floats]:
    """Return mean and biased variance per channel, summed without error: inputs are the same on every machine."""
    rows = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1).astype(np.float64)
    mean = np.array([math.fsum(row) / len(row) for row in rows])
    var = [math.fsum(np.square(row - middle)) / len(row) for row, middle in zip(rows, mean, strict=True)]
    return mean.astype(x.dtype), np.array(var, x.dtype)


def _reach(x: Floats, weight: Floats, bias: Floats, mean: Floats, var: Floats, eps: float) -> float:
    """Return the largest sum of magnitudes in weight (x - mean) / sqrt(var + eps) + bias."""
    top = np.abs(x).max() + np.abs(mean).max()
    return float(np.abs(weight).max() * top / np.sqrt(var.min() + eps) + np.abs(bias).max())


def _infer(x: Floats, weight: Floats, bias: Floats, mean: Floats, var: Floats, eps: float, *, real: bool) -> Expected:
    y = spec.batchnorm_infer(x, weight, bias, mean, var, eps=eps)
    # Six roundings, or seven where the scale and shift are folded; and those of the expected value.
    bounds = {"y": of_scale(14, _reach(x, weight, bias, mean, var, eps))} if real else {}
    inputs = {"x": x, "weight": weight, "bias": bias, "running_mean": mean, "running_var": var, "eps": eps}
    return Expected(inputs, {"y": y}, bounds)


def _train(x: Floats, weight: Floats, bias: Floats, eps: float, *, real: bool = False) -> Expected:
    made = spec.batchnorm_train(x, weight, bias, eps=eps)
    bounds = {}
    if real:
        m, top = _values(x), float(np.abs(x).max())
        bounds = {
            # y follows the mean and, in half its relative error, the variance; then the steps of inference.
            "y": of_scale(2 * m + 20, _reach(x, weight, bias, made.mean, made.var, eps)),
            "mean": of_scale(m + 1, top),
            "var": of_scale(m + 8, float((np.abs(x) + top).max()) ** 2),
        }
    expected = {"y": made.y, "mean": made.mean, "var": made.var}
    return Expected({"x": x, "weight": weight, "bias": bias, "eps": eps}, expected, bounds)


def _backward(dy: Floats, x: Floats, weight: Floats, eps: float, *, real: bool = False) -> Expected:
    mean, var = _statistics(x)
    made = spec.batchnorm_backward(dy, x, weight, mean, var, eps=eps)
    bounds = {}
    if real:
        m, top = _values(x), float(np.abs(dy).max())
        inverse = 1 / math.sqrt(float(var.min()) + eps)
        xhat = inverse * float(np.abs(x).max() + np.abs(mean).max())
        bounds = {
            "dx": of_scale(2 * m + 24, float(np.abs(weight).max()) * inverse * top * (2 + xhat**2)),
            "dweight": of_scale(m + 8, m * top * xhat),
            "dbias": of_scale(m + 1, m * top),
        }
    inputs = {"dy": dy, "x": x, "weight": weight, "mean": mean, "var": var, "eps": eps}
    return Expected(inputs, {"dx": made.x, "dweight": made.weight, "dbias": made.bias}, bounds)


def _update(
    running_mean: Floats, running_var: Floats, mean: Floats, var: Floats, count: int, momentum: float,
    *, real: bool = False,
) -> Expected:  # fmt: skip
    made = spec.running_update(running_mean, running_var, mean, var, count=count, momentum=momentum)
    bounds = {}
    if real:  # up to five roundings of each, the constants' among them
        bounds = {
            "new_mean": of_steps(8, np.abs(running_mean) + np.abs(mean)),
            "new_var": of_steps(10, running_var + 2 * var),
        }
    inputs = {
        "running_mean": running_mean, "running_var": running_var, "mean": mean, "var": var, "count": count,
        "momentum": momentum,
    }  # fmt: skip
    return Expected(inputs, {"new_mean": made.mean, "new_var": made.var}, bounds)


def _vectors() -> Floats:
    """Return four rows of two channels of mean 3 and -2 and biased variance 1 and 13: with eps = 3, roots 2 and 4."""
    return np.array([[2, 3], [4, -7], [2, -1], [4, -3]], np.float32)


def _maps() -> Floats:
    """Return two images of three 2 x 2 channels of mean 0, 5, 5 and biased variance 1, 13, 0."""
    x = np.empty((2, 3, 2, 2), np.float32)
    x[:, 0] = np.array([[1, -1], [-1, 1]])
    x[:, 1] = 5 + np.array([[[5, -5], [1, -1]], [[-1, 5], [-5, 1]]])
    x[:, 2] = 5
    return x


@case("batchnorm_infer", "eps", "per_channel")
def batchnorm_infer_exact() -> Expected:
    """var + eps is 4 and 16: the root is taken after eps is added."""
    mean, var = np.array([1, -2], np.float32), np.array([1, 13], np.float32)
    weight, bias = np.array([2, -1], np.float32), np.array([0.5, 3], np.float32)
    return _infer(_vectors(), weight, bias, mean, var, 3.0, real=False)


@case("batchnorm_infer", "per_channel", "population_variance")
def batchnorm_infer_maps() -> Expected:
    """Maps; the running variance is used as it is, whatever the batch."""
    mean, var = np.array([0, 4, 5], np.float32), np.array([0.75, 3.75, 15.75], np.float32)
    weight, bias = np.array([2, -1, 0.5], np.float32), np.array([1, 0, -4], np.float32)
    return _infer(_maps(), weight, bias, mean, var, 0.25, real=False)


@case("batchnorm_infer", "generic")
def batchnorm_infer_float32() -> Expected:
    """Numbers that look normal, eps = 1e-5."""
    mean, var = bell(203, 3), uniform(204, 3, 0.5, 2.0)
    return _infer(bell(201, (2, 3, 4, 4)), bell(202, 3), bell(205, 3), mean, var, 1e-5, real=True)


@case("batchnorm_train", "population_variance", "eps")
def batchnorm_train_vectors() -> Expected:
    """Biased variances 1 and 13; eps = 3 is added before the roots, 2 and 4."""
    return _train(_vectors(), np.array([1, 3], np.float32), np.array([0, -1], np.float32), 3.0, real=True)


@case("batchnorm_train", "eps", "population_variance")
def batchnorm_train_large_eps() -> Expected:
    """Variance 1 and eps = 15: eps stands under the root, and is not in the variance returned."""
    return _train(_vectors()[:, :1], np.array([2], np.float32), np.array([0.25], np.float32), 15.0, real=True)


@case("batchnorm_train", "per_channel", "population_variance")
def batchnorm_train_maps() -> Expected:
    """Maps of two channels of means 0 and 5 and variances 1 and 13, taken over batch, height and width; eps = 3."""
    return _train(_maps()[:, :2], np.array([2, -1], np.float32), np.array([1, 0.5], np.float32), 3.0, real=True)


@case("batchnorm_train", "constant", "eps")
def batchnorm_train_constant() -> Expected:
    """A channel of variance 0: only eps keeps the division finite, and y is the bias."""
    x = np.full((4, 1), 7, np.float32)
    return _train(x, np.array([3], np.float32), np.array([-0.5], np.float32), 0.0625)


@case("batchnorm_train", "offset_cancellation")
def batchnorm_train_offset() -> Expected:
    """16384 plus and minus 1 in float32: the mean of the squares minus the square of the mean has no digits left."""
    x = np.where(np.arange(16).reshape(4, 1, 2, 2) % 2 == 0, 16383, 16385).astype(np.float32)
    made = _train(x, np.ones(1, np.float32), np.zeros(1, np.float32), 3.0)
    # A mean updated value by value rounds at every step; it moves y by half its error and var by twice that.
    bound = of_scale(2 * (x.size + 1), float(x.max()))
    return Expected(made.inputs, made.expected, {"y": bound, "mean": bound, "var": bound})


@case("batchnorm_train", "generic")
def batchnorm_train_float32() -> Expected:
    """Numbers that look normal, in float32, eps = 1e-5."""
    return _train(bell(206, (4, 3, 3, 3)), bell(207, 3), bell(208, 3), 1e-5, real=True)


@case("batchnorm_train", "generic")
def batchnorm_train_float64() -> Expected:
    """Numbers that look normal, in float64, eps = 1e-5."""
    return _train(bell(209, (5, 4), np.float64), bell(210, 4, np.float64), bell(211, 4, np.float64), 1e-5, real=True)


@case("batchnorm_backward", "statistics_gradient")
def batchnorm_backward_vectors() -> Expected:
    """The gradient through mean and variance: dy loses its mean and, but for eps, its part along xhat."""
    dy = np.array([[1, 2], [0, 4], [0, -2], [3, 8]], np.float32)
    return _backward(dy, _vectors(), np.array([1, 3], np.float32), 3.0)


@case("batchnorm_backward", "statistics_gradient")
def batchnorm_backward_of_a_constant() -> Expected:
    """dy constant in each channel: dx is 0, dbias their sum."""
    dy = np.tile(np.array([3, -5], np.float32), (4, 1))
    return _backward(dy, _vectors(), np.array([1, 3], np.float32), 3.0)


@case("batchnorm_backward", "eps", "gradient_sum")
def batchnorm_backward_large_eps() -> Expected:
    """Variance 1 and eps = 15: xhat is plus and minus 1/4, so that dx is not orthogonal to it."""
    dy = np.array([[4], [0], [8], [-4]], np.float32)
    return _backward(dy, _vectors()[:, :1], np.array([2], np.float32), 15.0)


@case("batchnorm_backward", "gradient_sum", "per_channel")
def batchnorm_backward_maps() -> Expected:
    """Maps of two channels; the gradients of scale and shift are sums over batch, height and width."""
    dy = np.arange(-8, 8, dtype=np.float32).reshape(2, 2, 2, 2)
    return _backward(dy, _maps()[:, :2], np.array([2, -1], np.float32), 3.0)


@case("batchnorm_backward", "generic", "statistics_gradient")
def batchnorm_backward_float32() -> Expected:
    """Numbers that look normal, in float32, eps = 1e-5."""
    return _backward(bell(212, (4, 3, 3, 3)), bell(213, (4, 3, 3, 3)), bell(214, 3), 1e-5, real=True)


@case("batchnorm_backward", "generic", "statistics_gradient")
def batchnorm_backward_float64() -> Expected:
    """Numbers that look normal, in float64, eps = 1e-5."""
    x, dy = bell(216, (6, 2, 2, 1), np.float64), bell(215, (6, 2, 2, 1), np.float64)
    return _backward(dy, x, bell(217, 2, np.float64), 1e-5, real=True)


@case("running_update", "population_variance", "momentum")
def running_update_three_values() -> Expected:
    """Three values: the biased variance 2 becomes 3; momentum 1/4 weighs the new batch."""
    old_mean, old_var = np.array([4, 0], np.float32), np.array([1, 8], np.float32)
    return _update(old_mean, old_var, np.array([8, -4], np.float32), np.array([2, 4], np.float32), 3, 0.25)


@case("running_update", "population_variance")
def running_update_two_values() -> Expected:
    """Two values: the unbiased variance is twice the biased one."""
    old = np.array([0.0]), np.array([1.0])
    return _update(*old, np.array([5.0]), np.array([2.0]), 2, 0.5)


@case("running_update", "momentum", "generic")
def running_update_float32() -> Expected:
    """Momentum 0.1 and 512 values, in float32."""
    old = bell(218, 4), uniform(219, 4, 0.5, 2.0)
    return _update(*old, bell(220, 4), uniform(221, 4, 0.5, 2.0), 512, 0.1, real=True)
