"""Real layers of a folded network on their own: the kernels that serve them in a whole program, for maps of any size.

A real convolution is given one row of a program's table (see `bbdg_ref.ops.packed_program`). It takes output pixels by
the piece, each by the place in memory where its window begins. Where an output map is not made of whole pieces, the
pixels of all images are taken as one map: then the result comes channel by channel, and is turned.
"""
# The imports of `bbdg_ref.kernels` stand inside functions so that importing bbdg_ref does not import Numba.

import functools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._memory import empty
from ..spec.conv2d import Pair, output_size
from ..spec.evaluation import Classifier, RealLayer, real_layer
from .packed_conv2d import plain
from .packed_layout import REAL, grouped
from .packed_plan import PIECE
from .packed_program import Step, remember

__all__ = ["RealWeights", "packed_classify", "packed_real_layer"]

Real = NDArray[np.float32]
_NO_WORDS = np.zeros(0, np.uint64)


@dataclass(frozen=True, eq=False)
class RealWeights:
    """A real layer as the kernels take it.

    Attributes
    ----------
    layer : RealLayer
        The layer; its arrays must not change.
    reals : ndarray of float32
        The weights by groups of output channels, tap by tap, and behind them the bias.
    calls : dict
        What is prepared, by the shape of the maps.
    """

    layer: RealLayer
    reals: Real
    calls: dict[Any, "_Call"] = field(init=False, default_factory=dict)

    @classmethod
    def of(cls, layer: RealLayer) -> "RealWeights":
        """Lay a layer's weights out.

        Parameters
        ----------
        layer : RealLayer

        Returns
        -------
        RealWeights
        """
        weight, bias = grouped(layer.weight.reshape(len(layer.weight), -1), layer.bias)
        return cls(layer, np.concatenate((weight.ravel(), bias)))

    @classmethod
    def of_classifier(cls, head: Classifier) -> "RealWeights":
        """Lay a linear layer out: a convolution of maps of one pixel, whose sums have the same order.

        Parameters
        ----------
        head : Classifier

        Returns
        -------
        RealWeights
        """
        return cls.of(RealLayer(head.weight[:, :, None, None], head.bias, (1, 1), (0, 0)))


def packed_real_layer(x: Real, weights: RealWeights) -> Real:
    """Apply a real layer, equal to `bbdg_ref.spec.evaluation.real_layer` in every bit.

    Parameters
    ----------
    x : ndarray of float32, shape (batch, in, height, width)
        Its windows must fit.
    weights : RealWeights
        The layer.

    Returns
    -------
    ndarray of float32, shape (batch, out, output height, output width), contiguous

    Examples
    --------
    >>> layer = RealLayer(np.full((1, 1, 1, 2), 2, np.float32), np.ones(1, np.float32), (1, 1), (0, 0))
    >>> packed_real_layer(np.array([[[[1, 2, 4]]]], np.float32), RealWeights.of(layer))
    array([[[[ 7., 13.]]]], dtype=float32)
    """
    from ..kernels.compiled import jit_is_on

    if not jit_is_on():
        return real_layer(x, weights.layer)
    from ..kernels.packed_program import LEAVE
    from ..kernels.real_layer import real_step

    layer, call = weights.layer, weights.calls.get(x.shape)
    if call is None:
        call = _prepare(weights, x.shape)
        remember(weights.calls, x.shape, call)
    x0 = _surrounded(x, layer.padding) if any(layer.padding) or layer.stride[1] > 1 else plain(x).ravel()
    y = empty(call.written)
    gathered = empty((2 * PIECE * layer.weight[0].size,))
    real_step(call.row, LEAVE, x0, y.ravel(), _NO_WORDS, call.integers, weights.reals, gathered[:0], gathered)
    batch, out, rows, columns = call.shape
    if y.size == math.prod(call.shape) and len(y) == batch:
        return y.reshape(call.shape)
    by_channel = y.reshape(out, -1)[:, : batch * rows * columns].reshape(out, batch, rows, columns)
    return np.ascontiguousarray(by_channel.swapaxes(0, 1))


@dataclass(frozen=True, eq=False)
class _Call:
    """What the kernel is given for maps of one shape."""

    row: NDArray[np.int64]  # of a program's table
    integers: NDArray[np.int64]  # of the places
    written: tuple[int, int, int]  # shape of what the kernel writes: (images, out, pixels), or all images as one
    shape: tuple[int, int, int, int]  # of the result


def _prepare(weights: RealWeights, shape: tuple[int, ...]) -> _Call:
    """Find out where windows lie, and what the kernel has to know besides."""
    layer, (batch, channels, height, width) = weights.layer, shape
    (out, _, kh, kw), (pv, ph) = layer.weight.shape, layer.padding
    size = height + 2 * pv, width + 2 * ph
    rows, columns = output_size((height, width), (kh, kw), layer.stride, layer.padding)
    together = batch if rows * columns % PIECE else 1  # images that are taken as one
    places = _places(together, channels, size, (kh, kw), layer.stride)
    pixels, taps = places.pixels, channels * kh * kw
    row = Step(
        REAL, result=0, batch=batch // together, channels=channels, height=size[0], width=size[1], outputs=out,
        words=places.run, grid_width=layer.stride[1] if places.run > 1 else 1, out_pixels=pixels, taps=taps,
        tap_shift=pixels, bias_or_masks=len(weights.reals) - out - -out % PIECE,
    ).row()  # fmt: skip
    return _Call(np.array(row), places.integers, (batch // together, out, pixels), (batch, out, rows, columns))


def _surrounded(x: Real, padding: Pair) -> Real:
    """Return maps, in a row, with zeros around them, and some behind them: windows are read a little past their end."""
    (height, width), (pv, ph) = x.shape[2:], padding
    shape = *x.shape[:2], height + 2 * pv, width + 2 * ph
    row = empty((math.prod(shape) + 2 * PIECE,))
    row[...] = 0
    row[: -2 * PIECE].reshape(shape)[:, :, pv : pv + height, ph : ph + width] = x
    return row


def packed_classify(x: Real, weights: RealWeights) -> Real:
    """Return the logits of the last maps, equal to `bbdg_ref.spec.evaluation.classify`; the JIT must be on.

    Parameters
    ----------
    x : ndarray of float32, shape (batch, channels, height, width)
    weights : RealWeights
        `of_classifier`.

    Returns
    -------
    ndarray of float32, shape (batch, classes)

    Examples
    --------
    >>> head = Classifier(np.full((2, 1), 4, np.float32), np.array([0, 1], np.float32))
    >>> packed_classify(np.array([[[[1, 0], [0, 1]]]], np.float32), RealWeights.of_classifier(head))
    array([[2., 3.]], dtype=float32)
    """
    if weights.layer.weight.shape[1] != x.shape[1]:
        x = x.reshape(len(x), -1, 1, 1)
    pixels = np.ascontiguousarray(x.reshape(*x.shape[:2], -1).transpose(2, 0, 1))
    total = np.zeros(x.shape[:2], np.float32)
    for of_pixel in pixels:
        total += of_pixel
    total /= np.float32(len(pixels))
    return packed_real_layer(total[:, :, None, None], weights).reshape(len(x), -1)


@dataclass(frozen=True, eq=False)
class _Places:
    """Where the windows of a real layer lie, see `bbdg_ref.kernels.real_layer.gather`."""

    integers: NDArray[np.int64]  # where each output pixel's window begins, and behind that how far each tap is from it
    pixels: int  # filled up to whole pieces
    run: int  # of so many pixels each lies one stride after the one before


@functools.lru_cache(maxsize=32)
def _places(images: int, channels: int, size: Pair, kernel: Pair, stride: Pair) -> _Places:
    """Find the places for a map, or for images that are taken as one, of a size that includes the padding."""
    height, width = size
    rows, columns = output_size(size, kernel, stride, (0, 0))
    within = (np.arange(rows) * stride[0] * width)[:, None] + np.arange(columns) * stride[1]
    begins = (np.arange(images) * channels * height * width)[:, None, None] + within
    pixels = -(-begins.size // PIECE) * PIECE
    begins = np.resize(begins.ravel(), pixels)  # what is missing is computed once more, and not looked at
    c, i, j = np.indices((channels, *kernel)).reshape(3, -1)
    run = next(run for run in (16, 8, 4, 1) if columns % run == 0) if stride[1] <= 2 else 1
    return _Places(np.concatenate((begins, (c * height + i) * width + j)), pixels, run)
