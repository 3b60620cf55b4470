"""Cases of the other projections: k ones, {-a, +a}, {0, beta}, bits given, domain given."""

import numpy as np

from ...spec import projection
from ...spec.domain import Domain
from ..registry import Expected, case
from .drawn import bell, chosen, integers
from .projected import outputs

__all__: list[str] = []  # the cases are reached through the registry


def _project_k(w: np.ndarray, k: int) -> Expected:
    return Expected({"w": w, "k": k}, outputs(projection.project_k(w, k)))


def _symmetric(w: np.ndarray) -> Expected:
    return Expected({"w": w}, outputs(projection.project_symmetric(w)))


def _zero(w: np.ndarray) -> Expected:
    return Expected({"w": w}, outputs(projection.project_zero(w)))


def _fit(w: np.ndarray, bits: np.ndarray) -> Expected:
    domain = projection.fit_domain(w, bits)
    return Expected({"w": w, "bits": bits}, {"alpha": domain.alpha, "beta": domain.beta})


def _assign(w: np.ndarray, alpha: float, beta: float) -> Expected:
    bits = projection.assign(w, Domain(alpha, beta))
    return Expected({"w": w, "alpha": alpha, "beta": beta}, {"bits": bits})


# --- exactly k ones ---


@case("project_k", "count_of_ones", "missing_class")
def project_k_none() -> Expected:
    """k = 0: the missing class takes the mean of all, and the error is that of a constant."""
    return _project_k(np.array([1.0, 2.0, 6.0]), 0)


@case("project_k", "count_of_ones", "missing_class")
def project_k_all() -> Expected:
    """k = n: all bits are 1, and alpha = beta."""
    return _project_k(np.array([1.0, 2.0, 6.0]), 3)


@case("project_k", "count_of_ones", "generic")
def project_k_two_of_five() -> Expected:
    """The two largest, which are not next to each other."""
    return _project_k(np.array([0.5, 4.0, -1.0, 3.0, 2.0]), 2)


@case("project_k", "equal_weights_split", "tied_optima")
def project_k_splits_equal_weights() -> Expected:
    """Two of four equal largest weights: those of the lowest index; `tied` is true."""
    return _project_k(np.array([2.0, -1.0, 2.0, 2.0, 0.0, 2.0]), 2)


@case("project_k", "equal_weights_split", "original_order")
def project_k_splits_in_c_order() -> Expected:
    """Equal weights in a matrix: the lower index is that of the C order, rows first."""
    return _project_k(np.ones((3, 4), np.float32), 5)


@case("project_k", "equal_weights_split", "negative_zero")
def project_k_splits_zeros() -> Expected:
    """0.0 and -0.0 are equal weights: the index decides, not the sign."""
    return _project_k(np.array([-0.0, 0.0, -1.0, 0.0, -0.0]), 2)


@case("project_k", "equal_weights_split", "duplicates")
def project_k_many_duplicates() -> Expected:
    """400 weights of seven values, and a k inside a run of equal ones."""
    return _project_k(integers(31, 400, -3, 3), 100)


@case("project_k", "near_tie", "wide_integers")
def project_k_int64_neighbours() -> Expected:
    """The largest of integers that are equal as float64."""
    return _project_k(np.array([2**62 + 1, 2**62 + 3, 2**62 + 2, 2**62], np.int64), 1)


@case("project_k", "threshold_rounding", "count_of_ones")
def project_k_threshold_does_not_separate() -> Expected:
    """A k far from the optimum: the threshold is the midpoint of the means, whatever it separates."""
    return _project_k(np.array([0.0, 0.1, 0.2, 10.0]), 3)


@case("project_k", "offset_cancellation", "mean_rounding")
def project_k_offset() -> Expected:
    """100 float64 weights about 1000000, 17 of them ones."""
    return _project_k(1e6 + bell(32, 100, np.float64), 17)


@case("project_k", "huge_values")
def project_k_error_overflows() -> Expected:
    """Weights about 1e300: the error is inf."""
    return _project_k(np.array([1e300, -1e300, 2e300]), 1)


# --- {-a, +a} ---


@case("project_symmetric", "zero", "negative_zero", "tied_optima")
def project_symmetric_zeros() -> Expected:
    """Zeros get bit 0; because they cost the same as ones, `tied` is true."""
    return _symmetric(np.array([0.0, 3.0, -0.0, -1.0]))


@case("project_symmetric", "generic")
def project_symmetric_mean_of_magnitudes() -> Expected:
    """a = mean |w| = 2."""
    return _symmetric(np.array([[1.0, -3.0], [2.5, -1.5]]))


@case("project_symmetric", "mean_rounding")
def project_symmetric_ten_tenths() -> Expected:
    """0.1 with both signs, ten times: a is 0.1 exactly, error 0."""
    return _symmetric(np.array([0.1, -0.1] * 5))


@case("project_symmetric", "missing_class")
def project_symmetric_all_negative() -> Expected:
    """No positive weight: no ones, and alpha is minus the mean magnitude."""
    return _symmetric(np.array([-1.0, -2.0, -6.0], np.float32))


@case("project_symmetric", "missing_class")
def project_symmetric_all_positive() -> Expected:
    """All weights are positive: all bits are 1, and alpha is still -a."""
    return _symmetric(np.array([1.0, 2.0, 6.0], np.float32))


@case("project_symmetric", "zero", "constant")
def project_symmetric_all_zero() -> Expected:
    """All weights 0: a = 0, no ones."""
    return _symmetric(np.zeros(5))


@case("project_symmetric", "narrow_dtype")
def project_symmetric_int8() -> Expected:
    """The magnitude of -128 is not an int8."""
    return _symmetric(np.array([-128, -128, 127, 0, -128], np.int8))


@case("project_symmetric", "float32_sums", "generic")
def project_symmetric_thousand() -> Expected:
    """1000 float32 weights that look normal, as in a layer."""
    return _symmetric(bell(33, 1000) * np.float32(0.05))


@case("project_symmetric", "huge_values")
def project_symmetric_huge() -> Expected:
    """The sum of the magnitudes is beyond float64, their mean is not."""
    return _symmetric(np.array([1.5e308, -1.7e308, 1.6e308]))


@case("project_symmetric", "subnormal", "mean_rounding")
def project_symmetric_subnormals() -> Expected:
    """The mean of subnormal magnitudes, 7/4 of the smallest, rounds to 2."""
    return _symmetric(np.array([1.0, -2.0, 3.0, -1.0]) * 5e-324)


# --- {0, beta} ---


@case("project_zero", "negative_beta")
def project_zero_negative_beta() -> Expected:
    """[-5, 1]: beta = -5 alone is better than beta = 1."""
    return _zero(np.array([-5.0, 1.0]))


@case("project_zero", "negative_beta")
def project_zero_all_negative() -> Expected:
    """All weights are negative: beta is negative, and the smallest are the ones."""
    return _zero(np.array([-1.0, -8.0, -7.0, -0.5], np.float32))


@case("project_zero", "negative_beta", "tied_optima")
def project_zero_tie_of_signs() -> Expected:
    """[-1, 1]: either alone is as good; the positive beta is taken."""
    return _zero(np.array([-1.0, 1.0]))


@case("project_zero", "generic")
def project_zero_positive_beta() -> Expected:
    """The greatest S^2/K: three ones, the 2 among them."""
    return _zero(np.array([4.0, -1.0, 2.0, 3.0, 0.25]))


@case("project_zero", "tied_optima", "duplicates")
def project_zero_tie_of_counts() -> Expected:
    """One 4 and eight 1: 4^2/1 = 12^2/9, a tie, and the fewest ones are taken."""
    return _zero(np.array([1.0, 1.0, 1.0, 4.0, 1.0, 1.0, 1.0, 1.0, 1.0]))


@case("project_zero", "zero", "constant", "missing_class")
def project_zero_all_zero() -> Expected:
    """All weights 0: no ones, alpha = beta = 0."""
    return _zero(np.array([0.0, -0.0, 0.0]))


@case("project_zero", "constant")
def project_zero_constant() -> Expected:
    """A constant other than 0 is beta, and all bits are 1."""
    return _zero(np.full(7, 0.1))


@case("project_zero", "offset_cancellation", "mixed_scales")
def project_zero_large_cancelling_weights() -> Expected:
    """Running sums of 1e16, 3 and 1 round; S^2/K decides exactly."""
    return _zero(np.array([1e16, 3.0, -1e16, 1.0, 2.0]))


@case("project_zero", "narrow_dtype", "negative_beta")
def project_zero_int8() -> Expected:
    """int8 weights whose sum of the smallest wraps round."""
    return _zero(np.array([-128, -100, 127, 3, -90], np.int8))


@case("project_zero", "float32_sums", "generic")
def project_zero_thousand() -> Expected:
    """1000 float32 weights that look normal, shifted down: the smallest are the ones."""
    return _zero(bell(34, 1000) - np.float32(0.5))


# --- the bits are given ---


@case("fit_domain", "alpha_beta_swapped", "generic")
def fit_domain_means() -> Expected:
    """alpha is the mean of the zeros, beta that of the ones."""
    return _fit(np.array([1.0, 2.0, 3.0, 10.0, 4.0]), np.array([False, False, True, True, False]))


@case("fit_domain", "alpha_above_beta")
def fit_domain_descending() -> Expected:
    """The ones are the smaller weights: alpha is above beta, and they are not exchanged."""
    return _fit(np.array([5.0, 1.0, 6.0, 2.0]), np.array([False, True, False, True]))


@case("fit_domain", "missing_class")
def fit_domain_no_ones() -> Expected:
    """No ones: beta takes the mean of the zeros."""
    return _fit(np.array([1.0, 2.0, 6.0]), np.zeros(3, bool))


@case("fit_domain", "missing_class")
def fit_domain_no_zeros() -> Expected:
    """No zeros: alpha takes the mean of the ones."""
    return _fit(np.array([1.0, 2.0, 6.0], np.float32), np.ones(3, bool))


@case("fit_domain", "mean_rounding")
def fit_domain_ten_tenths() -> Expected:
    """Ten times 0.1 and seven times 0.3: the means are 0.1 and 0.3 exactly."""
    return _fit(np.array([0.1] * 10 + [0.3] * 7), np.array([False] * 10 + [True] * 7))


@case("fit_domain", "mean_rounding", "mixed_scales")
def fit_domain_cancelling() -> Expected:
    """1e16 + 1 - 1e16 is 1: a running sum gives 0 or 2."""
    return _fit(np.array([1e16, 1.0, -1e16, 1e-3]), np.array([True, True, True, False]))


@case("fit_domain", "wide_integers")
def fit_domain_int64() -> Expected:
    """Integers beyond 2^53: the mean of their exact sum, rounded once."""
    w = np.array([2**62 + 1, 2**62 + 3, -(2**63), 2**63 - 1], np.int64)
    return _fit(w, np.array([True, True, False, False]))


@case("fit_domain", "narrow_dtype", "original_order")
def fit_domain_int8_map() -> Expected:
    """int8 weights in the shape of kernels, whose sums wrap round."""
    return _fit(integers(35, (2, 3, 3, 3), -128, 127, np.int8), chosen(36, (2, 3, 3, 3), 0.3))


@case("fit_domain", "float32_sums")
def fit_domain_two_thousand() -> Expected:
    """2000 float32 weights about 1000: sums in float32 are off."""
    return _fit((1000 + bell(37, 2000, np.float64)).astype(np.float32), chosen(38, 2000, 0.25))


# --- the domain is given ---


@case("assign", "midpoint_tie")
def assign_midpoint() -> Expected:
    """Weights on and next to the midpoint 0.5 of {0, 1}: the tie gives bit 0."""
    return _assign(np.array([0.5, np.nextafter(0.5, 1.0), np.nextafter(0.5, 0.0), 0.0, 1.0]), 0.0, 1.0)


@case("assign", "alpha_above_beta", "midpoint_tie")
def assign_alpha_above_beta() -> Expected:
    """alpha = 1, beta = 0: the smaller weights are the ones, and the tie still gives bit 0."""
    return _assign(np.array([0.5, np.nextafter(0.5, 1.0), np.nextafter(0.5, 0.0), 0.0, 1.0]), 1.0, 0.0)


@case("assign", "constant", "midpoint_tie")
def assign_equal_levels() -> Expected:
    """alpha = beta: every weight is a tie, and all bits are 0."""
    return _assign(np.array([-1.0, 0.25, 7.0]), 0.25, 0.25)


@case("assign", "midpoint_rounding")
def assign_midpoint_between_floats() -> Expected:
    """{1, the next float}: the midpoint lies between them and rounds to 1; both weights are nearest to themselves."""
    above = float(np.nextafter(1.0, 2.0))
    return _assign(np.array([1.0, above]), 1.0, above)


@case("assign", "midpoint_rounding")
def assign_midpoint_rounds_up() -> Expected:
    """The two floats above 1: the midpoint rounds to the larger, which is nearest to itself all the same."""
    below, above = (1.0 + steps * 2.0**-52 for steps in (1, 2))
    return _assign(np.array([above, below]), below, above)


@case("assign", "midpoint_rounding", "subnormal")
def assign_midpoint_underflows() -> Expected:
    """{0, the smallest subnormal}: half of it underflows, but it lies above the midpoint."""
    return _assign(np.array([0.0, 5e-324, -5e-324]), 0.0, 5e-324)


@case("assign", "midpoint_rounding", "huge_values")
def assign_midpoint_overflows() -> Expected:
    """alpha + beta is beyond float64, their midpoint is not."""
    return _assign(np.array([1.6e308, 1.4e308, 1.7e308, -1.7e308]), 1.3e308, 1.7e308)


@case("assign", "midpoint_rounding", "narrow_dtype")
def assign_float32_weights() -> Expected:
    """float32 weights about the midpoint 0.15 of 0.1 and 0.2, which is not a float32."""
    middle = np.float32(0.15)
    w = np.array([middle, np.nextafter(middle, np.float32(0)), np.nextafter(middle, np.float32(1)), 0.1, 0.2])
    return _assign(w.astype(np.float32), 0.1, 0.2)


@case("assign", "wide_integers", "midpoint_tie")
def assign_int64() -> Expected:
    """Integers next to the midpoint 2^60, which are equal to it as float64."""
    return _assign(np.array([2**60, 2**60 + 1, 2**60 - 1], np.int64), 0.0, 2.0**61)


@case("assign", "zero", "negative_zero", "midpoint_tie")
def assign_zero() -> Expected:
    """{-1, 1}: 0.0 and -0.0 are ties and give bit 0."""
    return _assign(np.array([0.0, -0.0, 5e-324, -5e-324, 3.0]), -1.0, 1.0)


@case("assign", "generic")
def assign_kernels() -> Expected:
    """Kernels and the domain {-0.02, 0.11}."""
    return _assign(bell(39, (4, 3, 3, 3)) * np.float32(0.1), -0.02, 0.11)
