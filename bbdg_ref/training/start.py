"""The network that a run starts from or learns from, and what its latent weights become."""

import os

import numpy as np

from .. import _checks, storage
from ..nn import Network, load_network
from ..nn.signed import signed_latents
from ..pruning import Pruning
from .checkpoint import load_checkpoint

__all__ = ["carry_bits", "read_start"]

#: Domains whose values depend on the bits alone, so that latent weights may be others with the same signs.
FREE = ("bipolar", "general")

#: The format of `bbdg_ref.save_packed`, whose module comes after this one.
PACKED = "packed network"


def read_start(path: str | os.PathLike[str]) -> Network:
    """Read a network from the files of a run.

    Parameters
    ----------
    path : str or path-like
        A ``model.h5``, the network of the best epoch, or a ``checkpoint.h5``, the network as it stood last.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If the file is neither; a packed network is told by that name.
    OSError
        If it cannot be opened.
    """
    try:
        return load_network(path)
    except ValueError as error:
        try:
            return load_checkpoint(path).network()
        except ValueError:
            if _is_packed(path):
                expected, mend = "a model.h5 or checkpoint.h5", "pass the model.h5 that it was packed from"
                got = f"a packed network, which has no latent weights, in {path}"
                raise ValueError(_checks.message("read_start", "path", expected, got, mend)) from None
            raise error from None


def _is_packed(path: str | os.PathLike[str]) -> bool:
    try:
        storage.load(path, PACKED)
    except ValueError:
        return False
    return True


def carry_bits(network: Network, pruning: Pruning) -> None:
    """Fit latent weights to a strategy that compares them with zero, or those of several layers.

    Such a strategy would choose other bits from latent weights that are cut by a threshold θ, one a layer, or by none.
    Where it would, latent weights become |w − θ|·s, s the signs of the bits that the network has
    (`bbdg_ref.nn.signed.signed_latents`); where it makes no difference, nothing is changed.

    Parameters
    ----------
    network : Network
        Its latent weights are changed in place; bits, values and so its outputs are not.
    pruning : Pruning
        The strategy.

    Raises
    ------
    ValueError
        If the latent weights ought to change, and the network's domain takes its values from them.
    """
    layers = network.binary_layers().values()
    signed = [signed_latents(layer.latent.value, layer.bits, float(layer.threshold)) for layer in layers]
    kept, changed = (pruning.choose(latents, 0) for latents in ([layer.latent.value for layer in layers], signed))
    if all(np.array_equal(one.bits, two.bits) for one, two in zip(kept, changed, strict=True)):
        return
    domain = network.arguments["domain"]
    if domain not in FREE:
        expected = (
            "one whose bits are the signs of its latent weights, for a strategy that compares these with zero or "
            f"across layers in the domain {domain!r}, which takes its values from them"
        )
        mend = "go on with a strategy that compares the weights within a layer, such as 'topk'"
        raise ValueError(_checks.message("run", "start", expected, "bits by another rule", mend))
    for layer, latent in zip(layers, signed, strict=True):
        layer.latent.value = latent
