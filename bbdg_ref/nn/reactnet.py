"""ReActNet-18 for 32×32 images and ReActNet-A for 224×224: learned shifts before the sign and about a PReLU.

Z. Liu et al., ReActNet, arXiv 2003.03488; the shape of ReActNet-18 is that of Bi-Real-18 (arXiv 1808.00278), the shape
of ReActNet-A that of MobileNetV1 (arXiv 1704.04861). Latent weights get their gradient by the identity, activations by
Bi-Real's piecewise quadratic.
"""

from collections.abc import Callable

import numpy as np

from .activations import ChannelBias, PReLU
from .binary import BinaryConv2d
from .domains import WeightDomain
from .estimators import Identity, Quadratic
from .layers import BatchNorm, Conv2d, GlobalAvgPool, Linear, Sequential
from .network import Network, checked_domain
from .parallel import Parallel, ResidualSum
from .parameter import Module
from .pooling import AvgPool2d, MaxPool2d

__all__ = ["reactnet18", "reactnet18_block", "reactnet_a", "reactnet_a_block"]

_Domain = Callable[[], WeightDomain]

#: The stages of ReActNet-A: (channels over the width, stride) of each block; the stem has ``width`` channels.
STAGES_A = (
    ((2, 1),),
    ((4, 2), (4, 1)),
    ((8, 2), (8, 1)),
    ((16, 2), (16, 1), (16, 1), (16, 1), (16, 1), (16, 1)),
    ((32, 2), (32, 1)),
)


def _rprelu(channels: int) -> Sequential:
    return Sequential(ChannelBias(channels), PReLU(channels), ChannelBias(channels))


def _conv(into: int, out: int, size: int, stride: int, domain: _Domain, rng: np.random.Generator) -> BinaryConv2d:
    return BinaryConv2d(
        into, out, size, stride=stride, padding=size // 2, domain=domain(), rng=rng,
        weight_estimator=Identity(), activation_estimator=Quadratic(),
    )  # fmt: skip


def reactnet18_block(
    in_channels: int,
    out_channels: int,
    *,
    stride: int,
    domain: _Domain,
    rng: np.random.Generator,
) -> ResidualSum:
    """Build RPReLU(BN(binary 3×3 conv(x + bias)) + shortcut(x)).

    Parameters
    ----------
    in_channels, out_channels, stride : int
        Where the shape changes, the shortcut is average pooling by the stride, a real 1×1 convolution and batch norm.
    domain : callable
        Makes the weight domain of the layer.
    rng : numpy.random.Generator
        For the initial weights.

    Returns
    -------
    ResidualSum
    """
    conv = _conv(in_channels, out_channels, 3, stride, domain, rng)
    main = Sequential(ChannelBias(in_channels), conv, BatchNorm(out_channels))
    if stride == 1 and in_channels == out_channels:
        return ResidualSum(main, Sequential(), _rprelu(out_channels))
    real = Conv2d(in_channels, out_channels, 1, rng=rng)
    return ResidualSum(main, Sequential(AvgPool2d(stride), real, BatchNorm(out_channels)), _rprelu(out_channels))


def reactnet_a_block(
    in_channels: int,
    out_channels: int,
    *,
    stride: int,
    domain: _Domain,
    rng: np.random.Generator,
) -> Sequential:
    """Build the two residual steps of a block of ReActNet-A: a binary 3×3 convolution, then binary 1×1 ones.

    h = RPReLU(BN(conv(x + bias)) + pool(x)), y = RPReLU(BN(conv(h + bias)) + h). Where the channels double, the second
    step has two 1×1 convolutions side by side, each with its batch norm, and h is added to both: y has the channels
    of the one, then those of the other.

    Parameters
    ----------
    in_channels, out_channels : int
        Equal, or the second twice the first.
    stride : int
        Of the 3×3 convolution, and of the average pooling beside it.
    domain : callable
        Makes the weight domain of a layer.
    rng : numpy.random.Generator
        For the initial weights.

    Returns
    -------
    Sequential
        Of two `ResidualSum`.

    Raises
    ------
    ValueError
        If the channels neither stay nor double.
    """
    if out_channels not in (in_channels, 2 * in_channels):
        raise ValueError(
            f"reactnet_a_block: out_channels must be {in_channels} or {2 * in_channels}; got {out_channels}; "
            "widen by two at a time"
        )
    conv = _conv(in_channels, in_channels, 3, stride, domain, rng)
    wide = Sequential(ChannelBias(in_channels), conv, BatchNorm(in_channels))
    pool = Sequential() if stride == 1 else AvgPool2d(stride)
    first = ResidualSum(wide, pool, _rprelu(in_channels))

    def pointwise() -> Sequential:
        return Sequential(_conv(in_channels, in_channels, 1, 1, domain, rng), BatchNorm(in_channels))

    copies = out_channels // in_channels
    narrow: list[Module] = [Parallel(pointwise(), pointwise())] if copies == 2 else pointwise().layers
    around = Parallel(Sequential(), Sequential()) if copies == 2 else Sequential()
    second = ResidualSum(Sequential(ChannelBias(in_channels), *narrow), around, _rprelu(out_channels))
    return Sequential(first, second)


def reactnet18(*, domain: str = "general", width: int = 64, classes: int = 100, rng: np.random.Generator) -> Network:
    """Build ReActNet-18 for 32×32 images: 16 binary convolutions, a shortcut round each.

    Stem: real 3×3 convolution to ``width``, BN, 3×3 max-pooling at stride 2. Four stages of four blocks
    (`reactnet18_block`), ``width`` times 1, 2, 4, 8 channels. Head: global average pool, linear.

    Parameters
    ----------
    domain : {"bipolar", "symmetric", "general", "general-closed"}
        Where the two weight values come from.
    width : int
        Channels of the first stage; 64 is the published network.
    classes : int
        Number of logits.
    rng : numpy.random.Generator
        For the initial weights.

    Returns
    -------
    Network

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> net = reactnet18(width=4, rng=np.random.default_rng(0))
    >>> net.forward(np.zeros((2, 3, 32, 32), np.float32), training=False).shape
    (2, 100)
    """
    make = checked_domain("reactnet18", domain, width, classes)
    conv = Conv2d(3, width, 3, padding=1, rng=rng)
    stem = Sequential(conv, BatchNorm(width), MaxPool2d(3, stride=2, padding=1))
    stages, channels = [], width
    for number in range(4):
        stage = []
        for index in range(4):
            stride = 2 if number > 0 and index == 0 else 1
            stage.append(reactnet18_block(channels, width << number, stride=stride, domain=make, rng=rng))
            channels = width << number
        stages.append(Sequential(*stage))
    head = Sequential(GlobalAvgPool(), Linear(channels, classes, rng=rng))
    arguments = {"domain": domain, "width": width, "classes": classes}
    return Network(stem, stages, head, name="reactnet18", arguments=arguments)


def reactnet_a(*, domain: str = "general", width: int = 32, classes: int = 1000, rng: np.random.Generator) -> Network:
    """Build ReActNet-A for 224×224 images: 31 binary convolutions in 13 blocks.

    Stem: real 3×3 convolution to ``width`` at stride 2, BN. Thirteen blocks (`reactnet_a_block`) in five stages, each
    of which starts by doubling the channels and all but the first by halving the maps. Head: global average pool,
    linear.

    Parameters
    ----------
    domain : {"bipolar", "symmetric", "general", "general-closed"}
        Where the two weight values come from.
    width : int
        Channels of the stem; 32 is the published network.
    classes : int
        Number of logits.
    rng : numpy.random.Generator
        For the initial weights.

    Returns
    -------
    Network

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> net = reactnet_a(width=2, classes=10, rng=np.random.default_rng(0))
    >>> net.forward(np.zeros((2, 3, 64, 64), np.float32), training=False).shape
    (2, 10)
    """
    make = checked_domain("reactnet_a", domain, width, classes)
    stem = Sequential(Conv2d(3, width, 3, stride=2, padding=1, rng=rng), BatchNorm(width))
    stages, channels = [], width
    for blocks in STAGES_A:
        stage = []
        for times, stride in blocks:
            stage.append(reactnet_a_block(channels, times * width, stride=stride, domain=make, rng=rng))
            channels = times * width
        stages.append(Sequential(*stage))
    head = Sequential(GlobalAvgPool(), Linear(channels, classes, rng=rng))
    arguments = {"domain": domain, "width": width, "classes": classes}
    return Network(stem, stages, head, name="reactnet-a", arguments=arguments)
