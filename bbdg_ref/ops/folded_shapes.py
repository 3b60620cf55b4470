"""Shapes of the maps on the way through a folded network, found without running it."""

from dataclasses import dataclass

from ..spec.conv2d import Pair, output_size
from ..spec.evaluation import BinaryLayer, Block, FoldedNetwork, MaxPool, Pooled, RealLayer, StridePad

__all__ = ["FoldedShapes", "all_clipped", "folded_shapes"]

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class FoldedShapes:
    """(channels, height, width) of one image's maps.

    Attributes
    ----------
    layers : tuple of tuple of int
        After every binary layer, in the order of the data flow.
    features : tuple of tuple of int
        After the stem and what follows it, and after every block.
    """

    layers: tuple[Shape, ...]
    features: tuple[Shape, ...]


def folded_shapes(network: FoldedNetwork, image_shape: Shape) -> FoldedShapes:
    """Return the shapes of the maps for images of a shape.

    Parameters
    ----------
    network : FoldedNetwork
        Its channels fit from layer to layer.
    image_shape : (int, int, int)
        Channels, height and width of an image.

    Returns
    -------
    FoldedShapes

    Raises
    ------
    ValueError
        If a map vanishes, two that are added differ, or the classifier reads other pixels than the last maps have.

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref import inference, nn
    >>> network = inference.fold(nn.vgg_small(width=4, rng=np.random.default_rng(0)))
    >>> folded_shapes(network, (3, 32, 32)).features
    ((4, 32, 32), (4, 16, 16), (8, 16, 16), (8, 8, 8), (16, 8, 8), (16, 4, 4))
    """
    shape = _pooled(_after("the stem", network.stem, image_shape), network.opening or ())
    layers, features = [], [shape]
    for number, block in enumerate(network.blocks, 1):
        before = shape
        for layer in block.layers:
            shape = _after(f"block {number}", layer, shape)
            layers.append(shape)
        shape = _pooled(shape, block.pool)
        around = _around(f"the shortcut of block {number}", block, before)
        if around is not None and around != shape:
            raise ValueError(f"the shortcut of block {number} leads to maps {around}, its layers to {shape}")
        features.append(shape)
    channels, height, width = shape
    reads = network.classifier.weight.shape[1]
    if reads not in (channels, channels * height * width):
        raise ValueError(f"the classifier reads {reads} numbers; the last maps are {shape}")
    return FoldedShapes(tuple(layers), tuple(features))


def all_clipped(network: FoldedNetwork) -> bool:
    """Tell whether a network reads bits at the threshold 0 only, and every map goes through hardtanh, as in a ResNet.

    Parameters
    ----------
    network : FoldedNetwork

    Returns
    -------
    bool

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref import inference, nn
    >>> builders = nn.resnet20, nn.vgg_small
    >>> [all_clipped(inference.fold(build(width=2, rng=np.random.default_rng(0)))) for build in builders]
    [True, False]
    """
    last = len(network.blocks[-1].layers[-1].bits) if network.blocks else len(network.stem.bias)
    return (
        network.opening is None
        and network.classifier.weight.shape[1] == last
        and all(layer.threshold is None for block in network.blocks for layer in block.layers)
        and not any(block.pool or block.activation or isinstance(block.shortcut, Pooled) for block in network.blocks)
    )


def _after(name: str, layer: BinaryLayer | RealLayer, shape: Shape) -> Shape:
    weight = layer.bits if isinstance(layer, BinaryLayer) else layer.weight
    return len(weight), *_size(name, shape, weight.shape[2:], layer.stride, layer.padding)


def _size(name: str, shape: Shape, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    height, width = output_size(shape[1:], kernel, stride, padding)
    if min(height, width) < 1:
        raise ValueError(f"{name} reads maps of {shape[1]} x {shape[2]} pixels: its windows do not fit them")
    return height, width


def _pooled(shape: Shape, pools: tuple[MaxPool, ...]) -> Shape:
    for pool in pools:
        sizes = ((side, side) for side in (pool.size, pool.stride, pool.padding))
        shape = shape[0], *_size("a pooling", shape, *sizes)
    return shape


def _around(name: str, block: Block, shape: Shape) -> Shape | None:
    """Return the shape that a block's shortcut leads to; None if it has none."""
    short = block.shortcut
    if isinstance(short, RealLayer):
        return _after(name, short, shape)
    if isinstance(short, StridePad):
        return short.out_channels, -(-shape[1] // short.stride), -(-shape[2] // short.stride)
    if isinstance(short, Pooled):
        sizes = (short.size, short.size), (short.size, short.size), (0, 0)
        means = shape[0], *_size(name, shape, *sizes)
        if short.layer is not None:
            return _after(name, short.layer, means)
        return (short.copies * shape[0], *means[1:]) if short.copies else None
    return shape
