"""Strategies made of two others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec.pruning import Selection
from .protocol import Penalty, Pruning

__all__ = ["WithPenalty", "Within"]


@dataclass(frozen=True)
class Within:
    """The ones that one strategy chooses among those of another.

    The second strategy sees the latent weights with all outside the mask replaced by one number below all others and
    below zero: it takes them last or not at all, and what it takes of them all the same becomes zero. Its densities
    still count all weights: ``Within(Filters(0.1), TopK(0.05))`` has 5 % of ones, all in a tenth of the filters. What
    both add to the loss is added up.

    Parameters
    ----------
    mask : Pruning
        Its ones are where there may be ones.
    choice : Pruning
        Chooses among them.

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref.pruning import Filters, TopK
    >>> latent = np.array([[0.5, 0.5, 1.0], [2.0, -0.5, -1.0]]).reshape(2, 3, 1, 1)
    >>> Within(Filters(0.5), TopK(0.34)).choose([latent], step=0)[0].bits[:, :, 0, 0]
    array([[ True, False,  True],
           [False, False, False]])
    """

    mask: Pruning
    choice: Pruning

    def choose(self, latents: Sequence[NDArray[Any]], step: int) -> list[Selection]:
        """Return the second strategy's ones within the first one's."""
        masks = [selection.bits for selection in self.mask.choose(latents, step)]
        shown = [np.where(mask, latent, _below(latent)) for mask, latent in zip(masks, latents, strict=True)]
        chosen = self.choice.choose(shown, step)
        return [Selection(found.bits & mask, found.threshold) for mask, found in zip(masks, chosen, strict=True)]

    def penalty(self, selections: Sequence[Selection], loss: float) -> Penalty:
        """Return what both add."""
        first, second = self.mask.penalty(selections, loss), self.choice.penalty(selections, loss)
        return Penalty(first.value + second.value, first.push + second.push)


def _below(latent: NDArray[Any]) -> Any:
    """Return the next number below all latent weights and zero, of their dtype."""
    return np.nextafter(np.minimum(latent.min(), 0), -np.inf, dtype=latent.dtype)


@dataclass(frozen=True)
class WithPenalty:
    """The ones that one strategy chooses, with what another adds to the loss.

    ``WithPenalty(SubBit(5), DensityPenalty(0.05, 0.07))`` is the combination that arXiv 2306.13515 names: patterns of
    a codebook, and a penalty on the density of what they are.

    Parameters
    ----------
    choice : Pruning
        Chooses the ones.
    penalising : Pruning
        Adds to the loss, with the ones of ``choice``.

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref.pruning import DensityPenalty, NofM
    >>> strategy = WithPenalty(NofM(1, 2), DensityPenalty(0.25, 0.5))
    >>> selections = strategy.choose([np.ones((1, 4, 1, 1))], step=0)
    >>> selections[0].bits.ravel(), strategy.penalty(selections, loss=2.0).value
    (array([ True, False,  True, False]), 2.0)
    """

    choice: Pruning
    penalising: Pruning

    def choose(self, latents: Sequence[NDArray[Any]], step: int) -> list[Selection]:
        """Return the ones of the first strategy."""
        return self.choice.choose(latents, step)

    def penalty(self, selections: Sequence[Selection], loss: float) -> Penalty:
        """Return what the second strategy adds."""
        return self.penalising.penalty(selections, loss)
