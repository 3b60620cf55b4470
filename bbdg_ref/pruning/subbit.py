"""Sub-bit codebooks: every 3x3 kernel of a layer is one of few patterns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks, ops
from ..spec.pruning import Selection
from .protocol import NoPenalty, layers
from .schedule import Schedule, check_density, count

__all__ = ["SubBit", "patterns_of_k_ones"]


@dataclass(frozen=True)
class SubBit(NoPenalty):
    """Every 3x3 kernel of a layer is one of 2^bits patterns (arXiv 2110.09195), so that its number takes ``bits`` bits.

    At every step and for every layer, from the latent weights as they stand:

    1. The codebook begins with the 2^bits most frequent patterns of their signs.
    2. ``rounds`` times, every pattern moves to the signs of the sum of the kernels nearest to it, and repeats are
       replaced by the most frequent pattern that is missing (`bbdg_ref.spec.pruning.learned_patterns`).
    3. Every kernel becomes the nearest pattern (`bbdg_ref.spec.pruning.nearest_pattern`).

    The published method keeps a real number for every bit of the codebook, drawn at random and moved by the gradients
    of the kernels that use it, through a straight-through estimator. Here the sum of those kernels' latent weights is
    that number: each latent weight moves by the same kind of gradient, and so the sum moves by theirs together. The
    codebook is thus learned, and yet a function of the latent weights: a checkpoint holds it without knowing of it, and
    it can be made of any weights.

    With a density, the layer gets k = round(density·n) ones, but one at least, or up to eight fewer, and never none:
    step 1 takes the patterns of the k largest latent weights, the zero pattern is always one of them, and step 3 is
    `patterns_of_k_ones`. Where no pattern is large enough for k ones, the last one gives way to nine ones. Where step 3
    finds no ones, as it may for k < 9, it is done again with the patterns of at most k ones alone; if the zero pattern
    is the only one, a second joins it: of the k largest latent weights those in the kernel of the largest. Layers of
    other kernels than 3x3 get their bits by sign, or the k largest.

    Parameters
    ----------
    bits : int
        From 1 to 8; published: 4, 5, 6.
    density : float or Schedule, optional
        Fraction of ones in every binary layer, in (0, 1], or one that moves from step to step. Without one, the density
        is left to the patterns.
    rounds : int
        How often the patterns move, from 0.

    Examples
    --------
    >>> import numpy as np
    >>> latent = np.random.default_rng(0).standard_normal((16, 16, 3, 3))
    >>> for strategy in (SubBit(4), SubBit(4, density=0.05)):
    ...     bits = strategy.choose([latent], step=0)[0].bits
    ...     print(len(np.unique(bits.reshape(-1, 9), axis=0)), bits.mean().round(4))
    16 0.401
    16 0.0499
    """

    bits: int
    density: float | Schedule | None = None
    rounds: int = 1

    def __post_init__(self) -> None:
        """Refuse numbers outside their ranges."""
        _checks.integer("SubBit", "bits", self.bits, 1, 8)
        _checks.integer("SubBit", "rounds", self.rounds, 0)
        if self.density is not None:
            check_density("SubBit", "density", self.density)

    def choose(self, latents: Sequence[NDArray[Any]], step: int) -> list[Selection]:
        """Return the patterns of each layer."""
        return [self._layer(latent, step) for latent in layers(self, latents)]

    def _layer(self, latent: NDArray[Any], step: int) -> Selection:
        k = None if self.density is None else count(self.density, step, latent.size)
        chosen = ops.select_positive(latent) if k is None else ops.select_top_k(latent, k)
        if latent.shape[2:] != (3, 3):
            return chosen
        patterns = ops.frequent_patterns(chosen.bits, 1 << self.bits)
        for _ in range(self.rounds):
            patterns = ops.learned_patterns(latent, patterns, chosen.threshold)
        if k is None:
            return Selection(ops.pattern_bits(patterns[ops.nearest_pattern(latent, patterns)]), chosen.threshold)
        if 0 not in patterns:
            patterns[-1] = 0
        if int(np.bitwise_count(patterns).max()) * (latent.size // 9) < k:  # all kernels together cannot hold so many
            patterns[np.flatnonzero(patterns)[-1:]] = 511
        found = patterns_of_k_ones(latent, patterns, k)
        if found.bits.any():
            return found
        # The first pattern that pays has more than k ones. Of those with at most k, the first that pays fits.
        patterns = patterns[np.bitwise_count(patterns) <= k]
        if not patterns.any():
            best = chosen.bits.reshape(-1, 9)[latent.argmax() // 9]
            patterns = np.array([0, best @ (1 << np.arange(9))])
        return patterns_of_k_ones(latent, patterns, k)


def patterns_of_k_ones(latent: NDArray[Any], patterns: NDArray[np.integer], k: int) -> Selection:
    """Choose a pattern for every kernel, k ones in all or a few less: those with the largest sum of latent weights.

    With a multiplier θ for the number of ones, the patterns with the largest sum of (latent − θ) over their ones are
    those of `bbdg_ref.spec.pruning.nearest_pattern` with the threshold θ, and the ones grow fewer as θ grows. Bisection
    finds the θ at which they pass k. Kernels for which patterns with different numbers of ones are then equally good
    take the larger number, in C order, as long as it fits.

    Parameters
    ----------
    latent : ndarray of float, (out, in, 3, 3)
        Latent weights.
    patterns : ndarray of int, (patterns,)
        Kernel codes, the zero pattern among them.
    k : int
        The number of ones.

    Returns
    -------
    Selection
        At most k ones; fewer by less than the largest step from one pattern to another, or because all kernels take
        the largest pattern and still cannot hold so many. No other choice with as many ones has a larger sum. Its
        threshold is θ; where that would be as low as 1 below every latent weight, with which no estimator reaches
        them, it is that of as many largest weights.

    Examples
    --------
    >>> latent = np.array([3.0, 2, 1, 0, 0, 0, 0, 0, 0] * 2).reshape(2, 1, 3, 3)
    >>> patterns_of_k_ones(latent, np.array([0, 1, 3]), 3).bits[:, 0, 0]
    array([[ True,  True, False],
           [ True, False, False]])
    """
    bits = ops.pattern_bits(patterns).reshape(-1, 9)
    sums = latent.reshape(-1, 9).astype(np.float64) @ bits.T
    # The best pattern of each number of ones: all that the bisection needs.
    sizes, size_of = np.unique(np.count_nonzero(bits, axis=1), return_inverse=True)
    members = [np.flatnonzero(size_of == size) for size in range(len(sizes))]
    which = np.stack([found[sums[:, found].argmax(axis=1)] for found in members], axis=1)
    best = np.take_along_axis(sums, which, axis=1)

    def taken(kernels: Any, theta: float) -> NDArray[np.integer]:
        return (best[kernels] - theta * sizes).argmax(axis=1)  # of equals the fewest ones

    every = np.arange(len(best))
    low, high = float(latent.min()) - 1, float(latent.max())
    # Above all weights no pattern gains anything; said and not computed, for rounding may see a gain.
    more: NDArray[np.integer] = taken(every, low)
    chosen: NDArray[np.integer] = np.zeros_like(every)
    deep = sizes[more].sum() <= k
    if deep:  # below the θ at which every kernel takes the largest pattern
        chosen, high, more = more, low, np.full_like(every, len(sizes) - 1)
        low = float(((best[:, -1:] - best[:, :-1]) / (sizes[-1] - sizes[:-1])).min(initial=low))
    unsettled, ones = every[chosen != more], sizes[chosen].sum()
    for _ in range(64):  # to the neighbouring floats, as a rule
        middle = low + (high - low) / 2
        if ones == k or len(unsettled) == 0 or not low < middle < high:
            break
        between = taken(unsettled, middle)
        change = (sizes[between] - sizes[chosen[unsettled]]).sum()
        if ones + change > k:
            low, more[unsettled] = middle, between
        else:
            high, chosen[unsettled], ones = middle, between, ones + change
        unsettled = unsettled[chosen[unsettled] != more[unsettled]]
    step = np.maximum(sizes[more] - sizes[chosen], 0)  # below 0 only by rounding
    fits = (step > 0) & (np.cumsum(step) <= k - ones)
    chosen[fits] = more[fits]
    found = np.take_along_axis(which, chosen[:, None], axis=1)[:, 0]
    threshold = ops.select_top_k(latent, int(sizes[chosen].sum())).threshold if deep else high
    return Selection(bits[found].reshape(latent.shape), threshold)
