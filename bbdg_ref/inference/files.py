"""The model file to deploy: a folded network in one HDF5 file, its bits coded, laid out as `content` tells."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import storage
from ..spec.evaluation import BinaryLayer, FoldedNetwork
from .coding import code_sizes
from .content import folded_from_arrays, folded_to_arrays
from .network import PackedNetwork

__all__ = ["LayerSizes", "coded_sizes", "load_packed", "save_packed"]

FORMAT = "packed network"


@dataclass(frozen=True)
class LayerSizes:
    """What a binary layer takes in the file.

    Attributes
    ----------
    name : str
        As in error messages: ``"blocks.0.layers.0"``.
    weights, ones : int
        How many bits it has, and how many of them are one.
    sizes : dict of str to int
        Bytes by method; raw is one bit a weight.
    """

    name: str
    weights: int
    ones: int
    sizes: dict[str, int]

    @property
    def size(self) -> int:
        """Bytes in the file: the smallest of the methods."""
        return min(self.sizes.values())

    @property
    def method(self) -> str:
        """The method with the fewest bytes, the one that the file uses."""
        return min(self.sizes, key=lambda name: self.sizes[name])


def _folded(function: str, network: object) -> FoldedNetwork:
    folded = getattr(network, "folded", network)
    if not isinstance(folded, FoldedNetwork):
        raise TypeError(
            f"{function}: network must be a PackedNetwork or a FoldedNetwork; got {type(network).__name__}; "
            "pass compile_network(network)"
        )
    return folded


def _binary_layers(network: FoldedNetwork) -> dict[str, BinaryLayer]:
    layers = [
        (f"blocks.{b}.layers.{i}", x) for b, block in enumerate(network.blocks) for i, x in enumerate(block.layers)
    ]
    return dict(layers)


def coded_sizes(network: object) -> tuple[LayerSizes, ...]:
    """Return the bytes of every binary layer by every method.

    Parameters
    ----------
    network : PackedNetwork or FoldedNetwork

    Returns
    -------
    tuple of LayerSizes
        In the order of the data flow.

    Raises
    ------
    TypeError
        If `network` is neither.

    Examples
    --------
    >>> from bbdg_ref import inference, nn
    >>> net = inference.fold(nn.resnet20(width=4, rng=np.random.default_rng(0)))
    >>> layer = coded_sizes(net)[0]
    >>> layer.name, layer.weights, layer.sizes["raw"], layer.method, layer.size
    ('blocks.0.layers.0', 144, 18, 'raw', 18)
    """
    layers = _binary_layers(_folded("coded_sizes", network))
    return tuple(
        LayerSizes(name, layer.bits.size, int(np.count_nonzero(layer.bits)), code_sizes(layer.bits))
        for name, layer in layers.items()
    )


def save_packed(path: str | os.PathLike[str], network: object, *, notes: dict[str, Any] | None = None) -> None:
    """Write a packed network to an HDF5 file, the bits of every layer in their smallest code.

    The same network gives the same bytes. The file is written beside `path` and moved into place; before that, what
    goes into it is decoded and compared.

    Parameters
    ----------
    path : str or path-like
        Where to; an existing file is replaced.
    network : PackedNetwork or FoldedNetwork
        The network.
    notes : dict, optional
        Anything that JSON holds, kept in the header: data set, seed, accuracy.

    Raises
    ------
    TypeError
        If `network` is neither.
    ValueError
        If its parts do not fit together: dtypes, shapes, channels from layer to layer.
    OSError
        If the file cannot be written.

    Notes
    -----
    ResNet-18 with independent bits of density 0.05 takes 396 kB for them, 0.288 of one bit a weight, and 0.77 MB, less
    what deflate saves, for the real weights of stem, shortcuts and classifier, which stay float32.

    Examples
    --------
    >>> import tempfile
    >>> from bbdg_ref import inference, nn
    >>> net = inference.fold(nn.resnet20(width=4, rng=np.random.default_rng(0)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_packed(f"{folder}/net.h5", net, notes={"seed": 0})
    ...     again = load_packed(f"{folder}/net.h5")
    >>> coded_sizes(again) == coded_sizes(net)
    True
    """
    folded = _folded("save_packed", network)
    try:
        content = folded_to_arrays(folded)
        folded_from_arrays(content.arrays, content.header)
    except ValueError as error:
        raise ValueError(f"save_packed: network must be whole; {error}") from error
    storage.save(path, FORMAT, content.arrays, content.header | {"notes": notes or {}})


def load_packed(path: str | os.PathLike[str]) -> PackedNetwork:
    """Read a network that `save_packed` wrote.

    Parameters
    ----------
    path : str or path-like
        The file; taken as hostile.

    Returns
    -------
    PackedNetwork

    Raises
    ------
    ValueError
        If the file is not such a file or is damaged; the message names the file and the layer.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> from bbdg_ref import inference, nn
    >>> net = inference.fold(nn.resnet20(width=4, rng=np.random.default_rng(0)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_packed(f"{folder}/net.h5", net)
    ...     sum(layer.size for layer in coded_sizes(load_packed(f"{folder}/net.h5")))
    2088
    """
    stored = storage.load(path, FORMAT)
    try:
        return PackedNetwork(folded_from_arrays(stored.arrays, stored.header))
    except ValueError as error:
        raise ValueError(f"load_packed: {path} must hold a whole network; {error}; restore the file") from error
