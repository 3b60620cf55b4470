"""A network in one HDF5 file: what it is in the header, its arrays beside it."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import storage
from .layers import HardTanh, Sequential
from .networks import NETWORKS, Network

__all__ = ["build", "check_size", "describe", "load_network", "save_network"]

FORMAT = "network"

#: The network of two structures: before the second, its stem ended in a hardtanh, which holds no arrays.
SECOND = "resnet18"

#: Binary weights over width², the same for every width.
WEIGHTS = {"resnet20": 1044, "resnet18": 2682, "vgg-small": 279, "reactnet18": 2682, "reactnet-a": 27591}


def describe(network: Network) -> dict[str, Any]:
    """Return what `build` needs to make the same network again.

    Parameters
    ----------
    network : Network
        The network.

    Returns
    -------
    dict
        Builder, arguments, bit rule, padding; for a ResNet-18 whose stem ends in its batch norm also
        ``"structure": 2``: without that, a hardtanh follows.
    """
    header = {
        "network": network.name,
        "arguments": network.arguments,
        "bit_rule": "b = (x > 0); bit 1 is beta",
        "padding": "zeros that contribute nothing",
    }
    second = network.name == SECOND and not isinstance(_stem(network).layers[-1], HardTanh)
    return header | {"structure": 2} if second else header


def _stem(network: Network) -> Sequential:
    stem = network.layers[0]
    if not isinstance(stem, Sequential):
        raise TypeError(f"describe: network must have a Sequential as its stem; got {type(stem).__name__}")
    return stem


def build(header: dict[str, Any], *, rng: np.random.Generator) -> Network:
    """Build the network that a header of `describe` names, with fresh weights.

    Parameters
    ----------
    header : dict
        Of `describe`.
    rng : numpy.random.Generator
        For the fresh weights.

    Returns
    -------
    Network
        Of the structure that the header tells: of a ResNet-18 of the first, the stem ends in a hardtanh.

    Raises
    ------
    ValueError
        If the header names no builder of this package, arguments that it does not take, or an unknown structure.
    """
    name, arguments = header.get("network"), header.get("arguments")
    whole = set(arguments) == {"domain", "width", "classes"} if isinstance(arguments, dict) else False
    if not isinstance(name, str) or name not in NETWORKS or not isinstance(arguments, dict) or not whole:
        raise ValueError(
            f"build: header must name a network of {sorted(NETWORKS)} with domain, width and classes; "
            f"got {name!r} with {arguments!r}; use a file written by this version of bbdg_ref"
        )
    structure = header.get("structure", 1)
    if type(structure) is not int or structure not in ((1, 2) if name == SECOND else (1,)):
        raise ValueError(
            f"build: structure must be one that {name} has; got {structure!r}; read it with a later version of bbdg_ref"
        )
    network = NETWORKS[name](**arguments, rng=rng)
    if name == SECOND and structure == 1:
        _stem(network).layers.append(HardTanh())
    return network


def check_size(header: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse a header that asks for a larger network than its arrays can fill, before `build`.

    The binary weights alone are `WEIGHTS`·width² numbers.

    Parameters
    ----------
    header : dict
        Of `describe`.
    arrays : mapping of str to ndarray
        The network's state.

    Raises
    ------
    ValueError
        If the arrays hold fewer numbers than that.
    """
    held = sum(array.size for array in arrays.values())
    name, arguments = header.get("network"), header.get("arguments")
    weights = WEIGHTS.get(name, 0) if isinstance(name, str) else 0  # `build` refuses unknown names
    width, classes = (arguments.get(key) for key in ("width", "classes")) if isinstance(arguments, dict) else (0, 0)
    if isinstance(width, int) and isinstance(classes, int) and max(weights * width * width, classes) > held:
        raise ValueError(f"arguments must fit the {held} numbers that it holds; got width {width}, {classes} classes")


def save_network(path: str | os.PathLike[str], network: Network, *, notes: dict[str, Any] | None = None) -> None:
    """Write a network to an HDF5 file: latent weights, bits, domains, batch-norm statistics and the rest.

    The file is written beside ``path`` and moved into place, so that a reader never sees half of it.

    Parameters
    ----------
    path : str or path-like
        Where to; an existing file is replaced.
    network : Network
        The network.
    notes : dict, optional
        Anything that JSON holds, kept in the header: data set, seed, accuracy.

    Raises
    ------
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from bbdg_ref import nn
    >>> net = nn.resnet20(width=4, rng=np.random.default_rng(0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nn.save_network(f"{folder}/net.h5", net)
    ...     again = nn.load_network(f"{folder}/net.h5")
    >>> again.name, again.arguments["width"]
    ('resnet20', 4)
    """
    storage.save(path, FORMAT, network.state(), describe(network) | {"notes": notes or {}})


def load_network(path: str | os.PathLike[str]) -> Network:
    """Read a network that `save_network` wrote.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    Network
        Ready for ``forward(images, training=False)`` and for more training.

    Raises
    ------
    ValueError
        If the file is not such a file, is damaged, or holds anything but the network's arrays.
    OSError
        If the file cannot be opened.

    Examples
    --------
    See `save_network`.
    """
    stored = storage.load(path, FORMAT)
    try:
        check_size(stored.header, stored.arrays)
        network = build(stored.header, rng=np.random.default_rng(0))
        network.load_state(stored.arrays)
    except (ValueError, TypeError) as error:
        raise ValueError(f"load_network: {path} must hold a whole network; {error}") from error
    return network
