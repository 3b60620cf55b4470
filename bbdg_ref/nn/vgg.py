"""VGG-Small for 32×32 images: no shortcut, max-pooling after every second binary convolution."""

from collections.abc import Callable

import numpy as np

from .binary import BinaryConv2d
from .domains import WeightDomain
from .layers import BatchNorm, Conv2d, HardTanh, Linear, Sequential
from .network import Network, checked_domain
from .parameter import Module
from .pooling import Flatten, MaxPool2d

__all__ = ["vgg_small", "vgg_small_layer"]


def vgg_small_layer(
    in_channels: int,
    out_channels: int,
    *,
    pool: bool,
    domain: Callable[[], WeightDomain],
    rng: np.random.Generator,
) -> Sequential:
    """Build hardtanh(BN(pool(binary conv(x)))), or the same without the pooling.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    pool : bool
        Whether 2×2 max-pooling stands between the convolution and the batch norm.
    domain : callable
        Makes the weight domain of the layer.
    rng : numpy.random.Generator
        For the initial weights.

    Returns
    -------
    Sequential
    """
    conv: list[Module] = [BinaryConv2d(in_channels, out_channels, 3, padding=1, domain=domain(), rng=rng)]
    return Sequential(*conv, *([MaxPool2d(2)] if pool else []), BatchNorm(out_channels), HardTanh())


def vgg_small(*, domain: str = "general", width: int = 128, classes: int = 10, rng: np.random.Generator) -> Network:
    """Build binary VGG-Small for 32×32 images (as IR-Net has it): five binary convolutions.

    Stem: real 3×3 convolution to ``width``, BN, hardtanh. Three stages: one layer of ``width`` channels, two of
    2·``width``, two of 4·``width``; the last layer of each stage halves the maps by max-pooling. Head: linear, from
    all 4×4 pixels of the last maps.

    Parameters
    ----------
    domain : {"bipolar", "symmetric", "general", "general-closed"}
        Where the two weight values come from.
    width : int
        Channels of the first stage; 128 is the published network.
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
    >>> net = vgg_small(width=4, rng=np.random.default_rng(0))
    >>> net.forward(np.zeros((2, 3, 32, 32), np.float32), training=False).shape
    (2, 10)
    """
    make = checked_domain("vgg_small", domain, width, classes)
    stem = Sequential(Conv2d(3, width, 3, padding=1, rng=rng), BatchNorm(width), HardTanh())
    stages, channels = [], width
    for widths in ((width,), (2 * width, 2 * width), (4 * width, 4 * width)):
        stage = []
        for index, out in enumerate(widths, 1):
            stage.append(vgg_small_layer(channels, out, pool=index == len(widths), domain=make, rng=rng))
            channels = out
        stages.append(Sequential(*stage))
    head = Sequential(Flatten(), Linear(channels * 4 * 4, classes, rng=rng))
    arguments = {"domain": domain, "width": width, "classes": classes}
    return Network(stem, stages, head, name="vgg-small", arguments=arguments)
