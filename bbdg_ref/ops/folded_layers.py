"""A folded network layer by layer: what serves where no program is laid out for it.

The order of the layers is the definition's own (`bbdg_ref.spec.evaluation.evaluate`); only the binary layers, nearly
all of the work, run on packed bits.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._memory import empty
from ..spec.conv2d import output_size
from ..spec.evaluation import BinaryLayer, Evaluation, FoldedNetwork, binary_layer, evaluate
from .packed_conv2d import PackedWeights, packed_affine, packed_kernels_take

__all__ = ["LayerByLayer"]

Real = NDArray[np.float32]
_NO_WORDS = np.empty(0, np.uint64)


class LayerByLayer:
    """Evaluates a folded network, equal to the definition in every bit.

    Parameters
    ----------
    folded : FoldedNetwork
        The network; its arrays must not change.

    Notes
    -----
    A binary layer is packed when it first runs. Its counts come from the kernels that serve packed convolutions: with
    alpha = 0 and beta = 1 those give `ones` itself, and `total` is the `ones` of one more filter, all of ones.

    Examples
    --------
    >>> from bbdg_ref import inference, nn
    >>> network = inference.fold(nn.reactnet18(width=2, classes=3, rng=np.random.default_rng(0)))
    >>> LayerByLayer(network)(np.zeros((2, 3, 32, 32), np.float32)).logits.shape
    (2, 3)
    """

    def __init__(self, folded: FoldedNetwork) -> None:
        self.folded = folded
        self._packed: dict[int, PackedWeights] = {}

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
        return evaluate(self.folded, images, binary=self._binary)

    def _binary(self, u: NDArray[np.bool_], layer: BinaryLayer) -> Real:
        """Apply a binary layer to the bits of its input."""
        batch, channels, height, width = u.shape
        size = output_size((height, width), layer.bits.shape[2:], layer.stride, layer.padding)
        if min(size) < 1 or not packed_kernels_take(channels, layer.bits.shape[2:]):
            return binary_layer(u, layer)
        weights = self._weights(layer)
        prepared = weights.prepared(batch, (height, width), layer.stride, layer.padding)
        counts = empty((batch, len(weights.bits), *size))
        packed_affine(u.astype(np.float32), _NO_WORDS, False, weights, prepared, counts)
        scale, shared, shift = (value[:, None, None] for value in (layer.scale, layer.shared, layer.shift))
        return scale * counts[:, :-1] + (shared * counts[:, -1:] + shift)

    def _weights(self, layer: BinaryLayer) -> PackedWeights:
        """Return a layer's bits, packed with a filter of ones behind them."""
        known: Any = self._packed.get(id(layer))
        if known is None:
            bits = np.concatenate((layer.bits, np.ones_like(layer.bits[:1])))
            known = PackedWeights(bits, np.zeros(len(bits)), np.ones(len(bits)))
            self._packed[id(layer)] = known
        return known
