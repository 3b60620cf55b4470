"""The protocol of a pruning strategy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..spec.pruning import Selection

__all__ = ["NO_PENALTY", "NoPenalty", "Penalty", "Pruning", "check_strategy", "layers"]


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

    def __add__(self, other: "Penalty") -> "Penalty":
        """Return what two strategies add together."""
        return Penalty(self.value + other.value, self.push + other.push)


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
            The latent weights of each binary layer, in the order of the data flow. What `layers` refuses is refused by
            every strategy.
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


def layers(strategy: object, latents: Sequence[Any], axes: int = 0) -> list[NDArray[Any]]:
    """Return the latent weights that a strategy was given as arrays of floats.

    Parameters
    ----------
    strategy : Pruning
        Named in the message.
    latents : sequence of array_like
        One for each layer. Integers become float64; arrays of floats are taken as they are, not copied.
    axes : int
        How many axes a layer needs at least, output channels first, input channels second.

    Returns
    -------
    list of ndarray of float

    Raises
    ------
    TypeError
        If it is no sequence of layers, or one of them holds no real numbers.
    ValueError
        If a layer has no weights, too few axes, or numbers that are not finite.

    Examples
    --------
    >>> from bbdg_ref.pruning import SignOfLatent
    >>> layers(SignOfLatent(), [[1, -2]])
    [array([ 1., -2.])]

    Notes
    -----
    Training calls it at every step: one pass over the weights, to see that they are finite.
    """
    function = f"{type(strategy).__name__}.choose"
    if not isinstance(latents, Iterable) or isinstance(latents, str) or hasattr(latents, "__array__"):
        got = f"an array of shape {latents.shape}" if hasattr(latents, "shape") else f"{type(latents).__name__}"
        expected, mend = "a sequence of arrays, one for each layer", "write [weights] for a single layer"
        raise TypeError(_checks.message(function, "latents", expected, got, mend))
    arrays = []
    for index, latent in enumerate(latents):
        array = _checks.real_array(function, f"latents[{index}]", latent)
        if array.ndim < axes:
            expected = f"an array with {axes} axes or more, output channels first, then input channels"
            mend = "reshape it to (out, in, kernel height, kernel width)"
            raise ValueError(_checks.message(function, f"latents[{index}]", expected, f"shape {array.shape}", mend))
        arrays.append(array if array.dtype.kind == "f" else array.astype(np.float64))
    return arrays


def check_strategy(strategy: str, name: str, value: object) -> None:
    """Refuse what is no strategy.

    Parameters
    ----------
    strategy, name : str
        Whose argument it is, for the message.
    value : object
        What was given.

    Raises
    ------
    TypeError
        If it is not an object with the two functions of `Pruning`.
    """
    if isinstance(value, type) or not all(callable(getattr(value, part, None)) for part in ("choose", "penalty")):
        got = f"the class {value.__name__}" if isinstance(value, type) else f"{type(value).__name__} {value!r}"
        mend = "make one, such as TopK(0.05)"
        raise TypeError(_checks.message(strategy, name, "a strategy of bbdg_ref.pruning", got, mend))
