"""Strategies made of two others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from ..spec.pruning import Selection
from .protocol import Penalty, Pruning, check_strategy, layers

__all__ = ["WithPenalty", "Within"]


@dataclass(frozen=True)
class Within:
    """The ones that one strategy chooses among those of another.

    The second strategy sees the latent weights with all outside the mask replaced by one number, the filler, below
    those of all layers and below zero, and what it takes of them all the same becomes zero. What both add to the loss
    is added up. How many ones there are depends on how it chooses:

    - By single weights, as `TopK` and `GlobalTopK`, and those that take the positive ones: it takes the filler last or
      not at all. Its density counts all weights and is met as far as the mask has room:
      ``Within(Filters(0.1), TopK(0.05))`` has 5 % of ones, all in a tenth of the filters.
    - By groups, as `Filters`, `Kernels`, `NofM` and `SubBit`, or at random, as `RandomBits`: it chooses groups with
      the filler in them, or as if alone, and loses what falls outside the mask. So there may be fewer ones than its
      density says: ``Within(Filters(0.5), RandomBits(0.1, seed))`` has about 5 %, ``Within(Filters(0.5), NofM(1, 4))``
      12.5 %. A layer may even be left without any one.

    The threshold is the second strategy's, unless the filler decided it, as where every weight within the mask is
    chosen: then it is that of `TopK` with as many ones.

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

    def __post_init__(self) -> None:
        """Refuse what is no strategy."""
        check_strategy("Within", "mask", self.mask)
        check_strategy("Within", "choice", self.choice)

    def choose(self, latents: Sequence[NDArray[Any]], step: int) -> list[Selection]:
        """Return the second strategy's ones within the first one's."""
        latents = layers(self, latents)
        masks = [selection.bits for selection in self.mask.choose(latents, step)]
        lowest = min((float(latent.min()) for latent in latents), default=0.0)
        chosen = self.choice.choose(_shown(latents, masks, 2 * min(lowest, 0.0) - 1), step)
        # A threshold below all weights within the mask may be the filler's doing. It is if another filler changes it.
        least = [float(latent.min(where=mask, initial=np.inf)) for latent, mask in zip(latents, masks, strict=True)]
        filled = [found.threshold < inside for found, inside in zip(chosen, least, strict=True)]
        if any(filled):
            others = self.choice.choose(_shown(latents, masks, 4 * min(lowest, 0.0) - 2), step)
            filled = [
                below and found.threshold != other.threshold
                for below, found, other in zip(filled, chosen, others, strict=True)
            ]
        return [_within(*layer) for layer in zip(latents, masks, chosen, filled, strict=True)]

    def penalty(self, selections: Sequence[Selection], loss: float) -> Penalty:
        """Return what both add."""
        return self.mask.penalty(selections, loss) + self.choice.penalty(selections, loss)


def _shown(latents: Sequence[NDArray[Any]], masks: Sequence[NDArray[Any]], above: float) -> list[NDArray[Any]]:
    """Return the latent weights with the next number below ``above``, of their dtype, outside the masks."""
    shown = []
    for latent, mask in zip(latents, masks, strict=True):
        lowest = np.finfo(latent.dtype).min
        filler = np.nextafter(latent.dtype.type(max(above, float(lowest))), lowest)
        shown.append(np.where(mask, latent, filler))
    return shown


def _within(latent: NDArray[Any], mask: NDArray[Any], found: Selection, filled: bool) -> Selection:
    """Return the ones found that lie within the mask; with the threshold of as many if the filler decided theirs."""
    bits = found.bits & mask
    return Selection(bits, ops.select_top_k(latent, int(bits.sum())).threshold if filled else found.threshold)


@dataclass(frozen=True)
class WithPenalty:
    """The ones that one strategy chooses; another adds to the loss, and the first one too if it has a penalty.

    ``WithPenalty(SubBit(5), DensityPenalty(0.05, 0.07))`` is the combination that arXiv 2306.13515 names: patterns of
    a codebook, and a penalty on the density of what they are.

    Parameters
    ----------
    choice : Pruning
        Chooses the ones.
    penalising : Pruning
        Adds to the loss, with the ones of ``choice``. Its own ones do not count.

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

    def __post_init__(self) -> None:
        """Refuse what is no strategy."""
        check_strategy("WithPenalty", "choice", self.choice)
        check_strategy("WithPenalty", "penalising", self.penalising)

    def choose(self, latents: Sequence[NDArray[Any]], step: int) -> list[Selection]:
        """Return the ones of the first strategy."""
        return self.choice.choose(layers(self, latents), step)

    def penalty(self, selections: Sequence[Selection], loss: float) -> Penalty:
        """Return what both add."""
        return self.choice.penalty(selections, loss) + self.penalising.penalty(selections, loss)
