"""Cases of the weighted projection, in which each square counts as much as its sample weight says."""

import numpy as np

from ...spec import projection
from ..registry import Expected, case
from .drawn import bell, integers, uniform
from .projected import outputs

__all__: list[str] = []  # the cases are reached through the registry


def _weighted(w: np.ndarray, sample_weight: np.ndarray) -> Expected:
    result = projection.project(w, sample_weight=sample_weight)
    return Expected({"w": w, "sample_weight": sample_weight}, outputs(result))


@case("project_weighted", "sample_weight", "generic")
def project_weighted_equal() -> Expected:
    """Equal sample weights of 2: the projection of [0, 3, 4], with twice the error."""
    return _weighted(np.array([0.0, 3.0, 4.0]), np.full(3, 2.0))


@case("project_weighted", "sample_weight", "generic")
def project_weighted_moves_the_split() -> Expected:
    """The heavy 0 and 1 are taken apart, though without sample weights they would go together."""
    return _weighted(np.array([0.0, 3.0, 1.0, 4.0]), np.array([100.0, 1.0, 100.0, 1.0]))


@case("project_weighted", "sample_weight", "tied_optima")
def project_weighted_repeats() -> Expected:
    """0, 1, 2 with counts 1, 2, 1 is 0, 1, 1, 2: two optima; n_ones counts weights, not their sample weights."""
    return _weighted(np.array([0.0, 1.0, 2.0]), np.array([1, 2, 1], np.int64))


@case("project_weighted", "zero_sample_weight")
def project_weighted_outlier_left_out() -> Expected:
    """An outlier of sample weight 0 takes no part; its bit is that of w > threshold, and it counts in n_ones."""
    return _weighted(np.array([1.0, 2.0, 3.0, 100.0]), np.array([4.0, 1.0, 3.0, 0.0]))


@case("project_weighted", "zero_sample_weight", "midpoint_tie")
def project_weighted_left_out_at_the_midpoint() -> Expected:
    """A weight of sample weight 0 exactly at the midpoint gets bit 0."""
    return _weighted(np.array([0.0, 0.5, 1.0, -7.0]), np.array([1.0, 0.0, 1.0, 0.0]))


@case("project_weighted", "zero_sample_weight", "constant")
def project_weighted_one_counts() -> Expected:
    """Only one weight counts: alpha = beta = that weight, error 0, and larger weights of sample weight 0 are ones."""
    return _weighted(np.array([0.1, 0.3, -2.0, 0.5]), np.array([0.0, 0.7, 0.0, 0.0]))


@case("project_weighted", "single_weight", "constant")
def project_weighted_single() -> Expected:
    """One weight of sample weight 1/3: alpha is the weight exactly."""
    return _weighted(np.array([0.1]), np.array([1 / 3]))


@case("project_weighted", "constant", "mean_rounding")
def project_weighted_constant() -> Expected:
    """0.1 ten times with sample weights 0.1, 0.2, ...: sum s w / sum s rounds, the exact mean does not."""
    return _weighted(np.full(10, 0.1), np.arange(1, 11) * 0.1)


@case("project_weighted", "sample_weight", "mean_rounding")
def project_weighted_means() -> Expected:
    """The means are sum s w / sum s, exact and rounded once."""
    return _weighted(np.array([0.1, 0.7, 0.2, 0.9, 0.15]), np.array([0.3, 0.1, 1.7, 2.3, 0.9]))


@case("project_weighted", "tiny_spread", "subnormal")
def project_weighted_tiny_sample_weights() -> Expected:
    """Sample weights that are subnormal: every product with them underflows; only their ratios matter."""
    return _weighted(np.array([0.0, 3.0, 4.0, 0.5]), np.array([1.0, 2.0, 3.0, 1.0]) * 5e-324)


@case("project_weighted", "huge_values")
def project_weighted_huge_sample_weights() -> Expected:
    """Sample weights of 1e308, whose sum overflows: alpha and beta are finite, the error is inf."""
    return _weighted(np.array([0.0, 3.0, 40.0, 1.0]), np.array([1e308, 1.5e308, 1.7e308, 1e308]))


@case("project_weighted", "mixed_scales", "sample_weight")
def project_weighted_mixed_sample_weights() -> Expected:
    """Sample weights from 1e-20 to 1e20."""
    return _weighted(np.array([1.0, 2.0, 4.0, 8.0, -3.0]), np.array([1e20, 1e-20, 1.0, 1e10, 1e20]))


@case("project_weighted", "offset_cancellation", "tied_optima")
def project_weighted_offset_tie() -> Expected:
    """-1, 0, 1 on top of 2^40, with equal sample weights of 0.3: still two optima."""
    return _weighted(2.0**40 + np.array([0.0, -1.0, 1.0]), np.full(3, 0.3))


@case("project_weighted", "offset_cancellation")
def project_weighted_offset_million() -> Expected:
    """150 float64 weights of spread 1 about 1000000, with sample weights from 0 to 1."""
    return _weighted(1e6 + bell(601, 150, np.float64), uniform(602, 150, 0.0, 1.0, np.float64))


@case("project_weighted", "wide_integers", "narrow_dtype")
def project_weighted_int64() -> Expected:
    """Integers that are equal as float64, with uint8 sample weights whose sums wrap round."""
    w = np.array([2**53, 2**53 + 1, 2**53 + 1, 2**53], np.int64)
    return _weighted(w, np.array([200, 255, 100, 250], np.uint8))


@case("project_weighted", "narrow_dtype")
def project_weighted_float16() -> Expected:
    """float16 weights and sample weights whose products and sums overflow in float16."""
    w = np.array([1000.0, -1000.0, 2000.0, 65504.0, 0.0], np.float16)
    return _weighted(w, np.array([65504.0, 100.0, 3000.0, 7.0, 0.5], np.float16))


@case("project_weighted", "zero_sample_weight", "original_order", "generic")
def project_weighted_kernels() -> Expected:
    """Kernels with small counts as sample weights, a fifth of which are 0."""
    return _weighted(bell(603, (4, 5, 3, 3)), integers(604, (4, 5, 3, 3), 0, 4))


@case("project_weighted", "float32_sums", "generic")
def project_weighted_importance() -> Expected:
    """600 float32 weights with sample weights that look like squared gradients."""
    return _weighted(bell(605, 600) * np.float32(0.05), np.square(bell(606, 600)) * np.float32(1e-6))
