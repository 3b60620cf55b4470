"""Deliberately wrong projections: the checks that the suite uses must catch each of them."""

from dataclasses import replace

import numpy as np
import projection_checks as checks
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies import KNOWN, bit_arrays, weights

from bbdg_ref.spec import projection as spec
from bbdg_ref.spec.domain import Domain

# Enough examples to find the subtlest of them, the same ones on each run; no time is spent on shrinking.
SEARCH = settings(
    max_examples=3000,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
)


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


def is_caught(check, cases, search_for=SEARCH):
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
    assert not is_caught(lambda w: checks.check_project(spec.project, w), known_or_drawn(12), brief)
