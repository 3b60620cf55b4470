"""What the peers of the inference benchmarks are given: a layer or a network as plain arrays, and exact references.

A peer is built from a case, run on preallocated arrays, and compared with the case's reference before it is timed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bbdg_ref import nn, ops

__all__ = [
    "AffineConv",
    "Layer",
    "NetworkCase",
    "Peer",
    "PeerBlock",
    "binary_counts",
    "binary_logits",
    "bipolar_case",
    "normed",
    "plain_logits",
    "settle",
    "signs",
]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Peer:
    """A way to compute the case: ``run`` is what is timed, ``result`` runs once and returns it in our layout."""

    run: Callable[[], object]
    result: Callable[[], Floats]


def signs(bits: NDArray[np.bool_]) -> Floats:
    """Return +1 where the bit is set, −1 elsewhere, in float32."""
    return np.where(bits, np.float32(1), np.float32(-1))


@dataclass(frozen=True, eq=False)
class Layer:
    """A 3×3 convolution, stride 1, zero padding 1, of sign(x) with weights ±1 (``bits``).

    Attributes
    ----------
    x : ndarray of float32, shape (batch, channels, height, width)
        Real activations; their bit is x > 0.
    bits : ndarray of bool, shape (out, channels, 3, 3)
        The weights.
    """

    x: Floats
    bits: NDArray[np.bool_]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the dense convolution, those on the padding included."""
        batch, _, height, width = self.x.shape
        return batch * height * width * self.bits.size

    @cached_property
    def reference(self) -> Floats:
        """The exact convolution: integers, held in float32."""
        ones, total = binary_counts(self.x > 0, self.bits)
        return 2 * ones - total


def binary_counts(u: NDArray[np.bool_], bits: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return a∗b and a∗1 for a = 2u − 1, 3×3, stride 1, zero padding 1, as exact integers in float32.

    Image by image, gathered columns times a matrix; all sums are far below 2²⁴, so float32 holds them.
    """
    batch, channels, height, width = u.shape
    padded = np.pad(signs(u), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    matrix = bits.reshape(len(bits), -1).astype(np.float32)
    ones = np.empty((batch, len(bits), height, width), np.float32)
    total = np.empty((batch, 1, height, width), np.float32)
    for image in range(batch):
        columns = windows[image].transpose(0, 3, 4, 1, 2).reshape(channels * 9, height * width)
        ones[image] = (matrix @ columns).reshape(ones.shape[1:])
        total[image] = columns.sum(axis=0).reshape(1, height, width)
    return ones, total


@dataclass(frozen=True, eq=False)
class AffineConv:
    """A convolution and what batch norm made of its output: y = scale·conv(x, weight) + shift, per channel."""

    weight: Floats
    scale: Floats
    shift: Floats
    stride: int
    padding: int

    @property
    def folded(self) -> Floats:
        """The weights with the scale multiplied in."""
        return self.weight * self.scale[:, None, None, None]


@dataclass(frozen=True, eq=False)
class PeerBlock:
    """y = hardtanh(second(sign(first(sign(x)))) + shortcut(x)); without a shortcut, x itself is added."""

    first: AffineConv
    second: AffineConv
    shortcut: AffineConv | None


@dataclass(frozen=True, eq=False)
class NetworkCase:
    """ResNet-18 for inference: batch norm folded, nothing in it that training needs.

    ``classifier`` holds the head's batch norm and linear layer in one: (classes, channels) weights and a bias.
    """

    stem: AffineConv
    blocks: tuple[PeerBlock, ...]
    classifier: tuple[Floats, Floats]
    images: Floats


def normed(norm: nn.BatchNorm) -> tuple[Floats, Floats]:
    """Return the scale and the shift that batch norm comes to."""
    scale = norm.weight.value / np.sqrt(norm.running_var + np.float32(1e-5))
    return scale, norm.bias.value - scale * norm.running_mean


def _affine(conv: nn.Conv2d | nn.BinaryConv2d, norm: nn.BatchNorm) -> AffineConv:
    weight = conv.signs() if isinstance(conv, nn.BinaryConv2d) else conv.weight.value
    return AffineConv(weight, *normed(norm), conv.stride, conv.padding)


def _blocks(network: nn.Network) -> Iterator[PeerBlock]:
    for stage in network.layers[1:-1]:
        for block in stage.layers:
            first, norm, _, second, last = block.main.layers
            shortcut = _affine(*block.shortcut.layers) if block.shortcut.layers else None
            yield PeerBlock(_affine(first, norm), _affine(second, last), shortcut)


def bipolar_case(network: nn.Network, images: Floats) -> NetworkCase:
    """Return the arrays of a bipolar ResNet-18 (weights ±1)."""
    conv, norm = network.layers[0].layers
    _, head, linear = network.layers[-1].layers
    scale, shift = normed(head)
    weight = linear.weight.value
    classifier = weight * scale, linear.bias.value + weight @ shift
    return NetworkCase(_affine(conv, norm), tuple(_blocks(network)), classifier, images)


def settle(network: nn.Network, images: Floats, rng: np.random.Generator) -> None:
    """Give an untrained network the batch-norm statistics of ``images``, and scales and shifts that differ.

    One forward pass moves the running statistics by a tenth of the way from 0 and 1 to the batch's own, so ten times
    that movement arrives at them.
    """
    norms = [module for _, module in network.modules() if isinstance(module, nn.BatchNorm)]
    for norm in norms:
        norm.weight.value[...] = rng.uniform(0.5, 1.5, norm.weight.value.shape)
        norm.bias.value[...] = rng.normal(0, 0.2, norm.bias.value.shape)
    network.forward(images, training=True)
    for norm in norms:
        norm.running_mean = 10 * norm.running_mean
        norm.running_var = np.maximum(1 + 10 * (norm.running_var - 1), np.float32(1e-3))


def _logits(
    case: NetworkCase, activation: Callable[[Doubles], Doubles], entry: Callable[[Doubles], Doubles]
) -> Doubles:
    """Compute the network in float64, with no scale folded into a weight."""

    def conv(layer: AffineConv, x: Doubles) -> Doubles:
        y = ops.conv2d(x, layer.weight.astype(np.float64), stride=layer.stride, padding=layer.padding)
        return y * layer.scale[:, None, None].astype(np.float64) + layer.shift[:, None, None]

    h = conv(case.stem, case.images.astype(np.float64))
    for block in case.blocks:
        z = conv(block.second, activation(conv(block.first, entry(h))))
        h = ops.hardtanh(z + (conv(block.shortcut, h) if block.shortcut else h))
    weight, bias = case.classifier
    return h.mean(axis=(2, 3)) @ weight.T.astype(np.float64) + bias


def binary_logits(case: NetworkCase) -> Doubles:
    """Return the logits of the network with signs before every binary convolution."""
    return _logits(case, ops.sign, ops.sign)


def plain_logits(case: NetworkCase) -> Doubles:
    """Return the logits of the float network of the same shape: hardtanh in place of the signs, none at the stem."""
    return _logits(case, ops.hardtanh, lambda h: h)
