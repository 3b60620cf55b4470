"""Which latent weights become ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Selection", "select_positive", "select_top_k"]


@dataclass(frozen=True, eq=False)
class Selection:
    """The ones, and the value about which the estimator of the sign is centred.

    Attributes
    ----------
    bits : ndarray of bool, shape of the latent weights
    threshold : float
        The estimator is taken at ``latent - threshold``. With equal latent weights on both sides of a choice
        of k it does not separate the ones from the rest; `bits` decides.
    """

    bits: NDArray[np.bool_]
    threshold: float


def select_positive(latent: NDArray[np.floating]) -> Selection:
    """Choose the positive latent weights: ``b = (latent > 0)``, threshold 0.

    Parameters
    ----------
    latent : ndarray of float, any shape

    Returns
    -------
    Selection

    Examples
    --------
    >>> select_positive(np.array([0.5, 0.0, -0.5]))
    Selection(bits=array([ True, False, False]), threshold=0.0)
    """
    return Selection(bits=latent > 0, threshold=0.0)


def select_top_k(latent: NDArray[np.floating], k: int) -> Selection:
    """Choose the k largest latent weights.

    Parameters
    ----------
    latent : ndarray of float, any shape, not empty
    k : int
        From 0 to the number of weights.

    Returns
    -------
    Selection
        Among equal weights the lower flat (C-order) index is chosen first. The threshold is the midpoint
        between the smallest weight chosen and the largest not chosen; the maximum if ``k = 0``, the minimum
        if all are chosen.

    Notes
    -----
    O(n log n), a stable sort.

    Examples
    --------
    >>> select_top_k(np.array([1.0, 3.0, 1.0, -2.0]), 2)
    Selection(bits=array([ True,  True, False, False]), threshold=1.0)
    """
    flat = latent.reshape(-1)
    order = np.argsort(-flat, kind="stable")  # decreasing; equal weights stay in C order
    bits = np.zeros(flat.size, dtype=bool)
    bits[order[:k]] = True
    smallest_one = float(flat[order[max(k - 1, 0)]])
    largest_zero = float(flat[order[min(k, flat.size - 1)]])
    # The midpoint, exact where both are equal; halves are subtracted because the sum of two large weights may
    # overflow.
    threshold = largest_zero + (smallest_one / 2 - largest_zero / 2)
    return Selection(bits=bits.reshape(latent.shape), threshold=threshold)
