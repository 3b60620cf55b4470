"""Which latent weights become ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cost import kernel_codes

__all__ = [
    "Selection", "frequent_patterns", "learned_patterns", "nearest_pattern", "pattern_bits", "select_filters",
    "select_kernels", "select_n_m", "select_positive", "select_top_k",
]  # fmt: skip


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


def _centred(latent: NDArray[np.floating], bits: NDArray[np.bool_]) -> Selection:
    """Return these bits with the threshold of `select_top_k` for as many ones."""
    return Selection(bits, select_top_k(latent, int(np.count_nonzero(bits))).threshold)


def select_n_m(latent: NDArray[np.floating], n: int, m: int) -> Selection:
    """Choose the n largest of every m consecutive weights along the input channels.

    Parameters
    ----------
    latent : ndarray of float, (out, in, kernel height, kernel width)
    n, m : int
        1 <= n <= m.

    Returns
    -------
    Selection
        The groups of an output channel and a place in the kernel are the input channels 0 to m - 1, m to 2 m - 1,
        and so on; a last group of r < m weights has min(n, r) ones. Among equal weights the lower channel is
        chosen first. The threshold is that of `select_top_k` for as many ones.

    Examples
    --------
    >>> select_n_m(np.array([3.0, 1.0, 2.0, 0.0, -1.0, -2.0]).reshape(1, 6, 1, 1), 2, 4).bits.ravel().astype(int)
    array([1, 0, 1, 0, 1, 1])
    """
    bits = np.zeros(latent.shape, dtype=bool)
    for first in range(0, latent.shape[1], m):
        order = np.argsort(-latent[:, first : first + m], axis=1, kind="stable")
        bits[:, first : first + m] = np.argsort(order, axis=1) < n  # the rank of each
    return _centred(latent, bits)


def select_kernels(latent: NDArray[np.floating], k: int) -> Selection:
    """Choose the k kernels with the largest sum: all of their weights are ones, all others zeros.

    Parameters
    ----------
    latent : ndarray of float, (out, in, kernel height, kernel width)
    k : int
        From 0 to the number of kernels, out * in.

    Returns
    -------
    Selection
        The sums are float64; among equal ones the lower kernel in C order is chosen first. The threshold is that of
        `select_top_k` for as many ones.

    Examples
    --------
    >>> select_kernels(np.array([[1.0, 1.0], [4.0, -3.0], [2.0, 1.0]]).reshape(1, 3, 1, 2), 1).bits[0, :, 0, 0]
    array([False, False,  True])
    """
    kept = select_top_k(latent.sum(axis=(2, 3), dtype=np.float64), k).bits
    return _centred(latent, np.repeat(kept, latent[0, 0].size).reshape(latent.shape))


def select_filters(latent: NDArray[np.floating], k: int) -> Selection:
    """Choose the k filters, the kernels of one output channel, with the largest sum; as `select_kernels`.

    Parameters
    ----------
    latent : ndarray of float, (out, in, kernel height, kernel width)
    k : int
        From 0 to the number of filters, out.

    Returns
    -------
    Selection

    Examples
    --------
    >>> select_filters(np.array([[1.0, 1.0], [4.0, -3.0], [2.0, 1.0]]).reshape(3, 2, 1, 1), 2).bits[:, :, 0, 0]
    array([[ True,  True],
           [False, False],
           [ True,  True]])
    """
    chosen = select_kernels(latent.reshape(len(latent), 1, -1, 1), k)
    return Selection(chosen.bits.reshape(latent.shape), chosen.threshold)


def pattern_bits(patterns: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return the 3x3 bits of kernel codes, the inverse of `bbdg_ref.spec.cost.kernel_codes`.

    Parameters
    ----------
    patterns : ndarray of int, any shape
        From 0 to 511: bit 3 i + j of the code is row i, column j.

    Returns
    -------
    ndarray of bool, (*patterns.shape, 3, 3)

    Examples
    --------
    >>> pattern_bits(np.array(0b100_000_011)).astype(int)
    array([[1, 1, 0],
           [0, 0, 0],
           [0, 0, 1]])
    """
    return (patterns[..., None] >> np.arange(9) & 1).astype(bool).reshape(*patterns.shape, 3, 3)


def frequent_patterns(bits: NDArray[np.bool_], count: int) -> NDArray[np.integer]:
    """Return the codes of the most frequent 3x3 kernels.

    Parameters
    ----------
    bits : ndarray of bool, (out, in, 3, 3)
    count : int
        How many, up to 512.

    Returns
    -------
    ndarray of int, (count,)
        In decreasing frequency; among equally frequent ones, those that do not occur included, the lower code first.

    Examples
    --------
    >>> frequent_patterns(pattern_bits(np.array([[7, 3, 7, 5]])), 4)
    array([7, 3, 5, 0])
    """
    return np.argsort(-np.bincount(kernel_codes(bits).ravel(), minlength=512), kind="stable")[:count]


def nearest_pattern(
    latent: NDArray[np.floating], patterns: NDArray[np.integer], threshold: float = 0.0
) -> NDArray[np.integer]:
    """Return which pattern is nearest to each 3x3 kernel: the largest sum of s (latent - threshold).

    Parameters
    ----------
    latent : ndarray of float, (out, in, 3, 3)
    patterns : ndarray of int, (patterns,)
        Kernel codes; s is +1 where the pattern has a one, else -1.
    threshold : float
        The latent weight that is as near to a one as to a zero.

    Returns
    -------
    ndarray of int, (out, in)
        Indices of `patterns`; of equal sums, in float64, the lowest.

    Notes
    -----
    ``|latent - threshold - s|^2`` is a constant less twice that sum, so that the pattern of the largest sum is the
    nearest (arXiv 2110.09195, Eq. 2). With all 512 patterns the bits are ``latent > threshold``.

    Examples
    --------
    >>> nearest_pattern(np.array([2.0, -1, 1, -1, -1, -1, -1, -1, -1]).reshape(1, 1, 3, 3), np.array([0, 4, 1]))
    array([[2]])
    """
    signs = 2.0 * pattern_bits(patterns).reshape(-1, 9) - 1
    return ((latent.reshape(-1, 9) - np.float64(threshold)) @ signs.T).argmax(axis=1).reshape(latent.shape[:2])


def learned_patterns(
    latent: NDArray[np.floating], patterns: NDArray[np.integer], threshold: float = 0.0
) -> NDArray[np.integer]:
    """Move every pattern to the kernels that are nearest to it; replace repeats.

    Parameters
    ----------
    latent, patterns, threshold
        As for `nearest_pattern`; no pattern twice.

    Returns
    -------
    ndarray of int, (patterns,)
        A pattern has a one where the sum of ``latent - threshold`` over its kernels is positive; one that has no
        kernel stays. One that then repeats an earlier one is replaced by the most frequent kernel of the bits
        ``latent > threshold`` that is not among the others, as `frequent_patterns` orders them.

    Examples
    --------
    >>> latent = np.where(pattern_bits(np.array([[3, 3, 7, 64]])), 1.0, -1.0)
    >>> learned_patterns(latent, np.array([1, 2]))  # 1 takes all kernels and becomes 3, 2 has none and stays
    array([3, 2])
    """
    shifted, nearest = latent - np.float64(threshold), nearest_pattern(latent, patterns, threshold)
    sums = np.zeros((len(patterns), 3, 3))
    np.add.at(sums, nearest, shifted)
    moved = np.where(np.isin(np.arange(len(patterns)), nearest), kernel_codes((sums > 0)[None])[0], patterns)
    repeats = np.setdiff1d(np.arange(len(moved)), np.unique(moved, return_index=True)[1])
    spare = frequent_patterns(shifted > 0, 512)
    moved[repeats] = spare[~np.isin(spare, moved)][: len(repeats)]
    return moved
