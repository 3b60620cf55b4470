"""Cases of the joint projection, `project`."""

import numpy as np

from ...spec import projection
from ..registry import Expected, case
from .drawn import bell, integers, uniform
from .projected import outputs

__all__: list[str] = []  # the cases are reached through the registry


def _project(w: np.ndarray) -> Expected:
    return Expected({"w": w}, outputs(projection.project(w)))


@case("project", "local_optimum", "generic")
def project_0_3_4() -> Expected:
    """Three weights of which the two largest are ones."""
    return _project(np.array([0.0, 3.0, 4.0]))


@case("project", "local_optimum", "original_order")
def project_0_1_3_minus_2() -> Expected:
    """A negative weight at the end: the bits are those of the weights, not of the sorted weights."""
    return _project(np.array([0.0, 1.0, 3.0, -2.0]))


@case("project", "local_optimum", "sign_is_not_optimal")
def project_0_1_minus_2() -> Expected:
    """The weight 0 is nearer to 1 than to -2 and becomes a one, though it is not positive."""
    return _project(np.array([0.0, 1.0, -2.0]))


@case("project", "local_optimum")
def project_1_2_3_100() -> Expected:
    """One weight far from the rest is the only one."""
    return _project(np.array([1.0, 2.0, 3.0, 100.0]))


@case("project", "constant", "float32_sums", "offset_cancellation")
def project_constant_above_a_million() -> Expected:
    """128 times 1000001.0 in float32, whose sum float32 cannot hold: no ones, error 0."""
    return _project(np.full(128, 1000001.0, np.float32))


@case("project", "constant", "mean_rounding")
def project_ten_tenths() -> Expected:
    """Ten times 0.1: alpha and beta are 0.1 exactly, though adding up gives 0.9999999999999999."""
    return _project(np.full(10, 0.1))


@case("project", "mean_rounding")
def project_tenths_and_sevenths() -> Expected:
    """Two groups whose sums round: the means are the exact ones, rounded once."""
    return _project(np.array([0.1] * 10 + [1 / 7] * 3 + [1.1] * 7 + [8 / 7] * 6))


@case("project", "tied_optima")
def project_two_optima_of_three() -> Expected:
    """{1} and {0, 1} are equally good: the fewest ones are taken, and `tied` is true."""
    return _project(np.array([-1.0, 0.0, 1.0]))


@case("project", "tied_optima", "duplicates")
def project_two_optima_of_four() -> Expected:
    """{2} and {1, 1, 2} are equally good: one 1 is taken."""
    return _project(np.array([0.0, 1.0, 1.0, 2.0]))


@case("project", "near_tie", "tied_optima")
def project_tie_broken_upwards() -> Expected:
    """As -1, 0, 1, but the 1 is one unit in the last place larger: {1} alone is best, and nothing is tied."""
    return _project(np.array([-1.0, 0.0, np.nextafter(1.0, 2.0)]))


@case("project", "near_tie", "tied_optima")
def project_tie_broken_downwards() -> Expected:
    """As -1, 0, 1, but the 1 is one unit in the last place smaller: {0, 1} is best, and nothing is tied."""
    return _project(np.array([-1.0, 0.0, np.nextafter(1.0, 0.0)]))


@case("project", "near_tie", "offset_cancellation")
def project_near_tie_at_an_offset() -> Expected:
    """The near tie of float32 neighbours above 1e6, where the deciding part is the last place of one weight."""
    w = np.array([1e6 - 1, 1e6, 1e6 + 1], np.float32)
    w[2] = np.nextafter(w[2], np.float32(2e6))
    return _project(w)


@case("project", "near_tie", "threshold_rounding")
def project_neighbours() -> Expected:
    """1 and the next float: the midpoint of the means is rounded down to 1, so that w > threshold is the bits."""
    return _project(np.array([1.0, np.nextafter(1.0, 2.0)]))


@case("project", "near_tie", "threshold_rounding")
def project_negative_neighbours() -> Expected:
    """-1 and the float below: rounding the midpoint toward zero instead of down would leave no ones."""
    return _project(np.array([np.nextafter(-1.0, -2.0), -1.0]))


@case("project", "threshold_rounding", "mean_rounding")
def project_midpoint_of_unrounded_means() -> Expected:
    """Means of thirds and sevenths: the threshold is the midpoint of the exact means, not of alpha and beta."""
    return _project(np.array([0.0, 0.1, 0.3, 5.0, 5.1, 5.3, 5.7, 5.2, 5.9, 6.1]))


@case("project", "single_weight", "constant")
def project_single_weight() -> Expected:
    """One weight: alpha = beta = that weight, no ones, error 0."""
    return _project(np.array([0.3]))


@case("project", "single_weight", "narrow_dtype")
def project_single_int8() -> Expected:
    """One weight, the smallest int8."""
    return _project(np.array([-128], np.int8))


@case("project", "zero", "negative_zero", "constant")
def project_both_zeros() -> Expected:
    """0.0 and -0.0 are one number: constant weights, without ones."""
    return _project(np.array([0.0, -0.0, -0.0, 0.0]))


@case("project", "zero", "negative_zero")
def project_both_zeros_and_one() -> Expected:
    """0.0 and -0.0 fall on the same side."""
    return _project(np.array([-0.0, 1.0, 0.0, -0.0], np.float32))


@case("project", "narrow_dtype", "huge_values")
def project_float16_extremes() -> Expected:
    """The largest float16 several times: any sum in float16 is inf."""
    return _project(np.array([65504.0, -65504.0, 65504.0, 65472.0, -65504.0, 1.0], np.float16))


@case("project", "narrow_dtype", "duplicates")
def project_float16_many() -> Expected:
    """1500 float16 weights with many duplicates, whose sums exceed what float16 holds exactly."""
    return _project(bell(4, 1500, np.float16))


@case("project", "narrow_dtype")
def project_int8_extremes() -> Expected:
    """int8 from -128 to 127: sums, squares and differences wrap round in int8."""
    return _project(np.array([-128, 127, -127, 126, 0, 127, -128, 1], np.int8))


@case("project", "narrow_dtype", "unsigned")
def project_uint8_extremes() -> Expected:
    """uint8 weights: differences wrap round below zero."""
    return _project(np.array([0, 255, 254, 1, 128, 127, 200], np.uint8))


@case("project", "wide_integers", "near_tie")
def project_int64_neighbours() -> Expected:
    """2^53 and 2^53 + 1, equal as float64: as integers they are two groups."""
    return _project(np.array([2**53, 2**53 + 1, 2**53, 2**53 + 1], np.int64))


@case("project", "wide_integers", "huge_values")
def project_int64_extremes() -> Expected:
    """The smallest and the largest int64: their sums and squares need more than 64 bits."""
    return _project(np.array([-(2**63), 2**63 - 1, 2**63 - 2, -(2**63) + 1, 0], np.int64))


@case("project", "wide_integers", "unsigned")
def project_uint64_extremes() -> Expected:
    """uint64 beyond the largest int64: read as signed they would be the smallest."""
    return _project(np.array([2**64 - 1, 2**63, 2**64 - 2, 0, 1, 2**53 + 1], np.uint64))


@case("project", "offset_cancellation", "float32_sums")
def project_offset_ten_thousand() -> Expected:
    """300 float32 weights of spread 1 about 10000: prefix sums in float32 give another partition."""
    return _project((1e4 + bell(0, 300, np.float64)).astype(np.float32))


@case("project", "offset_cancellation")
def project_offset_million() -> Expected:
    """200 float64 weights of spread 1 about 1000000: S^2/k in float64 gives another partition."""
    return _project(1e6 + bell(2, 200, np.float64))


@case("project", "offset_cancellation")
def project_offset_hundred_million() -> Expected:
    """60 float64 weights of spread 1 about 100000000."""
    return _project(1e8 + bell(1, 60, np.float64))


@case("project", "offset_cancellation", "tied_optima")
def project_offset_with_a_tie() -> Expected:
    """-1, 0, 1 on top of 2^40: still two optima."""
    return _project(2.0**40 + np.array([0.0, -1.0, 1.0]))


@case("project", "float32_sums", "generic")
def project_four_thousand() -> Expected:
    """4096 float32 weights that look normal: prefix sums in float32 give another partition."""
    return _project(bell(24, 4096))


@case("project", "sign_is_not_optimal", "generic")
def project_skewed_mixture() -> Expected:
    """Nine weights in ten about -0.1, the rest about 0.3: the threshold lies far from 0."""
    w = 0.05 * bell(11, 500, np.float64)
    w += np.where(uniform(12, 500, 0.0, 1.0, np.float64) < 0.1, 0.3, -0.1)
    return _project(w.astype(np.float32))


@case("project", "sign_is_not_optimal")
def project_negative_weights() -> Expected:
    """All weights are negative; there are ones all the same."""
    return _project(np.array([-5.0, -1.0, -4.5, -1.25, -4.75], np.float32))


@case("project", "duplicates", "original_order")
def project_few_values() -> Expected:
    """600 weights of five different values in a shape of four axes."""
    return _project(integers(5, (5, 4, 5, 6), -2, 2))


@case("project", "original_order")
def project_decreasing() -> Expected:
    """Weights that fall: a sort in increasing order reverses them."""
    return _project(np.array([[9.0, 7.0, 6.5], [2.0, 1.0, -3.0]]))


@case("project", "tiny_spread")
def project_spread_1e_170() -> Expected:
    """[0, 3, 4] times 1e-170: the squares underflow in float64, and so does the error, to 0."""
    return _project(np.array([0.0, 3e-170, 4e-170]))


@case("project", "tiny_spread", "offset_cancellation")
def project_spread_1e_16_about_one() -> Expected:
    """Neighbouring floats about 1: the spread is a few units in the last place of the offset."""
    return _project(1.0 + np.array([0, 3, 4, 1, 7, 8]) * 2.0**-52)


@case("project", "subnormal", "tiny_spread")
def project_subnormals() -> Expected:
    """Subnormal float64 weights: 0, 3 and 4 times the smallest, and more."""
    return _project(np.array([0.0, 3.0, 4.0, -2.0, 1.0]) * 5e-324)


@case("project", "subnormal", "threshold_rounding")
def project_smallest_subnormal() -> Expected:
    """0 and the smallest subnormal: the midpoint is rounded down to 0."""
    return _project(np.array([5e-324, 0.0]))


@case("project", "subnormal", "narrow_dtype")
def project_float32_subnormals() -> Expected:
    """Subnormal float32 weights."""
    return _project((np.array([0.0, 3.0, 4.0, -2.0, 1.0]) * 2.0**-149).astype(np.float32))


@case("project", "huge_values")
def project_error_overflows() -> Expected:
    """Weights about 1e300: the squared error is inf, the domain and the bits are finite."""
    return _project(np.array([1e300, -1e300, 2e300, 5e299, 0.0]))


@case("project", "huge_values")
def project_sum_overflows() -> Expected:
    """Three times the largest float64 and once its negative: any plain sum is inf."""
    largest = np.finfo(np.float64).max
    return _project(np.array([largest, largest, -largest, largest]))


@case("project", "mixed_scales", "huge_values", "subnormal")
def project_huge_and_tiny() -> Expected:
    """1e300 beside 1e-300, 1 and a subnormal number."""
    return _project(np.array([1e300, 1e-300, 1.0, 5e-324, -1e-300, 9.9e299]))


@case("project", "mixed_scales", "mean_rounding")
def project_large_cancelling_weights() -> Expected:
    """1e16, 1 and -1e16 in one class or another: a running sum loses the 1."""
    return _project(np.array([1e16, 1.0, -1e16, 1.0, 1e16, 3.0]))


@case("project", "mixed_scales", "local_optimum")
def project_geometric() -> Expected:
    """Powers of two from 2^-30 to 2^30."""
    return _project(np.ldexp(1.0, np.arange(-30, 31)))


@case("project", "mixed_scales", "near_tie")
def project_geometric_of_both_signs() -> Expected:
    """Powers of two with both signs, and a 0 that could go either way: a tie, broken to fewer ones."""
    powers = np.ldexp(1.0, np.arange(-10, 11))
    return _project(np.concatenate([powers, [0.0], -powers]))
