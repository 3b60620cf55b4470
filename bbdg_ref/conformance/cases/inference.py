"""Cases of folding and of the folded binary layer."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec import evaluation as spec
from ..registry import Expected, case
from .bounds import of_scale, of_steps
from .drawn import bell, chosen, uniform

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
