"""Layers, binary layers, blocks and networks: parameters and state around `bbdg_ref.ops`.

The memory of large arrays is kept for the next step once they are gone: at most an eighth or 64 MiB more than was
ever in use at once. `release_memory` returns what no array uses to the system, for example when training is over.
"""

from .._memory import release as release_memory
from .activations import ChannelBias, PReLU
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
from .network import Network
from .networks import NETWORKS, NetworkSize, network_size, resnet18, resnet20, shift_latents
from .official import Imported, load_official, official_layers, to_official
from .parallel import Parallel, ResidualSum
from .parameter import Module, Parameter
from .pooling import AvgPool2d, Flatten, MaxPool2d
from .reactnet import reactnet18, reactnet18_block, reactnet_a, reactnet_a_block
from .state_dict import read_state_dict, write_state_dict
from .vgg import vgg_small, vgg_small_layer

__all__ = [
    "DOMAINS",
    "EDE",
    "NETWORKS",
    "AvgPool2d",
    "BatchNorm",
    "BinaryConv2d",
    "Bipolar",
    "ChannelBias",
    "ClippedSTE",
    "Conv2d",
    "Estimator",
    "Flatten",
    "General",
    "GeneralClosed",
    "GlobalAvgPool",
    "HardTanh",
    "Identity",
    "Imported",
    "Linear",
    "MaxPool2d",
    "Module",
    "Network",
    "NetworkSize",
    "PReLU",
    "Parallel",
    "Parameter",
    "Quadratic",
    "Residual",
    "ResidualSum",
    "Sequential",
    "StrideAndPad",
    "Symmetric",
    "WeightDomain",
    "load_network",
    "load_official",
    "network_size",
    "official_layers",
    "reactnet18",
    "reactnet18_block",
    "reactnet_a",
    "reactnet_a_block",
    "read_state_dict",
    "release_memory",
    "resnet18",
    "resnet18_block",
    "resnet20",
    "resnet20_block",
    "save_network",
    "shift_latents",
    "to_official",
    "uniform_fan_in",
    "vgg_small",
    "vgg_small_layer",
    "write_state_dict",
]
