"""The protocol of a pruning strategy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from ..spec.pruning import Selection

__all__ = ["NO_PENALTY", "NoPenalty", "Penalty", "Pruning"]


@dataclass(frozen=True)
class Penalty:
    """What a strategy adds to the loss of one step.

    Attributes
    ----------
    value : float
        Added to the task loss.
    push : float
        ∂value/∂latent, the same for every latent weight; added to every latent weight's gradient.
    """

    value: float
    push: float


NO_PENALTY = Penalty(0.0, 0.0)


class Pruning(Protocol):
    """Chooses the ones of all binary layers, before every forward pass.

    Every strategy is a frozen dataclass of its settings: what it chooses depends on the latent weights and the step
    alone, so that a checkpoint need not know of it, and so that it takes any weights, trained or not, by
    ``strategy.choose([weights], step=0)``.
    """

    def choose(self, latents: Sequence[NDArray[Any]], step: int) -> list[Selection]:
        """Return the bits and the threshold of each layer.

        Parameters
        ----------
        latents : sequence of ndarray
            The latent weights of each binary layer, in the order of the data flow.
        step : int
            Training steps taken so far.
        """
        ...

    def penalty(self, selections: Sequence[Selection], loss: float) -> Penalty:
        """Return what is added to the loss of a step with these bits and this task loss."""
        ...


class NoPenalty:
    """The part of a strategy that adds nothing to the loss."""

    def penalty(self, selections: Sequence[Selection], loss: float) -> Penalty:
        """Return nothing to add."""
        return NO_PENALTY
