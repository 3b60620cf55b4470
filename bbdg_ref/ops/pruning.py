"""Faster twins of choices in `bbdg_ref.spec.pruning`: a partition instead of a sort."""

import numpy as np
from numpy.typing import NDArray

from ..spec.pruning import Selection

__all__ = ["select_filters", "select_kernels", "select_n_m", "select_top_k"]


def select_top_k(latent: NDArray[np.floating], k: int) -> Selection:
    """Choose the k largest latent weights; see `bbdg_ref.spec.pruning.select_top_k`."""
    flat = latent.reshape(-1)
    n = flat.size
    # Positions n-k-1 and n-k of the ascending order: the largest zero and the smallest one.
    below, above = max(n - k - 1, 0), min(n - k, n - 1)
    placed = np.partition(flat, (below, above))
    largest_zero, smallest_one = float(placed[below]), float(placed[above])
    threshold = largest_zero + (smallest_one / 2 - largest_zero / 2)
    if k == n:
        return Selection(bits=np.ones(latent.shape, dtype=bool), threshold=threshold)
    bits = flat > placed[below]
    missing = k - int(np.count_nonzero(bits))  # the smallest ones equal the largest zero: lowest index first
    if missing:
        bits[np.flatnonzero(flat == placed[below])[:missing]] = True
    return Selection(bits=bits.reshape(latent.shape), threshold=threshold)


def _centred(latent: NDArray[np.floating], bits: NDArray[np.bool_]) -> Selection:
    return Selection(bits, select_top_k(latent, int(np.count_nonzero(bits))).threshold)


def select_n_m(latent: NDArray[np.floating], n: int, m: int) -> Selection:
    """Choose the n largest of every m; see `bbdg_ref.spec.pruning.select_n_m`.

    A weight is chosen if fewer than n of its group come before it, which are counted by comparisons: m - 1 for each
    weight, but of all groups at once.
    """
    bits = np.empty(latent.shape, dtype=bool)
    whole = latent.shape[1] - latent.shape[1] % m
    for first, last, size in ((0, whole, m), (whole, latent.shape[1], latent.shape[1] - whole)):
        if first == last:
            continue
        group = latent[:, first:last].reshape(len(latent), -1, size, *latent.shape[2:])
        before = np.zeros(group.shape, dtype=np.int32)
        for shift in range(1, size):
            ahead, behind = group[:, :, :-shift], group[:, :, shift:]
            behind_wins = behind > ahead  # of equals the one ahead comes first
            before[:, :, :-shift] += behind_wins
            before[:, :, shift:] += ~behind_wins
        bits[:, first:last] = (before < n).reshape(len(latent), last - first, *latent.shape[2:])
    return _centred(latent, bits)


def select_kernels(latent: NDArray[np.floating], k: int) -> Selection:
    """Choose the k kernels with the largest sum; see `bbdg_ref.spec.pruning.select_kernels`."""
    kept = select_top_k(latent.sum(axis=(2, 3), dtype=np.float64), k).bits
    return _centred(latent, np.repeat(kept, latent[0, 0].size).reshape(latent.shape))


def select_filters(latent: NDArray[np.floating], k: int) -> Selection:
    """Choose the k filters with the largest sum; see `bbdg_ref.spec.pruning.select_filters`."""
    chosen = select_kernels(latent.reshape(len(latent), 1, -1, 1), k)
    return Selection(chosen.bits.reshape(latent.shape), chosen.threshold)
