"""A folded network layer by layer: what serves where no program is laid out for it.

The order of the layers is the definition's own (`bbdg_ref.spec.evaluation.evaluate`). Binary layers run on packed bits,
real ones on the kernels of the programs, what lies between them a few images at a time: their maps stay in a cache.
"""
# The imports of `bbdg_ref.kernels` stand inside functions so that importing bbdg_ref does not import Numba.

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._memory import empty
from ..spec.conv2d import output_size
from ..spec.evaluation import (
    BinaryLayer,
    Block,
    Classifier,
    Evaluation,
    FoldedNetwork,
    MaxPool,
    Pooled,
    RealLayer,
    StridePad,
    binary_layer,
    evaluate,
)
from ..spec.shortcut import stride_and_pad
from .folded_real import RealWeights, packed_classify, packed_real_layer
from .folded_shapes import FoldedShapes, Shape, folded_shapes
from .packed_conv2d import PackedWeights, packed_affine, packed_kernels_take, plain
from .packed_program import remember

__all__ = ["LayerByLayer"]

Real = NDArray[np.float32]
Bits = NDArray[np.bool_]
_NO_WORDS = np.empty(0, np.uint64)
CACHED = 1 << 20  # bytes of a map that stays in a core's caches until it is read again
FULL = 512  # pixels of a block of the packed kernels


class LayerByLayer:
    """Evaluates a folded network, equal to the definition in every bit.

    Parameters
    ----------
    folded : FoldedNetwork
        The network; its arrays must not change.

    Notes
    -----
    A layer is packed when it first runs. The counts of a binary one come from the kernels that serve packed
    convolutions: with alpha = 0 and beta = 1 those give `ones` itself, and `total` is the `ones` of one more filter,
    all of ones. Without the JIT the definition serves.

    Examples
    --------
    >>> from bbdg_ref import inference, nn
    >>> network = inference.fold(nn.reactnet18(width=2, classes=3, rng=np.random.default_rng(0)))
    >>> LayerByLayer(network)(np.zeros((2, 3, 32, 32), np.float32)).logits.shape
    (2, 3)
    """

    def __init__(self, folded: FoldedNetwork) -> None:
        self.folded = folded
        self._packed: dict[int, Any] = {}
        self._shapes: dict[Shape, FoldedShapes] = {}

    def shapes(self, image_shape: Shape) -> FoldedShapes:
        """Return the shapes of the maps, as `folded_shapes` finds them; they are kept for the next call.

        Parameters
        ----------
        image_shape : (int, int, int)
            Channels, height and width of an image.

        Returns
        -------
        FoldedShapes

        Raises
        ------
        ValueError
            If the network does not fit such images.
        """
        known = self._shapes.get(image_shape)
        if known is None:
            known = folded_shapes(self.folded, image_shape)
            remember(self._shapes, image_shape, known)
        return known

    def __call__(self, images: Real) -> Evaluation:
        """Return the answer to a batch of images, and all that lies on the way to it.

        Parameters
        ----------
        images : ndarray of float32, shape (batch, channels, height, width)
            Normalised as in training.

        Returns
        -------
        Evaluation
        """
        from ..kernels.compiled import jit_is_on

        if not jit_is_on():
            return evaluate(self.folded, images)
        batch, shapes = len(images), self.shapes(images.shape[1:])
        layers, bits, x = iter(shapes.layers), [], empty((batch, *shapes.features[0]))
        stem = self.folded.stem
        size = output_size(images.shape[2:], stem.weight.shape[2:], stem.stride, stem.padding)
        for part in _parts(batch, [(len(stem.bias), *size)]):
            self._stem(images[part], x[part])
        features = [x]
        for block, shape in zip(self.folded.blocks, shapes.features[1:], strict=True):
            maps = [x.shape[1:], *itertools.islice(layers, len(block.layers))]
            read, y = [_bits((batch, *each)) for each in maps[:-1]], empty((batch, *shape))
            for part in _parts(batch, maps):
                self._block(block, x[part], [each[part] for each in read], y[part])
            bits += read
            features.append(y)
            x = y
        logits = packed_classify(x, self._real(self.folded.classifier))
        return Evaluation(logits, tuple(bits), tuple(features))

    def _stem(self, images: Real, y: Real) -> None:
        """Write the maps after the stem and what follows it."""
        x = packed_real_layer(images, self._real(self.folded.stem))
        if self.folded.opening is None:
            np.clip(x, -1, 1, out=y)
        else:
            y[...] = _max_pool(x, self.folded.opening)

    def _block(self, block: Block, x: Real, read: list[Bits], y: Real) -> None:
        """Write the bits that the block's layers read, and the maps after it."""
        from ..kernels.folded_layer import add_clipped, add_rprelu

        h = x
        for layer, u in zip(block.layers, read, strict=True):
            np.greater(h, 0 if layer.threshold is None else layer.threshold[:, None, None], out=u)
            h = self._binary(u, layer)
        h = _max_pool(h, block.pool)
        rows, a = (_in_rows(maps) for maps in (h, self._shortcut(x, block.shortcut, h), y)), block.activation
        if a is None:
            add_clipped(*rows)
        else:
            z, shortcut, result = rows
            add_rprelu(z, shortcut, *self._kept(a, lambda: tuple(map(plain, (a.before, a.slope, a.after)))), result)

    def _binary(self, u: Bits, layer: BinaryLayer) -> Real:
        """Apply a binary layer to the bits of its input."""
        from ..kernels.folded_layer import folded_sums

        batch, channels, height, width = u.shape
        if not packed_kernels_take(channels, layer.bits.shape[2:]):
            return binary_layer(u, layer)
        weights, *factors = self._kept(layer, lambda: _packed(layer))
        prepared = weights.prepared(batch, (height, width), layer.stride, layer.padding)
        counts = empty(prepared.shape)
        packed_affine(u.astype(np.float32), _NO_WORDS, False, weights, prepared, counts)
        z = empty((batch, prepared.shape[1] - 1, *prepared.shape[2:]))
        folded_sums(_in_rows(counts), *factors, _in_rows(z))
        return z

    def _shortcut(self, x: Real, shortcut: RealLayer | StridePad | Pooled | None, like: Real) -> Real:
        """Return what is added to maps of a shape."""
        if isinstance(shortcut, Pooled):
            if shortcut.layer is None and not shortcut.copies:
                return np.zeros_like(like)
            means = _means(x, shortcut.size)
            if shortcut.layer is None:
                return np.tile(means, (1, shortcut.copies, 1, 1))
            return packed_real_layer(means, self._real(shortcut.layer))
        if isinstance(shortcut, RealLayer):
            return packed_real_layer(x, self._real(shortcut))
        if isinstance(shortcut, StridePad):
            return stride_and_pad(x, out_channels=shortcut.out_channels, stride=shortcut.stride)
        return x

    def _real(self, layer: RealLayer | Classifier) -> RealWeights:
        """Return a real layer as the kernels take it."""
        of: Any = RealWeights.of if isinstance(layer, RealLayer) else RealWeights.of_classifier
        return self._kept(layer, lambda: of(layer))

    def _kept(self, part: object, make: Callable[[], Any]) -> Any:
        """Return what is made of a part of the network; it is made once."""
        known = self._packed.get(id(part))
        if known is None:
            known = self._packed[id(part)] = make()
        return known


def _packed(layer: BinaryLayer) -> tuple[PackedWeights, Real, Real, Real]:
    """Return a layer's bits, packed with a filter of ones behind them, and the factors of its sums."""
    bits = np.concatenate((layer.bits, np.ones_like(layer.bits[:1])))
    weights = PackedWeights(bits, np.zeros(len(bits)), np.ones(len(bits)))
    return weights, plain(layer.scale), plain(layer.shared), plain(layer.shift)


def _parts(batch: int, maps: list[Shape]) -> Iterator[slice]:
    """Cut a batch into parts whose largest map stays in a cache, but fills the vectors, and of one length if it can."""
    most = CACHED // (4 * max(math.prod(shape) for shape in maps))
    least = max(-(-FULL // (height * width)) for _, height, width in maps)
    count = -(-batch // max(most, least))
    length = -(-batch // count)
    return (slice(first, min(batch, first + length)) for first in range(0, batch, length))


def _bits(shape: tuple[int, ...]) -> Bits:
    """Return uninitialised bits, in memory that is used again."""
    size = math.prod(shape)
    return empty((-(-size // 4),)).view(np.bool_)[:size].reshape(shape)


def _in_rows(maps: Real) -> Real:
    """Return maps with their pixels in a row."""
    return np.ascontiguousarray(maps).reshape(*maps.shape[:2], -1)


def _means(x: Real, size: int) -> Real:
    """Return the mean of every window, whose pixels are added up in C order."""
    from ..kernels.folded_layer import means_of_windows

    y = empty((*x.shape[:2], *(side // size for side in x.shape[2:])))
    means_of_windows(plain(x), size, y)
    return y


def _max_pool(x: Real, pools: tuple[MaxPool, ...]) -> Real:
    """Take the largest or the smallest of every window."""
    from ..kernels.folded_layer import largest_of_windows

    for pool in pools:
        height, width = x.shape[2:]
        y = empty((*x.shape[:2], *output_size((height, width), pool.size, pool.stride, pool.padding)))
        largest_of_windows(plain(x), plain(pool.sign), pool.size, pool.stride, pool.padding, empty((width,)), y)
        x = y
    return x
