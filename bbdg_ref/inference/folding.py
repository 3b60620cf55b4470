"""A trained network, its batch norms folded into the convolutions: what inference computes.

The formulas stand in `bbdg_ref.spec.evaluation`; here the network's modules are walked and their numbers collected.
"""

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..nn.activations import ChannelBias, PReLU
from ..nn.binary import BinaryConv2d
from ..nn.blocks import Residual
from ..nn.layers import BatchNorm, Conv2d, GlobalAvgPool, HardTanh, Linear, Sequential, StrideAndPad
from ..nn.network import Network
from ..nn.parallel import Parallel, ResidualSum
from ..nn.parameter import Module
from ..nn.pooling import AvgPool2d, Flatten, MaxPool2d
from ..spec.evaluation import Block, Classifier, FoldedNetwork, MaxPool, Pooled, RPReLU, fold_classifier
from .folding_parts import binary_layer, finite, kind, real_layer, sequence, shortcut_of, statistics, thresholded

__all__ = ["fold"]


def fold(network: Network, *, image_shape: tuple[int, int, int] | None = None) -> FoldedNetwork:
    """Fold every batch norm of a network into the convolution before it or the linear layer after it.

    Parameters
    ----------
    network : Network
        Of the structure of one of `bbdg_ref.nn.NETWORKS`: any width, number of classes and weight domain. It is not
        changed, and the result shares no array with it.
    image_shape : tuple of int, optional
        (channels, height, width) of an image, where the folded network is meant for one size only. The network itself
        is not bound to a size.

    Returns
    -------
    FoldedNetwork
        With the running statistics of the batch norms, as the network has them in evaluation.

    Raises
    ------
    TypeError
        If the network holds a module, or an order of modules, that has no place in a `FoldedNetwork`.
    ValueError
        If a folded number is not finite in float32, or the channels of `image_shape` are not the stem's.

    Notes
    -----
    Linear in the number of weights. The folded network's values differ from those of
    ``network.forward(images, training=False)`` by rounding, and where an activation lies that close to zero, its bit
    may differ.

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref import nn
    >>> from bbdg_ref.spec.evaluation import evaluate
    >>> network = nn.resnet20(width=4, rng=np.random.default_rng(0))
    >>> folded = fold(network)
    >>> len(folded.blocks), folded.blocks[6].shortcut
    (18, StridePad(in_channels=4, out_channels=8, stride=2))
    >>> images = np.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype(np.float32)
    >>> difference = evaluate(folded, images).logits - network.forward(images, training=False)
    >>> bool(np.abs(difference).max() < 1e-4)
    True
    """
    if not isinstance(network, Network):
        raise TypeError(
            _checks.message("fold", "network", "a Network", type(network).__name__, "build it with bbdg_ref.nn")
        )
    (stem_name, stem), *stages, (head_name, head) = network.parts()
    first = (Conv2d, BatchNorm)
    conv, norm, *after = sequence(stem_name, stem, (*first, HardTanh), (*first, MaxPool2d), first)
    with np.errstate(all="ignore"):  # what is not finite is refused by name
        return FoldedNetwork(
            stem=real_layer(stem_name, conv, norm),
            blocks=tuple(
                block
                for name, stage in stages
                for index, module in enumerate(sequence(name, stage))
                for block in _blocks(f"{name}.{index}", module)
            ),
            classifier=_classifier(head_name, head),
            name=network.name,
            image_shape=_image_shape(image_shape, conv.weight.value.shape[1]),
            opening=_opening(after, len(norm.weight.value)),
        )


def _opening(after: list[Module], channels: int) -> tuple[MaxPool, ...] | None:
    """Fold what follows the batch norm of the stem: hardtanh, max-pooling, or nothing."""
    if after and isinstance(after[0], HardTanh):
        return None
    return tuple(_max_pool(pool, np.ones(channels, np.float32)) for pool in after if isinstance(pool, MaxPool2d))


def _max_pool(pool: MaxPool2d, sign: NDArray[np.float32]) -> MaxPool:
    return MaxPool(pool.size, pool.stride, pool.padding, sign)


def _image_shape(shape: tuple[int, int, int] | None, channels: int) -> tuple[int, int, int] | None:
    """Check (channels, height, width) against the stem's input channels."""
    if shape is None:
        return None
    if len(shape) != 3:
        expected, mend = "(channels, height, width)", "give three integers"
        raise ValueError(_checks.message("fold", "image_shape", expected, repr(shape), mend))
    given, height, width = (_checks.integer("fold", "image_shape", size, 1) for size in shape)
    if given != channels:
        expected, mend = f"(channels, height, width) with {channels} channels", "give the shape of one image"
        raise ValueError(_checks.message("fold", "image_shape", expected, repr(shape), mend))
    return given, height, width


def _blocks(where: str, module: Module) -> list[Block]:
    """Fold a block, or the two residual steps that a block of ReActNet-A has."""
    kind(where, module, Residual, ResidualSum, Sequential)
    if isinstance(module, Residual):
        return [_clipped_block(where, module)]
    if isinstance(module, ResidualSum):
        return [_shifted_block(where, module)]
    conv, norm = BinaryConv2d, BatchNorm
    layers = sequence(
        where, module, (ResidualSum, ResidualSum), (conv, norm, HardTanh), (conv, MaxPool2d, norm, HardTanh)
    )
    if isinstance(layers[0], ResidualSum):
        return [_shifted_block(f"{where}.{index}", step) for index, step in enumerate(layers)]
    return [_plain_block(where, layers[0], layers[1] if len(layers) == 4 else None, layers[-2])]


def _clipped_block(where: str, block: Residual) -> Block:
    """Fold a block of a ResNet: binary convolutions and batch norms with hardtanh between, and the shortcut."""
    main, cycle = f"{where}.main", (BinaryConv2d, BatchNorm, HardTanh)
    length = len(getattr(block.main, "layers", ()))
    repeats = (length + 3) // 3  # so that the path ends with a batch norm: 2 modules, 5, 8, ...
    layers = sequence(main, block.main, (cycle * repeats)[:-1])
    pairs = zip(layers[0::3], layers[1::3], strict=True)
    folded = tuple(binary_layer(f"{main}.{3 * index}", *both) for index, both in enumerate(pairs))
    return Block(folded, shortcut_of(f"{where}.shortcut", block.shortcut, Sequential, StrideAndPad))


def _plain_block(where: str, conv: BinaryConv2d, pool: MaxPool2d | None, norm: BatchNorm) -> Block:
    """Fold a layer of VGG-Small; where the batch norm after a pooling has a negative scale, maxima become minima."""
    sign = np.where(norm.weight.value < 0, -1, 1).astype(np.float32)
    pools = () if pool is None else (_max_pool(pool, sign),)
    return Block((binary_layer(f"{where}.0", conv, norm),), Pooled(1, 0), pools)


def _shifted_block(where: str, block: ResidualSum) -> Block:
    """Fold a residual step of a ReActNet: a shifted sign, the convolution, the sum, and RPReLU."""
    layer = thresholded(f"{where}.main", block.main)
    shortcut = shortcut_of(f"{where}.shortcut", block.shortcut, Sequential, AvgPool2d, Parallel)
    before, prelu, after = sequence(f"{where}.activation", block.activation, (ChannelBias, PReLU, ChannelBias))
    numbers = (before.bias.value, prelu.slope.value, after.bias.value)
    activation = RPReLU(*(value.astype(np.float32) for value in numbers))
    finite(f"{where}.activation", activation.before, activation.slope, activation.after)
    return Block((layer,), shortcut, (), activation)


def _classifier(where: str, head: Module) -> Classifier:
    kinds = (GlobalAvgPool, BatchNorm, Linear), (GlobalAvgPool, Linear), (Flatten, Linear)
    _, *norms, linear = sequence(where, head, *kinds)
    weight, bias = linear.weight.value, linear.bias.value
    if norms:
        folded = fold_classifier(weight, bias, *statistics(norms[0]))
    else:
        folded = Classifier(weight.astype(np.float32), bias.astype(np.float32))
    finite(where, folded.weight, folded.bias)
    return folded
