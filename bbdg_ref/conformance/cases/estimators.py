"""Cases of the sign and of its straight-through estimators."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec import estimators
from ..registry import Expected, case
from .bounds import of_steps
from .drawn import bell, integers, uniform

__all__: list[str] = []  # the cases are reached through the registry

Floats = npt.NDArray[Any]


def _corners(dtype: npt.DTypeLike) -> Floats:
    """Return -1, 0 and 1, the floats on both sides of each, and some between and beyond."""
    kind = np.dtype(dtype).type
    around = [np.nextafter(kind(c), kind(side)) for c in (-1, 0, 1) for side in (-3, 3)]
    return np.array([-2, -1, -0.5, -0.25, -0.0, 0, 0.25, 0.5, 1, 2, *around], dtype)


def _outside() -> Floats:
    """Return numbers beyond -1 and 1, infinities at the end."""
    return np.array([-1e30, -40, -2, -1.25, 1.25, 2, 40, 1e30, -np.inf, np.inf], np.float32)


def _bits(x: Floats) -> Expected:
    return Expected({"x": x}, {"bits": estimators.sign_bits(x)})


def _sign(x: Floats) -> Expected:
    return Expected({"x": x}, {"y": estimators.sign(x)})


def _backward(estimator: Callable[[Floats, Floats], Floats], dy: Floats, x: Floats) -> Expected:
    return Expected({"dy": dy, "x": x}, {"dx": estimator(dy, x)})


def _ede(dy: Floats, x: Floats, t: float, k: float) -> Expected:
    # An error of the tangent counts twice in its square: 2 (1/2 + 2), then the difference and three products,
    # and as much again for the expected value.
    bound = of_steps(18, float(np.abs(dy).max()) * k * t)
    return Expected({"dy": dy, "x": x, "t": t, "k": k}, {"dx": estimators.ede_backward(dy, x, t=t, k=k)}, {"dx": bound})


def _powers(size: int) -> Floats:
    """Return gradients that are powers of two, whose products are exact."""
    return np.resize(np.array([1.0, -2.0, 0.5], np.float32), size)


@case("sign_bits", "zero", "negative_zero", "corner")
def sign_bits_float32() -> Expected:
    """Zeros of both signs give bit 0, the smallest subnormal number bit 1."""
    return _bits(_corners(np.float32))


@case("sign_bits", "zero", "negative_zero", "subnormal")
def sign_bits_float64() -> Expected:
    """The same in float64, with infinities."""
    return _bits(np.append(_corners(np.float64), [np.inf, -np.inf]))


@case("sign_bits", "subnormal", "narrow_dtype")
def sign_bits_float16() -> Expected:
    """float16: the smallest subnormal numbers of both signs, the largest number."""
    return _bits(np.array([[2.0**-24, -(2.0**-24)], [65504, -65504], [0, -0.0]], np.float16))


@case("sign", "zero", "negative_zero", "corner")
def sign_float32() -> Expected:
    """The sign of zero is -1, of either zero; there is no third value."""
    return _sign(_corners(np.float32))


@case("sign", "zero", "subnormal")
def sign_float64() -> Expected:
    """The sign of the smallest subnormal number is +1."""
    return _sign(_corners(np.float64))


@case("sign", "generic", "original_order")
def sign_map() -> Expected:
    """A map with many zeros, in its shape."""
    return _sign(integers(51, (2, 3, 4, 5), -1, 1))


@case("clipped_ste_backward", "corner", "zero")
def clipped_ste_corners() -> Expected:
    """The gradient passes at -1, 1 and between, and stops at the next floats beyond."""
    x = _corners(np.float32)
    return _backward(estimators.clipped_ste_backward, _powers(x.size), x)


@case("clipped_ste_backward", "corner")
def clipped_ste_corners_float64() -> Expected:
    """The same corners in float64."""
    x = _corners(np.float64)
    return _backward(estimators.clipped_ste_backward, _powers(x.size).astype(np.float64), x)


@case("clipped_ste_backward", "outside", "huge_values")
def clipped_ste_outside() -> Expected:
    """Far beyond -1 and 1, up to the infinities, the gradient is 0."""
    x = _outside()
    return _backward(estimators.clipped_ste_backward, _powers(x.size), x)


@case("clipped_ste_backward", "generic")
def clipped_ste_map() -> Expected:
    """A map that looks normal: a third of it lies outside [-1, 1]."""
    return _backward(estimators.clipped_ste_backward, bell(52, (2, 3, 5, 4)), bell(53, (2, 3, 5, 4)))


@case("quadratic_backward", "corner", "zero", "negative_zero")
def quadratic_corners() -> Expected:
    """Slope 2 at both zeros, 0 at -1, 1 and beyond, and small but not 0 at the next floats inside."""
    x = _corners(np.float32)
    return _backward(estimators.quadratic_backward, _powers(x.size), x)


@case("quadratic_backward", "corner")
def quadratic_corners_float64() -> Expected:
    """The same corners in float64."""
    x = _corners(np.float64)
    return _backward(estimators.quadratic_backward, _powers(x.size).astype(np.float64), x)


@case("quadratic_backward", "outside")
def quadratic_outside() -> Expected:
    """Beyond -1 and 1 the gradient is 0, not negative."""
    x = _outside()[:-2]
    return _backward(estimators.quadratic_backward, _powers(x.size), x)


@case("quadratic_backward", "corner", "generic")
def quadratic_eighths() -> Expected:
    """Multiples of 1/8 on both sides of 0: the slope is 2 - 2 |x|, not 2 - 2 x."""
    x = (np.arange(-10, 11) / 8).astype(np.float32)
    return _backward(estimators.quadratic_backward, np.full(21, 3, np.float32), x)


@case("quadratic_backward", "generic")
def quadratic_map() -> Expected:
    """A map that looks normal."""
    made = _backward(estimators.quadratic_backward, bell(54, (2, 3, 5, 4)), bell(55, (2, 3, 5, 4)))
    return Expected(made.inputs, made.expected, {"dx": of_steps(4)})  # two roundings each


@case("ede_backward", "estimator_scale", "zero")
def ede_first_epoch() -> Expected:
    """t = 0.1, k = 10: almost the identity; without k a tenth of it."""
    x = _corners(np.float32)
    return _ede(_powers(x.size), x, 0.1, 10.0)


@case("ede_backward", "estimator_scale", "zero", "negative_zero")
def ede_at_zero() -> Expected:
    """At 0 the slope is k t = 12, and tanh plays no part."""
    dy = np.array([1.0, -2.0, 0.5], np.float32)
    x = np.array([0.0, -0.0, 0.0], np.float32)
    return Expected(
        {"dy": dy, "x": x, "t": 4.0, "k": 3.0}, {"dx": estimators.ede_backward(dy, x, t=4.0, k=3.0)}
    )  # fmt: skip


@case("ede_backward", "estimator_saturation")
def ede_last_epochs() -> Expected:
    """t = 9.8, k = 1: nearly a spike; far out the gradient is 0, not negative and not NaN."""
    x = np.array([-1e30, -20.0, -2.0, -0.5, -0.1, 0.0, 0.05, 0.3, 1.0, 8.0, 1e30], np.float32)
    return _ede(_powers(x.size), x, 9.8, 1.0)


@case("ede_backward", "estimator_scale", "generic")
def ede_middle_float64() -> Expected:
    """t = 0.5, k = 2 in float64."""
    return _ede(bell(56, 60, np.float64), bell(57, 60, np.float64), 0.5, 2.0)


@case("ede_backward", "generic")
def ede_map() -> Expected:
    """A map in float32, t = 2.5, k = 1."""
    return _ede(bell(58, (2, 2, 4, 3)), uniform(59, (2, 2, 4, 3), -1.5, 1.5), 2.5, 1.0)


def _schedule(epoch: int, epochs: int) -> Expected:
    parameters = estimators.ede_schedule(epoch, epochs)
    # The exponent, up to 1, rounds twice, which a power of ten multiplies by ln 10; the power and the quotient
    # round too.
    bounds = {"t": of_steps(8), "k": of_steps(10)}
    return Expected({"epoch": epoch, "epochs": epochs}, {"t": parameters.t, "k": parameters.k}, bounds)


@case("ede_schedule", "schedule_end")
def ede_schedule_first() -> Expected:
    """Epoch 0: t = 0.1, k = 10."""
    return _schedule(0, 500)


@case("ede_schedule", "schedule_end", "scale_floor")
def ede_schedule_last() -> Expected:
    """The last epoch of 500: t is just below 10, and k = 1."""
    return _schedule(499, 500)


@case("ede_schedule", "scale_floor")
def ede_schedule_middle() -> Expected:
    """The middle: t = 1 and k = 1."""
    return _schedule(60, 120)


@case("ede_schedule", "scale_floor", "generic")
def ede_schedule_third() -> Expected:
    """A third of the way: k = 1/t is still above 1."""
    return _schedule(40, 120)


@case("ede_schedule", "schedule_end")
def ede_schedule_one_epoch() -> Expected:
    """A single epoch: dividing by E - 1 fails."""
    return _schedule(0, 1)
