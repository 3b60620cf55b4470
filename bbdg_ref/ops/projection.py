"""The faster twin of `spec.projection`: decide in float64 with an error bound, settle what is left exactly.

`project` without a limit goes one of three ways: rows of up to two million numbers that are float32 exactly to compiled
code (`projection_rows`), others of more than `projection_rows.SORTED` numbers in passes (`projection_passes`). What is
left, and everything else here, is sorted:

1. Sort each channel.
2. In float64, compute the objective of every number of ones K together with a bound on its rounding error.
   Only those K whose objective may reach the best one stay: usually one.
3. Sum the weights exactly, up to each K that stayed, and compare those as `spec` does.

The result is the same as that of `spec`, bit for bit.
"""

import itertools
import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from bbdg_ref.ops.exact import PrefixSums, prefix_sums, split_sums
from bbdg_ref.ops.passes import NotFinite
from bbdg_ref.ops.projection_passes import project_in_passes
from bbdg_ref.ops.projection_rows import SORTED, TOGETHER, Answers, longest_row, project_rows
from bbdg_ref.ops.weighted_projection import project_weighted
from bbdg_ref.spec.domain import Domain, channels
from bbdg_ref.spec.exact import Sums, floor_float64
from bbdg_ref.spec.projection import (
    Bits,
    Count,
    Projection,
    Row,
    assemble,
    domain_of,
    from_rows,
    general_objective,
    greatest,
    midpoints,
    symmetric_row,
    zero_objective,
)

__all__ = [
    "assign",
    "fit_domain",
    "project",
    "project_k",
    "project_symmetric",
    "project_zero",
]

U = 2.0**-53  # the unit roundoff of float64
Floats = npt.NDArray[np.float64]
Cuts = list[list[int]]


def _descending(rows: np.ndarray) -> np.ndarray:
    """Return the rows sorted from the largest weight to the smallest.

    Stable, since NumPy 2.4's other sort of float16 leaves many equal values out of order on processors with AVX-512.
    """
    kind: Literal["stable"] | None = "stable" if rows.dtype == np.float16 else None
    return np.ascontiguousarray(np.sort(rows, axis=1, kind=kind)[:, ::-1])


def _centred(v: np.ndarray) -> Floats:
    """Return (v - median) * 2**s for each sorted row, each element with relative error at most U.

    s brings the largest magnitude into [1/2, 1); what underflows on the way is below 2**-1000 and is covered
    by the slack of `_general_cuts`.
    """
    centre = v[:, v.shape[1] // 2, None]
    if v.dtype.kind in "iu" and v.dtype.itemsize == 8:
        # A difference of 64-bit integers fits in 64 unsigned bits; the wraparound is exact.
        wide = v.view(np.uint64)
        middle = centre.view(np.uint64)
        above = v >= centre
        size = np.where(above, wide - middle, middle - wide).astype(np.float64)
        x = np.where(above, size, -size)
    else:
        x = v.astype(np.float64)
        # Near the end of the range a difference would overflow: scale such rows down first.
        large = np.abs(x[:, [0, -1]]).max(axis=1) > 2.0**1000
        if large.any():
            x = np.ldexp(x, np.where(large, -64, 0)[:, None])
        x -= x[:, v.shape[1] // 2, None].copy()
    exponent = np.frexp(np.maximum(x[:, :1], -x[:, -1:]))[1]
    return np.ldexp(x, -exponent)


def _reaching(objective: Floats, bound: Floats, allowed: Bits) -> Bits:
    """Return which allowed candidates of each row may be greatest, given the bound on their errors."""
    least = np.where(allowed, objective - bound, -np.inf).max(axis=1, keepdims=True)
    return allowed & (objective + bound >= least)


def _as_lists(mask: Bits) -> Cuts:
    """Return for each row the numbers of ones, 1 + index, of its true elements."""
    row, index = np.nonzero(mask)
    edges = np.searchsorted(row, np.arange(len(mask) + 1)).tolist()
    ones = (index + 1).tolist()
    return [ones[low:high] for low, high in itertools.pairwise(edges)]


def _ends(v: np.ndarray, limit: npt.NDArray[np.int64]) -> Bits:
    """Return which K = 1..n-1 can be best: up to the limit, and at the limit or at the end of equal weights.

    Within equal weights D_K is linear in K, so D_K^2 / (K (n - K)), a square over a concave function, is
    convex: its greatest value lies at an end. The same holds for S_K^2 / K.
    """
    ones = np.arange(1, v.shape[1])
    return (ones <= limit[:, None]) & ((v[:, 1:] != v[:, :-1]) | (ones == limit[:, None]))


def _general_cuts(v: np.ndarray, limit: npt.NDArray[np.int64]) -> Cuts:
    """Return for each row the K that may be best; empty where it is 0.

    With x the centred weights and d_K = S_K - K T / n, the objective is g_K = d_K / sqrt(K (n - K)). Let A =
    sum |x|. Each x has relative error U; summing n numbers in any order errs by at most n U A (to first
    order), in S_K and in T; the rest of d_K adds 3 U A. So |error of d_K| <= (2 n + 5) U A, here taken as
    1.001 (2 n + 8) U A to cover terms of second order (n U < 1e-4), the rounding of A, and underflow. The
    root, the quotient and the comparison add less than 8 U g_K.
    """
    n = v.shape[1]
    if n == 1:
        return [[] for _ in v]
    x = _centred(v)
    size = 1.001 * (2 * n + 8) * U * np.abs(x).sum(axis=1, keepdims=True)
    sums = np.cumsum(x, axis=1)
    ones = np.arange(1, n, dtype=np.float64)
    d = sums[:, :-1] - sums[:, -1:] * ones / n
    width = 1 / np.sqrt(ones * (n - ones))
    objective = d * width
    bound = 1.001 * (size * width + 8 * U * np.abs(objective))
    constant = v[:, :1] == v[:, -1:]  # then every D_K is 0, and no ones is the answer
    return _as_lists(_reaching(objective, bound, _ends(v, limit) & ~constant))


def _zero_cuts(v: np.ndarray, limit: npt.NDArray[np.int64]) -> tuple[Cuts, Cuts]:
    """Return for each row the K that may be best for {0, beta}: of the largest weights, and of the smallest.

    Only positive weights can be ones of a beta > 0, since others lower S_K and raise K. The sums are sums of
    numbers of one sign: S_K has relative error at most (n + 1) U, g_K = S_K / sqrt(K) at most (n + 4) U.
    """
    n = v.shape[1]
    x = v.astype(np.float64)
    exponent = np.frexp(np.maximum(np.abs(x[:, :1]), np.abs(x[:, -1:])))[1]
    x = np.ldexp(x, -exponent)
    root = np.sqrt(np.arange(1, n + 1, dtype=np.float64))
    reversed_v = v[:, ::-1]
    sides = [(np.maximum(x, 0), v, v > 0), (np.maximum(-x[:, ::-1], 0), reversed_v, reversed_v < 0)]
    objectives, masks = [], []
    for part, order, inside in sides:
        objectives.append(np.cumsum(part, axis=1) / root)
        count = np.minimum(inside.sum(axis=1), limit)[:, None]
        ones = np.arange(1, n + 1)
        last = np.concatenate([order[:, 1:] != order[:, :-1], np.ones((len(v), 1), np.bool_)], axis=1)
        masks.append((ones <= count) & (last | (ones == count)))
    objective, allowed = np.concatenate(objectives, axis=1), np.concatenate(masks, axis=1)
    # The second term covers underflow of the smallest weights beside the largest, which is about 1 here.
    kept = _reaching(objective, 1.001 * (n + 8) * U * objective + 2.0**-1000, allowed)
    return _as_lists(kept[:, :n]), _as_lists(kept[:, n:])


def _leading(row: np.ndarray, last: np.generic, ones: int, falling: bool) -> Bits:
    """Return the bits of the ``ones`` largest (or smallest) weights, of which ``last`` is the last one."""
    if ones == 0:
        return np.zeros(row.shape, np.bool_)
    bits = row >= last if falling else row <= last
    excess = int(np.count_nonzero(bits)) - ones
    if excess:  # equal weights are divided: the lower flat index first
        bits[np.flatnonzero(row == last)[-excess:]] = False
    return bits


def _sums(exact: PrefixSums, n: int, ones: int) -> Sums:
    """Return the sums of a row whose first ``ones`` elements are the ones."""
    unit = exact.unit
    return Sums(n, ones, exact.prefix[ones] * unit, exact.prefix[n] * unit, exact.squares * unit**2)


def _splits(v: np.ndarray, ones: int) -> bool:
    """Return whether the sorted row has equal weights on both sides of the cut."""
    return 0 < ones < v.size and bool(v[ones - 1] == v[ones])


def _limits(count: Count | None, rows: np.ndarray) -> npt.NDArray[np.int64]:
    """Return the limit on the ones of each row, at most n."""
    n = rows.shape[1]
    return np.broadcast_to(np.minimum(n if count is None else count, n), len(rows)).astype(np.int64)


def _general_row(v: np.ndarray, exact: PrefixSums, cuts: list[int], limit: int) -> Row:
    """Settle the candidates of one row exactly."""
    n, total = v.size, exact.prefix[v.size]
    if cuts:
        best = greatest(general_objective(k, exact.prefix[k], total, n) for k in cuts)
        ones, tied = cuts[best.position], best.tied
    else:
        ones, tied = 0, limit > 0  # equal weights, or no ones allowed
    sums = _sums(exact, n, ones)
    alpha, beta = sums.means()
    return Row(alpha, beta, sums.error(alpha, beta), ones, tied or _splits(v, ones))


def _general_rows(rows: np.ndarray, limit: npt.NDArray[np.int64]) -> tuple[list[Row], Bits]:
    """Project each row onto the general domain."""
    v = _descending(rows)
    cuts = _general_cuts(v, limit)
    parts = zip(v, prefix_sums(v, cuts), cuts, limit.tolist(), strict=True)
    found = [_general_row(*part) for part in parts]
    return found, _bits(rows, v, found)


def _bits(rows: np.ndarray, v: np.ndarray, found: list[Row]) -> Bits:
    """Return the bits of rows whose ones are the largest weights."""
    ones = [row.ones for row in found]
    return np.array([_leading(row, s[k - 1], k, True) for row, s, k in zip(rows, v, ones, strict=True)])


def project(
    w: np.ndarray,
    *,
    channel_axis: int | None = None,
    max_ones: Count | None = None,
    sample_weight: np.ndarray | None = None,
) -> Projection:
    """Return what `bbdg_ref.spec.projection.project` returns.

    Parameters
    ----------
    w, channel_axis, max_ones, sample_weight
        As there; without a limit and sample weights, NaN and infinity are found on the way.

    Returns
    -------
    Projection
        The same, bit for bit. O(n log n), in O(n) memory; without a limit and sample weights O(n), in memory that does
        not grow beyond the result.

    Raises
    ------
    NotFinite
        If a weight is NaN or infinite.
    """
    if sample_weight is not None:
        return project_weighted(w, sample_weight, channel_axis=channel_axis)
    if max_ones is not None:
        rows = channels(w, channel_axis)
        limited, limited_bits = _general_rows(rows, _limits(max_ones, rows))
        return assemble(limited, from_rows(limited_bits, w.shape, channel_axis), channel_axis)
    bits = np.empty(w.shape, np.bool_)
    by_channel, bits_by_channel = (
        a[None] if channel_axis is None else np.moveaxis(a, channel_axis, 0) for a in (w, bits)
    )
    count, n = len(by_channel), w.size // len(by_channel)
    if n > longest_row(w.dtype):
        found = [project_in_passes(*channel) for channel in zip(by_channel, bits_by_channel, strict=True)]
        return assemble(found, bits, channel_axis)
    answers = Answers.empty(count)
    step = max(1, TOGETHER // n)
    for start in range(0, count, step):
        part = slice(start, start + step)
        target = bits_by_channel[part]
        # Written in place where that is possible: `reshape` then gives a view.
        rows_bits = target.reshape(-1, n) if target.flags.c_contiguous else np.empty((len(target), n), np.bool_)
        _project_rows(by_channel[part].reshape(-1, n), answers.part(part), rows_bits)
        if not target.flags.c_contiguous:
            target[...] = rows_bits.reshape(target.shape)
    alpha, beta, threshold, error = answers.values.T
    if channel_axis is None:
        low, high, distance = float(alpha[0]), float(beta[0]), float(error[0])
        return Projection(low, high, bits, threshold[0], distance, int(answers.ones[0]), bool(answers.tied[0]))
    low_levels, high_levels, middles, distances = alpha.copy(), beta.copy(), threshold.copy(), error.copy()
    return Projection(low_levels, high_levels, bits, middles, distances, answers.ones, answers.tied, channel_axis)


def _project_rows(rows: np.ndarray, answers: Answers, bits: Bits) -> None:
    """Project rows: those that compiled code does not serve or does not prove, exactly."""
    proved = project_rows(rows, answers, bits)
    left = np.flatnonzero(~proved)
    if left.size == 0:
        return
    if rows.dtype.kind == "f" and not np.isfinite(rows[left]).all():
        raise NotFinite
    step = max(1, SORTED // rows.shape[1])
    for start in range(0, left.size, step):
        part = left[start : start + step]
        if rows.shape[1] > SORTED:
            found = [project_in_passes(rows[i], bits[i]) for i in part]
        else:
            found, bits[part] = _general_rows(rows[part], _limits(None, rows[part]))
        exact = assemble(found, bits[part], 0)
        for column, numbers in enumerate((exact.alpha, exact.beta, exact.threshold, exact.error)):
            answers.values[part, column] = numbers
        answers.ones[part], answers.tied[part] = exact.n_ones, exact.tied


def project_k(w: np.ndarray, k: Count, *, channel_axis: int | None = None) -> Projection:
    """Return what `bbdg_ref.spec.projection.project_k` returns.

    Parameters
    ----------
    w, k, channel_axis
        As there.

    Returns
    -------
    Projection
        The same, bit for bit; O(n log n).
    """
    rows = channels(w, channel_axis)
    v = _descending(rows)
    counts = _limits(k, rows).tolist()
    found = []
    for row, exact, ones in zip(v, prefix_sums(v, [[ones] for ones in counts]), counts, strict=True):
        sums = _sums(exact, row.size, ones)
        alpha, beta = sums.means()
        found.append(Row(alpha, beta, sums.error(alpha, beta), ones, _splits(row, ones)))
    return assemble(found, from_rows(_bits(rows, v, found), w.shape, channel_axis), channel_axis)


def project_symmetric(w: np.ndarray, *, channel_axis: int | None = None, max_ones: Count | None = None) -> Projection:
    """Return what `bbdg_ref.spec.projection.project_symmetric` returns.

    Parameters
    ----------
    w, channel_axis, max_ones
        As there.

    Returns
    -------
    Projection
        The same, bit for bit; O(n log n).
    """
    rows = channels(w, channel_axis)
    v = _descending(rows)
    limit = _limits(max_ones, rows)
    counts = np.minimum(limit, (rows > 0).sum(axis=1)).tolist()
    zeros = (rows == 0).any(axis=1).tolist()
    found = []
    for i, exact in enumerate(prefix_sums(v, [[ones] for ones in counts])):
        sums = _sums(exact, v.shape[1], counts[i])
        found.append(symmetric_row(sums, int(limit[i]), zeros[i], _splits(v[i], counts[i])))
    return assemble(found, from_rows(_bits(rows, v, found), w.shape, channel_axis), channel_axis)


def project_zero(w: np.ndarray, *, channel_axis: int | None = None, max_ones: Count | None = None) -> Projection:
    """Return what `bbdg_ref.spec.projection.project_zero` returns.

    Parameters
    ----------
    w, channel_axis, max_ones
        As there.

    Returns
    -------
    Projection
        The same, bit for bit; O(n log n).
    """
    rows = channels(w, channel_axis)
    n = rows.shape[1]
    v = _descending(rows)
    limit = _limits(max_ones, rows)
    largest, smallest = _zero_cuts(v, limit)
    cuts = [sorted({*low, *(n - k for k in high)}) for low, high in zip(largest, smallest, strict=True)]
    found, bits = [], []
    for i, exact in enumerate(prefix_sums(v, cuts)):
        row, falling = _zero_row(v[i], exact, largest[i], smallest[i], int(limit[i]))
        found.append(row)
        last = v[i, row.ones - 1 if falling else -row.ones]
        bits.append(_leading(rows[i], last, row.ones, falling))
    return assemble(found, from_rows(np.array(bits), w.shape, channel_axis), channel_axis)


def _zero_row(
    v: np.ndarray, exact: PrefixSums, largest: list[int], smallest: list[int], limit: int
) -> tuple[Row, bool]:
    """Settle the candidates of one row exactly; also say whether the ones are the largest weights."""
    n, total = v.size, exact.prefix[v.size]
    # In the order of spec: fewer ones first, then the positive side. S = (sum of the ones).
    candidates = [(k, False, exact.prefix[k]) for k in largest]
    candidates += [(k, True, total - exact.prefix[n - k]) for k in smallest]
    if not candidates:  # no weight but 0, or no ones allowed
        sums = Sums(n, 0, 0 * exact.unit, total * exact.unit, exact.squares * exact.unit**2)
        return Row(sums.ones_sum, sums.ones_sum, sums.squares, 0, limit > 0 and not v.any()), True
    candidates.sort()
    best = greatest(zero_objective(k, ones_sum) for k, _, ones_sum in candidates)
    ones, negative, ones_sum = candidates[best.position]
    sums = Sums(n, ones, ones_sum * exact.unit, total * exact.unit, exact.squares * exact.unit**2)
    beta = sums.ones_sum / ones
    zero = 0 * exact.unit
    split = _splits(v, n - ones if negative else ones)
    return Row(zero, beta, sums.error(zero, beta), ones, best.tied or split), not negative


def fit_domain(w: np.ndarray, bits: Bits, *, channel_axis: int | None = None) -> Domain:
    """Return what `bbdg_ref.spec.projection.fit_domain` returns.

    Parameters
    ----------
    w, bits, channel_axis
        As there.

    Returns
    -------
    Domain
        The same, bit for bit; O(n log n).
    """
    return domain_of(split_sums(channels(w, channel_axis), channels(bits, channel_axis)), channel_axis)


def assign(w: np.ndarray, domain: Domain) -> Bits:
    """Return what `bbdg_ref.spec.projection.assign` returns.

    Parameters
    ----------
    w, domain
        As there.

    Returns
    -------
    array of bool
        The same; O(n).

    Notes
    -----
    A float64 x lies above the midpoint exactly if it lies above the midpoint rounded down to float64, and
    below it exactly if below the midpoint rounded up. For integers the same holds with the midpoint rounded
    to integers.
    """
    rows = channels(w, domain.channel_axis)
    alpha, beta = np.atleast_1d(domain.alpha), np.atleast_1d(domain.beta)
    bits = np.zeros(rows.shape, np.bool_)
    for i, middle in enumerate(midpoints(domain)):
        down: int | np.float64
        up: int | np.float64
        if rows.dtype.kind in "iu":  # NumPy compares an integer array with a Python int of any size exactly
            down, up = math.floor(middle), math.ceil(middle)
        else:
            down, up = np.float64(floor_float64(middle)), np.float64(-floor_float64(-middle))
        if alpha[i] < beta[i]:
            bits[i] = rows[i] > down
        elif alpha[i] > beta[i]:
            bits[i] = rows[i] < up
    return from_rows(bits, w.shape, domain.channel_axis)
