"""Residual blocks: a main path, a shortcut, their sum, and hardtanh."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from .binary import BinaryConv2d
from .domains import WeightDomain
from .layers import BatchNorm, Conv2d, HardTanh, Sequential, StrideAndPad
from .parameter import Module, Shape

__all__ = ["Residual", "resnet18_block", "resnet20_block"]


class Residual(Module):
    """y = hardtanh(main(x) + shortcut(x)).

    Parameters
    ----------
    main : Sequential
        The path with the binary convolutions; it ends in a batch norm.
    shortcut : Module
        The path around it; an empty `Sequential` is the identity.

    Raises
    ------
    TypeError
        If the main path does not end in a batch norm.
    """

    def __init__(self, main: Sequential, shortcut: Module) -> None:
        self.main, self.shortcut = main, shortcut
        self.hardtanh = HardTanh()  # stands for the hardtanh in `walk` only: it runs within `forward_clipped`
        self._split()

    def _split(self) -> tuple[Sequential, BatchNorm]:
        """Return the main path without its last layer, and that: it runs with the sum and hardtanh in one pass."""
        layers = self.main.layers if isinstance(self.main, Sequential) else [self.main]
        if not layers or not isinstance(layers[-1], BatchNorm):
            got = f"one that ends in a {type(layers[-1]).__name__}" if layers else "an empty one"
            raise TypeError(
                f"Residual: main must be a Sequential that ends in a BatchNorm; got {got}; append BatchNorm(channels), "
                "and leave out a HardTanh after it, which the block applies to the sum"
            )
        return Sequential(*layers[:-1]), layers[-1]

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Return hardtanh(main(x) + shortcut(x))."""
        body, norm = self._split()
        added = self.shortcut.forward(x, training=training)
        return norm.forward_clipped(body.forward(x, training=training), added, training=training)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Send the gradient of the sum down both paths and add what comes back."""
        body, norm = self._split()
        gradients = norm.backward_clipped(dy)
        return ops.add_to(body.backward(gradients.x), self.shortcut.backward(gradients.added))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape after the main path."""
        return self.main.output_shape(shape)

    def walk(self, shape: Shape) -> Iterator[tuple[Module, Shape]]:
        """Yield the leaves of the main path, of the shortcut, and the hardtanh."""
        yield from self.main.walk(shape)
        yield from self.shortcut.walk(shape)
        yield self.hardtanh, self.output_shape(shape)


def resnet20_block(
    in_channels: int,
    out_channels: int,
    *,
    stride: int,
    domain: Callable[[], WeightDomain],
    rng: np.random.Generator,
) -> Residual:
    """Build hardtanh(BN(binary conv(x)) + shortcut(x)): one shortcut round every binary convolution.

    Parameters
    ----------
    in_channels, out_channels, stride : int
        Where the shape changes, the shortcut takes every stride-th pixel and pads channels with zeros.
    domain : callable
        Makes the weight domain of a layer.
    rng : numpy.random.Generator
        For the initial weights.

    Returns
    -------
    Residual
    """
    conv = BinaryConv2d(in_channels, out_channels, 3, stride=stride, padding=1, domain=domain(), rng=rng)
    same = stride == 1 and in_channels == out_channels
    shortcut = Sequential() if same else StrideAndPad(in_channels, out_channels, stride=stride)
    return Residual(Sequential(conv, BatchNorm(out_channels)), shortcut)


def resnet18_block(
    in_channels: int,
    out_channels: int,
    *,
    stride: int,
    domain: Callable[[], WeightDomain],
    rng: np.random.Generator,
) -> Residual:
    """Build hardtanh(BN(conv₂(hardtanh(BN(conv₁(x))))) + shortcut(x)) with two binary convolutions.

    Parameters
    ----------
    in_channels, out_channels, stride : int
        Where the shape changes, the shortcut is a real strided 1×1 convolution and batch norm.
    domain : callable
        Makes the weight domain of a layer.
    rng : numpy.random.Generator
        For the initial weights.

    Returns
    -------
    Residual
    """
    main = Sequential(
        BinaryConv2d(in_channels, out_channels, 3, stride=stride, padding=1, domain=domain(), rng=rng),
        BatchNorm(out_channels),
        HardTanh(),
        BinaryConv2d(out_channels, out_channels, 3, stride=1, padding=1, domain=domain(), rng=rng),
        BatchNorm(out_channels),
    )
    if stride == 1 and in_channels == out_channels:
        return Residual(main, Sequential())
    conv = Conv2d(in_channels, out_channels, 1, stride=stride, rng=rng)
    return Residual(main, Sequential(conv, BatchNorm(out_channels)))
