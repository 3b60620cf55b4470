"""Cases of folding, of the folded binary layer and of the binary linear layer."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec import evaluation as spec
from ...spec.popcount_conv import popcount_linear
from ..registry import Expected, case
from .bounds import of_scale, of_steps
from .drawn import bell, chosen, integers, uniform

__all__: list[str] = []  # the cases are reached through the registry

Floats = npt.NDArray[Any]
Bits = npt.NDArray[np.bool_]
Pair = tuple[int, int]


def _fold(
    alpha: Floats, beta: Floats, weight: Floats, bias: Floats, mean: Floats, var: Floats, eps: float,
    *, real: bool = False,
) -> Expected:  # fmt: skip
    bits = np.zeros((len(alpha), 1, 1, 1), bool)
    made = spec.fold_binary(bits, alpha, beta, weight, bias, mean, var, eps=eps)
    bounds = {}
    if real:  # computed in float64: another order is off by less than one unit of float32, which rounding makes one
        top = np.abs(bias).max() + np.abs(weight * mean / np.sqrt(var + eps)).max()
        bounds = {"scale": of_steps(1), "shared": of_steps(1), "shift": of_scale(1, float(top))}
    inputs = {
        "alpha": alpha, "beta": beta, "weight": weight, "bias": bias, "running_mean": mean, "running_var": var,
        "eps": eps,
    }  # fmt: skip
    return Expected(inputs, {"scale": made.scale, "shared": made.shared, "shift": made.shift}, bounds)


def _layer(
    u: Bits, bits: Bits, scale: Any, shared: Any, shift: Any, stride: Pair = (1, 1), padding: Pair = (0, 0)
) -> Expected:
    values = {"scale": scale, "shared": shared, "shift": shift}
    values = {name: np.asarray(value, np.float32) for name, value in values.items()}
    z = spec.binary_layer(u, spec.BinaryLayer(bits, **values, stride=stride, padding=padding))
    where = {"stride": np.array(stride), "padding": np.array(padding)}
    return Expected({"u": u, "bits": bits, **values, **where}, {"z": z})


@case("fold_binary", "eps", "shared_term", "per_channel")
def fold_binary_exact() -> Expected:
    """Roots 2 and 4 with eps = 1: eps is added to the variance, and each channel has its own domain."""
    weight, bias = np.array([1, -2], np.float32), np.array([1, 0.5], np.float32)
    mean, var = np.array([1, -4], np.float32), np.array([3, 15], np.float32)
    return _fold(np.array([-0.5, 0.25]), np.array([1.0, -1.0]), weight, bias, mean, var, 1.0)


@case("fold_binary", "level_precision")
def fold_binary_common_offset() -> Expected:
    """{2^26, 2^26 + 1/2}: the difference is taken in float64, then rounded."""
    one = np.ones(1, np.float32)
    return _fold(np.array([2.0**26]), np.array([2.0**26 + 0.5]), one, 0 * one, 0 * one, 3 * one, 1.0)


@case("fold_binary", "folded_shift", "eps")
def fold_binary_shift() -> Expected:
    """g = 1/2, bias 3 and running mean 8: the shift is 3 - 8/2 = -1."""
    one = np.ones(1, np.float32)
    return _fold(np.array([-0.25]), np.array([0.75]), one, 3 * one, 8 * one, 3 * one, 1.0)


@case("fold_binary", "generic")
def fold_binary_layer() -> Expected:
    """Eight channels with the domain {-0.0123, 0.0871} and eps = 1e-5."""
    alpha, beta = np.full(8, -0.0123), np.full(8, 0.0871)
    mean, var = bell(402, 8), uniform(403, 8, 0.5, 4.0)
    return _fold(alpha, beta, bell(400, 8), bell(401, 8), mean, var, 1e-5, real=True)


@case("binary_layer", "shared_term", "border")
def binary_layer_exact() -> Expected:
    """Dyadic constants and padding."""
    u, bits = chosen(404, (1, 3, 3, 4)), chosen(405, (2, 3, 3, 3))
    return _layer(u, bits, [0.5, -0.25], [0.125, 1], [-1, 2], padding=(1, 1))


@case("binary_layer", "rounding_order")
def binary_layer_one_rounding_each() -> Expected:
    """Counts of up to 45 and constants without short binary form: each step is rounded to float32, nothing is fused."""
    u, bits = chosen(406, (1, 5, 6, 6)), chosen(407, (8, 5, 3, 3))
    return _layer(u, bits, bell(408, 8), bell(409, 8), bell(410, 8), padding=(1, 1))


@case("binary_layer", "rounding_order", "offset_cancellation")
def binary_layer_cancelling() -> Expected:
    """scale * ones and the rest nearly cancel: another order of the sum leaves other digits."""
    u, bits = np.ones((1, 3, 3, 3), bool), np.ones((4, 3, 3, 3), bool)
    scale = bell(411, 4)
    return _layer(u, bits, scale, -scale, bell(412, 4) * np.float32(1e-6), padding=(1, 1))


@case("binary_layer", "stride", "asymmetric", "odd_channels")
def binary_layer_asymmetric() -> Expected:
    """Kernel 2 x 3, stride 2 and 1, padding 0 and 2, 65 input channels."""
    u, bits = chosen(413, (2, 65, 4, 2)), chosen(414, (2, 65, 2, 3), 0.1)
    return _layer(u, bits, bell(415, 2), bell(416, 2), bell(417, 2), (2, 1), (0, 2))


def _classifier(
    linear_weight: Floats, linear_bias: Floats, weight: Floats, bias: Floats, mean: Floats, var: Floats, eps: float,
    *, real: bool = False,
) -> Expected:  # fmt: skip
    made = spec.fold_classifier(linear_weight, linear_bias, weight, bias, mean, var, eps=eps)
    bounds = {}
    if real:  # as for the binary layer
        shift = np.abs(bias) + np.abs(weight * mean / np.sqrt(var + eps))
        top = (np.abs(linear_bias) + np.abs(linear_weight) @ shift).max()
        bounds = {"folded_weight": of_steps(1), "folded_bias": of_scale(1, float(top))}
    inputs = {
        "linear_weight": linear_weight, "linear_bias": linear_bias, "weight": weight, "bias": bias,
        "running_mean": mean, "running_var": var, "eps": eps,
    }  # fmt: skip
    return Expected(inputs, {"folded_weight": made.weight, "folded_bias": made.bias}, bounds)


@case("fold_classifier", "folded_shift", "eps")
def fold_classifier_shift() -> Expected:
    """g = 1/2, bias 3 and running mean 8: the shift is -1, and 8 times it joins the bias of the linear layer."""
    one = np.ones(1, np.float32)
    return _classifier(np.full((1, 1), 8, np.float32), 2 * one, one, 3 * one, 8 * one, 3 * one, 1.0)


@case("fold_classifier", "per_channel", "transposed_axes")
def fold_classifier_square() -> Expected:
    """Two classes and two channels of g = 1/2 and -1/2: each channel's g goes down its column."""
    linear_weight, linear_bias = np.array([[1, 2], [4, 8]], np.float32), np.array([0.5, -1], np.float32)
    weight, bias = np.array([1, -2], np.float32), np.array([1, 0.5], np.float32)
    mean, var = np.array([1, -4], np.float32), np.array([3, 15], np.float32)
    return _classifier(linear_weight, linear_bias, weight, bias, mean, var, 1.0)


@case("fold_classifier", "rounding_order", "offset_cancellation")
def fold_classifier_cancelling() -> Expected:
    """Shifts of 2^24, 1 and -2^24: the sum is taken in float64 and rounded once, so that the 1 is not lost."""
    one = np.ones(3, np.float32)
    shift = np.array([2.0**24, 1, -(2.0**24)], np.float32)
    return _classifier(one[None], np.array([0.25], np.float32), one, shift, 0 * one, 3 * one, 1.0)


@case("fold_classifier", "generic")
def fold_classifier_ten_classes() -> Expected:
    """Ten classes, 16 channels, eps = 1e-5."""
    linear_weight, linear_bias = bell(418, (10, 16)), bell(419, 10)
    var = uniform(423, 16, 0.5, 4.0)
    return _classifier(linear_weight, linear_bias, bell(420, 16), bell(421, 16), bell(422, 16), var, 1e-5, real=True)


def _linear(x: Floats, bits: Bits, alpha: Any, beta: Any, *, real: bool = False) -> Expected:
    low, high = (np.broadcast_to(np.asarray(level, np.float64), len(bits)).copy() for level in (alpha, beta))
    inputs = {"x": x, "bits": bits, "alpha": low, "beta": high}
    return Expected(inputs, {"y": popcount_linear(x, bits, low, high)}, {"y": of_steps(1)} if real else {})


@case("popcount_linear", "alpha_beta_swapped", "shared_term", "zero")
def popcount_linear_one_row() -> Expected:
    """Inputs +1, -1, -1 (from 0) and weights {-1, 3}: 3 - 3 + 1."""
    x = np.array([[0.5, -0.1, 0.0]], np.float32)
    return _linear(x, np.array([[True, True, False]]), -1.0, 3.0)


@case("popcount_linear", "per_channel", "batch", "transposed_axes")
def popcount_linear_square() -> Expected:
    """Three rows, three outputs with a domain each, of one alpha is above beta."""
    return _linear(integers(424, (3, 3), -2, 2), chosen(425, (3, 3)), [-1.0, 0.5, 0.25], [1.0, -0.25, 2.0])


@case("popcount_linear", "odd_channels", "count_to_sum")
def popcount_linear_beyond_a_word() -> Expected:
    """65 inputs: the last bit lies in a second word, whose other bits count nowhere."""
    return _linear(integers(426, (2, 65), -2, 2), chosen(427, (4, 65)), 0.25, 1.0)


@case("popcount_linear", "level_precision", "offset_cancellation")
def popcount_linear_common_offset() -> Expected:
    """{2^26, 2^26 + 1/2}: rounded to float32 the two values are the same."""
    return _linear(integers(428, (3, 4), -2, 2), chosen(429, (3, 4)), 2.0**26, 2.0**26 + 0.5)


@case("popcount_linear", "generic")
def popcount_linear_layer() -> Expected:
    """200 inputs, ten outputs, the domain {-0.0123, 0.0871} and 10 % ones."""
    return _linear(bell(430, (4, 200)), chosen(431, (10, 200), 0.1), -0.0123, 0.0871, real=True)
