"""PyTorch fp32 as a peer: float convolutions on channels-last arrays, weights prepacked.

The weights are reordered once into oneDNN's blocked layout and the convolution is called on them directly, as
PyTorch's own compiler does with frozen weights. On the machines seen this was never slower than eager channels-last,
a frozen and optimised TorchScript, or `torch.utils.mkldnn`, and up to seven times as fast on small maps.
"""

import numpy as np
import torch
import torch.nn.functional as F
from peers_cases import AffineConv, Floats, Layer, NetworkCase, Peer, signs

__all__ = ["Eager", "Prepacked", "eager_network", "packed_network", "prepacked_layer"]

_LAST = torch.channels_last


def _tensor(array: Floats) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.contiguous(memory_format=_LAST) if tensor.ndim == 4 else tensor


class Eager:
    """A convolution with bias as `F.conv2d` computes it; the weights are channels-last."""

    def __init__(self, conv: AffineConv):
        self.weight, self.bias = _tensor(conv.folded), _tensor(conv.shift)
        self.stride, self.padding = [conv.stride] * 2, [conv.padding] * 2

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


class Prepacked(Eager):
    """The same on weights that oneDNN has reordered for the shape of the input, which the first call shows."""

    packed: torch.Tensor | None = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self.packed is None:
            self.packed = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, self.padding, self.stride, [1, 1], 1, list(x.shape)
            )
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.packed, self.bias, self.padding, self.stride, [1, 1], 1, "none", [], ""
        )


def prepacked_layer(layer: Layer, threads: int) -> Peer:
    """Return conv(±1, ±1): the activations are already signs, so that binarising them costs this peer nothing."""
    torch.set_num_threads(threads)
    out = len(layer.bits)
    ones, zeros = np.ones(out, np.float32), np.zeros(out, np.float32)
    conv = Prepacked(AffineConv(signs(layer.bits), ones, zeros, stride=1, padding=1))
    x = _tensor(signs(layer.x > 0))
    run = torch.inference_mode()(lambda: conv(x))
    return Peer(run, lambda: run().numpy())


class _PlainNetwork:
    """The float network of the same shape: hardtanh where the binary one takes signs, batch norm folded."""

    def __init__(self, case: NetworkCase, kind: type[Eager]):
        self.stem = kind(case.stem)
        self.blocks = [
            (kind(block.first), kind(block.second), kind(block.shortcut) if block.shortcut else torch.nn.Identity())
            for block in case.blocks
        ]
        self.weight, self.bias = (_tensor(array) for array in case.classifier)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        h = self.stem(images)
        for first, second, shortcut in self.blocks:
            z = second(F.hardtanh_(first(h)))
            h = F.hardtanh_(z.add_(shortcut(h)))
        return F.linear(h.mean((2, 3)), self.weight, self.bias)


def _network_peer(case: NetworkCase, threads: int, kind: type[Eager]) -> Peer:
    torch.set_num_threads(threads)
    network, images = _PlainNetwork(case, kind), _tensor(case.images)
    run = torch.inference_mode()(lambda: network(images))
    return Peer(run, lambda: run().numpy())


def eager_network(case: NetworkCase, threads: int) -> Peer:
    """Return the plain float network in eager mode, channels-last."""
    return _network_peer(case, threads, Eager)


def packed_network(case: NetworkCase, threads: int) -> Peer:
    """Return the plain float network with prepacked weights."""
    return _network_peer(case, threads, Prepacked)
