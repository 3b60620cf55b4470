"""Random ones, the same at every step: what any other choice must beat."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks, ops
from ..spec.pruning import Selection
from .protocol import NoPenalty, layers
from .schedule import Schedule, check_density, count

__all__ = ["RandomBits"]


@dataclass(frozen=True)
class RandomBits(NoPenalty):
    """In a layer of n weights k = round(density·n) random ones, at least one, whatever the latent weights are.

    Every weight of layer i (from 0) gets a number from ``numpy.random.default_rng([seed, i])``, and the k largest are
    ones. So the ones are the same at every step; with a falling density some of them go and none come. Nothing that the
    latent weights do changes a bit. In the general and the bipolar domain they therefore learn nothing: the network has
    τ and φ, its batch norms and its real layers to adapt. In the closed form and in the symmetric domain a layer's two
    values are means of its latent weights, which go on learning them. The threshold is 0.

    Parameters
    ----------
    density : float or Schedule
        Fraction of ones in every binary layer, in (0, 1], or one that moves from step to step.
    seed : int
        At least 0.

    Examples
    --------
    >>> import numpy as np
    >>> strategy = RandomBits(0.25, seed=0)
    >>> [strategy.choose([np.zeros((2, 4))], step=step)[0].bits.nonzero() for step in (0, 9)]
    [(array([1, 1]), array([0, 1])), (array([1, 1]), array([0, 1]))]
    """

    density: float | Schedule
    seed: int

    def __post_init__(self) -> None:
        """Refuse a density that is neither a fraction nor a schedule, and a seed that is none."""
        check_density("RandomBits", "density", self.density)
        _checks.integer("RandomBits", "seed", self.seed, 0)

    def choose(self, latents: Sequence[NDArray[Any]], step: int) -> list[Selection]:
        """Return the same ones for layers of the same shapes."""
        chosen = []
        for index, latent in enumerate(layers(self, latents)):
            drawn = np.random.default_rng([self.seed, index]).random(latent.shape)
            bits = ops.select_top_k(drawn, count(self.density, step, latent.size)).bits
            chosen.append(Selection(bits, 0.0))
        return chosen
