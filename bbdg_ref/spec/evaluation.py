"""Inference, defined: a trained network folded into float32 expressions with a fixed order of operations.

Batch norm after a convolution is one scale g = weight / sqrt(var + eps) and one shift per channel, so it folds into
the convolution. After a binary one, y = (beta - alpha) ones + alpha total (`popcount_conv`), that gives::

    z = g (y - mean) + bias = scale * ones + (shared * total + shift)
    scale = g (beta - alpha)     shared = g alpha     shift = bias - g mean

Folding moves values by some units in the last place and so flips, now and then, the sign that the next layer reads.
Therefore the folded expression itself is the definition, to the last bit: every product and every sum below is rounded
to float32 once, in the order written, with no fused multiply-add. What runs elsewhere either equals `evaluate` in
every bit of its outputs or is another network. (The two zeros count as equal: no bit x > 0 tells them apart.)

Order of the whole: stem, then hardtanh, max-pooling or nothing; the blocks; mean over the pixels, linear. Within a
block, h = x, then for every layer z = layer(h > 0) and h = z; y = hardtanh(pool(z) + shortcut(x)), or RPReLU in the
place of hardtanh. The hardtanh between the two layers of a ResNet-18 block is left out: it does not change which values
are positive, and the next layer reads nothing else. A bias before a sign is a threshold: h + b > 0 in floating point
exactly where h > -b. Batch norm after a pooling folds into the convolution before it: z grows with y where g > 0 and
falls where g < 0, so there the maximum over y is the minimum over z.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bbdg_ref.spec.activation import channel_bias, hardtanh, prelu
from bbdg_ref.spec.conv2d import Pair, pair, windows
from bbdg_ref.spec.estimators import sign_bits
from bbdg_ref.spec.pooling import max_pool2d
from bbdg_ref.spec.popcount_conv import Level, binary_counts
from bbdg_ref.spec.shortcut import stride_and_pad

__all__ = [
    "BinaryLayer", "RealLayer", "MaxPool", "RPReLU", "StridePad", "Pooled", "Block", "Classifier", "FoldedNetwork",
    "Evaluation", "fold_binary", "fold_real", "fold_classifier", "binary_layer", "real_layer", "classify", "evaluate",
]  # fmt: skip

Real = NDArray[np.float32]
Given = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class BinaryLayer:
    """A binary convolution with the batch norm after it: what `binary_layer` computes."""

    bits: NDArray[np.bool_]  # (out, in, kernel height, kernel width); in * height * width of the kernel <= 2^24
    scale: Real  # (out,), times ones
    shared: Real  # (out,), times total
    shift: Real  # (out,)
    stride: Pair  # vertical, horizontal
    padding: Pair  # vertical, horizontal
    threshold: Real | None = None  # (in,): the layer reads the bits h > threshold; None is 0


@dataclass(frozen=True, eq=False)
class RealLayer:
    """A real convolution with the batch norm after it: what `real_layer` computes."""

    weight: Real  # (out, in, kernel height, kernel width)
    bias: Real  # (out,)
    stride: Pair  # vertical, horizontal
    padding: Pair  # vertical, horizontal


@dataclass(frozen=True, eq=False)
class MaxPool:
    """Max-pooling, min-pooling of some channels: ``y = sign[c] * (maximum of sign[c] * x over the window)``."""

    size: int  # height and width of the window
    stride: int  # of the windows, in both directions
    padding: int  # smaller than size; padding never wins
    sign: Real  # (channels,), each 1 or -1


@dataclass(frozen=True, eq=False)
class RPReLU:
    """``y = p + after``, p = h where h > 0 and slope * h elsewhere, h = x + before: three roundings."""

    before: Real  # (channels,)
    slope: Real  # (channels,)
    after: Real  # (channels,)


@dataclass(frozen=True)
class StridePad:
    """The shortcut without parameters, `bbdg_ref.spec.shortcut.stride_and_pad`."""

    in_channels: int  # of its input
    out_channels: int  # of its output; the added channels are zeros
    stride: int  # every stride-th pixel of both directions


@dataclass(frozen=True)
class Pooled:
    """The shortcut that averages, then goes through a real layer or is repeated, or is not there at all."""

    size: int  # of the windows, side by side, whose pixels are added up in C order and divided by size * size
    copies: int  # of all maps, one after another; 0: nothing is added to what the layers give
    layer: RealLayer | None = None  # reads the means; copies is 1 then


@dataclass(frozen=True, eq=False)
class Block:
    """A residual block: ``y = hardtanh(pool(layers(x)) + shortcut(x))``, or RPReLU in the place of hardtanh."""

    layers: tuple[BinaryLayer, ...]  # at least one, in order
    shortcut: RealLayer | StridePad | Pooled | None  # None is the identity
    pool: tuple[MaxPool, ...] = ()  # none or one
    activation: RPReLU | None = None  # None is hardtanh


@dataclass(frozen=True, eq=False)
class Classifier:
    """Mean over the pixels, batch norm and linear layer: what `classify` computes."""

    weight: Real  # (classes, channels); or (classes, channels * height * width), and no mean is taken
    bias: Real  # (classes,)


@dataclass(frozen=True, eq=False)
class FoldedNetwork:
    """A whole network without batch norm: what `evaluate` computes."""

    stem: RealLayer  # reads the images; `opening` follows it
    blocks: tuple[Block, ...]  # in order
    classifier: Classifier  # reads the last block
    name: str  # of the network it was folded from
    image_shape: tuple[int, int, int] | None  # (channels, height, width) of an image, or None if not fixed
    opening: tuple[MaxPool, ...] | None = None  # what follows the stem, none or one; None is hardtanh


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a network answers to a batch of images, and everything that the answer went through."""

    logits: Real  # (batch, classes)
    bits: tuple[NDArray[np.bool_], ...]  # what every binary layer read, in order: (batch, in, height, width)
    features: tuple[Real, ...]  # the map after the stem and after every block: (batch, channels, height, width)


def _scale_shift(weight: Given, bias: Given, mean: Given, var: Given, eps: float) -> list[NDArray[np.float64]]:
    """Return g = weight / sqrt(var + eps) and bias - g mean, in float64: batch norm is g x + (bias - g mean)."""
    weight, bias, mean, var = (np.asarray(value, np.float64) for value in (weight, bias, mean, var))
    g = weight / np.sqrt(var + eps)
    return [g, bias - g * mean]


def fold_binary(
    bits: NDArray[np.bool_], alpha: Level, beta: Level, weight: Given, bias: Given, running_mean: Given,
    running_var: Given, *, eps: float = 1e-5, stride: int | Pair = 1, padding: int | Pair = 0,
) -> BinaryLayer:  # fmt: skip
    """Fold batch norm into the binary convolution before it.

    Parameters
    ----------
    bits : ndarray of bool (out, in, kernel height, kernel width)
        True is a weight beta, False a weight alpha.
    alpha, beta : float or ndarray of float64 (out,)
        The two values, of the layer or of every output channel.
    weight, bias, running_mean, running_var : ndarray of float (out,)
        Of the batch norm.
    eps : float
        Of the batch norm.
    stride, padding : int or (int, int)
        Of the convolution, vertical and horizontal.

    Returns
    -------
    BinaryLayer
        With ``g = weight / sqrt(running_var + eps)``: ``scale = g (beta - alpha)``, ``shared = g alpha``,
        ``shift = bias - g running_mean``, computed in float64 and rounded to float32 once. The bits are a copy.

    Examples
    --------
    >>> one = np.ones(1, np.float32)
    >>> layer = fold_binary(np.ones((1, 1, 3, 3), bool), -0.5, 1.0, one, one, one, 3 * one, eps=1.0)
    >>> layer.scale, layer.shared, layer.shift
    (array([0.75], dtype=float32), array([-0.25], dtype=float32), array([0.5], dtype=float32))
    """
    g, constant = _scale_shift(weight, bias, running_mean, running_var, eps)
    scale, shared, shift = (value.astype(np.float32) for value in (g * (beta - alpha), g * alpha, constant))
    return BinaryLayer(bits.copy(), scale, shared, shift, pair(stride), pair(padding))


def fold_real(
    kernels: Given, weight: Given, bias: Given, running_mean: Given, running_var: Given, *, eps: float = 1e-5,
    stride: int | Pair = 1, padding: int | Pair = 0,
) -> RealLayer:  # fmt: skip
    """Fold batch norm into the real convolution, without bias, before it.

    Parameters
    ----------
    kernels : ndarray of float (out, in, kernel height, kernel width)
        Of the convolution.
    weight, bias, running_mean, running_var : ndarray of float (out,)
        Of the batch norm.
    eps : float
        Of the batch norm.
    stride, padding : int or (int, int)
        Of the convolution, vertical and horizontal.

    Returns
    -------
    RealLayer
        ``weight[o] = g[o] kernels[o]`` and ``bias - g running_mean``, computed in float64 and rounded once.

    Examples
    --------
    >>> one = np.ones(1, np.float32)
    >>> fold_real(np.full((1, 1, 1, 1), 8.0), one, one, one, 3 * one, eps=1.0).weight
    array([[[[4.]]]], dtype=float32)
    """
    g, shift = _scale_shift(weight, bias, running_mean, running_var, eps)
    kernels = (g[:, None, None, None] * kernels).astype(np.float32)
    return RealLayer(kernels, shift.astype(np.float32), pair(stride), pair(padding))


def fold_classifier(
    linear_weight: Given, linear_bias: Given, weight: Given, bias: Given, running_mean: Given, running_var: Given,
    *, eps: float = 1e-5,
) -> Classifier:  # fmt: skip
    """Fold batch norm into the linear layer after it.

    Parameters
    ----------
    linear_weight : ndarray of float (classes, channels)
        Of the linear layer.
    linear_bias : ndarray of float (classes,)
        Of the linear layer.
    weight, bias, running_mean, running_var : ndarray of float (channels,)
        Of the batch norm before it.
    eps : float
        Of the batch norm.

    Returns
    -------
    Classifier
        ``weight[k, c] = linear_weight[k, c] g[c]`` and ``bias[k] = linear_bias[k] + sum over c, in order, of
        linear_weight[k, c] (bias[c] - g[c] running_mean[c])``, computed in float64 and rounded once.

    Examples
    --------
    >>> one = np.ones(1, np.float32)
    >>> fold_classifier(np.full((1, 1), 8.0), one, one, one, one, 3 * one, eps=1.0).bias  # 1 + 8 (1 - 1/2)
    array([5.], dtype=float32)
    """
    g, shift = _scale_shift(weight, bias, running_mean, running_var, eps)
    total = np.asarray(linear_bias, np.float64)
    for c in range(len(g)):
        total = total + linear_weight[:, c] * shift[c]
    return Classifier((linear_weight * g).astype(np.float32), total.astype(np.float32))


def binary_layer(u: NDArray[np.bool_], layer: BinaryLayer) -> Real:
    """Apply a binary layer to the bits of its input.

    Parameters
    ----------
    u : ndarray of bool (batch, in, height, width)
        Bits of the activations.
    layer : BinaryLayer

    Returns
    -------
    ndarray of float32 (batch, out, output height, output width)
        ``z[n, o, p, q] = scale[o] * ones[n, o, p, q] + (shared[o] * total[n, 0, p, q] + shift[o])``, with the counts
        of `bbdg_ref.spec.popcount_conv.binary_counts`. They are below 2^24 and so exact in float32.

    Examples
    --------
    >>> half = np.full(1, 0.5, np.float32)
    >>> layer = BinaryLayer(np.ones((1, 1, 1, 1), bool), half, half, half, (1, 1), (0, 0))
    >>> binary_layer(np.array([[[[True, False]]]]), layer)
    array([[[[ 1.5, -0.5]]]], dtype=float32)
    """
    counts = binary_counts(u, layer.bits, stride=layer.stride, padding=layer.padding)
    ones, total = counts.ones.astype(np.float32), counts.total.astype(np.float32)
    scale, shared, shift = (value[:, None, None] for value in (layer.scale, layer.shared, layer.shift))
    return scale * ones + (shared * total + shift)


def real_layer(x: Real, layer: RealLayer) -> Real:
    """Apply a real convolution with bias, one tap after the other.

    Parameters
    ----------
    x : ndarray of float32 (batch, in, height, width)
    layer : RealLayer

    Returns
    -------
    ndarray of float32 (batch, out, output height, output width)
        ``y = bias[o]``, then for c, for i, for j: ``y = y + weight[o, c, i, j] * x0[n, c, p s + i, q s + j]``, with x0
        the input surrounded by zeros. The products with these zeros are added like any other.

    Examples
    --------
    >>> layer = RealLayer(np.full((1, 1, 1, 2), 2, np.float32), np.ones(1, np.float32), (1, 1), (0, 0))
    >>> real_layer(np.array([[[[1, 2, 4]]]], np.float32), layer)
    array([[[[ 7., 13.]]]], dtype=float32)
    """
    pv, ph = layer.padding
    x0 = np.pad(x, ((0, 0), (0, 0), (pv, pv), (ph, ph)))
    v = windows(x0, layer.weight.shape[2:], layer.stride)[:, None]  # (n, 1, c, p, q, i, j)
    y = layer.bias[:, None, None]
    for c, i, j in np.ndindex(layer.weight.shape[1:]):
        y = y + layer.weight[:, c, i, j, None, None] * v[:, :, c, :, :, i, j]
    return y


def classify(x: Real, classifier: Classifier) -> Real:
    """Return the logits of the last maps: mean over the pixels, then the linear layer.

    Parameters
    ----------
    x : ndarray of float32 (batch, channels, height, width)
    classifier : Classifier

    Returns
    -------
    ndarray of float32 (batch, classes)
        ``s = 0``, then for every pixel in C order ``s = s + x``; ``f = s / pixels``; ``logits = bias``, then for every
        channel c ``logits = logits + weight[:, c] * f[:, c]``. Where `weight` has a column for every pixel of every
        map, each is a channel of one pixel.

    Examples
    --------
    >>> x = np.array([[[[1, 0], [0, 1]]]], np.float32)
    >>> classify(x, Classifier(np.full((2, 1), 4, np.float32), np.array([0, 1], np.float32)))
    array([[2., 3.]], dtype=float32)
    """
    x = x if classifier.weight.shape[1] == x.shape[1] else x.reshape(len(x), -1, 1, 1)
    s = np.zeros(x.shape[:2], np.float32)
    for p, q in np.ndindex(x.shape[2:]):
        s = s + x[:, :, p, q]
    f = s / np.float32(x.shape[2] * x.shape[3])
    logits = np.tile(classifier.bias, (len(x), 1))
    for c in range(f.shape[1]):
        logits = logits + f[:, c, None] * classifier.weight[:, c]
    return logits


def _max_pool(x: Real, pools: tuple[MaxPool, ...]) -> Real:
    for pool in pools:
        sign = pool.sign[:, None, None]
        x = sign * max_pool2d(sign * x, pool.size, stride=pool.stride, padding=pool.padding).y
    return x


def _shortcut(x: Real, shortcut: RealLayer | StridePad | Pooled | None) -> Real | np.float32:
    if isinstance(shortcut, Pooled):
        v = windows(x, (shortcut.size, shortcut.size), (shortcut.size, shortcut.size))  # (n, c, p, q, i, j)
        x = np.asarray(sum(v[..., i, j] for i, j in np.ndindex(v.shape[4:])) / np.float32(shortcut.size**2))
        copies = np.tile(x, (1, shortcut.copies, 1, 1)) if shortcut.copies else np.float32(0)
        return copies if shortcut.layer is None else real_layer(x, shortcut.layer)
    if isinstance(shortcut, RealLayer):
        return real_layer(x, shortcut)
    if isinstance(shortcut, StridePad):
        return stride_and_pad(x, out_channels=shortcut.out_channels, stride=shortcut.stride)
    return x


def evaluate(network: FoldedNetwork, images: Real) -> Evaluation:
    """Compute a folded network's answer, and keep all that lies on the way to it.

    Parameters
    ----------
    network : FoldedNetwork
    images : ndarray of float32 (batch, channels, height, width)
        Normalised as in training.

    Returns
    -------
    Evaluation
        The logits, the bits that every binary layer read, and the maps after the stem and after every block.

    Notes
    -----
    The answer to an image does not depend on the others of the batch.

    Examples
    --------
    >>> one, kernel = np.ones(1, np.float32), np.ones((1, 1, 1, 1), np.float32)
    >>> stem = RealLayer(kernel, 0 * one, (1, 1), (0, 0))
    >>> layer = BinaryLayer(kernel > 0, one, 0 * one, -one, (1, 1), (0, 0))  # z = sign(h) - 1
    >>> head = Classifier(np.ones((2, 1), np.float32), np.array([0, 1], np.float32))
    >>> network = FoldedNetwork(stem, (Block((layer,), None),), head, "tiny", (1, 1, 2))
    >>> result = evaluate(network, np.array([[[[0.25, -3.0]]]], np.float32))
    >>> result.bits[0], result.features[1]  # hardtanh(0 + 0.25), hardtanh(-2 - 1)
    (array([[[[ True, False]]]]), array([[[[ 0.25, -1.  ]]]], dtype=float32))
    >>> result.logits
    array([[-0.375,  0.625]], dtype=float32)
    """
    x = real_layer(images, network.stem)
    x = hardtanh(x) if network.opening is None else _max_pool(x, network.opening)
    bits, features = [], [x]
    for block in network.blocks:
        h = x
        for layer in block.layers:
            bits.append(sign_bits(h) if layer.threshold is None else h > layer.threshold[:, None, None])
            h = binary_layer(bits[-1], layer)
        h, a = _max_pool(h, block.pool) + _shortcut(x, block.shortcut), block.activation
        x = hardtanh(h) if a is None else channel_bias(prelu(channel_bias(h, a.before), a.slope), a.after)
        features.append(x)
    return Evaluation(classify(x, network.classifier), tuple(bits), tuple(features))
