"""The binary convolution: bits of the activations times two-valued weights."""

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from .._memory import empty
from ..ops.packed_plan import exact_bits
from ..packed import PackedConv, packed_conv2d
from ..spec.conv2d import Pair
from ..spec.domain import Domain
from ..spec.pruning import Selection
from .domains import WeightDomain
from .estimators import EDE, Estimator
from .layers import uniform_fan_in
from .parameter import Module, Parameter, Shape

__all__ = ["BinaryConv2d"]

_EDE = EDE(t=1.0, k=1.0)


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
    weight_estimator, activation_estimator : Estimator
        Stand-ins for the derivative of sign; `anneal` moves an `EDE`.

    Attributes
    ----------
    latent : Parameter
        Latent weights, float32 (out, in, kernel height, kernel width).
    bits : ndarray of bool
        The chosen bits, of the same shape: True is β, a connection.
    threshold : ndarray of float32, shape ()
        The value about which the weights' estimator is centred (0 for bits by sign).
    weight_estimator, activation_estimator : Estimator
        As given.
    """

    state_names = ("bits", "threshold")

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, padding: int = 0,
        domain: WeightDomain, rng: np.random.Generator, weight_estimator: Estimator = _EDE,
        activation_estimator: Estimator = _EDE,
    ) -> None:  # fmt: skip
        self.stride, self.padding, self.domain = stride, padding, domain
        self.latent = Parameter(uniform_fan_in((out_channels, in_channels, kernel_size, kernel_size), rng))
        self.weight_estimator, self.activation_estimator = weight_estimator, activation_estimator
        self._packed: PackedConv | None = None
        self.choose(ops.select_positive(self.latent.value))

    def choose(self, selection: Selection) -> None:
        """Set the bits, and the threshold that the weights' estimator is centred about."""
        self.bits = exact_bits(selection.bits)
        self.threshold = np.asarray(selection.threshold, np.float32)

    def anneal(self, ede: EDE) -> None:
        """Put ``ede`` in the place of every estimator of that kind; the others have no schedule."""
        if isinstance(self.weight_estimator, EDE):
            self.weight_estimator = ede
        if isinstance(self.activation_estimator, EDE):
            self.activation_estimator = ede

    def signs(self) -> NDArray[np.floating]:
        """Return s = 2·bits − 1 in the latents' dtype."""
        return self._signs_of(self.bits)

    def _signs_of(self, bits: NDArray[np.bool_]) -> NDArray[np.floating]:
        dtype = self.latent.value.dtype
        s = empty(bits.shape) if dtype == np.float32 else np.empty(bits.shape, dtype)
        np.copyto(s, bits)  # and no branch a bit: several times as fast as np.where
        s *= 2
        s -= 1
        return s

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
        """Return conv(sign(x), W): in float32 by exact counts, with one rounding at the end."""
        if not training and x.dtype == np.float32 and x.size > 0:
            with contextlib.suppress(ValueError):  # NaN, which has no sign: left to what follows, as in training
                return packed_conv2d(x, self.packed(), stride=self.stride, padding=self.padding)
        values = self.values()
        if training:
            self._saved = x, values, self.bits.copy(), self.threshold.copy()
        where = {"stride": self.stride, "padding": self.padding}
        if x.dtype == np.float32 and ops.packed_kernels_take(x.shape[1], self.bits.shape[2:]):
            return ops.popcount_conv2d(x, self.bits, values.alpha, values.beta, **where)
        return ops.conv2d(ops.sign(x), self.weights(), **where)

    def weights(self) -> NDArray[np.floating]:
        """Return the real weights as they stand, α or β, of the latents' shape and dtype."""
        return self.domain.weights(self.latent.value, self.signs())

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Store ∂loss/∂latent and the domain's gradients, return ∂loss/∂x."""
        x, values, bits, threshold = self.take_saved()
        latent, s = self.latent.value, self._signs_of(bits)
        dw = ops.sign_conv2d_grad_weight(
            dy, x, kernel_size=latent.shape[2:], stride=self.stride, padding=self.padding
        )  # fmt: skip
        gradients = self.domain.weights_backward(dw, latent, s)
        centred = np.subtract(latent, threshold, out=s)
        dlatent = self.weight_estimator.backward(gradients.s, centred)
        self.latent.grad = dlatent if gradients.latent is None else dlatent + gradients.latent
        dsign = self._grad_activations(dy, bits, values, (x.shape[2], x.shape[3]))
        return self.activation_estimator.backward(dsign, x)

    def _grad_activations(self, dy: NDArray[Any], bits: NDArray[np.bool_], values: Domain, size: Pair) -> NDArray[Any]:
        """Return ∂loss/∂sign(x)."""
        return ops.two_valued_grad_input(
            dy, bits, values.alpha, values.beta, input_size=size, stride=self.stride, padding=self.padding
        )  # fmt: skip

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
