"""Whole filters and whole kernels: the blocks in which there may be ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from .. import ops
from ..spec.pruning import Selection
from .protocol import NoPenalty, layers
from .schedule import Schedule, check_density, count

__all__ = ["Filters", "Kernels"]


@dataclass(frozen=True)
class Filters(NoPenalty):
    """Of a layer's filters the k = round(kept·filters) with the largest sum of latent weights are ones, at least one.

    The sum and not the L1 norm (arXiv 1608.08710) ranks them, for a latent weight far below the threshold asks for α,
    which is what a pruned filter has everywhere: "largest" means here what it means to `TopK`. The estimator
    is centred as by `TopK` with as many ones.

    All weights of a kept filter are ones. `Within` lets another strategy choose among them:
    ``Within(Filters(0.1), TopK(0.05))``, ``Within(Filters(0.5), SignOfLatent())``. A pruned filter's output is
    α times a map that all filters share, and its counting costs nothing in packed inference.

    Parameters
    ----------
    kept : float or Schedule
        Fraction of the filters, in (0, 1], or one that moves from step to step.

    Examples
    --------
    >>> import numpy as np
    >>> latent = np.array([[0.5, 0.5], [-0.5, 0.25], [-1.0, 1.5]]).reshape(3, 2, 1, 1)
    >>> Filters(0.34).choose([latent], step=0)[0].bits[:, :, 0, 0]
    array([[ True,  True],
           [False, False],
           [False, False]])
    """

    kept: float | Schedule

    def __post_init__(self) -> None:
        """Refuse what is neither a fraction nor a schedule."""
        check_density("Filters", "kept", self.kept)

    def choose(self, latents: Sequence[NDArray[Any]], step: int) -> list[Selection]:
        """Return the filters of each layer with the largest sums."""
        return [
            ops.select_filters(latent, count(self.kept, step, len(latent))) for latent in layers(self, latents, axes=1)
        ]


@dataclass(frozen=True)
class Kernels(NoPenalty):
    """Of a layer's kernels the k = round(kept·kernels) with the largest sum of latent weights are ones, at least one.

    As `Filters`, with kernels, the weights between one input and one output channel, in their place.

    Parameters
    ----------
    kept : float or Schedule
        Fraction of the kernels, in (0, 1], or one that moves from step to step.

    Examples
    --------
    >>> import numpy as np
    >>> latent = np.array([[0.5, 0.5], [-0.5, 0.25], [-1.0, 1.75]]).reshape(1, 3, 1, 2)
    >>> Kernels(0.6).choose([latent], step=0)[0].bits[0, :, 0]
    array([[ True,  True],
           [False, False],
           [ True,  True]])
    """

    kept: float | Schedule

    def __post_init__(self) -> None:
        """Refuse what is neither a fraction nor a schedule."""
        check_density("Kernels", "kept", self.kept)

    def choose(self, latents: Sequence[NDArray[Any]], step: int) -> list[Selection]:
        """Return the kernels of each layer with the largest sums."""
        return [self._layer(latent, step) for latent in layers(self, latents, axes=2)]

    def _layer(self, latent: NDArray[Any], step: int) -> Selection:
        k = count(self.kept, step, latent.shape[0] * latent.shape[1])
        if latent.ndim == 4:
            return ops.select_kernels(latent, k)
        chosen = ops.select_kernels(latent.reshape(*latent.shape[:2], -1, 1), k)  # a linear layer's kernel: one weight
        return Selection(chosen.bits.reshape(latent.shape), chosen.threshold)
