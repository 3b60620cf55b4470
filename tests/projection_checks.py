"""What any implementation of the projection must satisfy, as functions of the implementation.

The tests of `spec`, of `ops` and of the public functions call these, and so do the planted mutants, which
must fail.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import event
from oracles import projection as oracle

BRUTE = 7  # all 2^n bits are tried up to this many weights


def equals_optimum(p, best, shape):
    """A projection without channels is the optimum: the error first, since arguments may tie."""
    assert p.error == oracle.nearest(best.error)
    assert p.bits.shape == shape and p.bits.dtype == np.bool_
    assert tuple(p.bits.ravel().tolist()) == best.bits
    assert p.alpha == oracle.nearest(best.alpha)
    assert p.beta == oracle.nearest(best.beta)
    assert p.threshold == oracle.floor_to_float((best.alpha + best.beta) / 2)
    assert p.n_ones == sum(best.bits)
    assert p.tied is best.tied
    assert p.density == sum(best.bits) / len(best.bits)
    assert isinstance(p.alpha, float) and isinstance(p.beta, float) and isinstance(p.n_ones, int)


def exact_in_float64(w):
    """Whether every weight is a float64."""
    return all(Fraction(x) == Fraction(float(x)) for x in w.ravel().tolist())


def check_project(project, w, max_ones=None):
    """The optimum over all bits, found by trying them all, and by trying every count."""
    before = w.copy()
    p = project(w, max_ones=max_ones)
    most = w.size if max_ones is None else max_ones
    best = oracle.scan_counts(w, most)
    event(f"project: tied {best.tied}, ones {'none' if not any(best.bits) else 'some'}")
    equals_optimum(p, best, w.shape)
    if w.size <= BRUTE:
        equals_optimum(p, oracle.try_all_bits(w, oracle.general, most), w.shape)
    assert p.alpha <= p.beta
    if max_ones is None and exact_in_float64(w):
        assert np.array_equal(p.bits, w > p.threshold)
    assert np.array_equal(w, before)


def check_project_weighted(project, w, s):
    """The weighted optimum over all bits, found by trying them all, and by trying every threshold."""
    before, s_before = w.copy(), s.copy()
    p = project(w, sample_weight=s)
    best = oracle.scan_thresholds(w, s)
    event(f"project_weighted: tied {best.tied}, {'some' if (s == 0).any() else 'no'} s = 0")
    equals_optimum(p, best, w.shape)
    if np.count_nonzero(s) <= BRUTE:
        equals_optimum(p, oracle.try_all_weighted_bits(w, s), w.shape)
    assert p.alpha <= p.beta
    if exact_in_float64(w):
        assert np.array_equal(p.bits, w > p.threshold)
    assert np.array_equal(w, before) and np.array_equal(s, s_before)


def check_scaled_sample_weights(project, w, s):
    """Sample weights of 1 change nothing; a power of two as a common factor changes the error alone."""
    p = project(w)
    same_projection(project(w, sample_weight=np.ones(w.shape, np.int8)), p)
    for factor in (2.0**-60, 2.0**40):
        q = project(w, sample_weight=np.full(w.shape, factor))
        error = oracle.nearest(oracle.scan_counts(w, w.size).error * Fraction(factor))
        assert q.error == error
        same_projection(replace(q, error=p.error), p)
    p = project(w, sample_weight=s)
    halves = s.astype(np.float64) / 2
    if np.array_equal(2 * halves, s.astype(np.float64)) and exact_in_float64(s):
        q = project(w, sample_weight=halves)
        assert q.error == oracle.nearest(oracle.scan_thresholds(w, s).error / 2)
        same_projection(replace(q, error=p.error), p)


def check_whole_sample_weights(project, w, s):
    """A whole sample weight does what so many copies of the weight would do."""
    p, q = project(w, sample_weight=s), project(np.repeat(w.ravel(), s.ravel()))
    for name in ("alpha", "beta", "threshold", "error", "tied"):
        assert getattr(p, name) == getattr(q, name), name
    assert np.array_equal(np.repeat(p.bits.ravel(), s.ravel()), q.bits)


def check_project_k(project_k, w, k):
    """The k largest weights are the ones; among all bits with k ones none are better."""
    p = project_k(w, k)
    if w.size <= BRUTE:
        equals_optimum(p, oracle.try_all_bits(w, oracle.general, k, k), w.shape)
    x = oracle.rational(w)
    order = sorted(range(w.size), key=lambda i: (-x[i], i))
    bits = tuple(int(i in set(order[:k])) for i in range(w.size))
    assert tuple(p.bits.ravel().tolist()) == bits
    alpha, beta = oracle.group_means(x, bits)
    assert (p.alpha, p.beta) == (oracle.nearest(alpha), oracle.nearest(beta))
    assert p.error == oracle.nearest(oracle.squared_error(x, alpha, beta, bits))
    assert p.n_ones == k
    assert p.tied is (0 < k < w.size and x[order[k - 1]] == x[order[k]])


def check_project_symmetric(project_symmetric, w, max_ones=None):
    """The best {-a, a}; without a limit b = (w > 0) and a = mean |w|."""
    p = project_symmetric(w, max_ones=max_ones)
    if w.size <= BRUTE:
        most = w.size if max_ones is None else max_ones
        equals_optimum(p, oracle.try_all_bits(w, oracle.symmetric, most), w.shape)
    if max_ones is None:
        x = oracle.rational(w)
        a = oracle.mean([abs(value) for value in x])
        assert np.array_equal(p.bits, w > 0)
        assert (p.alpha, p.beta, p.threshold) == (-oracle.nearest(a), oracle.nearest(a), 0)
        assert p.error == oracle.nearest(sum((value**2 for value in x), Fraction(0)) - len(x) * a**2)


def check_project_zero(project_zero, w, max_ones=None):
    """The best {0, beta}, by trying all bits, and all counts of the largest and of the smallest weights."""
    p = project_zero(w, max_ones=max_ones)
    most = w.size if max_ones is None else max_ones
    if w.size <= BRUTE:
        equals_optimum(p, oracle.try_all_bits(w, oracle.zero, most), w.shape)
    x = sorted(oracle.rational(w))
    sums = [(Fraction(0), 1)]
    for k in range(1, min(most, w.size) + 1):
        sums += [(sum(x[-k:], Fraction(0)), k), (sum(x[:k], Fraction(0)), k)]
    gain = max(total**2 / k for total, k in sums)
    assert p.error == oracle.nearest(sum((value**2 for value in x), Fraction(0)) - gain)
    ones = [value for value, bit in zip(oracle.rational(w), p.bits.ravel().tolist(), strict=True) if bit]
    assert p.alpha == 0 and p.n_ones == len(ones) <= most
    assert p.beta == (oracle.nearest(oracle.mean(ones)) if ones else 0)
    assert (sum(ones, Fraction(0)) ** 2 / len(ones) if ones else 0) == gain
    if max_ones is None and exact_in_float64(w):
        separated = w > p.threshold if p.beta >= 0 else w <= p.threshold
        assert np.array_equal(p.bits, separated)


def check_fit_domain(fit_domain, w, bits):
    """The correctly rounded means of the two classes."""
    domain = fit_domain(w, bits)
    alpha, beta = oracle.group_means(oracle.rational(w), tuple(bits.ravel().tolist()))
    assert (domain.alpha, domain.beta) == (oracle.nearest(alpha), oracle.nearest(beta))
    assert domain.channel_axis is None


def check_assign(assign, w, domain):
    """The nearer value; bit 0 where both are equally near."""
    alpha, beta = Fraction(domain.alpha), Fraction(domain.beta)
    expected = [abs(x - beta) < abs(x - alpha) for x in oracle.rational(w)]
    bits = assign(w, domain)
    assert bits.shape == w.shape and bits.dtype == np.bool_
    assert bits.ravel().tolist() == expected


def check_explain(explain, w, alpha, beta, bits, s=None):
    """Error, least error and gap are exact; optimal is said of optimal splits with rounded means only."""
    e = explain(w, alpha, beta, bits) if s is None else explain(w, alpha, beta, bits, sample_weight=s)
    x = oracle.rational(w)
    t = [Fraction(1)] * len(x) if s is None else oracle.rational(s)
    given = tuple(bits.ravel().tolist())
    error = oracle.weighted_error(x, t, Fraction(alpha), Fraction(beta), given)
    best = oracle.scan_counts(w, w.size) if s is None else oracle.scan_thresholds(w, s)
    means = oracle.weighted_means(x, t, given)
    split = oracle.weighted_error(x, t, *means, given) == best.error
    with_mass = [any(value and bit == group for value, bit in zip(t, given, strict=True)) for group in (0, 1)]
    rounded = [
        value == oracle.nearest(mean) for value, mean, mass in zip((alpha, beta), means, with_mass, strict=True) if mass
    ]
    assert e.optimal is (split and all(rounded))
    assert (e.error, e.optimal_error) == (oracle.nearest(error), oracle.nearest(best.error))
    assert e.gap == oracle.nearest(error - best.error)
    assert e.message.startswith("optimal" if e.optimal else "not optimal")


def same_projection(p, q):
    """Two projections are equal, field by field, bit for bit."""
    for name in ("alpha", "beta", "bits", "threshold", "error", "n_ones", "tied"):
        first, second = np.asarray(getattr(p, name)), np.asarray(getattr(q, name))
        assert first.dtype == second.dtype, name
        assert first.shape == second.shape, name
        equal = first.tobytes() == second.tobytes()  # outside the assertion: no difference of megabytes is printed
        assert equal, name
    assert p.channel_axis == q.channel_axis


def check_weighted_channels(project, w, s, axis):
    """One domain per channel is what each channel alone gives with its sample weights."""
    p = project(w, channel_axis=axis, sample_weight=s)
    for i in range(w.shape[axis]):
        alone = project(w.take(i, axis), sample_weight=s.take(i, axis))
        assert np.array_equal(p.bits.take(i, axis), alone.bits)
        for name in ("alpha", "beta", "threshold", "error", "n_ones", "tied"):
            assert getattr(p, name)[i] == getattr(alone, name), name


def check_channels(function, w, axis, **limits):
    """One domain per channel is what each channel alone gives; ``limits`` are per channel."""
    p = function(w, channel_axis=axis, **limits)
    channels = w.shape[axis]
    assert p.alpha.shape == p.beta.shape == p.threshold.shape == p.error.shape == (channels,)
    assert p.n_ones.shape == p.tied.shape == p.density.shape == (channels,)
    for i in range(channels):
        alone = function(w.take(i, axis), **{name: int(value[i]) for name, value in limits.items()})
        assert np.array_equal(p.bits.take(i, axis), alone.bits)
        for name in ("alpha", "beta", "threshold", "error", "n_ones", "tied", "density"):
            assert getattr(p, name)[i] == getattr(alone, name), name
        assert np.array_equal(p.values.take(i, axis), alone.values)
