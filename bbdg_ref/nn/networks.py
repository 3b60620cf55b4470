"""The networks by name, their sizes, and two of them: ResNet-20 and ResNet-18 for 32×32 images."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .. import _checks, ops
from .binary import BinaryConv2d
from .blocks import Residual, resnet18_block, resnet20_block
from .layers import BatchNorm, Conv2d, GlobalAvgPool, HardTanh, Linear, Sequential
from .network import Network, checked_domain
from .parameter import Module
from .reactnet import reactnet18, reactnet_a
from .vgg import vgg_small

__all__ = ["NETWORKS", "Network", "NetworkSize", "network_size", "resnet18", "resnet20", "shift_latents"]

_Block = Callable[..., Residual]


@dataclass(frozen=True)
class NetworkSize:
    """What a network holds and does for one image.

    Attributes
    ----------
    parameters : int
        All learned numbers but the domains' scalars (τ, φ).
    binary_weights : int
        Weights of the binary convolutions.
    binary_macs : int
        Multiply-accumulates of the binary convolutions for one image.
    """

    parameters: int
    binary_weights: int
    binary_macs: int


def network_size(network: Network, image_shape: tuple[int, int, int] = (3, 32, 32)) -> NetworkSize:
    """Count parameters, binary weights and binary multiply-accumulates.

    Parameters
    ----------
    network : Network
        The network.
    image_shape : tuple of int
        (channels, height, width) of one image.

    Returns
    -------
    NetworkSize

    Examples
    --------
    >>> import numpy as np
    >>> network_size(resnet20(domain="general", rng=np.random.default_rng(0)))
    NetworkSize(parameters=269850, binary_weights=267264, binary_macs=40108032)
    """
    domains = {id(p) for layer in network.binary_layers().values() for p in layer.domain.parameters().values()}
    return NetworkSize(
        sum(p.value.size for p in network.parameters().values() if id(p) not in domains),
        sum(layer.bits.size for layer in network.binary_layers().values()),
        sum(m.macs(shape) for m, shape in network.walk(image_shape) if isinstance(m, BinaryConv2d)),
    )


def _resnet(
    name: str, opening: tuple[Module, ...], block: _Block, widths: tuple[int, ...], blocks: int, *, domain: str,
    width: int, classes: int, rng: np.random.Generator,
) -> Network:  # fmt: skip
    """Stem, what follows its BN, stages of ``blocks`` blocks (all but the first start with stride 2), head."""
    make = checked_domain(name, domain, width, classes)
    stem = Sequential(Conv2d(3, width, 3, padding=1, rng=rng), BatchNorm(width), *opening)
    stages, channels = [], width
    for number, out in enumerate(widths):
        stage = []
        for index in range(blocks):
            stride = 2 if number > 0 and index == 0 else 1
            stage.append(block(channels, out, stride=stride, domain=make, rng=rng))
            channels = out
        stages.append(Sequential(*stage))
    head = Sequential(GlobalAvgPool(), BatchNorm(channels), Linear(channels, classes, rng=rng))
    arguments = {"domain": domain, "width": width, "classes": classes}
    return Network(stem, stages, head, name=name, arguments=arguments)


def resnet20(*, domain: str = "general", width: int = 16, classes: int = 10, rng: np.random.Generator) -> Network:
    """Build binary ResNet-20 (IR-Net / Bi-Real style): 18 binary convolutions, a shortcut round each.

    Stem: real 3×3 convolution to ``width``, BN, hardtanh. Three stages of six blocks, ``width``,
    2·``width``, 4·``width`` channels. Head: global average pool, BN, linear.

    Parameters
    ----------
    domain : {"bipolar", "symmetric", "general", "general-closed"}
        Where the two weight values come from.
    width : int
        Channels of the first stage; 16 is the published network.
    classes : int
        Number of logits.
    rng : numpy.random.Generator
        For the initial weights.

    Returns
    -------
    Network

    Examples
    --------
    >>> import numpy as np
    >>> net = resnet20(width=4, rng=np.random.default_rng(0))
    >>> net.forward(np.zeros((2, 3, 32, 32), np.float32), training=False).shape
    (2, 10)
    """
    widths, opening = (width, 2 * width, 4 * width), (HardTanh(),)
    return _resnet("resnet20", opening, resnet20_block, widths, 6, domain=domain, width=width, classes=classes, rng=rng)


def resnet18(*, domain: str = "general", width: int = 64, classes: int = 10, rng: np.random.Generator) -> Network:
    """Build binary ResNet-18 for 32×32 images: 16 binary convolutions in eight two-convolution blocks.

    Stem: real 3×3 convolution to ``width`` and BN, no hardtanh. Four stages of two blocks, ``width``
    times 1, 2, 4, 8 channels; real strided 1×1 convolution and BN as shortcut where the shape changes.
    Head: global average pool, BN, linear.

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

    Examples
    --------
    >>> import numpy as np
    >>> net = resnet18(width=4, classes=100, rng=np.random.default_rng(0))
    >>> net.forward(np.zeros((2, 3, 32, 32), np.float32), training=False).shape
    (2, 100)
    """
    widths = (width, 2 * width, 4 * width, 8 * width)
    return _resnet("resnet18", (), resnet18_block, widths, 2, domain=domain, width=width, classes=classes, rng=rng)


#: The builders by the name that the command line and the files use.
NETWORKS: dict[str, Callable[..., Network]] = {
    "resnet20": resnet20,
    "resnet18": resnet18,
    "vgg-small": vgg_small,
    "reactnet18": reactnet18,
    "reactnet-a": reactnet_a,
}


def shift_latents(network: Network, density: float) -> None:
    """Shift each binary layer's latent weights so that the fraction ``density`` of them is positive.

    Training then starts at that density instead of one half. With k = round(density·n) the shift is
    the midpoint between the k-th and the (k+1)-th largest latent weight.

    Parameters
    ----------
    network : Network
        Changed in place: latents, bits and thresholds.
    density : float
        Fraction of ones to start with, in (0, 1).

    Raises
    ------
    ValueError
        If the density is not in (0, 1).
    """
    density = _checks.fraction("shift_latents", "density", density)
    for layer in network.binary_layers().values():
        latent = layer.latent.value
        threshold = ops.select_top_k(latent, round(density * latent.size)).threshold
        layer.latent.value = latent - np.float32(threshold)
        layer.choose(ops.select_positive(layer.latent.value))
