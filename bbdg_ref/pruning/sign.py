"""No pruning: a latent weight's sign is its bit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from .. import ops
from ..spec.pruning import Selection
from .protocol import NoPenalty, layers

__all__ = ["SignOfLatent"]


@dataclass(frozen=True)
class SignOfLatent(NoPenalty):
    """b = (latent > 0), and nothing added to the loss.

    Examples
    --------
    >>> import numpy as np
    >>> SignOfLatent().choose([np.array([0.5, -0.5, 0.0])], step=0)[0].bits
    array([ True, False, False])
    """

    def choose(self, latents: Sequence[NDArray[Any]], step: int) -> list[Selection]:
        """Return the positive latent weights of each layer."""
        return [ops.select_positive(latent) for latent in layers(self, latents)]
