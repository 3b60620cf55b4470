"""Cases of the real activations."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec import activation as spec
from ..registry import Expected, case
from .bounds import of_steps, of_sum
from .drawn import bell, integers

__all__: list[str] = []  # the cases are reached through the registry

Floats = npt.NDArray[Any]


def _corners(dtype: npt.DTypeLike) -> Floats:
    kind = np.dtype(dtype).type
    around = [np.nextafter(kind(c), kind(side)) for c in (-1, 1) for side in (-3, 3)]
    return np.array([-3, -1, -0.5, -0.0, 0, 0.25, 1, 1.5, *around], dtype)


def _hardtanh(x: Floats) -> Expected:
    return Expected({"x": x}, {"y": spec.hardtanh(x)})


def _hardtanh_backward(dy: Floats, x: Floats) -> Expected:
    return Expected({"dy": dy, "x": x}, {"dx": spec.hardtanh_backward(dy, x)})


def _prelu(x: Floats, slope: Floats) -> Expected:
    return Expected({"x": x, "slope": slope}, {"y": spec.prelu(x, slope)})


def _prelu_backward(dy: Floats, x: Floats, slope: Floats, *, real: bool = False) -> Expected:
    made = spec.prelu_backward(dy, x, slope)
    terms = x.size // x.shape[1]
    sums = np.abs(dy * x).sum(axis=tuple(i for i in range(x.ndim) if i != 1))
    bounds = {"dx": of_steps(1), "dslope": of_sum(terms, sums)} if real else {}
    return Expected({"dy": dy, "x": x, "slope": slope}, {"dx": made.x, "dslope": made.slope}, bounds)


@case("hardtanh", "corner")
def hardtanh_corners() -> Expected:
    """At and around -1 and 1, in float32."""
    return _hardtanh(_corners(np.float32))


@case("hardtanh", "corner", "huge_values")
def hardtanh_float64() -> Expected:
    """At and around -1 and 1, in float64, and infinities."""
    return _hardtanh(np.append(_corners(np.float64), [np.inf, -np.inf, 1e300]))


@case("hardtanh_backward", "corner")
def hardtanh_backward_corners() -> Expected:
    """No gradient at -1 and at 1, all of it at the next floats inside."""
    x = _corners(np.float32)
    return _hardtanh_backward(np.arange(1, x.size + 1, dtype=np.float32), x)


@case("hardtanh_backward", "corner")
def hardtanh_backward_float64() -> Expected:
    """The same corners in float64, where float32 would see 1."""
    x = _corners(np.float64)
    return _hardtanh_backward(np.arange(1, x.size + 1, dtype=np.float64), x)


@case("hardtanh_backward", "generic")
def hardtanh_backward_map() -> Expected:
    """A map that looks normal."""
    return _hardtanh_backward(bell(231, (2, 2, 3, 4)), bell(232, (2, 2, 3, 4)))


@case("prelu", "per_channel", "zero", "negative_zero")
def prelu_vectors() -> Expected:
    """A slope per channel, one of them negative and one above 1; 0 stays 0."""
    x = np.array([[-2, -2, -2], [3, 3, 3], [0, -0.0, 0]], np.float32)
    return _prelu(x, np.array([0.25, -0.5, 2], np.float32))


@case("prelu", "per_channel", "generic")
def prelu_maps() -> Expected:
    """Maps with as many channels as rows and columns: the slopes run along the channels. One rounding each."""
    return _prelu(bell(233, (2, 3, 3, 3)), np.array([0.25, 0.1, -0.3], np.float32))


@case("prelu_backward", "zero", "corner", "per_channel")
def prelu_backward_zero() -> Expected:
    """At 0 the gradient is the slope's side; x = 0 adds nothing to the gradient of the slope."""
    x = np.array([[0, 0], [-0.0, 1], [-2, -3]], np.float32)
    dy = np.array([[4, 4], [8, 8], [1, 2]], np.float32)
    return _prelu_backward(dy, x, np.array([0.25, -0.5], np.float32))


@case("prelu_backward", "gradient_sum", "per_channel")
def prelu_backward_maps() -> Expected:
    """Integers: the gradient of a slope is a sum over batch, height and width where x <= 0."""
    x, dy = integers(234, (2, 3, 3, 2), -4, 4), integers(235, (2, 3, 3, 2), -4, 4)
    return _prelu_backward(dy, x, np.array([0.5, 0.25, 2], np.float32))


@case("prelu_backward", "generic")
def prelu_backward_float32() -> Expected:
    """Numbers that look normal."""
    return _prelu_backward(
        bell(236, (3, 2, 4, 4)), bell(237, (3, 2, 4, 4)), np.array([0.25, 0.1], np.float32), real=True
    )


@case("channel_bias", "per_channel", "transposed_axes")
def channel_bias_square() -> Expected:
    """Three rows of three channels: the shifts run along the second axis."""
    x, bias = integers(238, (3, 3), -4, 4), np.array([1, -2, 0.5], np.float32)
    return Expected({"x": x, "bias": bias}, {"y": spec.channel_bias(x, bias)})


@case("channel_bias", "per_channel", "generic")
def channel_bias_maps() -> Expected:
    """Maps with as many channels as columns. One rounding each."""
    x, bias = bell(239, (2, 3, 2, 3)), bell(240, 3)
    return Expected({"x": x, "bias": bias}, {"y": spec.channel_bias(x, bias)})


@case("channel_bias_backward", "gradient_sum", "per_channel")
def channel_bias_backward_maps() -> Expected:
    """The sum over batch, height and width of integers."""
    dy = integers(241, (2, 3, 2, 3), -9, 9)
    return Expected({"dy": dy}, {"dbias": spec.channel_bias_backward(dy)})


@case("channel_bias_backward", "gradient_sum", "generic")
def channel_bias_backward_vectors() -> Expected:
    """Rows that look normal."""
    dy = bell(242, (8, 3))
    bound = of_sum(8, np.abs(dy).sum(axis=0))
    return Expected({"dy": dy}, {"dbias": spec.channel_bias_backward(dy)}, {"dbias": bound})
