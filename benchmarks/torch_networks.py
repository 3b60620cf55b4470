"""Any of the package's networks as PyTorch runs it: the same function, signs times weights in floating point.

Batch norm is folded into the convolution before it, arrays are channels-last. In float32, which is what is timed,
weights are prepacked (`peers_torch`); in float64 the same code is what results are compared with.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from peers_cases import AffineConv, Floats, normed
from peers_torch import Eager, Prepacked

from bbdg_ref import nn

__all__ = ["torch_network"]

Function = Callable[[torch.Tensor], torch.Tensor]


def torch_network(
    network: nn.Network, images: Floats, threads: int, *, dtype: torch.dtype = torch.float32
) -> Callable[[], NDArray[np.floating]]:
    """Return a function that computes the network's logits for these images."""
    torch.set_num_threads(threads)
    function = _Functions(dtype).chain(list(network.layers))
    x = torch.from_numpy(images).to(dtype).contiguous(memory_format=torch.channels_last)
    return torch.inference_mode()(lambda: function(x).numpy())


class _Functions:
    """What modules compute in evaluation, in one floating-point type."""

    def __init__(self, dtype: torch.dtype):
        self.dtype, self.kind = dtype, Prepacked if dtype == torch.float32 else Eager

    def tensor(self, array: Floats) -> torch.Tensor:
        return torch.from_numpy(array).to(self.dtype)

    def chain(self, modules: list[nn.Module]) -> Function:
        """Return the modules one after the other, a batch norm folded into the convolution before it."""
        functions: list[Function] = []
        left = list(modules)
        while left:
            module = left.pop(0)
            if isinstance(module, nn.Conv2d | nn.BinaryConv2d):
                norm = left.pop(0) if left and isinstance(left[0], nn.BatchNorm) else None
                functions.append(self.convolution(module, norm))
            else:
                functions.append(self.whole(module))

        def run(x: torch.Tensor) -> torch.Tensor:
            for function in functions:
                x = function(x)
            return x

        return run

    def convolution(self, conv: nn.Conv2d | nn.BinaryConv2d, norm: nn.BatchNorm | None) -> Function:
        binary = isinstance(conv, nn.BinaryConv2d)
        weight = conv.weights() if binary else conv.weight.value
        scale, shift = normed(norm) if norm else (np.ones(len(weight)), np.zeros(len(weight)))
        arrays = (self.tensor(array).numpy() for array in (weight, scale, shift))
        product = self.kind(AffineConv(*arrays, conv.stride, conv.padding))
        return (lambda x: product(torch.sign(x))) if binary else product

    def whole(self, module: nn.Module) -> Function:
        """Return the function of a module that holds others, or of a leaf."""
        match module:
            case nn.Sequential():
                return self.chain(module.layers)
            case nn.Residual():
                main, around = self.chain([module.main]), self.chain([module.shortcut])
                return lambda x: F.hardtanh_(main(x).add_(around(x)))
            case nn.ResidualSum():
                parts = (module.main, module.shortcut, module.activation)
                main, around, activation = (self.chain([part]) for part in parts)
                return lambda x: activation(main(x).add_(around(x)))
            case nn.Parallel():
                branches = [self.chain([branch]) for branch in module.branches]
                return lambda x: torch.cat([branch(x) for branch in branches], 1)
            case nn.BatchNorm() | nn.ChannelBias() | nn.PReLU() | nn.Linear():
                return self.learned(module)
            case _:
                return _plain(module)

    def learned(self, module: nn.Module) -> Function:
        """Return the function of a leaf with parameters."""
        match module:
            case nn.BatchNorm():
                scale, shift = map(self.tensor, normed(module))
                return lambda x: torch.addcmul(_like(shift, x), x, _like(scale, x))
            case nn.ChannelBias():
                bias = self.tensor(module.bias.value)
                return lambda x: x + _like(bias, x)
            case nn.PReLU():
                slope = self.tensor(module.slope.value)
                return lambda x: F.prelu(x, slope)
            case _:
                weight, shift = self.tensor(module.weight.value), self.tensor(module.bias.value)
                return lambda x: F.linear(x, weight, shift)


def _plain(module: nn.Module) -> Function:
    """Return the function of a leaf without parameters."""
    match module:
        case nn.HardTanh():
            return F.hardtanh
        case nn.MaxPool2d():
            return lambda x: F.max_pool2d(x, module.size, module.stride, module.padding)
        case nn.AvgPool2d():
            return lambda x: F.avg_pool2d(x, module.size)
        case nn.GlobalAvgPool():
            return lambda x: x.mean((2, 3))
        case nn.Flatten():
            return lambda x: x.flatten(1)
        case nn.StrideAndPad():
            added, step = module.out_channels - module.in_channels, module.stride
            around = (0, 0, 0, 0, added // 2, added - added // 2)
            return lambda x: F.pad(x[:, :, ::step, ::step], around)
        case _:
            raise TypeError(f"no PyTorch function is known for {type(module).__name__}")


def _like(values: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return one value a channel in a shape that fits x."""
    return values.reshape(1, -1, *[1] * (x.ndim - 2))
