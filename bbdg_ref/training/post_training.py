"""A network that was trained dense, made sparse without training: new bits, new values, new batch-norm statistics."""

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks, ops
from ..nn import DOMAINS, BatchNorm, BinaryConv2d, Conv2d, General, Module, Network
from ..projection import fit_domain, project
from ..spec.pruning import Selection

__all__ = ["estimate_batch_norm", "sparsify"]

Batches = Iterable[NDArray[np.float32]]


def sparsify(network: Network, density: float | None, *, domain: str = "general", batches: Batches) -> Network:
    """Return a sparse copy of a network that was trained dense.

    Layer by layer, of the n latent weights the k = round(density·n) largest are ones, at least one. In the domain
    "general", α and β are then the means, over the zeros and over the ones, of the weights that the dense network
    *uses*: no two values with these bits are nearer to them. At last the batch-norm statistics are estimated anew
    (`estimate_batch_norm`): the sums that reach a batch norm have another mean and variance now.

    Parameters
    ----------
    network : Network
        Trained; not changed.
    density : float or None
        Fraction of ones in every binary layer, in (0, 1]. None: the joint projection of the latent weights
        (`bbdg_ref.project`) chooses bits and their number, close to one half where latents lie evenly about a mean.
    domain : {"bipolar", "symmetric", "general", "general-closed"}
        Of the copy. "bipolar" is ±1, "symmetric" and "general-closed" take their values from the latent weights, as
        in training: ±mean|latent| of each filter, and the means of the latents whose bit is 0 and whose bit is 1.
    batches : iterable of ndarray of float32, (batch, 3, height, width)
        Training images, normalised and not augmented.

    Returns
    -------
    Network
        With the layers and estimators of the given one, ready for evaluation, packing or more training. Its latent
        weights are the dense network's, and each layer's threshold lies between the smallest one and the largest zero.

    Raises
    ------
    TypeError, ValueError
        If the network is none, the density no fraction, the domain none of these, or there are no batches of two images
        or more.

    Notes
    -----
    Latent weights order the weights: a large one was pushed up often, and is the last to go. Their size is another
    matter. In a network that was trained binary only their signs were used, so that the values to come near to are
    α and β of the dense network and not the latents; what a factor on all of a layer's weights would change, batch
    norm takes back, but the ratio of α to β it cannot.

    Time of one forward pass over the batches, and O(n log n) for the weights.

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref import nn
    >>> dense = nn.resnet20(width=4, rng=np.random.default_rng(0))
    >>> images = np.random.default_rng(1).standard_normal((8, 3, 32, 32)).astype(np.float32)
    >>> sparse = sparsify(dense, 0.05, batches=[images])
    >>> layer = sparse.binary_layers()["stage3.5.main.0"]
    >>> int(layer.bits.sum()), layer.bits.size
    (115, 2304)
    """
    _check_given("sparsify", network, batches)
    if density is not None:
        density = _checks.fraction("sparsify", "density", density, one=True)
    _checks.one_of("sparsify", "domain", domain, list(DOMAINS))
    sparse = copy.deepcopy(network)  # not built anew: its layers and estimators may be others than the builder's
    sparse.arguments["domain"] = domain
    for old, new in zip(network.binary_layers().values(), sparse.binary_layers().values(), strict=True):
        new.domain = DOMAINS[domain]()
        new.choose(_select(old.latent.value, density))
        _fit(new, old.weights())
    estimate_batch_norm(sparse, batches)
    return sparse


def estimate_batch_norm(network: Network, batches: Batches) -> None:
    """Set the running statistics of every batch norm to those of the given batches.

    Mean and variance are those over all images of all batches, as if they were one batch: with the mean mᵢ and the
    variance vᵢ of batch i and its share cᵢ of all elements, m = Σ cᵢ·mᵢ and v = Σ cᵢ·(vᵢ + (mᵢ − m)²), times n/(n − 1)
    as for every running variance. Within a batch, the batch norms before are those of training, with the batch's own
    statistics: given one batch alone, every statistic is exact; with several, those of the deeper layers are as exact
    as a batch is large.

    Parameters
    ----------
    network : Network
        Changed in place, in nothing but the running statistics.
    batches : iterable of ndarray of float32, (batch, 3, height, width)
        Two images each, or more.

    Raises
    ------
    TypeError, ValueError
        If the network is none; if there are no batches, or one that is no array of floats, has a single image, other
        channels than the network's first convolution, or NaN or infinity in it. Nothing is changed then.

    Notes
    -----
    No momentum: an average that forgets would weigh the last batches most.

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref import nn
    >>> net = nn.resnet20(width=4, rng=np.random.default_rng(0))
    >>> images = np.random.default_rng(1).standard_normal((8, 3, 32, 32)).astype(np.float32)
    >>> estimate_batch_norm(net, [images])
    >>> first = net.layers[0].layers[0].forward(images, training=False)
    >>> bool(np.allclose(net.layers[0].layers[1].running_mean, first.mean((0, 2, 3)), atol=1e-6))
    True
    """
    _check_given("estimate_batch_norm", network, batches)
    norms = [module for _, module in network.modules() if isinstance(module, BatchNorm)]
    before = [(norm.running_mean, norm.running_var) for norm in norms]
    sums = [_Moments(len(norm.running_mean)) for norm in norms]
    channels = next((m.weight.value.shape[1] for _, m in network.modules() if isinstance(m, Conv2d)), 3)
    try:
        for batch in batches:
            network.forward(_checked(batch, channels), training=True)
            for norm, moments in zip(norms, sums, strict=True):
                x, mean, var, _ = norm.take_saved()
                moments.add(x.size // x.shape[1], mean, var)
            _forget(network)
        if any(moments.count == 0 for moments in sums):
            raise ValueError(_batches_message(channels, "none"))
    except BaseException:
        _forget(network)
        for norm, (mean, var) in zip(norms, before, strict=True):
            norm.running_mean, norm.running_var = mean, var
        raise
    for norm, moments in zip(norms, sums, strict=True):
        norm.running_mean = moments.mean.astype(norm.running_mean.dtype)
        norm.running_var = moments.unbiased().astype(norm.running_var.dtype)


def _check_given(function: str, network: object, batches: object) -> None:
    """Refuse what is no network, and what holds no batches, before any work."""
    if not isinstance(network, Network):
        got, mend = type(network).__name__, "read a file with bbdg_ref.nn.load_network"
        raise TypeError(_checks.message(function, "network", "a network of bbdg_ref.nn", got, mend))
    if not isinstance(batches, Iterable):
        got, mend = type(batches).__name__, "pass a list of arrays"
        raise TypeError(_checks.message(function, "batches", "an iterable of batches of images", got, mend))


class _Moments:
    """Mean and sum of squared deviations of each channel, over the batches so far, in float64."""

    def __init__(self, channels: int) -> None:
        self.count, self.mean, self.squares = 0, np.zeros(channels), np.zeros(channels)

    def add(self, count: int, mean: NDArray[Any], var: NDArray[Any]) -> None:
        """Join a batch to those before (T. Chan, G. Golub, R. LeVeque, 1983, equation 2.1)."""
        total, apart = self.count + count, mean.astype(np.float64) - self.mean
        self.squares += var.astype(np.float64) * count + apart**2 * (self.count * count / total)
        self.mean += apart * (count / total)
        self.count = total

    def unbiased(self) -> NDArray[np.float64]:
        return self.squares / (self.count - 1)


def _batches_message(channels: int, got: str, mend: str = "give a few hundred training images") -> str:
    expected = f"normalised images, float arrays (batch, {channels}, height, width) of two or more"
    return _checks.message("estimate_batch_norm", "batches", expected, got, mend)


def _checked(batch: object, channels: int) -> NDArray[Any]:
    """Return a batch of images from which statistics can be taken; refuse any other."""
    if not isinstance(batch, np.ndarray):
        raise TypeError(_batches_message(channels, f"one of type {type(batch).__name__}", "pass arrays"))
    if batch.dtype not in (np.float32, np.float64):
        mend = "bbdg_ref.training.normalise makes float32 of pixels"
        raise TypeError(_batches_message(channels, f"one of {batch.dtype}", mend))
    if batch.ndim != 4 or len(batch) < 2 or batch.shape[1] != channels or batch.size == 0:
        raise ValueError(_batches_message(channels, f"one of shape {batch.shape}"))
    if not np.isfinite(batch).all():
        raise _checks.not_finite("estimate_batch_norm", "batches", batch)
    return batch


def _forget(network: Module) -> None:
    """Drop what the layers kept for a backward pass that will not come."""
    for _, module in network.modules():
        vars(module).pop("_saved", None)


def _select(latent: NDArray[Any], density: float | None) -> Selection:
    if density is None:
        projection = project(latent)
        return Selection(projection.bits, float(projection.threshold))
    return ops.select_top_k(latent, max(1, round(density * latent.size)))


def _fit(layer: BinaryConv2d, weights: NDArray[Any]) -> None:
    """Put α and β at the means of the given weights, where the layer's domain learns them; the others know theirs."""
    if isinstance(layer.domain, General):
        values = fit_domain(weights, layer.bits)
        layer.domain.tau.value = np.asarray(values.tau, np.float32)
        layer.domain.phi.value = np.asarray(values.phi, np.float32)
