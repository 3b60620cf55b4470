"""Cases of the convolution, of its two gradients, and of the fully connected layer."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec import conv2d as spec
from ...spec.linear import linear, linear_backward
from ..registry import Expected, case
from .bounds import of_sum
from .drawn import bell, integers

__all__: list[str] = []  # the cases are reached through the registry

Floats = npt.NDArray[Any]
Pair = tuple[int, int]


def _geometry(stride: Pair, padding: Pair) -> dict[str, Any]:
    return {"stride": np.array(stride), "padding": np.array(padding)}


def _conv(x: Floats, weight: Floats, stride: Pair = (1, 1), padding: Pair = (0, 0), *, real: bool = False) -> Expected:
    where = {"stride": stride, "padding": padding}
    bounds = {}
    if real:
        terms = int(np.prod(weight.shape[1:]))
        bounds["y"] = of_sum(terms, spec.conv2d(np.abs(x), np.abs(weight), **where))
    inputs = {"x": x, "weight": weight, **_geometry(stride, padding)}
    return Expected(inputs, {"y": spec.conv2d(x, weight, **where)}, bounds)


def _grad_input(
    dy: Floats, weight: Floats, size: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0), *, real: bool = False
) -> Expected:
    where = {"input_size": size, "stride": stride, "padding": padding}
    bounds = {}
    if real:
        terms = weight[:, 0].size
        bounds["dx"] = of_sum(terms, spec.conv2d_grad_input(np.abs(dy), np.abs(weight), **where))
    inputs = {"dy": dy, "weight": weight, "input_size": np.array(size), **_geometry(stride, padding)}
    return Expected(inputs, {"dx": spec.conv2d_grad_input(dy, weight, **where)}, bounds)


def _grad_weight(
    dy: Floats, x: Floats, size: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0), *, real: bool = False
) -> Expected:
    where = {"kernel_size": size, "stride": stride, "padding": padding}
    bounds = {}
    if real:
        terms = dy[:, 0].size
        bounds["dweight"] = of_sum(terms, spec.conv2d_grad_weight(np.abs(dy), np.abs(x), **where))
    inputs = {"dy": dy, "x": x, "kernel_size": np.array(size), **_geometry(stride, padding)}
    return Expected(inputs, {"dweight": spec.conv2d_grad_weight(dy, x, **where)}, bounds)


def _small(seed: int, *shape: int) -> Floats:
    """Return small integers, as float32."""
    return integers(seed, shape, -4, 4)


# --- forward ---


@case("conv2d", "kernel_flip", "generic")
def conv2d_one_tap() -> Expected:
    """A kernel with a single 1, above and left of its centre, moves the image; a flipped one moves it the other way."""
    weight = np.zeros((1, 1, 3, 3), np.float32)
    weight[0, 0, 0, 0] = 1
    return _conv(np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4), weight, padding=(1, 1))


@case("conv2d", "border")
def conv2d_border_of_ones() -> Expected:
    """An image and a kernel of ones: each output counts the valid taps."""
    return _conv(np.ones((1, 1, 4, 5), np.float32), np.ones((1, 1, 3, 3), np.float32), padding=(1, 1))


@case("conv2d", "stride", "unreached")
def conv2d_stride_2() -> Expected:
    """Stride 2 on an even map with padding 1: the last row and column of the border are not reached."""
    return _conv(_small(101, 1, 2, 6, 6), _small(102, 3, 2, 3, 3), (2, 2), (1, 1))


@case("conv2d", "stride", "unreached")
def conv2d_stride_3() -> Expected:
    """Stride 3 without padding, where two rows and a column are left over."""
    return _conv(_small(103, 1, 1, 8, 7), _small(104, 2, 1, 3, 3), (3, 3))


@case("conv2d", "asymmetric", "stride", "border")
def conv2d_asymmetric() -> Expected:
    """Kernel 2 x 3, stride 2 and 1, padding 0 and 2."""
    return _conv(_small(105, 2, 3, 5, 4), _small(106, 2, 3, 2, 3), (2, 1), (0, 2))


@case("conv2d", "odd_channels", "batch", "transposed_axes")
def conv2d_odd_channels() -> Expected:
    """Three images, five channels in, seven out."""
    return _conv(_small(107, 3, 5, 4, 3), _small(108, 7, 5, 3, 3), padding=(1, 1))


@case("conv2d", "transposed_axes")
def conv2d_one_by_one() -> Expected:
    """A 1 x 1 kernel: a matrix for each pixel, which transposed has the same shape."""
    return _conv(_small(109, 2, 4, 3, 3), _small(110, 4, 4, 1, 1))


@case("conv2d", "stride", "transposed_axes")
def conv2d_one_by_one_stride_2() -> Expected:
    """The strided 1 x 1 shortcut: every second pixel from the first on."""
    return _conv(_small(111, 1, 3, 5, 5), _small(112, 6, 3, 1, 1), (2, 2))


@case("conv2d", "border")
def conv2d_five_by_five() -> Expected:
    """A 5 x 5 kernel with padding 2, as large as the map."""
    return _conv(_small(113, 1, 2, 5, 5), _small(114, 1, 2, 5, 5), padding=(2, 2))


@case("conv2d", "large_kernel", "border")
def conv2d_seven_by_seven() -> Expected:
    """A 7 x 7 kernel on a 3 x 3 map: only the padding makes it fit."""
    return _conv(_small(115, 1, 2, 3, 3), _small(116, 2, 2, 7, 7), (2, 2), (3, 3))


@case("conv2d", "generic")
def conv2d_float32() -> Expected:
    """Numbers that look normal, in float32."""
    return _conv(bell(117, (2, 3, 6, 6)), bell(118, (4, 3, 3, 3)), padding=(1, 1), real=True)


@case("conv2d", "generic")
def conv2d_float64() -> Expected:
    """Numbers that look normal, in float64."""
    return _conv(bell(119, (1, 2, 5, 5), np.float64), bell(120, (2, 2, 3, 3), np.float64), (2, 2), (1, 1), real=True)


# --- gradient of the input ---


@case("conv2d_grad_input", "overlap", "border")
def conv2d_grad_input_ones() -> Expected:
    """Ones: each pixel counts the windows that hold it."""
    return _grad_input(np.ones((1, 1, 4, 4), np.float32), np.ones((1, 1, 3, 3), np.float32), (4, 4), padding=(1, 1))


@case("conv2d_grad_input", "kernel_flip")
def conv2d_grad_input_one_tap() -> Expected:
    """A kernel with a single 1: the gradient moves back the way the image came."""
    weight = np.zeros((1, 1, 3, 3), np.float32)
    weight[0, 0, 0, 0] = 1
    return _grad_input(np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4), weight, (4, 4), padding=(1, 1))


@case("conv2d_grad_input", "unreached", "stride")
def conv2d_grad_input_unreached() -> Expected:
    """Stride 3 without padding: pixels that no window reaches get 0, and the size does not follow from dy."""
    return _grad_input(_small(121, 1, 2, 2, 2), _small(122, 2, 1, 3, 3), (8, 7), (3, 3))


@case("conv2d_grad_input", "unreached", "stride", "border")
def conv2d_grad_input_stride_2() -> Expected:
    """Stride 2 on an even map."""
    return _grad_input(_small(123, 2, 3, 3, 3), _small(124, 3, 2, 3, 3), (6, 6), (2, 2), (1, 1))


@case("conv2d_grad_input", "asymmetric", "odd_channels")
def conv2d_grad_input_asymmetric() -> Expected:
    """Kernel 2 x 3, stride 2 and 1, padding 0 and 2, three channels in, five out."""
    return _grad_input(_small(125, 2, 5, 2, 6), _small(126, 5, 3, 2, 3), (5, 4), (2, 1), (0, 2))


@case("conv2d_grad_input", "transposed_axes")
def conv2d_grad_input_one_by_one() -> Expected:
    """A 1 x 1 kernel: the transposed matrix for each pixel."""
    return _grad_input(_small(127, 1, 4, 2, 3), _small(128, 4, 4, 1, 1), (2, 3))


@case("conv2d_grad_input", "large_kernel", "border")
def conv2d_grad_input_seven_by_seven() -> Expected:
    """A 7 x 7 kernel on a 3 x 3 map."""
    return _grad_input(_small(129, 1, 2, 2, 2), _small(130, 2, 2, 7, 7), (3, 3), (2, 2), (3, 3))


@case("conv2d_grad_input", "generic")
def conv2d_grad_input_float32() -> Expected:
    """Numbers that look normal, in float32."""
    return _grad_input(bell(131, (2, 4, 6, 6)), bell(132, (4, 3, 3, 3)), (6, 6), padding=(1, 1), real=True)


# --- gradient of the kernels ---


@case("conv2d_grad_weight", "border", "gradient_sum")
def conv2d_grad_weight_ones() -> Expected:
    """Ones: each tap counts the pixels under it over all windows and images."""
    x = np.ones((2, 1, 4, 4), np.float32)
    return _grad_weight(x, x, (3, 3), padding=(1, 1))


@case("conv2d_grad_weight", "unreached", "stride")
def conv2d_grad_weight_unreached() -> Expected:
    """Stride 3 without padding: pixels that no window reaches do not count, and the size does not follow."""
    return _grad_weight(_small(133, 1, 2, 2, 2), _small(134, 1, 1, 8, 7), (3, 3), (3, 3))


@case("conv2d_grad_weight", "stride", "border", "batch")
def conv2d_grad_weight_stride_2() -> Expected:
    """Stride 2 on an even map, two images."""
    return _grad_weight(_small(135, 2, 3, 3, 3), _small(136, 2, 2, 6, 6), (3, 3), (2, 2), (1, 1))


@case("conv2d_grad_weight", "asymmetric", "odd_channels", "transposed_axes")
def conv2d_grad_weight_asymmetric() -> Expected:
    """Kernel 2 x 3, stride 2 and 1, padding 0 and 2, three channels in, five out."""
    return _grad_weight(_small(137, 2, 5, 2, 6), _small(138, 2, 3, 5, 4), (2, 3), (2, 1), (0, 2))


@case("conv2d_grad_weight", "transposed_axes", "gradient_sum")
def conv2d_grad_weight_one_by_one() -> Expected:
    """A 1 x 1 kernel with as many channels in as out."""
    return _grad_weight(_small(139, 2, 3, 2, 2), _small(140, 2, 3, 2, 2), (1, 1))


@case("conv2d_grad_weight", "large_kernel")
def conv2d_grad_weight_seven_by_seven() -> Expected:
    """A 7 x 7 kernel on a 3 x 3 map: some taps never meet the image and get 0."""
    return _grad_weight(_small(141, 1, 2, 2, 2), _small(142, 1, 1, 3, 3), (7, 7), (2, 2), (3, 3))


@case("conv2d_grad_weight", "generic")
def conv2d_grad_weight_float32() -> Expected:
    """Numbers that look normal, in float32."""
    return _grad_weight(bell(143, (2, 4, 6, 6)), bell(144, (2, 3, 6, 6)), (3, 3), padding=(1, 1), real=True)


# --- fully connected ---


def _linear(x: Floats, weight: Floats, bias: Floats, *, real: bool = False) -> Expected:
    bounds = {}
    if real:
        bounds["y"] = of_sum(x.shape[1] + 1, linear(np.abs(x), np.abs(weight), np.abs(bias)))
    return Expected({"x": x, "weight": weight, "bias": bias}, {"y": linear(x, weight, bias)}, bounds)


def _linear_backward(dy: Floats, x: Floats, weight: Floats, *, real: bool = False) -> Expected:
    made = linear_backward(dy, x, weight)
    bounds = {}
    if real:
        sums = linear_backward(np.abs(dy), np.abs(x), np.abs(weight))
        bounds = {
            "dx": of_sum(dy.shape[1], sums.x),
            "dweight": of_sum(len(dy), sums.weight),
            "dbias": of_sum(len(dy), sums.bias),
        }
    expected = {"dx": made.x, "dweight": made.weight, "dbias": made.bias}
    return Expected({"dy": dy, "x": x, "weight": weight}, expected, bounds)


@case("linear", "transposed_axes", "batch")
def linear_square() -> Expected:
    """As many inputs as outputs and images: a transposed weight has the same shape."""
    return _linear(_small(145, 3, 3), _small(146, 3, 3), np.array([1, -2, 4], np.float32))


@case("linear", "odd_channels", "batch")
def linear_odd() -> Expected:
    """Seven inputs, three outputs, five rows."""
    return _linear(_small(147, 5, 7), _small(148, 3, 7), np.array([0.5, 0, -8], np.float32))


@case("linear", "generic")
def linear_float32() -> Expected:
    """64 inputs that look normal, ten classes."""
    return _linear(bell(149, (4, 64)), bell(150, (10, 64)), bell(151, 10), real=True)


@case("linear_backward", "transposed_axes", "gradient_sum")
def linear_backward_square() -> Expected:
    """As many inputs as outputs and rows; the bias gets the sum over the batch, not the mean."""
    return _linear_backward(_small(152, 3, 3), _small(153, 3, 3), _small(154, 3, 3))


@case("linear_backward", "odd_channels", "gradient_sum")
def linear_backward_odd() -> Expected:
    """Seven inputs, three outputs, five rows."""
    return _linear_backward(_small(155, 5, 3), _small(156, 5, 7), _small(157, 3, 7))


@case("linear_backward", "generic")
def linear_backward_float32() -> Expected:
    """Numbers that look normal."""
    return _linear_backward(bell(158, (4, 10)), bell(159, (4, 32)), bell(160, (10, 32)), real=True)
