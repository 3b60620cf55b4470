"""Deliberately wrong projections: the checks that the suite uses must catch each of them."""

from dataclasses import replace

import numpy as np
import projection_checks as checks
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import KNOWN, SEARCH, bit_arrays, weighted_weights, weights

from bbdg_ref.spec import projection as spec
from bbdg_ref.spec.domain import Domain

pytestmark = pytest.mark.slow  # tests of the tests

# Enough examples to find the subtlest of them, the same ones on each run; no time is spent on shrinking.
THOROUGH = settings(SEARCH, max_examples=3000)


def from_bits(w, bits, tied=False):
    """A projection with the right means, error and threshold for any bits."""
    x, b = checks.oracle.rational(w), tuple(bits.ravel().tolist())
    alpha, beta = checks.oracle.group_means(x, b)
    row = spec.Row(alpha, beta, checks.oracle.squared_error(x, alpha, beta, b), sum(b), tied)
    return spec.assemble([row], bits.reshape(w.shape), None)


def scan(w, dtype, objective):
    """The bits by prefix sums in a dtype: right but for its arithmetic."""
    order = np.argsort(-w.ravel().astype(np.float64), kind="stable")
    n = w.size
    with np.errstate(all="ignore"):
        v = w.ravel()[order].astype(dtype)
        sums = np.concatenate([[dtype(0)], np.cumsum(v, dtype=dtype)])
        gains = np.array([objective(sums[k], sums[n], k, n) for k in range(n + 1)])
    gains = np.where(np.isnan(gains), -np.inf, gains)
    ones = int(np.argmax(gains))
    bits = np.zeros(n, np.bool_)
    bits[order[:ones]] = True
    return bits


def squares_over_counts(s, t, k, n):
    """J(K) = S_K^2/K + (T - S_K)^2/(n - K)."""
    return (s * s / k if k else 0) + ((t - s) * (t - s) / (n - k) if k < n else 0)


def difference_form(s, t, k, n):
    """D_K^2 / (K (n - K))."""
    d = n * s - k * t
    return d * d / (k * (n - k)) if 0 < k < n else 0


def float32_prefix_sums(w, max_ones=None):
    return replace_bits(w, scan(w, np.float32, squares_over_counts))


def float64_squares_over_counts(w, max_ones=None):
    return replace_bits(w, scan(w, np.float64, squares_over_counts))


def float64_difference_form(w, max_ones=None):
    return replace_bits(w, scan(w, np.float64, difference_form))


def centred_float64(w, max_ones=None):
    x = w.astype(np.float64)
    with np.errstate(all="ignore"):
        bits = scan(x - x.mean(), np.float64, difference_form)
    return replace_bits(w, bits)


def replace_bits(w, bits):
    return from_bits(w, bits, spec.project(w).tied)


def most_ones_at_a_tie(w, max_ones=None):
    """Exact, but takes the last of equal optima."""
    v, _ = spec.to_integers(w.ravel().tolist())
    order = sorted(range(len(v)), key=v.__getitem__, reverse=True)
    prefix = [sum(v[i] for i in order[:k]) for k in range(len(v) + 1)]
    gains = [spec.general_objective(k, prefix[k], prefix[-1], len(v)) for k in range(len(v) + 1)]
    values = [checks.oracle.Fraction(*gain) for gain in gains]
    ones = max(k for k, value in enumerate(values) if value == max(values))
    bits = np.zeros(len(v), np.bool_)
    bits[order[:ones]] = True
    return replace_bits(w, bits)


def swapped_values(w, max_ones=None):
    p = spec.project(w)
    return replace(p, alpha=p.beta, beta=p.alpha)


def bits_by_sign(w, max_ones=None):
    return replace_bits(w, w > 0)


def bits_by_mean(w, max_ones=None):
    return replace_bits(w, w.astype(np.float64) > w.astype(np.float64).mean())


def means_in_float64(w, max_ones=None):
    p = spec.project(w)
    if not 0 < p.n_ones < w.size:
        return p
    with np.errstate(all="ignore"):
        alpha, beta = np.cumsum(w[~p.bits].astype(float))[-1], np.cumsum(w[p.bits].astype(float))[-1]
    return replace(p, alpha=float(alpha / (w.size - p.n_ones)), beta=float(beta / p.n_ones))


def threshold_to_nearest(w, max_ones=None):
    p = spec.project(w)
    return replace(p, threshold=np.float64(p.alpha / 2 + p.beta / 2))


def error_in_float64(w, max_ones=None):
    p = spec.project(w)
    with np.errstate(all="ignore"):
        return replace(p, error=float(((w.astype(np.float64) - p.values) ** 2).sum()))


def never_tied(w, max_ones=None):
    return replace(spec.project(w), tied=False)


def at_least_for_above(w, max_ones=None):
    p = spec.project(w)
    return replace_bits(w, w >= p.alpha / 2 + p.beta / 2)


WRONG_PROJECT = [
    float32_prefix_sums,
    float64_squares_over_counts,
    float64_difference_form,
    centred_float64,
    most_ones_at_a_tie,
    swapped_values,
    bits_by_sign,
    bits_by_mean,
    means_in_float64,
    threshold_to_nearest,
    error_in_float64,
    never_tied,
    at_least_for_above,
]


def weighted(w, s):
    """The weighted projection for sample weights that are rationals with powers of two below."""
    row, bits = spec._solve_weighted(w.ravel().tolist(), s)
    return spec.assemble([row], bits.reshape(w.shape), None)


def sample_weights_ignored(w, sample_weight):
    return spec.project(w)


def sample_weights_squared(w, sample_weight):
    return weighted(w, [x**2 for x in checks.oracle.rational(sample_weight)])


def sample_weights_normalised_in_float64(w, sample_weight):
    p = spec.project(w, sample_weight=sample_weight)
    with np.errstate(all="ignore"):
        s = sample_weight.astype(np.float64)
        s = s / s.sum()
    if not s.any() or not np.isfinite(s).all():
        return p
    return replace(spec.project(w, sample_weight=s), error=p.error)


def sample_weights_of_zero_counted(w, sample_weight):
    least = sample_weight[sample_weight > 0].min()
    return spec.project(w, sample_weight=np.where(sample_weight > 0, sample_weight, least))


def no_ones_among_sample_weights_of_zero(w, sample_weight):
    p = spec.project(w, sample_weight=sample_weight)
    bits = p.bits & (sample_weight > 0)
    return replace(p, bits=bits, n_ones=int(bits.sum()))


def unweighted_error(w, sample_weight):
    p = spec.project(w, sample_weight=sample_weight)
    return replace(p, error=from_bits(w, p.bits).error)


def unweighted_means(w, sample_weight):
    p = spec.project(w, sample_weight=sample_weight)
    q = from_bits(w, p.bits)
    return replace(p, alpha=q.alpha, beta=q.beta)


def weights_multiplied_by_sample_weights(w, sample_weight):
    p = spec.project(w, sample_weight=sample_weight)
    with np.errstate(all="ignore"):
        product = w.astype(np.float64) * sample_weight
    return replace(p, bits=spec.project(product).bits) if np.isfinite(product).all() else p


def bits_by_weighted_mean(w, sample_weight):
    p = spec.project(w, sample_weight=sample_weight)
    x, t = checks.oracle.rational(w), checks.oracle.rational(sample_weight)
    mean = sum(a * b for a, b in zip(x, t, strict=True)) / sum(t)
    return replace(p, bits=np.array([value > mean for value in x]).reshape(w.shape))


def weighted_float64_prefix_sums(w, sample_weight):
    kept = np.flatnonzero(sample_weight)
    order = kept[np.argsort(-w.ravel()[kept].astype(np.float64), kind="stable")]
    with np.errstate(all="ignore"):
        v, s = w.ravel()[order].astype(np.float64), sample_weight.ravel()[order].astype(np.float64)
        mass, sums = np.cumsum(s), np.cumsum(s * v)
        gains = sums[:-1] ** 2 / mass[:-1] + (sums[-1] - sums[:-1]) ** 2 / (mass[-1] - mass[:-1])
        gains = np.where(np.isnan(gains), -np.inf, gains)
    p = spec.project(w, sample_weight=sample_weight)
    ones = int(np.argmax(gains)) + 1 if gains.size and v[0] > v[-1] else 0
    cut = v[ones] if ones else v[0]
    return replace(p, bits=w > cut)


def weighted_never_tied(w, sample_weight):
    return replace(spec.project(w, sample_weight=sample_weight), tied=False)


WRONG_WEIGHTED = [
    sample_weights_ignored,
    sample_weights_squared,
    sample_weights_normalised_in_float64,
    sample_weights_of_zero_counted,
    no_ones_among_sample_weights_of_zero,
    unweighted_error,
    unweighted_means,
    weights_multiplied_by_sample_weights,
    bits_by_weighted_mean,
    weighted_float64_prefix_sums,
    weighted_never_tied,
]


def is_caught(check, cases, search_for=THOROUGH):
    """Run a check as the suite does, on the known inputs and on drawn ones; say whether it fails."""

    @search_for
    @given(cases)
    def search(case):
        check(case)

    try:
        search()
    except AssertionError:
        return True
    return False


def known_or_drawn(limit=65):
    return st.sampled_from(KNOWN) | weights(limit)


@pytest.mark.parametrize("wrong", WRONG_PROJECT, ids=lambda function: function.__name__)
def test_a_wrong_project_is_caught(wrong):
    assert is_caught(lambda w: checks.check_project(wrong, w), known_or_drawn())


@pytest.mark.parametrize("wrong", WRONG_WEIGHTED, ids=lambda function: function.__name__)
def test_a_wrong_weighted_project_is_caught(wrong):
    assert is_caught(lambda pair: checks.check_project_weighted(wrong, *pair), weighted_weights(12))


def test_sample_weights_that_are_halved_in_their_own_dtype_are_caught():
    """Right for all but the smallest float16, which it rounds to zero or to even."""

    def wrong(w, sample_weight=None):
        if sample_weight is None or sample_weight.dtype != np.float16 or not (sample_weight / 2).any():
            return spec.project(w, sample_weight=sample_weight)
        p = spec.project(w, sample_weight=sample_weight / 2)
        return replace(p, error=spec.project(w, sample_weight=sample_weight).error)

    assert is_caught(lambda pair: checks.check_project_weighted(wrong, *pair), weighted_weights(12))


def test_a_factor_of_the_sample_weights_that_is_ignored_is_caught():
    def wrong(w, sample_weight=None):
        p = spec.project(w, sample_weight=sample_weight)
        equal = sample_weight is not None and (sample_weight == sample_weight.ravel()[0]).all()
        return spec.project(w) if equal else p

    assert is_caught(lambda pair: checks.check_scaled_sample_weights(wrong, *pair), weighted_weights(12))


def test_a_limit_that_is_ignored_is_caught():
    def wrong(w, max_ones=None):
        return spec.project(w)

    assert is_caught(lambda w: checks.check_project(wrong, w, 1), known_or_drawn(12))


def test_a_limit_applied_after_the_optimum_is_caught():
    """Cutting the unlimited optimum down to the limit misses a split that is better within it."""

    def wrong(w, max_ones=None):
        p = spec.project(w)
        return p if max_ones is None or p.n_ones <= max_ones else from_bits(w, np.zeros(w.shape, bool))

    assert is_caught(lambda w: checks.check_project(wrong, w, 2), known_or_drawn(12))


def test_higher_indices_first_among_equal_weights_is_caught():
    def wrong(w, k):
        p = spec.project_k(w.ravel()[::-1], k)
        return replace(p, bits=p.bits[::-1].reshape(w.shape))

    assert is_caught(lambda w: checks.check_project_k(wrong, w, w.size // 2), known_or_drawn(12))


def test_a_zero_domain_of_one_sign_only_is_caught():
    def wrong(w, max_ones=None):
        return spec.project_zero(np.maximum(w, 0), max_ones=max_ones)

    assert is_caught(lambda w: checks.check_project_zero(wrong, w), known_or_drawn(12))


def test_a_symmetric_domain_with_a_bit_for_zero_is_caught():
    def wrong(w, max_ones=None):
        p = spec.project_symmetric(w)
        return replace(p, bits=w >= 0)

    assert is_caught(lambda w: checks.check_project_symmetric(wrong, w), known_or_drawn(12))


def test_a_missing_class_of_zero_is_caught():
    def wrong(w, bits):
        domain = spec.fit_domain(w, bits)
        return domain if 0 < bits.sum() < bits.size else Domain(0.0, domain.beta)

    cases = known_or_drawn(12).flatmap(lambda w: st.tuples(st.just(w), bit_arrays(w.shape)))
    assert is_caught(lambda case: checks.check_fit_domain(wrong, *case), cases)


def test_a_tie_to_bit_one_is_caught():
    def wrong(w, domain):
        return ~spec.assign(w, Domain(domain.beta, domain.alpha))

    assert is_caught(lambda w: checks.check_assign(wrong, w, Domain(0.0, 2.0)), known_or_drawn(12))


def test_a_channel_axis_that_is_ignored_is_caught():
    def wrong(w, channel_axis=None):
        return spec.project(w, channel_axis=None if channel_axis is None else 0)

    w = np.arange(6.0).reshape(2, 3)
    with pytest.raises(AssertionError):
        checks.check_channels(wrong, w, 1)


def test_the_right_implementation_is_not_caught():
    brief = settings(SEARCH, max_examples=50)
    assert not is_caught(lambda pair: checks.check_project_weighted(spec.project, *pair), weighted_weights(12), brief)
    assert not is_caught(lambda w: checks.check_project(spec.project, w), known_or_drawn(12), brief)
