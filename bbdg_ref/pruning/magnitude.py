"""The k largest latent weights of each layer are its ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from .. import _checks, ops
from ..spec.pruning import Selection
from .protocol import NO_PENALTY, Penalty

__all__ = ["TopK"]


@dataclass(frozen=True)
class TopK:
    """In a layer of n weights the k = round(density·n) largest latent weights are ones, at least one.

    The density is met from the first step on. The sign's estimator is centred between the smallest
    one and the largest zero.

    Parameters
    ----------
    density : float
        Fraction of ones in every binary layer, in (0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> TopK(0.25).choose([np.array([0.5, -0.5, 0.0, 0.75])], step=0)[0]
    Selection(bits=array([False, False, False,  True]), threshold=0.625)
    """

    density: float

    def __post_init__(self) -> None:
        """Refuse a density that is not a fraction."""
        _checks.fraction("TopK", "density", self.density, one=True)

    def choose(self, latents: Sequence[NDArray[Any]], step: int) -> list[Selection]:
        """Return the k largest latent weights of each layer."""
        return [ops.select_top_k(latent, max(1, round(self.density * latent.size))) for latent in latents]

    def penalty(self, selections: Sequence[Selection], loss: float) -> Penalty:
        """Return nothing to add."""
        return NO_PENALTY
