"""The projection onto a binary domain, defined in exact arithmetic.

Given weights w, minimise the squared error

    E(alpha, beta, b) = sum_i (w_i - (alpha + (beta - alpha) b_i))^2

over alpha, beta and the bits b. For fixed bits with K ones, beta is the mean of the ones and alpha the mean
of the rest. For fixed K the ones are the K largest weights; with S_K their sum and T the sum of all n
weights,

    E = sum w^2 - T^2/n - D_K^2 / (n K (n - K)),    D_K = n S_K - K T,

so the best K is the one with the greatest D_K^2 / (K (n - K)). Weights are read as integers times a power of
two; the sums are integers and two candidates are compared by cross-multiplication: nothing is rounded before
the end.

With sample weights s >= 0, each square counts s_i times: `project` then minimises

    E(alpha, beta, b) = sum_i s_i (w_i - (alpha + (beta - alpha) b_i))^2,

and all of the above holds with n, K, S_K, T and the means as sums that take each weight s_i times. A weight with
s_i = 0 takes no part; its bit is the one that the midpoint of alpha and beta gives.

Ties: among equal optima the fewest ones; among equal weights of which only some can be ones, those of the
lowest flat index. A result is rounded once, from its exact value.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from bbdg_ref.spec.domain import Domain, channels
from bbdg_ref.spec.exact import Sums, floor_float64, round_float64, to_integers

__all__ = ["Projection", "assign", "fit_domain", "project", "project_k", "project_symmetric", "project_zero"]

Count = int | npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Projection:
    """The nearest binary weights: a domain, the bits, and how far they are from the weights.

    With a channel axis, each field but ``bits`` and ``channel_axis`` is an array of shape (channels,).

    Parameters
    ----------
    alpha, beta : float or array of float64
        The values of bit 0 and bit 1, correctly rounded.
    bits : array of bool
        The bit of each weight, in the shape of the weights.
    threshold : float64 or array of float64
        The exact midpoint of the unrounded alpha and beta, rounded toward minus infinity. Without a limit on
        the ones, ``bits == (w > threshold)`` (for weights of integer type: while they are exact in float64).
    error : float or array of float64
        The squared error with the unrounded alpha and beta, rounded once; inf on overflow, 0 on underflow. With
        sample weights, the sum of each square times its s.
    n_ones : int or array of int64
        The number of ones.
    tied : bool or array of bool
        Whether other bits give the same error (with alpha <= beta); with sample weights, other bits of weights
        with s > 0.
    channel_axis : int or None
        The axis of the weights that the arrays run along.

    Examples
    --------
    >>> p = project(np.array([0.0, 3.0, 4.0]))
    >>> p.alpha, p.beta, p.bits, p.n_ones
    (0.0, 3.5, array([False,  True,  True]), 2)
    >>> p.values, p.domain.phi
    (array([0. , 3.5, 3.5]), 1.75)
    """

    alpha: float | npt.NDArray[np.float64]
    beta: float | npt.NDArray[np.float64]
    bits: Bits
    threshold: float | npt.NDArray[np.float64]
    error: float | npt.NDArray[np.float64]
    n_ones: Count
    tied: bool | Bits
    channel_axis: int | None = None

    @property
    def domain(self) -> Domain:
        """The domain {alpha, beta}."""
        return Domain(self.alpha, self.beta, self.channel_axis)

    @property
    def density(self) -> float | npt.NDArray[np.float64]:
        """Ones / weights, per channel if there is a channel axis."""
        return self.n_ones / (self.bits.size // np.size(self.n_ones))

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """The binary weights, alpha + (beta - alpha) b, in the shape of the weights."""
        return self.domain.decode(self.bits)


@dataclass(frozen=True, eq=False)
class Row:
    """The projection of one channel, not yet rounded."""

    alpha: Fraction
    beta: Fraction
    error: Fraction
    ones: int
    tied: bool


Solver = Callable[[list[float], Any], tuple[Row, Bits]]  # (weights of a channel, its limit or sample weights)


def assemble(rows: list[Row], bits: Bits, channel_axis: int | None) -> Projection:
    """Round the rows, once, into the result."""
    alpha = [round_float64(row.alpha) for row in rows]
    beta = [round_float64(row.beta) for row in rows]
    threshold = [floor_float64((row.alpha + row.beta) / 2) for row in rows]
    error = [round_float64(row.error) for row in rows]
    ones, tied = [row.ones for row in rows], [row.tied for row in rows]
    if channel_axis is None:
        # A NumPy scalar, so that w > threshold compares in float64 also where w is float32.
        return Projection(alpha[0], beta[0], bits, np.float64(threshold[0]), error[0], ones[0], tied[0])
    low, high, middle, distance = map(np.array, (alpha, beta, threshold, error))
    return Projection(low, high, bits, middle, distance, np.array(ones), np.array(tied), channel_axis)


def from_rows(rows: np.ndarray, shape: tuple[int, ...], channel_axis: int | None) -> np.ndarray:
    """Undo `channels`: return rows (channels, weights per channel) in the shape of the weights."""
    if channel_axis is None:
        return rows.reshape(shape)
    moved = (shape[channel_axis], *shape[:channel_axis], *shape[channel_axis + 1 :])
    return np.ascontiguousarray(np.moveaxis(rows.reshape(moved), 0, channel_axis))


def _by_channel(w: np.ndarray, channel_axis: int | None, limit: Count, solve: Solver) -> Projection:
    """Solve each channel on its own."""
    limits = np.broadcast_to(limit, 1 if channel_axis is None else w.shape[channel_axis])
    return _solve_rows(w, channel_axis, limits, solve)


def _solve_rows(w: np.ndarray, channel_axis: int | None, given: np.ndarray, solve: Solver) -> Projection:
    """Solve each channel with its element of ``given``."""
    pairs = zip(channels(w, channel_axis).tolist(), given.tolist(), strict=True)
    solved = [solve(row, row_given) for row, row_given in pairs]
    bits = from_rows(np.array([row_bits for _, row_bits in solved]), w.shape, channel_axis)
    return assemble([row for row, _ in solved], bits, channel_axis)


def per_channel(w: np.ndarray, channel_axis: int | None) -> int:
    """Return the number of weights in a channel, n."""
    return w.size if channel_axis is None else w.size // w.shape[channel_axis]


@dataclass(frozen=True)
class Best:
    """The candidate with the greatest objective."""

    position: int
    tied: bool


def greatest(objectives: Iterable[tuple[int, int]]) -> Best:
    """Return the first of the greatest fractions (numerator >= 0, denominator > 0), and whether others equal it."""
    best, top, bottom, tied = -1, -1, 1, False
    for position, (numerator, denominator) in enumerate(objectives):
        left, right = numerator * bottom, top * denominator  # compares numerator/denominator with top/bottom
        if left > right:
            best, top, bottom, tied = position, numerator, denominator, False
        elif left == right:
            tied = True
    return Best(best, tied)


def general_objective(ones: int, ones_sum: int, total: int, n: int) -> tuple[int, int]:
    """Return D_K^2 and K (n - K), whose quotient is to be greatest; 0 where a class is missing."""
    if ones in (0, n):
        return 0, 1
    return (n * ones_sum - ones * total) ** 2, ones * (n - ones)


def zero_objective(ones: int, ones_sum: int) -> tuple[int, int]:
    """Return S^2 and K: with alpha = 0, E = sum w^2 - S^2/K."""
    return ones_sum**2, max(ones, 1)


def splits(order: list[int], v: list[int], ones: int) -> bool:
    """Return whether the first ``ones`` of the order end between two equal weights."""
    return 0 < ones < len(v) and v[order[ones - 1]] == v[order[ones]]


def _first_bits(order: list[int], ones: int) -> Bits:
    """Return the bits whose ones are the first of the order."""
    bits = np.zeros(len(order), np.bool_)
    bits[order[:ones]] = True
    return bits


def exact_sums(v: list[int], unit: Fraction, bits: Bits) -> Sums:
    """Return the exact sums of the weights v * unit."""
    ones_sum = sum(x for x, bit in zip(v, bits.tolist(), strict=True) if bit)
    squares = sum(x * x for x in v)
    return Sums(len(v), int(bits.sum()), ones_sum * unit, sum(v) * unit, squares * unit**2)


def _solve_general(w: list[float], limit: int) -> tuple[Row, Bits]:
    """Find the optimal bits among those with at most ``limit`` ones."""
    v, unit = to_integers(w)
    n = len(v)
    order = sorted(range(n), key=v.__getitem__, reverse=True)  # stable: equal weights keep their order
    prefix = list(accumulate((v[i] for i in order), initial=0))  # S_0 = 0, S_1, ..., S_n = T
    best = greatest(general_objective(k, prefix[k], prefix[n], n) for k in range(min(limit, n) + 1))
    ones = best.position
    bits = _first_bits(order, ones)
    sums = exact_sums(v, unit, bits)
    alpha, beta = sums.means()
    return Row(alpha, beta, sums.error(alpha, beta), ones, best.tied or splits(order, v, ones)), bits


def _solve_weighted(w: list[float], s: list[float]) -> tuple[Row, Bits]:
    """Find the optimal bits of weights w with sample weights s, of which one is positive."""
    v, unit = to_integers(w)
    m, sample_unit = to_integers(s)
    taking_part = [i for i in range(len(v)) if m[i] > 0]
    order = sorted(taking_part, key=v.__getitem__, reverse=True)
    mass = list(accumulate((m[i] for i in order), initial=0))  # K, of the first 0, 1, 2, ... of the order
    moment = list(accumulate((m[i] * v[i] for i in order), initial=0))  # S_K
    best = greatest(general_objective(k, s_k, moment[-1], mass[-1]) for k, s_k in zip(mass, moment, strict=True))
    squares = sum(m[i] * v[i] ** 2 for i in order)
    ones, ones_sum = mass[best.position], moment[best.position] * unit
    sums = Sums(mass[-1], ones, ones_sum, moment[-1] * unit, squares * unit**2)
    alpha, beta = sums.means()
    middle = (alpha + beta) / (2 * unit)
    bits = np.array([x > middle for x in v])
    return Row(alpha, beta, sums.error(alpha, beta) * sample_unit, int(bits.sum()), best.tied), bits


def _solve_count(w: list[float], ones: int) -> tuple[Row, Bits]:
    """Take exactly ``ones`` ones, the largest weights."""
    v, unit = to_integers(w)
    order = sorted(range(len(v)), key=v.__getitem__, reverse=True)
    bits = _first_bits(order, ones)
    sums = exact_sums(v, unit, bits)
    alpha, beta = sums.means()
    return Row(alpha, beta, sums.error(alpha, beta), ones, splits(order, v, ones)), bits


def symmetric_row(sums: Sums, limit: int, zeros: bool, split: bool) -> Row:
    """Return the row for {-a, +a}, a = mean of s w with s = 2b - 1, or a = 0 and no ones if that is negative.

    ``zeros`` says that a weight is 0, and ``split`` that the limit divides equal weights.
    """
    a = (2 * sums.ones_sum - sums.total) / sums.n
    if a <= 0:  # then every choice of bits has the same error, sum w^2
        return Row(Fraction(0), Fraction(0), sums.squares, 0, limit > 0)
    free = sums.ones < limit  # one more 1 is allowed, and a weight of 0 could take it at no cost
    return Row(-a, a, sums.error(-a, a), int(sums.ones), split or (free and zeros))


def _solve_symmetric(w: list[float], limit: int) -> tuple[Row, Bits]:
    """Take b = (w > 0); where there are more ones than the limit, the largest."""
    v, unit = to_integers(w)
    order = sorted(range(len(v)), key=v.__getitem__, reverse=True)
    ones = min(limit, sum(x > 0 for x in v))
    bits = _first_bits(order, ones)
    row = symmetric_row(exact_sums(v, unit, bits), limit, 0 in v, splits(order, v, ones))
    return row, bits if row.ones else np.zeros(len(v), np.bool_)


def _solve_zero(w: list[float], limit: int) -> tuple[Row, Bits]:
    """Find the optimal bits for {0, beta}: beta > 0 with the largest, or beta < 0 with the smallest."""
    v, unit = to_integers(w)
    n = len(v)
    down = sorted(range(n), key=v.__getitem__, reverse=True)
    up = sorted(range(n), key=v.__getitem__)
    largest = list(accumulate((v[i] for i in down), initial=0))
    smallest = list(accumulate((v[i] for i in up), initial=0))
    objectives = [zero_objective(0, 0)]
    for k in range(1, min(limit, n) + 1):  # candidate 2k - 1: the k largest; 2k: the k smallest
        objectives.append(zero_objective(k, max(largest[k], 0)))
        objectives.append(zero_objective(k, min(smallest[k], 0)))
    best = greatest(objectives)
    ones = (best.position + 1) // 2
    order = down if best.position % 2 else up
    bits = _first_bits(order, ones)
    sums = exact_sums(v, unit, bits)
    beta = sums.ones_sum / max(ones, 1)
    return Row(Fraction(0), beta, sums.error(Fraction(0), beta), ones, best.tied or splits(order, v, ones)), bits


def project(
    w: np.ndarray,
    *,
    channel_axis: int | None = None,
    max_ones: Count | None = None,
    sample_weight: np.ndarray | None = None,
) -> Projection:
    """Return the nearest weights over all alpha <= beta, and all bits with at most ``max_ones`` ones.

    Parameters
    ----------
    w : array of float16, float32, float64 or integers
        The weights.
    channel_axis : int, optional
        One domain for each index of this axis.
    max_ones : int or array of shape (channels,), optional
        The limit on the number of ones.
    sample_weight : array of float16, float32, float64 or integers, in the shape of ``w``, optional
        s, how much each square counts: 0 or more, and in each channel not 0 throughout. Without a limit only: the
        best bits within a limit need not be those of the largest weights.

    Returns
    -------
    Projection
        The optimum. With sample weights, that with the fewest ones among the weights with s > 0, and
        ``bits == (w > threshold)`` also for those with s = 0.
    """
    if sample_weight is not None:
        return _solve_rows(w, channel_axis, channels(sample_weight, channel_axis), _solve_weighted)
    limit = per_channel(w, channel_axis) if max_ones is None else max_ones
    return _by_channel(w, channel_axis, limit, _solve_general)


def project_k(w: np.ndarray, k: Count, *, channel_axis: int | None = None) -> Projection:
    """Return the nearest weights over all alpha <= beta, and all bits with exactly ``k`` ones.

    Parameters
    ----------
    w, channel_axis
        As in `project`.
    k : int or array of shape (channels,)
        The number of ones.

    Returns
    -------
    Projection
        The optimum: the ones are the k largest weights.
    """
    return _by_channel(w, channel_axis, k, _solve_count)


def project_symmetric(w: np.ndarray, *, channel_axis: int | None = None, max_ones: Count | None = None) -> Projection:
    """Return the nearest weights over {-a, +a}, a >= 0: b = (w > 0), a = mean |w|.

    Parameters
    ----------
    w, channel_axis, max_ones
        As in `project`. With a limit, only the largest positive weights are ones, and a = mean of s w,
        s = 2b - 1.

    Returns
    -------
    Projection
        The optimum.
    """
    limit = per_channel(w, channel_axis) if max_ones is None else max_ones
    return _by_channel(w, channel_axis, limit, _solve_symmetric)


def project_zero(w: np.ndarray, *, channel_axis: int | None = None, max_ones: Count | None = None) -> Projection:
    """Return the nearest weights over {0, beta}, beta of either sign: the greatest S^2/K of the K largest or smallest.

    Parameters
    ----------
    w, channel_axis, max_ones
        As in `project`.

    Returns
    -------
    Projection
        The optimum; of two with equally many ones, that with beta > 0.
    """
    limit = per_channel(w, channel_axis) if max_ones is None else max_ones
    return _by_channel(w, channel_axis, limit, _solve_zero)


def domain_of(sums: list[Sums], channel_axis: int | None) -> Domain:
    """Return the domain of the means of each channel."""
    levels = [sum_.means() for sum_ in sums]
    alpha = [round_float64(low) for low, _ in levels]
    beta = [round_float64(high) for _, high in levels]
    if channel_axis is None:
        return Domain(alpha[0], beta[0])
    return Domain(np.array(alpha), np.array(beta), channel_axis)


def fit_domain(w: np.ndarray, bits: Bits, *, channel_axis: int | None = None) -> Domain:
    """Return the best domain for given bits: alpha = mean of the zeros, beta = mean of the ones.

    Parameters
    ----------
    w, channel_axis
        As in `project`.
    bits : array of bool
        The bit of each weight.

    Returns
    -------
    Domain
        A missing class takes the other's mean.
    """
    pairs = zip(channels(w, channel_axis), channels(bits, channel_axis), strict=True)
    return domain_of([exact_sums(*to_integers(row.tolist()), row_bits) for row, row_bits in pairs], channel_axis)


def midpoints(domain: Domain) -> list[Fraction]:
    """Return (alpha + beta) / 2 of the stored alpha and beta, exactly, one for each channel."""
    pairs = zip(np.atleast_1d(domain.alpha).tolist(), np.atleast_1d(domain.beta).tolist(), strict=True)
    return [(Fraction(alpha) + Fraction(beta)) / 2 for alpha, beta in pairs]


def assign(w: np.ndarray, domain: Domain) -> Bits:
    """Return the bit of the nearest value of the domain; a tie gives bit 0.

    Parameters
    ----------
    w : array of float16, float32, float64 or integers
        The weights.
    domain : Domain
        Of the same channels, if it has a channel axis.

    Returns
    -------
    array of bool
        In the shape of the weights.
    """
    rows = channels(w, domain.channel_axis)
    rising = np.broadcast_to(np.asarray(domain.beta) > domain.alpha, len(rows)).tolist()
    falling = np.broadcast_to(np.asarray(domain.beta) < domain.alpha, len(rows)).tolist()
    bits = np.zeros(rows.shape, np.bool_)
    for i, middle in enumerate(midpoints(domain)):
        if rising[i]:
            bits[i] = [x > middle for x in rows[i].tolist()]
        elif falling[i]:
            bits[i] = [x < middle for x in rows[i].tolist()]
    return from_rows(bits, w.shape, domain.channel_axis)
