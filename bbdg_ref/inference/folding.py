"""A trained network, its batch norms folded into the convolutions: what inference computes.

The formulas stand in `bbdg_ref.spec.evaluation`; here the network's modules are walked and their numbers collected.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..nn.binary import BinaryConv2d
from ..nn.blocks import Residual
from ..nn.layers import BatchNorm, Conv2d, GlobalAvgPool, HardTanh, Linear, Sequential, StrideAndPad
from ..nn.networks import Network
from ..nn.parameter import Module
from ..spec.evaluation import (
    BinaryLayer,
    Block,
    Classifier,
    FoldedNetwork,
    RealLayer,
    StridePad,
    fold_binary,
    fold_classifier,
    fold_real,
)

__all__ = ["fold"]

_MEND = "fold knows the modules of resnet20 and resnet18, in their order"


def fold(network: Network, *, image_shape: tuple[int, int, int] | None = None) -> FoldedNetwork:
    """Fold every batch norm of a network into the convolution before it or the linear layer after it.

    Parameters
    ----------
    network : Network
        Of the structure of `bbdg_ref.nn.resnet20` or `bbdg_ref.nn.resnet18`: any width, number of classes and weight
        domain. It is not changed, and the result shares no array with it.
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
    conv, norm, _ = _sequence(stem_name, stem, Conv2d, BatchNorm, HardTanh)
    with np.errstate(all="ignore"):  # what is not finite is refused by name
        return FoldedNetwork(
            stem=_real_layer(stem_name, conv, norm),
            blocks=tuple(
                _block(f"{name}.{index}", module)
                for name, stage in stages
                for index, module in enumerate(_sequence(name, stage, *[Residual] * len(getattr(stage, "layers", ()))))
            ),
            classifier=_classifier(head_name, head),
            name=network.name,
            image_shape=_image_shape(image_shape, conv.weight.value.shape[1]),
        )


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


def _sequence(where: str, module: Module, *kinds: type[Module]) -> list[Any]:
    """Return the layers of a `Sequential` that holds exactly these kinds; a subclass may compute something else."""
    _kind(where, module, Sequential)
    layers = module.layers if isinstance(module, Sequential) else []
    for index, (layer, kind) in enumerate(zip(layers, kinds, strict=False)):
        _kind(f"{where}.{index}", layer, kind)
    if len(layers) != len(kinds):
        expected = f"a Sequential of {len(kinds)} modules ({', '.join(kind.__name__ for kind in kinds)})"
        got = f"{len(layers)} ({', '.join(type(layer).__name__ for layer in layers)})"
        raise TypeError(_checks.message("fold", where, expected, got, _MEND))
    return layers


def _kind(where: str, module: Module, *kinds: type[Module]) -> None:
    if type(module) not in kinds:
        expected = " or ".join(f"a {kind.__name__}" for kind in kinds)
        raise TypeError(_checks.message("fold", where, expected, f"a {type(module).__name__}", _MEND))


def _block(where: str, block: Residual) -> Block:
    """Fold a residual block: binary convolutions and batch norms with hardtanh between, and the shortcut."""
    main, cycle = f"{where}.main", (BinaryConv2d, BatchNorm, HardTanh)
    length = len(getattr(block.main, "layers", ()))
    repeats = (length + 3) // 3  # so that the path ends with a batch norm: 2 modules, 5, 8, ...
    layers = _sequence(main, block.main, *(cycle * repeats)[:-1])
    pairs = zip(layers[0::3], layers[1::3], strict=True)
    folded = tuple(_binary_layer(f"{main}.{3 * index}", *both) for index, both in enumerate(pairs))
    return Block(folded, _shortcut(f"{where}.shortcut", block.shortcut))


def _shortcut(where: str, shortcut: Module) -> RealLayer | StridePad | None:
    _kind(where, shortcut, Sequential, StrideAndPad)
    if isinstance(shortcut, StrideAndPad):
        return StridePad(shortcut.in_channels, shortcut.out_channels, shortcut.stride)
    if isinstance(shortcut, Sequential) and not shortcut.layers:
        return None
    return _real_layer(where, *_sequence(where, shortcut, Conv2d, BatchNorm))


def _statistics(norm: BatchNorm) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return weight, bias, running mean and running variance."""
    return norm.weight.value, norm.bias.value, norm.running_mean, norm.running_var


def _finite(where: str, *arrays: NDArray[np.float32]) -> None:
    """Refuse what has overflowed, or was never a number, with the name of the layer."""
    for array in arrays:
        if not np.isfinite(array).all():
            index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            expected = "a layer whose weights are finite in float32 after folding"
            got = f"shape {array.shape}, first bad value {array[index]} at index {index}"
            mend = "load a checkpoint from before the training diverged"
            raise ValueError(_checks.message("fold", where, expected, got, mend))


def _binary_layer(where: str, conv: BinaryConv2d, norm: BatchNorm) -> BinaryLayer:
    values, norms = conv.values(), _statistics(norm)
    layer = fold_binary(conv.bits, values.alpha, values.beta, *norms, stride=conv.stride, padding=conv.padding)
    _finite(where, layer.scale, layer.shared, layer.shift)
    return layer


def _real_layer(where: str, conv: Conv2d, norm: BatchNorm) -> RealLayer:
    layer = fold_real(conv.weight.value, *_statistics(norm), stride=conv.stride, padding=conv.padding)
    _finite(where, layer.weight, layer.bias)
    return layer


def _classifier(where: str, head: Module) -> Classifier:
    _, norm, linear = _sequence(where, head, GlobalAvgPool, BatchNorm, Linear)
    folded = fold_classifier(linear.weight.value, linear.bias.value, *_statistics(norm))
    _finite(where, folded.weight, folded.bias)
    return folded
