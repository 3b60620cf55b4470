"""Paths side by side: their maps one after another, or their sum."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .parameter import Module, Shape

__all__ = ["Parallel", "ResidualSum"]


class Parallel(Module):
    """The channels of every branch one after another: y = [branch₀(x), branch₁(x), …].

    Parameters
    ----------
    *branches : Module
        All read the same x and give maps of the same size; an empty `Sequential` passes x on.

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref import nn
    >>> Parallel(nn.Sequential(), nn.HardTanh()).forward(np.full((1, 1), 3.0), training=False)
    array([[3., 1.]])
    """

    def __init__(self, *branches: Module) -> None:
        self.branches = list(branches)

    def parts(self) -> Iterator[tuple[str, Module]]:
        """Yield the branches, named by their index."""
        return ((str(index), branch) for index, branch in enumerate(self.branches))

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Return the branches' outputs, joined along the channels."""
        found = [branch.forward(x, training=training) for branch in self.branches]
        if training:
            self._saved = np.cumsum([y.shape[1] for y in found])[:-1]
        return np.concatenate(found, axis=1)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Give each branch its channels' gradient, return the sum of what comes back."""
        pieces = np.split(dy, self.take_saved(), axis=1)
        first, *others = (
            branch.backward(np.ascontiguousarray(piece)) for branch, piece in zip(self.branches, pieces, strict=True)
        )
        for other in others:
            first = first + other
        return first

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of a branch's output, with the channels of all."""
        shapes = [branch.output_shape(shape) for branch in self.branches]
        return sum(each[0] for each in shapes), *shapes[0][1:]

    def walk(self, shape: Shape) -> Iterator[tuple[Module, Shape]]:
        """Yield the leaves of each branch in turn."""
        for branch in self.branches:
            yield from branch.walk(shape)


class ResidualSum(Module):
    """y = activation(main(x) + shortcut(x)).

    Parameters
    ----------
    main : Module
        The path with the binary convolution.
    shortcut : Module
        The path around it; an empty `Sequential` is the identity.
    activation : Module
        What the sum goes through.
    """

    def __init__(self, main: Module, shortcut: Module, activation: Module) -> None:
        self.main, self.shortcut, self.activation = main, shortcut, activation

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Return activation(main(x) + shortcut(x)).

        Raises
        ------
        ValueError
            If the two paths end in maps of different shapes.
        """
        found, around = self.main.forward(x, training=training), self.shortcut.forward(x, training=training)
        if found.shape != around.shape:
            raise ValueError(
                f"ResidualSum.forward: x must give both paths the same shape; got {found.shape} and {around.shape} "
                f"from {x.shape}; where maps are halved, their height and width must be even"
            )
        return self.activation.forward(found + around, training=training)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Send the gradient of the sum down both paths and add what comes back."""
        dsum = self.activation.backward(dy)
        return self.main.backward(dsum) + self.shortcut.backward(dsum)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape after the main path."""
        return self.main.output_shape(shape)

    def walk(self, shape: Shape) -> Iterator[tuple[Module, Shape]]:
        """Yield the leaves of the main path, of the shortcut, and of the activation."""
        yield from self.main.walk(shape)
        yield from self.shortcut.walk(shape)
        yield from self.activation.walk(self.output_shape(shape))
