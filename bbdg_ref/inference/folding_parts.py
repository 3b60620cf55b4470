"""The parts that `fold` puts together: checked orders of modules, and single layers with their batch norms."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..nn.activations import ChannelBias
from ..nn.binary import BinaryConv2d
from ..nn.layers import BatchNorm, Conv2d, Sequential, StrideAndPad
from ..nn.parallel import Parallel
from ..nn.parameter import Module
from ..nn.pooling import AvgPool2d
from ..spec.evaluation import BinaryLayer, Pooled, RealLayer, StridePad, fold_binary, fold_real

__all__ = ["binary_layer", "finite", "kind", "real_layer", "sequence", "shortcut_of", "statistics", "thresholded"]

MEND = "fold knows the modules of the networks of bbdg_ref.nn, in their order"

Kinds = tuple[type[Module], ...]


def kind(where: str, module: Module, *kinds: type[Module]) -> None:
    """Refuse a module that is of none of these kinds; a subclass may compute something else.

    Parameters
    ----------
    where : str
        The module's name.
    module : Module
    *kinds : type

    Raises
    ------
    TypeError
        If it is of none of them.
    """
    if type(module) not in kinds:
        expected = " or ".join(f"a {each.__name__}" for each in kinds)
        raise TypeError(_checks.message("fold", where, expected, f"a {type(module).__name__}", MEND))


def sequence(where: str, module: Module, *orders: Kinds) -> list[Any]:
    """Return the layers of a `Sequential` that holds exactly one of these orders of kinds, or any if there is none.

    Parameters
    ----------
    where : str
        The module's name.
    module : Module
    *orders : tuple of type
        What may follow one another.

    Returns
    -------
    list of Module

    Raises
    ------
    TypeError
        If it is no such `Sequential`; the message is about the order that fits its first layers best.
    """
    kind(where, module, Sequential)
    layers = module.layers if isinstance(module, Sequential) else []
    if not orders:
        return layers
    found = tuple(type(layer) for layer in layers)
    if found in orders:
        return layers

    def agreeing(order: Kinds) -> int:
        pairs = enumerate(zip(found, order, strict=False))
        return next((index for index, (mine, wanted) in pairs if mine is not wanted), min(len(found), len(order)))

    best = max(orders, key=agreeing)
    for index, (layer, wanted) in enumerate(zip(layers, best, strict=False)):
        kind(f"{where}.{index}", layer, wanted)
    expected = f"a Sequential of {len(best)} modules ({', '.join(each.__name__ for each in best)})"
    got = f"{len(layers)} ({', '.join(each.__name__ for each in found)})"
    raise TypeError(_checks.message("fold", where, expected, got, MEND))


def finite(where: str, *arrays: NDArray[np.float32]) -> None:
    """Refuse what has overflowed, or was never a number, with the name of the layer.

    Parameters
    ----------
    where : str
        The layer's name.
    *arrays : ndarray of float32

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    for array in arrays:
        if not np.isfinite(array).all():
            index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            expected = "a layer whose weights are finite in float32 after folding"
            got = f"shape {array.shape}, first bad value {array[index]} at index {index}"
            mend = "load a checkpoint from before the training diverged"
            raise ValueError(_checks.message("fold", where, expected, got, mend))


def statistics(norm: BatchNorm) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return weight, bias, running mean and running variance.

    Parameters
    ----------
    norm : BatchNorm

    Returns
    -------
    tuple of ndarray, shape (channels,) each
    """
    return norm.weight.value, norm.bias.value, norm.running_mean, norm.running_var


def binary_layer(where: str, conv: BinaryConv2d, norm: BatchNorm) -> BinaryLayer:
    """Fold a batch norm into the binary convolution before it.

    Parameters
    ----------
    where : str
        The convolution's name.
    conv : BinaryConv2d
    norm : BatchNorm

    Returns
    -------
    BinaryLayer
    """
    values, norms = conv.values(), statistics(norm)
    layer = fold_binary(conv.bits, values.alpha, values.beta, *norms, stride=conv.stride, padding=conv.padding)
    finite(where, layer.scale, layer.shared, layer.shift)
    return layer


def real_layer(where: str, conv: Conv2d, norm: BatchNorm) -> RealLayer:
    """Fold a batch norm into the real convolution before it.

    Parameters
    ----------
    where : str
        The convolution's name.
    conv : Conv2d
    norm : BatchNorm

    Returns
    -------
    RealLayer
    """
    layer = fold_real(conv.weight.value, *statistics(norm), stride=conv.stride, padding=conv.padding)
    finite(where, layer.weight, layer.bias)
    return layer


def thresholded(where: str, main: Module) -> BinaryLayer:
    """Fold the main path of a residual step of a ReActNet: the bias before the sign becomes a threshold.

    Convolutions side by side read the same bits: they are one convolution with the filters of all.

    Parameters
    ----------
    where : str
        The path's name.
    main : Module
        A bias, then a binary convolution and its batch norm, or several of them in parallel.

    Returns
    -------
    BinaryLayer
    """
    bias, *others = sequence(where, main, (ChannelBias, BinaryConv2d, BatchNorm), (ChannelBias, Parallel))
    if isinstance(others[0], Parallel):
        paths = [
            (f"{where}.1.{index}.0", *sequence(f"{where}.1.{index}", branch, (BinaryConv2d, BatchNorm)))
            for index, branch in enumerate(others[0].branches)
        ]
    else:
        paths = [(f"{where}.1", *others)]
    first, *rest = (binary_layer(*path) for path in paths)
    shapes = [(layer.bits.shape[1:], layer.stride, layer.padding) for layer in (first, *rest)]
    if any(shape != shapes[0] for shape in shapes):
        expected = "convolutions side by side that have one kernel size, stride and padding"
        raise TypeError(_checks.message("fold", f"{where}.1", expected, str(shapes), MEND))
    bits, scale, shared, shift = (
        np.concatenate([getattr(layer, name) for layer in (first, *rest)])
        for name in ("bits", "scale", "shared", "shift")
    )
    threshold = -bias.bias.value.astype(np.float32)
    finite(f"{where}.0", threshold)
    return BinaryLayer(bits, scale, shared, shift, first.stride, first.padding, threshold)


def shortcut_of(where: str, shortcut: Module, *kinds: type[Module]) -> RealLayer | StridePad | Pooled | None:
    """Fold the shortcut of a residual block.

    Parameters
    ----------
    where : str
        The shortcut's name.
    shortcut : Module
    *kinds : type
        What it may be.

    Returns
    -------
    RealLayer, StridePad, Pooled or None
    """
    kind(where, shortcut, *kinds)
    if isinstance(shortcut, StrideAndPad):
        return StridePad(shortcut.in_channels, shortcut.out_channels, shortcut.stride)
    if isinstance(shortcut, AvgPool2d):
        return Pooled(shortcut.size, 1)
    if isinstance(shortcut, Parallel):
        for index, branch in enumerate(shortcut.branches):
            sequence(f"{where}.{index}", branch, ())
        return Pooled(1, len(shortcut.branches))
    if isinstance(shortcut, Sequential) and not shortcut.layers:
        return None
    pooled = (AvgPool2d, Conv2d, BatchNorm)
    layers = sequence(where, shortcut, (Conv2d, BatchNorm), *([pooled] if AvgPool2d in kinds else []))
    layer = real_layer(where, *layers[-2:])
    return layer if len(layers) == 2 else Pooled(layers[0].size, 1, layer)
