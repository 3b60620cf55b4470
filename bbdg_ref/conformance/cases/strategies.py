"""Cases of the choices of bits in groups, in blocks and in patterns, and of the push of the entropy's bound."""

from math import ceil, log2
from typing import Any

import numpy as np

from ...spec import pruning
from ...spec.density import entropy_factor
from ..registry import Expected, case
from .bounds import of_steps
from .drawn import bell, chosen, integers

__all__: list[str] = []  # the cases are reached through the registry

Array = np.ndarray


def _selected(function: Any, latent: Array, **counts: int) -> Expected:
    selection = function(latent, *counts.values())
    return Expected({"latent": latent, **counts}, {"bits": selection.bits, "threshold": selection.threshold})


def _row(*values: float) -> Array:
    """Return one filter of 1x1 kernels."""
    return np.array(values, np.float32).reshape(1, -1, 1, 1)


# -------------------------------------------------------------------------------------------------------- N of M


@case("select_n_m", "group_axis")
def select_n_m_groups() -> Expected:
    """2 of 4: two groups side by side; in the second the largest latents are below all of the first."""
    return _selected(pruning.select_n_m, _row(4, 1, 3, 2, -1, -4, -2, -3), n=2, m=4)


@case("select_n_m", "group_axis")
def select_n_m_along_the_inputs() -> Expected:
    """1 of 2 in 3x3 kernels: the groups run along the input channels, for each output channel and place alone."""
    return _selected(pruning.select_n_m, integers(401, (3, 4, 3, 3), -9, 9), n=1, m=2)


@case("select_n_m", "equal_weights_split", "negative_zero")
def select_n_m_ties() -> Expected:
    """Equal latents, 0.0 and -0.0 among them: the lower input channel."""
    return _selected(pruning.select_n_m, _row(-0.0, 0.0, 0.0, -0.0, 1, 5, 5, 5), n=2, m=4)


@case("select_n_m", "remainder")
def select_n_m_last_group() -> Expected:
    """2 of 4 along 7 channels: the last group has 3 weights and 2 ones."""
    return _selected(pruning.select_n_m, _row(1, 2, 3, 4, -7, -6, -5), n=2, m=4)


@case("select_n_m", "remainder")
def select_n_m_short_group() -> Expected:
    """3 of 4 along 6 channels: the last group has 2 weights, both ones, although they are the least."""
    return _selected(pruning.select_n_m, _row(1, 2, 3, 4, -7, -6), n=3, m=4)


@case("select_n_m", "count_of_ones")
def select_n_m_all() -> Expected:
    """2 of 2: all are ones, and the threshold is the minimum."""
    return _selected(pruning.select_n_m, _row(0.5, -1.0, 0.75, 2.0), n=2, m=2)


@case("select_n_m", "generic")
def select_n_m_one_of_sixteen() -> Expected:
    """1 of 16 along 32 channels of 3x3 kernels, latents that look normal."""
    return _selected(pruning.select_n_m, bell(402, (2, 32, 3, 3)) * np.float32(0.25), n=1, m=16)


# -------------------------------------------------------------------------------------------- kernels and filters

_BLOCKS = np.array([[[3, 1], [-5, -5]], [[2, 2], [4, -1]], [[0, 0], [1, 3]]], np.float32)[..., None]


@case("select_kernels", "block_score", "count_of_ones")
def select_kernels_sums() -> Expected:
    """Sums 4, -10, 4, 3, 0, 4: the first two of 4; the kernel of the largest magnitudes is not one of them."""
    return _selected(pruning.select_kernels, _BLOCKS, k=2)


@case("select_kernels", "equal_weights_split")
def select_kernels_ties() -> Expected:
    """Kernels of equal sums but other weights, of which three are kept: the lowest in C order."""
    latent = np.array([[1, 0], [0, 1], [2, -1], [-1, 2], [3, -2], [-2, 3]], np.float32).reshape(3, 2, 2, 1)
    return _selected(pruning.select_kernels, latent, k=3)


@case("select_kernels", "count_of_ones", "missing_class")
def select_kernels_none() -> Expected:
    """k = 0: no ones, and the threshold is the maximum of the latents."""
    return _selected(pruning.select_kernels, _BLOCKS, k=0)


@case("select_kernels", "block_score", "original_order")
def select_kernels_3x3() -> Expected:
    """7 of 20 kernels of 3x3 small integers."""
    return _selected(pruning.select_kernels, integers(403, (4, 5, 3, 3), -4, 4), k=7)


@case("select_filters", "block_score", "transposed_axes")
def select_filters_sums() -> Expected:
    """Sums -6, 7, 4: the second and the third, all of whose kernels are kept."""
    return _selected(pruning.select_filters, _BLOCKS, k=2)


@case("select_filters", "equal_weights_split")
def select_filters_ties() -> Expected:
    """Equal sums: the filter of the lowest index."""
    return _selected(pruning.select_filters, np.ones((3, 2, 1, 2), np.float32), k=1)


@case("select_filters", "count_of_ones")
def select_filters_all() -> Expected:
    """k = out: all ones, and the threshold is the minimum of the latents."""
    return _selected(pruning.select_filters, _BLOCKS, k=3)


@case("select_filters", "block_score", "original_order")
def select_filters_3x3() -> Expected:
    """3 of 8 filters of 3x3 small integers."""
    return _selected(pruning.select_filters, integers(404, (8, 3, 3, 3), -4, 4), k=3)


# ---------------------------------------------------------------------------------------------------- 3x3 patterns


@case("pattern_bits", "code_order")
def pattern_bits_single() -> Expected:
    """The nine codes of one one each: bit 3 i + j is row i, column j."""
    patterns = np.int64(1) << np.arange(9)
    return Expected({"patterns": patterns}, {"bits": pruning.pattern_bits(patterns)})


@case("pattern_bits", "code_order", "generic")
def pattern_bits_several() -> Expected:
    """None, all, and codes between, one of which is the row on top."""
    patterns = np.array([0, 511, 7, 73, 266, 341])
    return Expected({"patterns": patterns}, {"bits": pruning.pattern_bits(patterns)})


def _frequent(bits: Array, count: int) -> Expected:
    patterns = pruning.frequent_patterns(bits, count)
    return Expected({"bits": bits, "count": count}, {"patterns": patterns})


@case("frequent_patterns", "code_order")
def frequent_patterns_counts() -> Expected:
    """Codes 7 three times, 64 and 300 twice, 5 once: equally frequent ones by code."""
    return _frequent(pruning.pattern_bits(np.array([[300, 7, 64, 7], [64, 5, 7, 300]])), 4)


@case("frequent_patterns", "missing_pattern")
def frequent_patterns_beyond() -> Expected:
    """More patterns than occur: then the lowest codes that do not."""
    return _frequent(pruning.pattern_bits(np.array([[511, 2], [2, 1]])), 6)


@case("frequent_patterns", "generic")
def frequent_patterns_sparse() -> Expected:
    """16 of the patterns of 192 kernels of density one tenth."""
    return _frequent(chosen(405, (16, 12, 3, 3), 0.1), 16)


def _nearest(latent: Array, patterns: Array, threshold: float) -> Expected:
    inputs = {"latent": latent, "patterns": patterns, "threshold": threshold}
    return Expected(inputs, {"which": pruning.nearest_pattern(latent, patterns, threshold)})


@case("nearest_pattern", "distance_of_bits")
def nearest_pattern_by_value() -> Expected:
    """One latent of 9, four of 1: the pattern of the large one is nearer than that of the four."""
    latent = np.array([9, -1, -1, -1, 1, 1, 1, 1, -1], np.float32).reshape(1, 1, 3, 3)
    return _nearest(latent, np.array([0b011110000, 0b000000001]), 0.0)


@case("nearest_pattern", "first_of_equals")
def nearest_pattern_ties() -> Expected:
    """Two patterns equally near, in both orders: the one that comes first, whatever its code."""
    latent = np.array([[2, 2] + [-3] * 7, [-3] * 9], np.float32).reshape(2, 1, 3, 3)
    return _nearest(latent, np.array([2, 1, 256, 128]), 0.0)


@case("nearest_pattern", "pattern_threshold")
def nearest_pattern_threshold() -> Expected:
    """Threshold 2: latents of 1 are nearer to a zero, and those of 3 to a one."""
    latent = np.where(pruning.pattern_bits(np.array([[7, 56]])), np.float32(3), np.float32(1))
    return _nearest(latent, np.array([511, 0, 7, 63, 56]), 2.0)


@case("nearest_pattern", "code_order", "generic")
def nearest_pattern_integers() -> Expected:
    """Kernels of small integers against 16 patterns, threshold one half."""
    patterns = pruning.frequent_patterns(chosen(406, (8, 8, 3, 3)), 16)
    return _nearest(integers(407, (5, 6, 3, 3), -8, 8), patterns, 0.5)


def _learned(latent: Array, patterns: Array, threshold: float) -> Expected:
    inputs = {"latent": latent, "patterns": patterns, "threshold": threshold}
    return Expected(inputs, {"learned": pruning.learned_patterns(latent, patterns, threshold)})


def _signed(*codes: int) -> Array:
    """Return kernels of -1 and +1, in one filter."""
    return np.where(pruning.pattern_bits(np.array([codes])), np.float32(1), np.float32(-1))


@case("learned_patterns", "missing_pattern")
def learned_patterns_moves() -> Expected:
    """The first pattern moves to the majority of its kernels; the second has none and stays."""
    return _learned(_signed(3, 3, 7, 64), np.array([1, 2]), 0.0)


@case("learned_patterns", "repeated_pattern")
def learned_patterns_repeats() -> Expected:
    """The first two move to 7, the third to 320; the second gives way to 448, the most frequent that is missing."""
    latent = _signed(7, 7, 320, 320, 448)
    latent[0, :2, 0] = [[3, 3, 2], [3, 2, 3]]
    return _learned(latent, np.array([3, 5, 448]), 0.0)


@case("learned_patterns", "repeated_pattern")
def learned_patterns_replaced_in_order() -> Expected:
    """Three patterns become 0: the first is kept, the others become the lowest codes left, as nothing else occurs."""
    latent = _signed(257, 1, 2, 4, 4, 2, 2) - 4 * _signed(511)
    return _learned(latent, np.array([1, 2, 4]), 0.0)


@case("learned_patterns", "zero", "pattern_threshold")
def learned_patterns_zero_sum() -> Expected:
    """Threshold 1, and places where the latents less the threshold sum up to 0: no ones there."""
    latent = np.array([[4, 0, -2, 2, 1, 1, 0, 0, 0], [4, 2, -2, 2, 1, 1, 0, 0, 0]], np.float32).reshape(1, 2, 3, 3)
    return _learned(latent, np.array([9, 256]), 1.0)


@case("learned_patterns", "generic")
def learned_patterns_integers() -> Expected:
    """Kernels of small integers; 16 patterns, the most frequent ones of their signs."""
    latent = integers(408, (12, 10, 3, 3), -5, 5)
    return _learned(latent, pruning.frequent_patterns(latent > 0, 16), 0.0)


# ---------------------------------------------------------------------------------------------------- the entropy


def _factor(density: float, limit: float) -> Expected:
    entropies = [-p * log2(p) - (1 - p) * log2(1 - p) for p in (density, limit)]
    # Each entropy is off by four roundings; their difference magnifies that. The rest takes six more; twice, for both.
    steps = 2 * (6 + ceil(4 * sum(entropies) / (entropies[0] - entropies[1])))
    factor = entropy_factor(density, limit)
    return Expected(
        {"density": density, "limit": limit}, {"factor": factor}, {} if factor == 0 else {"factor": of_steps(steps)}
    )


@case("entropy_factor", "entropy_slope")
def entropy_factor_quarter() -> Expected:
    """Density 1/4 above the limit 1/8."""
    return _factor(0.25, 0.125)


@case("entropy_factor", "entropy_slope")
def entropy_factor_half() -> Expected:
    """Density 1/2: the entropy has no slope."""
    return _factor(0.5, 0.125)


@case("entropy_factor", "entropy_slope")
def entropy_factor_beyond_half() -> Expected:
    """Density 5/8, where more ones have less entropy: 0, not a push upwards."""
    return _factor(0.625, 0.125)


@case("entropy_factor", "generic")
def entropy_factor_near_the_limit() -> Expected:
    """Density 0.051 above 0.05: nearly 1."""
    return _factor(0.051, 0.05)


@case("entropy_factor", "generic")
def entropy_factor_near_half() -> Expected:
    """Density 0.49 above 0.05: a small part is left."""
    return _factor(0.49, 0.05)
