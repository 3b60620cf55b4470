"""What the official PyTorch code calls the layers of its networks, and what they are called here.

ResNet-18 is that of its CIFAR-10 folder, ReActNet-18 that of CIFAR-100, ReActNet-A that of ImageNet. It has no
ResNet-20: that is IR-Net's (`htqin/IR-Net`), from which its ResNet-18 descends, with τ and φ in the same places.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .activations import ChannelBias, PReLU
from .binary import BinaryConv2d
from .layers import BatchNorm, Conv2d, Linear
from .parameter import Module, Shape

__all__ = ["ENTRIES", "LAYOUTS", "Layout", "official_shape"]


@dataclass(frozen=True)
class Layout:
    """The names of one network.

    Attributes
    ----------
    layers : dict of str to str
        The official name of every layer that holds numbers, and ours.
    latent : str
        What the latent weights of a binary convolution are called.
    flat : bool
        Whether those are one column (weights, 1) instead of (out, in, kernel height, kernel width).
    scaled : bool
        Whether the official code can also run it with weights mean|w|·sign(w), τ and φ unused: the domain
        "symmetric".
    """

    layers: dict[str, str]
    latent: str = "weight"
    flat: bool = False
    scaled: bool = False


#: By kind of layer, the official name of each of its arrays, and ours; a binary convolution has its latents besides.
ENTRIES: dict[type[Module], dict[str, str]] = {
    Conv2d: {"weight": "weight"},
    Linear: {"weight": "weight", "bias": "bias"},
    BatchNorm: {name: name for name in ("weight", "bias", "running_mean", "running_var")},
    ChannelBias: {"bias": "bias"},
    PReLU: {"weight": "slope"},
    BinaryConv2d: {"tau": "domain.tau", "phi": "domain.phi"},
}


def official_shape(module: Module, shape: Shape) -> Shape:
    """Return the shape that an array of ours has in the official code.

    Parameters
    ----------
    module : Module
        The layer it belongs to, no binary convolution.
    shape : tuple of int
        Its shape here.

    Returns
    -------
    tuple of int
        Another only for the bias of every channel, (1, channels, 1, 1) there.
    """
    return (1, *shape, 1, 1) if isinstance(module, ChannelBias) else shape


def _blocks(stages: int, blocks: int) -> Iterator[tuple[str, str, bool]]:
    """Yield their name and ours of every block, and whether the shape changes in it."""
    for stage in range(1, stages + 1):
        for block in range(blocks):
            yield f"layer{stage}.{block}", f"stage{stage}.{block}", stage > 1 and block == 0


def _resnet18() -> Layout:
    table = {"conv1": "stem.0", "bn1": "stem.1", "bn2": "head.1", "linear": "head.2"}
    for theirs, ours, widens in _blocks(4, 2):
        table |= {f"{theirs}.conv1": f"{ours}.main.0", f"{theirs}.bn1": f"{ours}.main.1"}
        table |= {f"{theirs}.conv2": f"{ours}.main.3", f"{theirs}.bn2": f"{ours}.main.4"}
        if widens:
            table |= {f"{theirs}.shortcut.{index}": f"{ours}.shortcut.{index}" for index in (0, 1)}
    return Layout(table)


def _resnet20() -> Layout:
    table = {"conv1": "stem.0", "bn1": "stem.1", "bn2": "head.1", "linear": "head.2"}
    for stage in range(1, 4):
        for block in range(6):  # two of ours are one of theirs
            theirs, number, ours = f"layer{stage}.{block // 2}", block % 2 + 1, f"stage{stage}.{block}.main"
            table |= {f"{theirs}.conv{number}": f"{ours}.0", f"{theirs}.bn{number}": f"{ours}.1"}
    return Layout(table)


def _reactnet18() -> Layout:
    table = {"conv1": "stem.0", "bn1": "stem.1", "fc": "head.1"}
    for theirs, ours, widens in _blocks(4, 4):
        table |= {f"{theirs}.move0": f"{ours}.main.0", f"{theirs}.binary_conv": f"{ours}.main.1"}
        table |= {f"{theirs}.bn1": f"{ours}.main.2", f"{theirs}.move1": f"{ours}.activation.0"}
        table |= {f"{theirs}.prelu": f"{ours}.activation.1", f"{theirs}.move2": f"{ours}.activation.2"}
        if widens:  # both begin with the average pooling
            table |= {f"{theirs}.downsample.{index}": f"{ours}.shortcut.{index}" for index in (1, 2)}
    return Layout(table, scaled=True)


def _reactnet_a() -> Layout:
    table = {"feature.0.conv1": "stem.0", "feature.0.bn1": "stem.1", "fc": "head.1"}
    stages, number = (1, 2, 2, 6, 2), 0
    for stage, blocks in enumerate(stages, start=1):
        for block in range(blocks):
            number += 1
            theirs, ours = f"feature.{number}", f"stage{stage}.{block}"
            table |= {f"{theirs}.move11": f"{ours}.0.main.0", f"{theirs}.binary_3x3": f"{ours}.0.main.1"}
            table |= {f"{theirs}.bn1": f"{ours}.0.main.2", f"{theirs}.move21": f"{ours}.1.main.0"}
            for half, (before, after) in enumerate((("move12", "move13"), ("move22", "move23"))):
                table |= {f"{theirs}.{before}": f"{ours}.{half}.activation.0"}
                table |= {f"{theirs}.prelu{half + 1}": f"{ours}.{half}.activation.1"}
                table |= {f"{theirs}.{after}": f"{ours}.{half}.activation.2"}
            if block > 0:
                table |= {f"{theirs}.binary_pw": f"{ours}.1.main.1", f"{theirs}.bn2": f"{ours}.1.main.2"}
                continue
            for copy in (0, 1):  # the first block of a stage widens
                table |= {f"{theirs}.binary_pw_down{copy + 1}": f"{ours}.1.main.1.{copy}.0"}
                table |= {f"{theirs}.bn2_{copy + 1}": f"{ours}.1.main.1.{copy}.1"}
    return Layout(table, latent="weights", flat=True)


#: The layouts by the name of the network here.
LAYOUTS: dict[str, Layout] = {
    "resnet18": _resnet18(),
    "resnet20": _resnet20(),
    "reactnet18": _reactnet18(),
    "reactnet-a": _reactnet_a(),
}
