"""The paper's penalty on the density over all binary layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks, ops
from ..spec.pruning import Selection
from .protocol import NO_PENALTY, Penalty

__all__ = ["PAPER_GAMMA_CIFAR10", "DensityPenalty"]

#: γ by expected connections (EC), as the official CIFAR-10 code pairs them (arXiv 2306.13515).
PAPER_GAMMA_CIFAR10 = {
    0.5: 0.0,
    0.25: 0.02,
    0.1: 0.04,
    0.05: 0.07,
    0.04: 0.07,
    0.03: 0.08,
    0.02: 0.08,
    0.01: 0.1,
}


@dataclass(frozen=True)
class DensityPenalty:
    """Bits by sign; a penalty while the density p of all binary layers together exceeds EC.

    With h = max(p − EC, 0) and the task loss L, not differentiated::

        λ = 0 if h ≤ dead_zone else γ·L/(h·(1−γ)),   loss = L + λ·h,   ∂/∂latent = λ·slope/n

    n counts the weights of all binary layers. EC = 0.5 switches the penalty off, as the official code
    does. The push is small, 1e-8 to 1e-4 a weight: in networks of millions of weights and with the paper's
    γ it needs hundreds of epochs to move the density from one half to 0.05. As λ grows with 1/h towards the
    limit, a large γ ends in a kick there that carries the density past it, and below the limit the
    penalty does not act: give the density reached with every result.

    Parameters
    ----------
    limit : float
        EC, the expected connections, in (0, 1).
    gamma : float
        γ, the penalty's share of the total loss, in [0, 1).
    slope : float
        Derivative of the count of ones with respect to a latent weight: 0.5 (CIFAR) or 1 (ImageNet).
    dead_zone : float
        Excess up to which there is no penalty.

    Examples
    --------
    >>> import numpy as np
    >>> strategy = DensityPenalty(limit=0.05, gamma=0.07)
    >>> selections = strategy.choose([np.array([0.5, -0.5, 0.25, 0.75])], step=0)
    >>> round(strategy.penalty(selections, loss=2.0).value, 4)
    0.1505
    """

    limit: float
    gamma: float
    slope: float = 0.5
    dead_zone: float = 1e-4

    def __post_init__(self) -> None:
        """Refuse numbers outside their ranges."""
        _checks.fraction("DensityPenalty", "limit", self.limit)
        _checks.fraction("DensityPenalty", "gamma", self.gamma, zero=True)
        _checks.fraction("DensityPenalty", "slope", self.slope, one=True)
        _checks.fraction("DensityPenalty", "dead_zone", self.dead_zone, zero=True)

    def choose(self, latents: Sequence[NDArray[Any]], step: int) -> list[Selection]:
        """Return the positive latent weights of each layer."""
        return [ops.select_positive(latent) for latent in latents]

    def penalty(self, selections: Sequence[Selection], loss: float) -> Penalty:
        """Return λ·h and its push on every latent weight."""
        if self.limit == 0.5:
            return NO_PENALTY
        ones = sum(int(np.count_nonzero(selection.bits)) for selection in selections)
        total = sum(selection.bits.size for selection in selections)
        result = ops.density_penalty(
            ones, total, limit=self.limit, gamma=self.gamma, loss=loss, dead_zone=self.dead_zone
        )
        return Penalty(result.value, ops.density_penalty_push(result.multiplier, total, slope=self.slope))
