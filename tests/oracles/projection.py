"""The optimum over binary domains in rational arithmetic: by trying all bits, or all numbers of ones."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np


@dataclass(frozen=True)
class Optimum:
    """What an exact projection must return; ``bits`` are those that the tie rule chooses."""

    alpha: Fraction
    beta: Fraction
    error: Fraction
    bits: tuple[int, ...]
    tied: bool


def rational(w: np.ndarray) -> list[Fraction]:
    """The elements as exact rationals, in C order."""
    return [Fraction(x) for x in w.ravel().tolist()]


def nearest(x: Fraction) -> float:
    """The float64 nearest to x; infinity on overflow."""
    try:
        return float(x)
    except OverflowError:
        return float("inf") if x > 0 else float("-inf")


def mean(values: list[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)


def group_means(x: list[Fraction], bits: tuple[int, ...]) -> tuple[Fraction, Fraction]:
    """The mean of the zeros and of the ones; a missing class takes the other's."""
    zeros = [value for value, bit in zip(x, bits, strict=True) if not bit]
    ones = [value for value, bit in zip(x, bits, strict=True) if bit]
    return mean(zeros or ones), mean(ones or zeros)


def squared_error(x: list[Fraction], alpha: Fraction, beta: Fraction, bits: tuple[int, ...]) -> Fraction:
    """The sum of squared differences, term by term."""
    return sum(((v - (beta if bit else alpha)) ** 2 for v, bit in zip(x, bits, strict=True)), Fraction(0))


def general(x: list[Fraction], bits: tuple[int, ...]) -> tuple[Fraction, Fraction] | None:
    """The best alpha <= beta for the bits; None if the means are the other way round."""
    alpha, beta = group_means(x, bits)
    return (alpha, beta) if alpha <= beta else None


def symmetric(x: list[Fraction], bits: tuple[int, ...]) -> tuple[Fraction, Fraction]:
    """The best {-a, a} with a >= 0."""
    a = max(mean([v if bit else -v for v, bit in zip(x, bits, strict=True)]), Fraction(0))
    return -a, a


def zero(x: list[Fraction], bits: tuple[int, ...]) -> tuple[Fraction, Fraction]:
    """The best {0, beta}."""
    ones = [v for v, bit in zip(x, bits, strict=True) if bit]
    return Fraction(0), mean(ones) if ones else Fraction(0)


def try_all_bits(w: np.ndarray, best_domain, most: int, least: int = 0) -> Optimum:
    """The optimum over all bits with ``least`` to ``most`` ones.

    Among equal errors: the fewest ones, then the greater beta, then the ones of the lowest indices.
    """
    x = rational(w)
    n = len(x)
    found = []
    for count in range(least, min(most, n) + 1):
        for ones in combinations(range(n), count):
            bits = tuple(int(i in ones) for i in range(n))
            domain = best_domain(x, bits)
            if domain is not None:
                found.append((squared_error(x, *domain, bits), count, -domain[1], ones, bits, domain))
    error, *_, bits, domain = min(found)
    return Optimum(*domain, error, bits, sum(entry[0] == error for entry in found) > 1)


def scan_counts(w: np.ndarray, most: int) -> Optimum:
    """The general optimum: the K largest are ones, J(K) = S_K^2/K + (T-S_K)^2/(n-K) is greatest."""
    x = rational(w)
    n = len(x)
    order = sorted(range(n), key=lambda i: (-x[i], i))
    total = sum(x, Fraction(0))
    gains, running = [total**2 / n], Fraction(0)
    for count in range(1, min(most, n) + 1):
        running += x[order[count - 1]]
        gains.append(running**2 / count + ((total - running) ** 2 / (n - count) if count < n else 0))
    ones = gains.index(max(gains))
    bits = tuple(int(i in set(order[:ones])) for i in range(n))
    alpha, beta = group_means(x, bits)
    divided = 0 < ones < n and x[order[ones - 1]] == x[order[ones]]
    error = squared_error(x, alpha, beta, bits)
    return Optimum(alpha, beta, error, bits, gains.count(max(gains)) > 1 or divided)


def weighted_means(x: list[Fraction], s: list[Fraction], bits: tuple[int, ...]) -> tuple[Fraction, Fraction]:
    """The weighted mean of the zeros and of the ones; a class without sample weight takes the other's."""
    means = []
    for group in (0, 1):
        mass = sum((t for t, bit in zip(s, bits, strict=True) if bit == group), Fraction(0))
        moment = sum((t * v for v, t, bit in zip(x, s, bits, strict=True) if bit == group), Fraction(0))
        means.append(moment / mass if mass else None)
    alpha, beta = means
    return (beta if alpha is None else alpha), (alpha if beta is None else beta)


def weighted_error(
    x: list[Fraction], s: list[Fraction], alpha: Fraction, beta: Fraction, bits: tuple[int, ...]
) -> Fraction:
    """The sum of squared differences, each times its sample weight, term by term."""
    terms = (t * (v - (beta if bit else alpha)) ** 2 for v, t, bit in zip(x, s, bits, strict=True))
    return sum(terms, Fraction(0))


def _separated(x: list[Fraction], alpha: Fraction, beta: Fraction) -> tuple[int, ...]:
    """The bits that the midpoint gives, whatever the sample weights."""
    return tuple(int(v > (alpha + beta) / 2) for v in x)


def try_all_weighted_bits(w: np.ndarray, s: np.ndarray) -> Optimum:
    """The weighted optimum over all bits of the weights with s > 0; among equal errors the fewest of those ones."""
    x, t = rational(w), rational(s)
    kept = [i for i, value in enumerate(t) if value > 0]
    x_kept, t_kept = [x[i] for i in kept], [t[i] for i in kept]
    found = []
    for count in range(len(kept) + 1):
        for ones in combinations(range(len(kept)), count):
            bits = tuple(int(i in ones) for i in range(len(kept)))
            alpha, beta = weighted_means(x_kept, t_kept, bits)
            if alpha <= beta:
                found.append((weighted_error(x_kept, t_kept, alpha, beta, bits), count, alpha, beta))
    error, _, alpha, beta = min(found)
    tied = sum(entry[0] == error for entry in found) > 1
    return Optimum(alpha, beta, error, _separated(x, alpha, beta), tied)


def scan_thresholds(w: np.ndarray, s: np.ndarray) -> Optimum:
    """The weighted optimum over the bits x > c, with c each value that has sample weight: greatest S_K^2/K + ..."""
    x, t = rational(w), rational(s)
    kept = [i for i, value in enumerate(t) if value > 0]
    total, moment = sum((t[i] for i in kept), Fraction(0)), sum((t[i] * x[i] for i in kept), Fraction(0))
    gains = []
    for threshold in sorted({x[i] for i in kept}, reverse=True):
        mass = sum((t[i] for i in kept if x[i] > threshold), Fraction(0))
        upper = sum((t[i] * x[i] for i in kept if x[i] > threshold), Fraction(0))
        gain = (upper**2 / mass if mass else 0) + (moment - upper) ** 2 / (total - mass)
        gains.append((gain, threshold))
    best = max(gain for gain, _ in gains)
    cut = next(threshold for gain, threshold in gains if gain == best)
    alpha, beta = weighted_means(x, t, tuple(int(v > cut) for v in x))
    bits = _separated(x, alpha, beta)
    tied = sum(gain == best for gain, _ in gains) > 1 or len(gains) == 1  # of equal weights, any may be ones
    return Optimum(alpha, beta, weighted_error(x, t, alpha, beta, bits), bits, tied)


def floor_to_float(x: Fraction) -> float:
    """The greatest float64 that is not above x, by bisection over the ordered bit patterns."""

    def value(code: int) -> float:  # codes count the float64 in ascending order, 0 being +0.0
        pattern = np.array(code if code >= 0 else -code, np.int64).view(np.float64)
        return float(pattern if code >= 0 else -pattern)

    limit = int(np.array(np.finfo(np.float64).max).view(np.int64))
    low, high = -limit, limit
    while low < high:
        middle = (low + high + 1) // 2
        if Fraction(value(middle)) <= x:
            low = middle
        else:
            high = middle - 1
    return value(low)
