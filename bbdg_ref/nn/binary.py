"""The binary convolution: bits of the activations times two-valued weights."""

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from ..packed import PackedConv, packed_conv2d
from ..spec.domain import Domain
from ..spec.pruning import Selection
from .domains import WeightDomain
from .estimators import EDE, Estimator
from .layers import uniform_fan_in
from .parameter import Module, Parameter, Shape

__all__ = ["BinaryConv2d"]


class BinaryConv2d(Module):
    """y = conv(sign(x), W), W two-valued: α where the layer's bit is 0, β where it is 1.

    The latent weights are real and learned; their bits are *chosen*, by sign unless a pruning strategy
    says otherwise (`choose`), and turned into weights by the `WeightDomain`. Backward::

        dW      = ∂loss/∂W from the convolution
        ds      = ∂loss/∂s from the domain                   (τ·dW in the general domain)
        dlatent = weight_estimator(ds, latent − threshold)   (the sign's estimator about the threshold)
                  + what the domain sends to the latents directly
        dx      = activation_estimator(∂loss/∂sign(x), x)

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    kernel_size : int
        Height and width of the kernel.
    stride, padding : int
        Padding contributes nothing: it is neither −1 nor +1.
    domain : WeightDomain
        Where α and β come from.
    rng : numpy.random.Generator
        For the latent weights, U(±1/√fan_in).

    Attributes
    ----------
    latent : Parameter
        Latent weights, float32 (out, in, kernel height, kernel width).
    bits : ndarray of bool
        The chosen bits, of the same shape: True is β, a connection.
    threshold : ndarray of float32, shape ()
        The value about which the weights' estimator is centred (0 for bits by sign).
    weight_estimator, activation_estimator : Estimator
        Stand-ins for the derivative of sign; the training loop moves EDE's t and k.
    """

    state_names = ("bits", "threshold")

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, padding: int = 0,
        domain: WeightDomain, rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.stride, self.padding, self.domain = stride, padding, domain
        self.latent = Parameter(uniform_fan_in((out_channels, in_channels, kernel_size, kernel_size), rng))
        self.weight_estimator: Estimator = EDE(t=1.0, k=1.0)
        self.activation_estimator: Estimator = EDE(t=1.0, k=1.0)
        self._packed: PackedConv | None = None
        self.choose(ops.select_positive(self.latent.value))

    def choose(self, selection: Selection) -> None:
        """Set the bits, and the threshold that the weights' estimator is centred about."""
        self.bits = selection.bits
        self.threshold = np.asarray(selection.threshold, np.float32)

    def signs(self) -> NDArray[np.floating]:
        """Return s = 2·bits − 1 in the latents' dtype."""
        one = self.latent.value.dtype.type(1)
        return np.where(self.bits, one, -one)

    def values(self) -> Domain:
        """Return the layer's α and β as they stand."""
        return self.domain.domain(self.latent.value, self.signs())

    def packed(self) -> PackedConv:
        """Return the weights as they stand, packed; the same object as long as they do not change."""
        domain, known = self.values(), self._packed
        if known is None or not (known.holds(self.bits) and _equal(known.domain, domain)):
            self._packed = known = PackedConv.from_bits(self.bits, domain)
        return known

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Return conv(sign(x), W); in evaluation by exact counts, with one rounding to float32 at the end."""
        if not training and x.dtype == np.float32 and x.size > 0:
            with contextlib.suppress(ValueError):  # NaN, which has no sign: left to what follows, as in training
                return packed_conv2d(x, self.packed(), stride=self.stride, padding=self.padding)
        a, s = ops.sign(x), self.signs()
        weight = self.domain.weights(self.latent.value, s)
        if training:
            self._saved = x, a, s, weight
        return ops.conv2d(a, weight, stride=self.stride, padding=self.padding)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Store ∂loss/∂latent and the domain's gradients, return ∂loss/∂x."""
        x, a, s, weight = self._saved
        del self._saved
        where = {"stride": self.stride, "padding": self.padding}
        latent = self.latent.value
        dw = ops.conv2d_grad_weight(dy, a, kernel_size=weight.shape[2:], **where)
        gradients = self.domain.weights_backward(dw, latent, s)
        dlatent = self.weight_estimator.backward(gradients.s, latent - self.threshold)
        self.latent.grad = dlatent if gradients.latent is None else dlatent + gradients.latent
        da = ops.conv2d_grad_input(dy, weight, input_size=x.shape[2:], **where)
        return self.activation_estimator.backward(da, x)

    def output_shape(self, shape: Shape) -> Shape:
        """Return (out channels, height, width)."""
        _, height, width = shape
        out, _, kh, kw = self.latent.value.shape
        return out, *ops.output_size((height, width), (kh, kw), self.stride, self.padding)

    def macs(self, shape: Shape) -> int:
        """Return the multiply-accumulates for one image of shape (channels, height, width)."""
        _, height, width = self.output_shape(shape)
        return self.latent.value.size * height * width


def _equal(first: Domain, second: Domain) -> bool:
    return np.array_equal(first.alpha, second.alpha) and np.array_equal(first.beta, second.beta)
