"""Cases of a whole binary block: binary convolution, batch norm, shortcut, hardtanh."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.activation import hardtanh, hardtanh_backward
from ...spec.batchnorm import batchnorm_backward, batchnorm_train
from ...spec.conv2d import conv2d, conv2d_grad_input, conv2d_grad_weight
from ...spec.estimators import ede_backward, sign
from ...spec.shortcut import stride_and_pad, stride_and_pad_backward
from ...spec.weights import general_weights, general_weights_backward
from ..registry import Expected, case
from .bounds import of_scale
from .drawn import bell, integers, uniform

__all__: list[str] = []  # the cases are reached through the registry

Floats = npt.NDArray[Any]
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class _Block:
    x: Floats
    latent: Floats
    tau: float
    phi: float
    weight: Floats
    bias: Floats
    eps: float
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)

    def inputs(self) -> dict[str, Any]:
        made = {name: getattr(self, name) for name in ("x", "latent", "tau", "phi", "weight", "bias", "eps")}
        return {**made, "stride": np.array(self.stride), "padding": np.array(self.padding)}

    def where(self) -> dict[str, Pair]:
        return {"stride": self.stride, "padding": self.padding}


def _forward(block: _Block) -> tuple[Floats, Floats, Any, Floats]:
    """Return the binary weights, the convolution, its batch norm, and the sum that goes into hardtanh."""
    w = general_weights(sign(block.latent), block.tau, block.phi)
    z = conv2d(sign(block.x), w, **block.where())
    norm = batchnorm_train(z, block.weight, block.bias, eps=block.eps)
    total = norm.y + stride_and_pad(block.x, out_channels=len(w), stride=block.stride)
    # Rounding must not carry a sum across a corner of hardtanh.
    assert np.abs(np.abs(total) - 1).min() > 1e-3
    return w, z, norm, total


def _terms(block: _Block, z: Floats) -> int:
    """Return how many numbers the longest chain of sums adds up: a convolution, twice the statistics, the rest."""
    return int(np.prod(block.latent.shape)) + 3 * z[:, 0].size + 40


def _block(block: _Block, *, exact: bool = False) -> Expected:
    _, z, norm, total = _forward(block)
    inverse = float(1 / np.sqrt(norm.var.min() + block.eps))
    top = float(np.abs(block.weight).max()) * 2 * float(np.abs(z).max()) * inverse + float(np.abs(block.bias).max())
    bounds = {} if exact else {"y": of_scale(_terms(block, z), top + float(np.abs(block.x).max()))}
    return Expected(block.inputs(), {"y": hardtanh(total)}, bounds)


def _backward(block: _Block, dy: Floats, t: float, k: float, *, exact: bool = False) -> Expected:
    w, z, norm, total = _forward(block)
    s, a, where = sign(block.latent), sign(block.x), block.where()
    dtotal = hardtanh_backward(dy, total)
    dnorm = batchnorm_backward(dtotal, z, block.weight, norm.mean, norm.var, eps=block.eps)
    dw = conv2d_grad_weight(dnorm.x, a, kernel_size=w.shape[2:], **where)
    dweights = general_weights_backward(dw, s, block.tau, block.phi)
    size = block.x.shape[2:]
    dsign = conv2d_grad_input(dnorm.x, w, input_size=size, **where)
    dshort = stride_and_pad_backward(dtotal, in_channels=block.x.shape[1], input_size=size, stride=block.stride)
    expected = {
        "dx": ede_backward(dsign, block.x, t=t, k=k) + dshort,
        "dlatent": ede_backward(dweights.s, block.latent, t=t, k=k),
        "dtau": np.asarray(dweights.tau),
        "dphi": np.asarray(dweights.phi),
        "dweight": dnorm.weight,
        "dbias": dnorm.bias,
    }
    # Magnitudes, from the gradient of the sum on: m values a channel, xhat the normalized convolution.
    m, top = z[:, 0].size, float(np.abs(dy).max())
    inverse = float(1 / np.sqrt(norm.var.min() + block.eps))
    xhat = 2 * float(np.abs(z).max()) * inverse
    dz = float(np.abs(block.weight).max()) * inverse * top * (2 + xhat**2)
    steepest = k * t
    scales = {
        "dx": steepest * dz * float(np.abs(w).sum(axis=(0, 2, 3)).max()) + top,
        "dlatent": steepest * abs(block.tau) * m * dz,
        "dtau": m * dz * w.size,
        "dphi": m * dz * w.size,
        "dweight": m * top * xhat,
        "dbias": m * top,
    }
    loose = ("dx", "dlatent") if exact else tuple(scales)  # the tangent of EDE is rounded in any case
    bounds = {name: of_scale(_terms(block, z), scales[name]) for name in loose}
    return Expected({"dy": dy, **block.inputs(), "t": t, "k": k}, expected, bounds)


def _four_pixels() -> _Block:
    """Return a block whose numbers are all dyadic: four pixels with all pairs of signs, variance 5/2, eps 3/2."""
    x = np.array([[[[0.25, 0.5], [-0.25, 0.0]], [[0.5, -0.75], [0.125, -0.5]]]], np.float32)
    latent = np.array([[0.5, -0.25], [-0.125, 1.0]], np.float32).reshape(2, 2, 1, 1)
    weight, bias = np.array([0.5, -1], np.float32), np.array([0.125, 0.25], np.float32)
    return _Block(x, latent, 1.0, 0.5, weight, bias, 1.5)


def _drawn(seed: int, shape: tuple[int, ...], out: int, stride: Pair, dtype: npt.DTypeLike) -> _Block:
    return _Block(
        x=uniform(seed, shape, -1, 1, dtype),
        latent=bell(seed + 1, (out, shape[1], 3, 3), dtype),
        tau=0.0731,
        phi=-0.0293,
        weight=uniform(seed + 2, out, 0.5, 1.5, dtype),
        bias=bell(seed + 3, out, dtype),
        eps=1e-5,
        stride=stride,
        padding=(1, 1),
    )


@case("binary_block", "tau_phi", "eps", "zero", "shortcut")
def binary_block_four_pixels() -> Expected:
    """Dyadic numbers throughout, an input of 0 among them."""
    return _block(_four_pixels(), exact=True)


@case("binary_block", "border", "shortcut", "generic")
def binary_block_same_shape() -> Expected:
    """3 x 3 with padding, the same channels in and out, float64."""
    return _block(_drawn(551, (2, 3, 5, 4), 3, (1, 1), np.float64))


@case("binary_block", "channel_padding", "stride", "shortcut")
def binary_block_stride_2() -> Expected:
    """Stride 2 from 3 to 6 channels: the shortcut takes every second pixel and pads the channels; float64."""
    return _block(_drawn(511, (2, 3, 6, 6), 6, (2, 2), np.float64))


@case("binary_block", "alpha_above_beta", "generic")
def binary_block_float32() -> Expected:
    """float32 with a negative tau."""
    block = _drawn(521, (3, 4, 4, 4), 4, (1, 1), np.float32)
    return _block(
        _Block(block.x, block.latent, -0.25, 0.125, block.weight, block.bias, 1e-5, padding=(1, 1))
    )  # fmt: skip


@case("binary_block_backward", "block_gradient", "tau_phi", "statistics_gradient")
def binary_block_backward_four_pixels() -> Expected:
    """Dyadic numbers: the gradients of tau, phi, scale and shift are exact."""
    dy = integers(531, (1, 2, 2, 2), -4, 4)
    return _backward(_four_pixels(), dy, 1.0, 1.0, exact=True)


@case("binary_block_backward", "block_gradient", "estimator_scale", "shortcut")
def binary_block_backward_same_shape() -> Expected:
    """The same channels in and out; t = 0.5, k = 2, float64."""
    return _backward(_drawn(551, (2, 3, 5, 4), 3, (1, 1), np.float64), bell(541, (2, 3, 5, 4), np.float64), 0.5, 2.0)


@case("binary_block_backward", "channel_padding", "stride", "block_gradient")
def binary_block_backward_stride_2() -> Expected:
    """Stride 2 from 3 to 6 channels; t = 2, k = 1, float64."""
    return _backward(_drawn(511, (2, 3, 6, 6), 6, (2, 2), np.float64), bell(542, (2, 6, 3, 3), np.float64), 2.0, 1.0)


@case("binary_block_backward", "alpha_above_beta", "generic")
def binary_block_backward_float32() -> Expected:
    """float32 with a negative tau; t = 0.1, k = 10, as in the first epoch."""
    block = _drawn(521, (3, 4, 4, 4), 4, (1, 1), np.float32)
    block = _Block(block.x, block.latent, -0.25, 0.125, block.weight, block.bias, 1e-5, padding=(1, 1))
    return _backward(block, bell(543, (3, 4, 4, 4)), 0.1, 10.0)
