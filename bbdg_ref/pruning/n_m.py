"""N ones among every M weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import NDArray

from .. import _checks, ops
from ..spec.pruning import Selection
from .protocol import NoPenalty, layers

__all__ = ["NofM"]


@dataclass(frozen=True)
class NofM(NoPenalty):
    """Of every M consecutive weights along the input channels the N largest latent weights are ones (arXiv 2102.04010).

    The density is N/M where M divides the input channels; a last group of r < M weights has min(N, r) ones. The
    estimator is centred as by `TopK` with as many ones.

    Parameters
    ----------
    n, m : int
        1 ≤ N ≤ M.

    Examples
    --------
    >>> import numpy as np
    >>> latent = np.array([0.5, -0.5, 0.25, 1.0, -1.0, -2.0, -3.0, -4.0]).reshape(1, 8, 1, 1)
    >>> NofM(1, 4).choose([latent], step=0)[0].bits.ravel().nonzero()
    (array([3, 4]),)
    """

    n: int
    m: int

    def __post_init__(self) -> None:
        """Refuse numbers outside their ranges."""
        _checks.integer("NofM", "m", self.m, 1)
        _checks.integer("NofM", "n", self.n, 1, self.m)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read ``"N:M"``, such as ``"2:4"``.

        Parameters
        ----------
        text : str
            Two whole numbers with a colon between them.

        Returns
        -------
        NofM

        Raises
        ------
        ValueError
            If the text is none such.
        """
        parts = text.split(":") if isinstance(text, str) else []
        if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
            expected = "two whole numbers with a colon between them"
            raise ValueError(_checks.message("NofM", "text", expected, repr(text), "write it as '2:4'"))
        return cls(int(parts[0]), int(parts[1]))

    def choose(self, latents: Sequence[NDArray[Any]], step: int) -> list[Selection]:
        """Return the N largest of every M weights of each layer."""
        return [ops.select_n_m(latent, self.n, self.m) for latent in layers(self, latents, axes=2)]
