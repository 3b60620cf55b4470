"""Cases of the weights made of latent ones, and of their gradients."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec import weights
from ...spec.estimators import sign
from ..registry import Expected, case
from ..vector import Bound
from .bounds import of_steps
from .drawn import bell, integers, signs

__all__: list[str] = []  # the cases are reached through the registry

Floats = npt.NDArray[Any]
KERNELS = (4, 3, 3, 3)


def _halves(seed: int, shape: tuple[int, ...], dtype: npt.DTypeLike = np.float32) -> Floats:
    """Return halves of small odd integers: exact to add up, and never 0."""
    return integers(seed, shape, -8, 7, dtype) + np.array(0.5, dtype)


def _forward(make: Any, latent: Floats, s: Floats, bound: Bound | None = None) -> Expected:
    return Expected({"latent": latent, "s": s}, {"w": make(latent, s)}, {} if bound is None else {"w": bound})


def _general(s: Floats, tau: float, phi: float, bound: Bound | None = None) -> Expected:
    made = weights.general_weights(s, tau, phi)
    return Expected({"s": s, "tau": tau, "phi": phi}, {"w": made}, {} if bound is None else {"w": bound})


def _general_backward(dw: Floats, s: Floats, tau: float, phi: float, *, bounded: bool = False) -> Expected:
    made = weights.general_weights_backward(dw, s, tau, phi)
    # Sums in float64, whose error stays below one unit of float32, rounded once.
    bounds = {"ds": of_steps(2), "dtau": of_steps(1), "dphi": of_steps(1)} if bounded else {}
    expected = {"ds": made.s, "dtau": np.asarray(made.tau), "dphi": np.asarray(made.phi)}
    return Expected({"dw": dw, "s": s, "tau": tau, "phi": phi}, expected, bounds)


def _backward(
    make: Any, names: tuple[str, ...], dw: Floats, latent: Floats, s: Floats, bounds: dict[str, Bound] | None = None
) -> Expected:
    made = make(dw, latent, s)
    expected = {f"d{name}": getattr(made, name) for name in names}
    return Expected({"dw": dw, "latent": latent, "s": s}, expected, bounds or {})


@case("bipolar_weights", "generic")
def bipolar_weights_kernels() -> Expected:
    """The weights are the signs, whatever the latents."""
    return _forward(weights.bipolar_weights, bell(61, KERNELS), signs(62, KERNELS))


@case("bipolar_weights", "sign_is_not_optimal")
def bipolar_weights_chosen_signs() -> Expected:
    """Signs chosen by magnitude, not those of the latents."""
    return _forward(weights.bipolar_weights, np.full((1, 1, 2, 2), -0.5, np.float32), signs(63, (1, 1, 2, 2)))


@case("bipolar_weights_backward", "generic")
def bipolar_weights_backward_kernels() -> Expected:
    """The gradient passes unchanged."""
    return _backward(
        weights.bipolar_weights_backward, ("s",), bell(64, KERNELS), bell(61, KERNELS), signs(62, KERNELS)
    )  # fmt: skip


@case("bipolar_weights_backward", "zero")
def bipolar_weights_backward_zeros() -> Expected:
    """Latents of 0 change nothing: the estimator comes later."""
    latent = np.zeros((1, 2, 1, 2))
    dw = np.array([1.0, -2.0, 0.0, 3.0]).reshape(1, 2, 1, 2)
    return _backward(weights.bipolar_weights_backward, ("s",), dw, latent, sign(latent))


@case("symmetric_weights", "per_channel")
def symmetric_weights_per_filter() -> Expected:
    """One scale per filter, 2 and 1/2, not one for the layer and not one per input channel."""
    latent = np.array([[1.0, -3.0], [0.5, 0.5]], np.float32).reshape(2, 2, 1, 1)
    return _forward(weights.symmetric_weights, latent, sign(latent))


@case("symmetric_weights", "sign_is_not_optimal", "alpha_beta_swapped")
def symmetric_weights_chosen_signs() -> Expected:
    """Signs that are not those of the latents: the scale is still the mean magnitude."""
    latent = np.array([1.0, -3.0, 0.5, 3.5], np.float32).reshape(1, 4, 1, 1)
    return _forward(weights.symmetric_weights, latent, np.array([-1, -1, 1, 1], np.float32).reshape(1, 4, 1, 1))


@case("symmetric_weights", "zero")
def symmetric_weights_zero_filter() -> Expected:
    """A filter of zeros has scale 0."""
    return _forward(weights.symmetric_weights, np.zeros((1, 2, 2, 2)), -np.ones((1, 2, 2, 2)))


@case("symmetric_weights", "float32_sums", "per_channel")
def symmetric_weights_float32_sum() -> Expected:
    """2^24 and 2047 ones: a running sum in float32 loses every one of them."""
    latent = np.ones((1, 512, 2, 2), np.float32)
    latent[0, 0, 0, 0] = 2.0**24 + 2
    return _forward(weights.symmetric_weights, latent, sign(latent))


@case("symmetric_weights", "generic", "per_channel")
def symmetric_weights_kernels() -> Expected:
    """Kernels that look normal; the mean in float64 is rounded to float32 once."""
    return _forward(weights.symmetric_weights, bell(65, KERNELS), signs(66, KERNELS), of_steps(1))


@case("symmetric_weights_backward", "scale_not_differentiated", "per_channel")
def symmetric_weights_backward_exact() -> Expected:
    """The scales are 2 and 1/2; the latents get nothing but through the signs."""
    latent = np.array([[1.0, -3.0], [0.5, 0.5]], np.float32).reshape(2, 2, 1, 1)
    dw = np.array([[3.0, -1.0], [5.0, 7.0]], np.float32).reshape(2, 2, 1, 1)
    return _backward(weights.symmetric_weights_backward, ("s",), dw, latent, sign(latent))


@case("symmetric_weights_backward", "generic")
def symmetric_weights_backward_kernels() -> Expected:
    """Kernels that look normal."""
    return _backward(
        weights.symmetric_weights_backward, ("s",), bell(67, KERNELS), bell(65, KERNELS), signs(66, KERNELS),
        {"ds": of_steps(3)},
    )  # fmt: skip


@case("general_weights", "tau_phi")
def general_weights_quarters() -> Expected:
    """tau = 1/2, phi = 1/4: the weights are 3/4 and -1/4."""
    return _general(signs(68, KERNELS), 0.5, 0.25)


@case("general_weights", "alpha_above_beta", "tau_phi")
def general_weights_negative_tau() -> Expected:
    """tau = -3/4: bit 1 has the smaller value."""
    return _general(signs(69, (2, 3, 1, 1)), -0.75, 0.125)


@case("general_weights", "tau_phi", "zero")
def general_weights_start() -> Expected:
    """tau = 1, phi = 0, as at the start of training: the weights are the signs."""
    return _general(signs(70, (2, 3, 2, 2)), 1.0, 0.0)


@case("general_weights", "generic")
def general_weights_learned() -> Expected:
    """tau and phi as they are learned, in float32."""
    return _general(signs(71, KERNELS), 0.0731, -0.0293, of_steps(4, 0.1024))


@case("general_weights_backward", "tau_phi")
def general_weights_backward_integers() -> Expected:
    """Integers: dtau = sum dw s, dphi = sum dw, and tau dw for the signs."""
    return _general_backward(integers(72, KERNELS, -9, 9), signs(73, KERNELS), 0.5, 0.25)


@case("general_weights_backward", "alpha_above_beta")
def general_weights_backward_negative_tau() -> Expected:
    """A negative tau turns the gradient of the signs round."""
    return _general_backward(integers(74, (2, 2, 3, 1), -9, 9), signs(75, (2, 2, 3, 1)), -1.5, 3.0)


@case("general_weights_backward", "float32_sums")
def general_weights_backward_float32_sum() -> Expected:
    """2^25, some ones and -2^25: adding up in float32 loses the ones, float64 keeps them."""
    dw = np.ones((2, 4, 3, 3), np.float32)
    dw[0, 0, 0, 0], dw[1, 3, 2, 2] = 2.0**25, -(2.0**25)
    return _general_backward(dw, np.ones_like(dw), 1.0, 0.0)


@case("general_weights_backward", "generic")
def general_weights_backward_learned() -> Expected:
    """Gradients that look normal."""
    return _general_backward(bell(76, (8, 4, 3, 3)), signs(77, (8, 4, 3, 3), 0.1), 0.0731, -0.0293, bounded=True)


@case("closed_form_weights", "alpha_beta_swapped")
def closed_form_weights_means() -> Expected:
    """alpha = -3/8 is the mean where s = -1, beta = 1 where s = +1."""
    latent = np.array([0.5, 1.5, -1.0, 0.25], np.float32).reshape(1, 4, 1, 1)
    return _forward(weights.closed_form_weights, latent, np.array([1, 1, -1, -1], np.float32).reshape(1, 4, 1, 1))


@case("closed_form_weights", "missing_class")
def closed_form_weights_no_ones() -> Expected:
    """No s is +1: every weight is the mean of all."""
    return _forward(weights.closed_form_weights, _halves(78, (2, 2, 2, 2)), -np.ones((2, 2, 2, 2), np.float32))


@case("closed_form_weights", "alpha_above_beta")
def closed_form_weights_descending() -> Expected:
    """The latents with s = +1 are the smaller ones: alpha is above beta."""
    latent = np.array([4.0, -1.0, 2.0, -3.0]).reshape(2, 2, 1, 1)
    return _forward(weights.closed_form_weights, latent, -sign(latent))


@case("closed_form_weights", "generic")
def closed_form_weights_kernels() -> Expected:
    """Kernels that look normal, 10 % of the signs +1; means in float64, rounded to float32."""
    return _forward(weights.closed_form_weights, bell(79, KERNELS), signs(80, KERNELS, 0.1), of_steps(1))


@case("closed_form_weights_backward", "gradient_through_means")
def closed_form_weights_backward_means() -> Expected:
    """Each latent gets the mean gradient of its own class; the signs get (beta - alpha)/2."""
    latent = np.array([0.5, 1.5, -1.0, 0.0]).reshape(1, 4, 1, 1)
    dw = np.array([1.0, 3.0, 5.0, 6.0]).reshape(1, 4, 1, 1)
    s = np.array([1.0, 1.0, -1.0, -1.0]).reshape(1, 4, 1, 1)
    return _backward(weights.closed_form_weights_backward, ("s", "latent"), dw, latent, s)


@case("closed_form_weights_backward", "missing_class", "gradient_through_means")
def closed_form_weights_backward_no_ones() -> Expected:
    """No s is +1: the signs get no gradient, every latent the mean of all."""
    latent, s = _halves(81, (2, 2, 2, 2)), -np.ones((2, 2, 2, 2), np.float32)
    return _backward(
        weights.closed_form_weights_backward, ("s", "latent"), integers(82, (2, 2, 2, 2), -9, 9), latent, s
    )  # fmt: skip


@case("closed_form_weights_backward", "generic")
def closed_form_weights_backward_kernels() -> Expected:
    """Kernels that look normal."""
    return _backward(
        weights.closed_form_weights_backward, ("s", "latent"), bell(83, KERNELS), bell(84, KERNELS),
        signs(85, KERNELS, 0.25), {"ds": of_steps(4), "dlatent": of_steps(1)},
    )  # fmt: skip
