"""The paper's penalty on the density over all binary layers, and its twin on the entropy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks, ops
from ..spec.pruning import Selection
from .protocol import NO_PENALTY, Penalty, layers

__all__ = ["PAPER_GAMMA_CIFAR10", "PAPER_GAMMA_CIFAR100", "DensityPenalty", "EntropyPenalty"]

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

#: γ by expected connections (EC), as the official CIFAR-100 code pairs them.
PAPER_GAMMA_CIFAR100 = {0.5: 0.0, 0.05: 0.05, 0.04: 0.05, 0.03: 0.05, 0.02: 0.06, 0.01: 0.07}

#: EC at which the penalty is off, as in the official code: the density of bits by sign.
OFF = 0.5


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
        name = type(self).__name__
        _checks.fraction(name, "limit", self.limit)
        _checks.fraction(name, "gamma", self.gamma, zero=True)
        _checks.fraction(name, "slope", self.slope, one=True)
        _checks.fraction(name, "dead_zone", self.dead_zone, zero=True)

    def choose(self, latents: Sequence[NDArray[Any]], step: int) -> list[Selection]:
        """Return the positive latent weights of each layer."""
        return [ops.select_positive(latent) for latent in layers(self, latents)]

    def penalty(self, selections: Sequence[Selection], loss: float) -> Penalty:
        """Return λ·h and its push on every latent weight; nothing where there are no layers."""
        ones = sum(int(np.count_nonzero(selection.bits)) for selection in selections)
        total = sum(selection.bits.size for selection in selections)
        if self.limit == OFF or total == 0 or self._met_by_ones(total - ones, total):
            return NO_PENALTY
        result = ops.density_penalty(
            ones, total, limit=self.limit, gamma=self.gamma, loss=loss, dead_zone=self.dead_zone
        )
        if result.multiplier == 0:
            return NO_PENALTY
        push = ops.density_penalty_push(result.multiplier, total, slope=self.slope)
        return Penalty(result.value, push * self._factor(ones / total))

    def _met_by_ones(self, zeros: int, total: int) -> bool:
        """Tell whether the bound holds because nearly all weights are ones."""
        return False

    def _factor(self, density: float) -> float:
        """Return what scales the push at a density above the limit."""
        return 1.0


@dataclass(frozen=True)
class EntropyPenalty(DensityPenalty):
    """Bits by sign; a penalty while the entropy H(p) of the bits of all binary layers exceeds H(EC).

    The constraint is that of `DensityPenalty` as long as p < ½, and the penalty the same share γ of the whole loss, but
    its push is another (`bbdg_ref.spec.density.entropy_factor`)::

        ∂/∂latent = λ·slope/n · H′(p)·(p − EC)/(H(p) − H(EC)),   H′(p) = log₂((1 − p)/p)

    The factor is 1 at the limit and falls to 0 at p = ½, where the entropy has no slope. Latent weights that start half
    positive are therefore not moved: start them below one half (`bbdg_ref.nn.shift_latents`, ``--init-density``) or
    from a pruned network (``--from``). From p = ½ on the penalty keeps its value and pushes nothing; from p = 1 − EC
    on, where H(p) ≤ H(EC) again, there is none.

    Parameters
    ----------
    limit : float
        EC, the expected connections, in (0, ½).
    gamma, slope, dead_zone : float
        As for `DensityPenalty`.

    Examples
    --------
    >>> import numpy as np
    >>> layer = [np.array([0.5, -0.5, -0.25, -0.75])]
    >>> for strategy in (DensityPenalty(0.125, 0.2), EntropyPenalty(0.125, 0.2)):
    ...     print(round(strategy.penalty(strategy.choose(layer, step=0), loss=2.0).push, 4))
    0.5
    0.37
    """

    def __post_init__(self) -> None:
        """Refuse numbers outside their ranges."""
        super().__post_init__()
        if self.limit >= 0.5:
            expected, mend = "below 1/2, up to which fewer ones have less entropy", "choose a lower one"
            raise ValueError(_checks.message("EntropyPenalty", "limit", expected, repr(self.limit), mend))

    def _met_by_ones(self, zeros: int, total: int) -> bool:
        """Tell whether 1 − p ≤ EC, so that H(p) = H(1 − p) ≤ H(EC)."""
        return zeros / total <= self.limit

    def _factor(self, density: float) -> float:
        """Return the slope of the entropy over its mean slope from the limit on."""
        return ops.entropy_factor(density, self.limit)
