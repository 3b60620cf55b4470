"""Layers, binary layers, blocks and networks: parameters and state around `bbdg_ref.ops`.

The memory of large arrays is kept for the next step once they are gone: at most an eighth or 64 MiB more than was
ever in use at once. `release_memory` returns what no array uses to the system, for example when training is over.
"""

from .._memory import release as release_memory
from .binary import BinaryConv2d
from .blocks import Residual, resnet18_block, resnet20_block
from .domains import DOMAINS, Bipolar, General, GeneralClosed, Symmetric, WeightDomain
from .estimators import EDE, ClippedSTE, Estimator, Identity, Quadratic
from .files import load_network, save_network
from .layers import (
    BatchNorm,
    Conv2d,
    GlobalAvgPool,
    HardTanh,
    Linear,
    Sequential,
    StrideAndPad,
    uniform_fan_in,
)
from .networks import NETWORKS, Network, NetworkSize, network_size, resnet18, resnet20, shift_latents
from .parameter import Module, Parameter

__all__ = [
    "DOMAINS",
    "EDE",
    "NETWORKS",
    "BatchNorm",
    "BinaryConv2d",
    "Bipolar",
    "ClippedSTE",
    "Conv2d",
    "Estimator",
    "General",
    "GeneralClosed",
    "GlobalAvgPool",
    "HardTanh",
    "Identity",
    "Linear",
    "Module",
    "Network",
    "NetworkSize",
    "Parameter",
    "Quadratic",
    "Residual",
    "Sequential",
    "StrideAndPad",
    "Symmetric",
    "WeightDomain",
    "load_network",
    "network_size",
    "release_memory",
    "resnet18",
    "resnet18_block",
    "resnet20",
    "resnet20_block",
    "save_network",
    "shift_latents",
    "uniform_fan_in",
]
