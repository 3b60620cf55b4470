"""A whole network: its parts by name, and what its builders share."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .. import _checks
from .binary import BinaryConv2d
from .domains import DOMAINS, WeightDomain
from .layers import Sequential
from .parameter import Module

__all__ = ["Network", "checked_domain"]


class Network(Sequential):
    """A whole network: images (batch, 3, height, width) in, logits (batch, classes) out.

    Its parts are named ``stem``, ``stage1``, ``stage2``, …, ``head``.

    Parameters
    ----------
    stem : Module
        From the image to the first feature maps.
    stages : sequence of Module
        Each works at one resolution.
    head : Module
        From the last feature maps to the logits.
    name : str
        Which builder made it.
    arguments : dict
        With which arguments; a model file holds both, to build the same network again.
    """

    def __init__(
        self, stem: Module, stages: Sequence[Module], head: Module, *, name: str, arguments: dict[str, Any]
    ) -> None:
        super().__init__(stem, *stages, head)
        self.name, self.arguments = name, arguments

    def parts(self) -> Iterator[tuple[str, Module]]:
        """Yield stem, stages and head by name."""
        names = ["stem", *(f"stage{i}" for i in range(1, len(self.layers) - 1)), "head"]
        return zip(names, self.layers, strict=True)

    def binary_layers(self) -> dict[str, BinaryConv2d]:
        """Return the binary convolutions by name, in the order of the data flow."""
        return {name: module for name, module in self.modules() if isinstance(module, BinaryConv2d)}


def checked_domain(builder: str, domain: str, width: int, classes: int) -> Callable[[], WeightDomain]:
    """Check what every builder takes, and return what makes the weight domain of a layer.

    Parameters
    ----------
    builder : str
        Name of the function, for messages.
    domain : str
        A name of `DOMAINS`.
    width : int
        Channels of the first stage, at least 1.
    classes : int
        Number of logits, at least 2.

    Returns
    -------
    callable
        Makes a `WeightDomain`.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.
    """
    _checks.one_of(builder, "domain", domain, list(DOMAINS))
    _checks.integer(builder, "width", width, 1)
    _checks.integer(builder, "classes", classes, 2)
    return DOMAINS[domain]
