"""The binary convolution on packed bits: AND, population count, and two numbers at the end.

With a = sign(x) in {-1, +1} and weights alpha + (beta - alpha) b, b in {0, 1}, the convolution splits in two::

    y = conv(a, alpha + (beta - alpha) b) = (beta - alpha) (a * b) + alpha (a * 1)

``a * b`` adds up the activations where the weight's bit is 1; ``a * 1`` adds up all of them, and is one map that all
output channels share. With u = (x > 0), so that a = 2 u - 1, and the 64 channels of a word at a time, both are counts
of bits::

    a * b = 2 popcount(u & b) - (ones of b over the valid taps)
    a * 1 = 2 popcount(u)     - (valid taps times input channels)

A tap is valid where it lies on the image. On the border u is 0, and subtracting over the valid taps only makes that
border contribute nothing: neither -1 nor +1. Counts are exact integers; floating point enters once, at the end.

Notes
-----
``batch * out * ceil(in / 64) * kernel height * kernel width * output height * output width`` operations on words.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bbdg_ref.spec.conv2d import Pair, pair, windows
from bbdg_ref.spec.estimators import sign_bits
from bbdg_ref.spec.packing import pack_bits, pack_kernels

__all__ = ["BinaryCounts", "binary_counts", "popcount_conv2d", "popcount_linear"]

Level = float | NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BinaryCounts:
    """The two exact integer maps of a binary convolution, int64.

    Attributes
    ----------
    ones : ndarray (batch, out, output height, output width)
        ``a * b``: the sum of the activations, -1 and +1, over the taps whose weight has bit 1.
    total : ndarray (batch, 1, output height, output width)
        ``a * 1``: their sum over all taps; the same for every output channel.
    """

    ones: NDArray[np.int64]
    total: NDArray[np.int64]


def binary_counts(
    u: NDArray[np.bool_], bits: NDArray[np.bool_], *, stride: int | Pair = 1, padding: int | Pair = 0
) -> BinaryCounts:
    """Convolve the signs 2 u - 1 with the bits of the weights, and with ones.

    Parameters
    ----------
    u : ndarray of bool (batch, in, height, width)
        Bits of the activations: True is +1, False is -1.
    bits : ndarray of bool (out, in, kernel height, kernel width)
        Bits of the weights.
    stride, padding : int or (int, int)
        Vertical and horizontal. Padding contributes nothing.

    Returns
    -------
    BinaryCounts
        ``ones[n, o, p, q] = sum over valid c, i, j of a[n, c, p s + i, q s + j] * bits[o, c, i, j]`` and
        ``total[n, 0, p, q]``, the same sum without the bits.

    Raises
    ------
    ValueError
        If the channels disagree or the kernel is larger than the padded input.

    Examples
    --------
    >>> u = np.array([[[[True, False, True]]]])  # activations +1, -1, +1
    >>> counts = binary_counts(u, np.array([[[[True, True]]], [[[False, True]]]]), padding=(0, 1))
    >>> counts.ones[0, :, 0], counts.total[0, :, 0]
    (array([[ 1,  0,  0,  1],
           [ 1, -1,  1,  0]]), array([[1, 0, 0, 1]]))
    """
    channels, (kh, kw), (pv, ph) = u.shape[1], bits.shape[2:], pair(padding)
    if bits.shape[1] != channels:  # two counts with equally many words would pass without a word
        raise ValueError(f"binary_counts: bits must have {channels} input channels; got {bits.shape[1]}")
    border = ((0, 0), (0, 0), (pv, pv), (ph, ph))
    words = np.pad(pack_bits(u, axis=1), border)  # (n, word, height, width); the border holds no ones
    valid = np.pad(np.ones((1, 1, *u.shape[2:]), np.int64), border)  # 1 on the image, 0 on the border
    v = windows(words, (kh, kw), pair(stride))  # (n, word, p, q, i, j)
    inside = windows(valid, (kh, kw), pair(stride))[:, 0]  # (1, p, q, i, j)
    weight = pack_kernels(bits)[..., None, None]  # (o, i, j, word, 1, 1)
    ones = np.repeat(-np.einsum("npqij,oij->nopq", inside, bits.sum(axis=1)), len(u), axis=0)
    total = np.repeat(-channels * inside.sum(axis=(3, 4))[:, None], len(u), axis=0)
    for i, j, word in np.ndindex(weight.shape[1:4]):
        tap = v[:, word, None, :, :, i, j]  # (n, 1, p, q): 64 channels of the pixel under this tap
        ones += 2 * np.bitwise_count(tap & weight[:, i, j, word]).astype(np.int64)
        total += 2 * np.bitwise_count(tap).astype(np.int64)
    return BinaryCounts(ones, total)


def popcount_conv2d(
    x: NDArray[np.floating], bits: NDArray[np.bool_], alpha: Level, beta: Level, *, stride: int | Pair = 1,
    padding: int | Pair = 0,
) -> NDArray[np.float32]:  # fmt: skip
    """Convolve the signs of a batch of images with two-valued kernels, on packed bits.

    Parameters
    ----------
    x : ndarray of float (batch, in, height, width)
        Only its bits ``x > 0`` are used.
    bits : ndarray of bool (out, in, kernel height, kernel width)
        True is a weight beta, False a weight alpha.
    alpha, beta : float or ndarray of float64 (out,)
        The two values, of the layer or of every output channel.
    stride, padding : int or (int, int)
        Vertical and horizontal. Padding contributes nothing.

    Returns
    -------
    ndarray of float32 (batch, out, output height, output width)
        ``(beta - alpha) * ones + alpha * total``: the difference, the two products and the sum in float64, in this
        order, each rounded once; then the sum rounded to float32.

    Raises
    ------
    ValueError
        If the channels disagree or the kernel is larger than the padded input.

    Examples
    --------
    >>> x = np.array([[[[0.5, -0.1, 2.0]]]])
    >>> popcount_conv2d(x, np.array([[[[True, False]]]]), -1.0, 3.0)  # 3*1 - 1*(-1),  3*(-1) - 1*1
    array([[[[ 4., -4.]]]], dtype=float32)
    """
    counts = binary_counts(sign_bits(x), bits, stride=stride, padding=padding)
    zero, one = (np.reshape(np.asarray(level, np.float64), (-1, 1, 1)) for level in (alpha, beta))
    return ((one - zero) * counts.ones + zero * counts.total).astype(np.float32)


def popcount_linear(x: NDArray[np.floating], bits: NDArray[np.bool_], alpha: Level, beta: Level) -> NDArray[np.float32]:
    """Multiply the signs of rows with a two-valued matrix: `popcount_conv2d` on images of one pixel.

    Parameters
    ----------
    x : ndarray of float (batch, in)
        Only its bits ``x > 0`` are used.
    bits : ndarray of bool (out, in)
        True is a weight beta, False a weight alpha.
    alpha, beta : float or ndarray of float64 (out,)
        The two values, of the layer or of every output.

    Returns
    -------
    ndarray of float32 (batch, out)

    Raises
    ------
    ValueError
        If the lengths of the rows disagree.

    Examples
    --------
    >>> popcount_linear(np.array([[1.0, -1.0, 1.0]]), np.array([[True, True, False]]), 0.0, 0.5)  # .5 - .5 + 0
    array([[0.]], dtype=float32)
    """
    return popcount_conv2d(x[:, :, None, None], bits[:, :, None, None], alpha, beta)[:, :, 0, 0]
