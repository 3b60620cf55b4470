"""The largest latent weights are the ones: of each layer, or of all layers together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from ..spec.pruning import Selection
from .protocol import NoPenalty, layers
from .schedule import Schedule, check_density, count

__all__ = ["GlobalTopK", "TopK"]


@dataclass(frozen=True)
class TopK(NoPenalty):
    """In a layer of n weights the k = round(density·n) largest latent weights are ones, at least one.

    The density is met from the first step on. The sign's estimator is centred between the smallest
    one and the largest zero.

    Parameters
    ----------
    density : float or Schedule
        Fraction of ones in every binary layer, in (0, 1], or one that moves from step to step.

    Examples
    --------
    >>> import numpy as np
    >>> TopK(0.25).choose([np.array([0.5, -0.5, 0.0, 0.75])], step=0)[0]
    Selection(bits=array([False, False, False,  True]), threshold=0.625)
    """

    density: float | Schedule

    def __post_init__(self) -> None:
        """Refuse a density that is neither a fraction nor a schedule."""
        check_density("TopK", "density", self.density)

    def choose(self, latents: Sequence[NDArray[Any]], step: int) -> list[Selection]:
        """Return the k largest latent weights of each layer."""
        return [ops.select_top_k(latent, count(self.density, step, latent.size)) for latent in layers(self, latents)]


@dataclass(frozen=True)
class GlobalTopK(NoPenalty):
    """The k = round(density·n) largest of the n latent weights of all layers together are ones, at least one.

    It is `bbdg_ref.spec.pruning.select_top_k` of the layers' latent weights one after another, each in C
    order, cut back into layers: every layer has the same threshold, and among equal weights the earlier
    layer, then the lower flat index, comes first.

    The latent weights are compared as they are. They start at U(±1/√fan_in), so layers with few inputs have
    larger ones and get a higher density than the wide layers at the end. A layer may get no one at all: its
    weights are then all α, equal from filter to filter, and carry no information, but the sign's estimator,
    centred about the common threshold, goes on moving its latent weights, which may rise above it again. (In
    the closed form α = β there, so that they only move all together.) To let every layer start at the same
    density instead, shift its latent weights first (`bbdg_ref.nn.shift_latents`, ``--init-density``).

    Parameters
    ----------
    density : float or Schedule
        Fraction of ones over all binary layers, in (0, 1], or one that moves from step to step.

    Examples
    --------
    >>> import numpy as np
    >>> wide, narrow = np.array([0.1, -0.1, 0.0, 0.2]), np.array([0.5, -0.5, 0.25, 0.75])
    >>> [s.bits.sum().item() for s in GlobalTopK(0.25).choose([wide, narrow], step=0)]
    [0, 2]
    >>> [s.threshold for s in GlobalTopK(0.25).choose([wide, narrow], step=0)]
    [0.375, 0.375]
    """

    density: float | Schedule

    def __post_init__(self) -> None:
        """Refuse a density that is neither a fraction nor a schedule."""
        check_density("GlobalTopK", "density", self.density)

    def choose(self, latents: Sequence[NDArray[Any]], step: int) -> list[Selection]:
        """Return each layer's part of the k largest latent weights of all."""
        latents = layers(self, latents)
        if not latents:
            return []
        flat = np.concatenate([latent.reshape(-1) for latent in latents])
        chosen = ops.select_top_k(flat, count(self.density, step, flat.size))
        ends = np.cumsum([latent.size for latent in latents])[:-1]
        parts = np.split(chosen.bits, ends)
        return [
            Selection(part.reshape(latent.shape), chosen.threshold) for part, latent in zip(parts, latents, strict=True)
        ]
