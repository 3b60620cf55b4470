"""Who else finds the two best values of an array: each contender of the projection benchmark, by name.

A contender takes float32 weights and returns the bits of the two groups, whichever is called one. A package that is
missing is left out, and `missing` names it; nothing is installed.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType

import numpy as np

import bbdg_ref

__all__ = ["OURS", "PACKAGES", "SORT", "Peer", "contenders", "missing", "sort_route", "squared_error", "weights"]

#: The packages of the peers.
PACKAGES = ["flash1dkmeans", "ckwrap", "kmeans1d", "scikit-image"]

OURS, SORT = "bbdg_ref.project", "NumPy sort + cumsum + argmax"
FAR = 0.1  # the share of the skewed mixture's second part
BLOCK = 1_000_000

Bits = np.ndarray


@dataclass(frozen=True)
class Peer:
    """A contender: what is timed, whether its answer must be the optimum, and up to which n it is fast enough."""

    call: Callable[[np.ndarray], object]
    bits: Callable[[np.ndarray, object], Bits]  # from weights and result; not timed
    exact: bool
    largest: int = 10**9


def weights(kind: str, n: int) -> np.ndarray:
    """Return float32 weights, made without temporaries of their size."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal(n, dtype=np.float32)
    if kind == "skewed":
        for start in range(0, n, BLOCK):
            part = w[start : start + BLOCK]
            far = rng.random(part.size, dtype=np.float32) < FAR
            part[far] = 3 + rng.standard_exponential(int(far.sum()), dtype=np.float32)
    return w


def sort_route(w: np.ndarray) -> tuple[float, float, Bits]:
    """Return alpha, beta and bits by sorting, prefix sums in float64, and the greatest objective of all splits.

    The objective of K zeros is (S_K − K T/n)² / (K (n − K)), S_K being the sum of the K smallest and T that of all.
    """
    n = w.size
    rising = np.sort(w)
    sums = np.cumsum(rising, dtype=np.float64)
    total = sums[-1]
    k = np.arange(1, n, dtype=np.float64)
    objective = sums[:-1] - k * (total / n)
    objective *= objective
    k *= n - k
    objective /= k
    zeros = int(np.argmax(objective)) + 1
    alpha = sums[zeros - 1] / zeros
    beta = (total - sums[zeros - 1]) / (n - zeros)
    return float(alpha), float(beta), w >= rising[zeros]


def squared_error(w: np.ndarray, bits: Bits) -> float:
    """Return the sum of squared distances to the means of the two groups, in float64."""
    error = 0.0
    for group in (w[bits], w[~bits]):
        mean = group.mean(dtype=np.float64)
        for start in range(0, group.size, BLOCK):
            error += float(np.square(group[start : start + BLOCK] - mean).sum())
    return error


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.split(".")[0]:
            raise  # a mistake of that package, not one that is not there
        return None


_flash, _ckwrap, _kmeans1d, _filters = map(_module, ("flash1dkmeans", "ckwrap", "kmeans1d", "skimage.filters"))


def missing() -> list[str]:
    """Return the packages that are not installed, whose contenders are left out."""
    found = zip(PACKAGES, (_flash, _ckwrap, _kmeans1d, _filters), strict=True)
    return [name for name, module in found if module is None]


def contenders(limit: int) -> Mapping[str, Peer]:
    """Return all contenders by name; ``limit`` is the largest n of the slow ones."""
    found = {
        OURS: Peer(bbdg_ref.project, lambda w, p: p.bits, True),
        SORT: Peer(sort_route, lambda w, result: result[2], True),
    }
    if _flash:
        two_clusters = _flash.kmeans_1d_two_cluster
        found["flash1dkmeans"] = Peer(two_clusters, lambda w, result: result[1].astype(np.bool_), False)
    if _ckwrap:
        found["ckwrap"] = Peer(
            lambda w: _ckwrap.ckmeans(w, 2), lambda w, result: result.labels.astype(np.bool_), True, limit
        )
    if _kmeans1d:
        found["kmeans1d"] = Peer(
            lambda w: _kmeans1d.cluster(w.tolist(), 2), lambda w, result: np.array(result.clusters) == 1, True, limit
        )
    if _filters:
        found["threshold_otsu, 256 bins"] = Peer(
            lambda w: _filters.threshold_otsu(w, nbins=256), lambda w, threshold: w > threshold, False
        )
    return found
