"""Faster twin of `bbdg_ref.spec.pruning.select_top_k`: a partition instead of a sort."""

import numpy as np
from numpy.typing import NDArray

from ..spec.pruning import Selection

__all__ = ["select_top_k"]


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
