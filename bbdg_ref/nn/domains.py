"""Where a layer's two weight values come from: four small classes with one protocol.

``weights(latent, s)`` turns the latent weights and their signs s ∈ {−1, +1} into the weights that the
convolution uses; ``backward(dw, latent, s)`` returns what the straight-through estimator gets
(∂loss/∂s) and what goes to the latent weights directly, and stores the gradients of the domain's own
scalars. The formulas stand in `bbdg_ref.spec.weights`. Every class also names its two values as a
`Domain`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from ..spec.domain import Domain
from ..spec.weights import WeightGradients
from .parameter import Module, Parameter

__all__ = ["DOMAINS", "Bipolar", "General", "GeneralClosed", "Symmetric", "WeightDomain"]


class WeightDomain(Module):
    """The protocol: latent weights and signs in, weights out, and the gradients back.

    Attributes
    ----------
    derived_values : int
        Numbers per α (one a layer, or one a filter) that a trained layer keeps beside its learned
        parameters to know its values: 0 where they are fixed or learned.
    """

    derived_values = 0

    def weights(self, latent: NDArray[Any], s: NDArray[Any]) -> NDArray[Any]:
        """Return the weights, of the latents' shape (out, in, kernel height, kernel width)."""
        raise NotImplementedError

    def weights_backward(self, dw: NDArray[Any], latent: NDArray[Any], s: NDArray[Any]) -> WeightGradients:
        """Return the gradients from ∂loss/∂weights; store those of the domain's own parameters."""
        raise NotImplementedError

    def domain(self, latent: NDArray[Any], s: NDArray[Any]) -> Domain:
        """Return α and β exactly as `weights` rounds them: scalars, or one pair per output channel."""
        raise NotImplementedError


class Bipolar(WeightDomain):
    """{−1, +1}: W = s. Nothing is learned but the bits (BinaryNet, arXiv 1602.02830)."""

    def weights(self, latent: NDArray[Any], s: NDArray[Any]) -> NDArray[Any]:
        """Return s."""
        return ops.bipolar_weights(latent, s)

    def weights_backward(self, dw: NDArray[Any], latent: NDArray[Any], s: NDArray[Any]) -> WeightGradients:
        """Pass ∂loss/∂W on as ∂loss/∂s."""
        return ops.bipolar_weights_backward(dw, latent, s)

    def domain(self, latent: NDArray[Any], s: NDArray[Any]) -> Domain:
        """Return {−1, +1}."""
        return Domain(-1.0, 1.0)


class Symmetric(WeightDomain):
    """{−a, +a} per filter, a = mean|latent|, not differentiated (XNOR-Net, arXiv 1603.05279)."""

    derived_values = 1  # a

    def weights(self, latent: NDArray[Any], s: NDArray[Any]) -> NDArray[Any]:
        """Return a·s."""
        return ops.symmetric_weights(latent, s)

    def weights_backward(self, dw: NDArray[Any], latent: NDArray[Any], s: NDArray[Any]) -> WeightGradients:
        """Return ∂loss/∂s = a·∂loss/∂W."""
        return ops.symmetric_weights_backward(dw, latent, s)

    def domain(self, latent: NDArray[Any], s: NDArray[Any]) -> Domain:
        """Return {−a, +a}, one pair per output channel."""
        a = ops.symmetric_scale(latent).ravel().astype(np.float64)
        return Domain(-a, a, channel_axis=0)


class General(WeightDomain):
    """{α, β} with τ, φ learned: W = τ·s + φ, α = φ − τ, β = φ + τ (arXiv 2306.13515).

    One τ and one φ a layer; they start at 1 and 0, which is {−1, +1}.
    """

    def __init__(self) -> None:
        self.tau = Parameter(np.ones((), np.float32))
        self.phi = Parameter(np.zeros((), np.float32))

    def weights(self, latent: NDArray[Any], s: NDArray[Any]) -> NDArray[Any]:
        """Return τ·s + φ."""
        return ops.general_weights(s, float(self.tau.value), float(self.phi.value))

    def weights_backward(self, dw: NDArray[Any], latent: NDArray[Any], s: NDArray[Any]) -> WeightGradients:
        """Store ∂loss/∂τ and ∂loss/∂φ, return ∂loss/∂s = τ·∂loss/∂W."""
        gradients = ops.general_weights_backward(dw, s, float(self.tau.value), float(self.phi.value))
        self.tau.grad, self.phi.grad = np.asarray(gradients.tau), np.asarray(gradients.phi)
        return gradients

    def domain(self, latent: NDArray[Any], s: NDArray[Any]) -> Domain:
        """Return {φ − τ, φ + τ}."""
        alpha, beta = self.weights(latent, np.array([-1, 1], s.dtype))
        return Domain(alpha, beta)


class GeneralClosed(WeightDomain):
    """{α, β} in closed form from the latent weights: α, β = means of the latents with bit 0, bit 1.

    For the given bits this is the least-squares domain (`bbdg_ref.fit_domain`), taken anew at every
    step; the gradient flows through both means.
    """

    derived_values = 2  # α, β

    def weights(self, latent: NDArray[Any], s: NDArray[Any]) -> NDArray[Any]:
        """Return α + (β − α)·b."""
        return ops.closed_form_weights(latent, s)

    def weights_backward(self, dw: NDArray[Any], latent: NDArray[Any], s: NDArray[Any]) -> WeightGradients:
        """Return ∂loss/∂s and, through the conditional means, ∂loss/∂latent."""
        return ops.closed_form_weights_backward(dw, latent, s)

    def domain(self, latent: NDArray[Any], s: NDArray[Any]) -> Domain:
        """Return the two conditional means, rounded to the latents' dtype."""
        means, rounded = ops.conditional_means(latent, s), latent.dtype.type
        return Domain(rounded(means.alpha), rounded(means.beta))


#: The domains by the name that the command line and the files use.
DOMAINS: dict[str, type[WeightDomain]] = {
    "bipolar": Bipolar,
    "symmetric": Symmetric,
    "general": General,
    "general-closed": GeneralClosed,
}
