"""Cases of pooling and of the shortcut without parameters."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec import pooling as spec
from ...spec.shortcut import stride_and_pad, stride_and_pad_backward
from ..registry import Expected, case
from ..vector import Bound
from .bounds import of_steps, of_sum
from .drawn import bell, integers

__all__: list[str] = []  # the cases are reached through the registry

Floats = npt.NDArray[Any]
Pair = tuple[int, int]


def _average(x: Floats, size: Pair, stride: Pair, bound: Bound | None = None) -> Expected:
    inputs = {"x": x, "size": np.array(size), "stride": np.array(stride)}
    return Expected(inputs, {"y": spec.avg_pool2d(x, size, stride=stride)}, {"y": bound} if bound else {})


def _average_backward(dy: Floats, input_size: Pair, size: Pair, stride: Pair, bound: Bound | None = None) -> Expected:
    inputs = {"dy": dy, "input_size": np.array(input_size), "size": np.array(size), "stride": np.array(stride)}
    dx = spec.avg_pool2d_backward(dy, input_size=input_size, size=size, stride=stride)
    return Expected(inputs, {"dx": dx}, {"dx": bound} if bound else {})


def _global_backward(dy: Floats, size: Pair, bound: Bound | None = None) -> Expected:
    dx = spec.global_avg_pool_backward(dy, input_size=size)
    return Expected({"dy": dy, "input_size": np.array(size)}, {"dx": dx}, {"dx": bound} if bound else {})


def _maximum(x: Floats, size: Pair, stride: Pair, padding: Pair = (0, 0)) -> Expected:
    made = spec.max_pool2d(x, size, stride=stride, padding=padding)
    inputs = {"x": x, "size": np.array(size), "stride": np.array(stride), "padding": np.array(padding)}
    return Expected(inputs, {"y": made.y, "argmax": made.argmax.astype(np.int64)})


def _maximum_backward(dy: Floats, argmax: npt.NDArray[np.int64], size: Pair) -> Expected:
    dx = spec.max_pool2d_backward(dy, argmax, input_size=size)
    return Expected({"dy": dy, "argmax": argmax, "input_size": np.array(size)}, {"dx": dx})


def _shortcut(x: Floats, out_channels: int, stride: Pair) -> Expected:
    y = stride_and_pad(x, out_channels=out_channels, stride=stride)
    return Expected({"x": x, "out_channels": out_channels, "stride": np.array(stride)}, {"y": y})


def _shortcut_backward(dy: Floats, in_channels: int, size: Pair, stride: Pair) -> Expected:
    dx = stride_and_pad_backward(dy, in_channels=in_channels, input_size=size, stride=stride)
    inputs = {"dy": dy, "in_channels": in_channels, "input_size": np.array(size), "stride": np.array(stride)}
    return Expected(inputs, {"dx": dx})


# --- averages ---


@case("avg_pool2d", "window_area", "unreached")
def avg_pool2d_two_by_two() -> Expected:
    """2 x 2 windows on a 5 x 7 map: the last row and column are not used."""
    return _average(integers(251, (2, 3, 5, 7), -8, 8), (2, 2), (2, 2))


@case("avg_pool2d", "overlap", "asymmetric")
def avg_pool2d_overlapping() -> Expected:
    """Windows of 2 x 4, stride 1 and 2: they overlap."""
    return _average(integers(252, (1, 2, 4, 8), -8, 8), (2, 4), (1, 2))


@case("avg_pool2d", "window_area", "generic")
def avg_pool2d_three_by_three() -> Expected:
    """Windows of nine numbers that look normal."""
    x = bell(253, (1, 2, 6, 6))
    return _average(x, (3, 3), (3, 3), of_sum(10, spec.avg_pool2d(np.abs(x), 3)))


@case("avg_pool2d_backward", "window_area", "unreached")
def avg_pool2d_backward_unreached() -> Expected:
    """Every pixel of a window gets a quarter, the last row and column nothing."""
    return _average_backward(integers(254, (2, 3, 2, 3), -8, 8), (5, 7), (2, 2), (2, 2))


@case("avg_pool2d_backward", "overlap", "asymmetric")
def avg_pool2d_backward_overlapping() -> Expected:
    """Windows of 2 x 4, stride 1 and 2: the gradients of overlapping windows add up."""
    return _average_backward(integers(255, (1, 2, 3, 3), -8, 8), (4, 8), (2, 4), (1, 2))


@case("avg_pool2d_backward", "window_area", "generic")
def avg_pool2d_backward_three_by_three() -> Expected:
    """Ninths of numbers that look normal."""
    return _average_backward(bell(256, (1, 2, 2, 2)), (6, 6), (3, 3), (3, 3), of_steps(2))


@case("global_avg_pool", "window_area", "batch")
def global_avg_pool_two_by_four() -> Expected:
    """Maps of 2 x 4, one average for each image and channel."""
    x = integers(257, (3, 2, 2, 4), -8, 8)
    return Expected({"x": x}, {"y": spec.global_avg_pool(x)})


@case("global_avg_pool", "generic")
def global_avg_pool_seven_by_seven() -> Expected:
    """Maps of 49 numbers that look normal."""
    x = bell(258, (2, 2, 7, 7))
    bound = of_sum(50, spec.global_avg_pool(np.abs(x)))
    return Expected({"x": x}, {"y": spec.global_avg_pool(x)}, {"y": bound})


@case("global_avg_pool_backward", "window_area", "asymmetric")
def global_avg_pool_backward_two_by_four() -> Expected:
    """Every pixel gets an eighth, in a map of two rows and four columns."""
    return _global_backward(integers(259, (3, 2), -8, 8), (2, 4))


@case("global_avg_pool_backward", "window_area", "generic")
def global_avg_pool_backward_seven_by_seven() -> Expected:
    """Parts of 49 of numbers that look normal."""
    return _global_backward(bell(260, (2, 2)), (7, 7), of_steps(2))


# --- maxima ---


@case("max_pool2d", "first_maximum", "argmax_index")
def max_pool2d_ties() -> Expected:
    """Maps of few values: the first of equal maxima in row-major order."""
    return _maximum(integers(261, (2, 2, 4, 6), 0, 1), (2, 2), (2, 2))


@case("max_pool2d", "first_maximum", "constant")
def max_pool2d_constant() -> Expected:
    """A constant map, padded: every window points to its first pixel inside the map."""
    return _maximum(np.full((1, 1, 4, 4), -3, np.float32), (3, 3), (2, 2), (1, 1))


@case("max_pool2d", "padding_wins", "argmax_index")
def max_pool2d_negative_values() -> Expected:
    """3 x 3 windows, stride 2, padding 1 on a map of negative values: padding with 0 would win at the border."""
    return _maximum(integers(262, (1, 2, 6, 6), -90, -10), (3, 3), (2, 2), (1, 1))


@case("max_pool2d", "asymmetric", "overlap", "argmax_index")
def max_pool2d_asymmetric() -> Expected:
    """Windows of 2 x 3, stride 1 and 2, padding 0 and 1, on a map of 4 x 5."""
    return _maximum(integers(263, (2, 3, 4, 5), -20, 20), (2, 3), (1, 2), (0, 1))


@case("max_pool2d", "negative_zero", "first_maximum")
def max_pool2d_zeros() -> Expected:
    """0.0 and -0.0 are equal maxima: the first wins."""
    return _maximum(np.array([[[[-0.0, 0.0, 0.0, -0.0], [-1, 0.0, -0.0, -0.0]]]], np.float32), (2, 2), (2, 2))


@case("max_pool2d_backward", "first_maximum")
def max_pool2d_backward_ties() -> Expected:
    """Only the place that argmax names gets the gradient."""
    argmax = np.array([[[[0, 2], [8, 11]]]])
    return _maximum_backward(np.array([[[[1, 2], [3, 4]]]], np.float32), argmax, (4, 4))


@case("max_pool2d_backward", "overlap", "batch")
def max_pool2d_backward_overlapping() -> Expected:
    """A pixel that is the maximum of several windows gets the sum of their gradients."""
    x = integers(264, (2, 2, 5, 5), -20, 20)
    argmax = spec.max_pool2d(x, 3, stride=1, padding=1).argmax.astype(np.int64)
    return _maximum_backward(integers(265, (2, 2, 5, 5), -9, 9), argmax, (5, 5))


@case("max_pool2d_backward", "argmax_index", "asymmetric")
def max_pool2d_backward_asymmetric() -> Expected:
    """A map of 3 x 5, in which the place is h * 5 + w."""
    argmax = spec.max_pool2d(integers(266, (1, 2, 3, 5), -20, 20), (2, 3), stride=(1, 2)).argmax.astype(np.int64)
    return _maximum_backward(integers(267, (1, 2, 2, 2), -9, 9), argmax, (3, 5))


# --- the shortcut ---


@case("stride_and_pad", "channel_padding")
def stride_and_pad_odd_channels() -> Expected:
    """Three channels become six: one channel of zeros before, two after."""
    return _shortcut(integers(268, (2, 3, 4, 4), 1, 9), 6, (2, 2))


@case("stride_and_pad", "stride", "asymmetric")
def stride_and_pad_asymmetric() -> Expected:
    """Stride 2 and 3 on a 5 x 7 map: the first pixel of each step is taken, and the last column is used."""
    return _shortcut(integers(269, (1, 2, 5, 7), 1, 9), 4, (2, 3))


@case("stride_and_pad", "generic")
def stride_and_pad_identity() -> Expected:
    """The same channels and stride 1: the input itself."""
    return _shortcut(bell(270, (1, 2, 3, 3)), 2, (1, 1))


@case("stride_and_pad_backward", "channel_padding", "unreached")
def stride_and_pad_backward_odd_channels() -> Expected:
    """Six channels back to three: the second to the fourth; pixels that were not taken get 0."""
    return _shortcut_backward(integers(271, (2, 6, 2, 2), 1, 9), 3, (4, 4), (2, 2))


@case("stride_and_pad_backward", "stride", "asymmetric")
def stride_and_pad_backward_asymmetric() -> Expected:
    """Stride 2 and 3 back to a 5 x 7 map."""
    return _shortcut_backward(integers(272, (1, 4, 3, 3), 1, 9), 2, (5, 7), (2, 3))
