"""The faster twin of `spec.projection.project` with sample weights: as `projection` does it, one channel at a time.

1. Sort the weights whose sample weight s is positive.
2. In float64, compute the objective at every cut of the sorted weights, together with a bound on its rounding
   error. Only those cuts whose objective may reach the best one stay.
3. Sum s and s w exactly up to each cut that stayed, and compare those as `spec` does.

The result is the same as that of `spec`, bit for bit.
"""

import math

import numpy as np
import numpy.typing as npt

from bbdg_ref.ops.exact import weighted_prefix_sums
from bbdg_ref.spec.domain import channels
from bbdg_ref.spec.exact import floor_float64
from bbdg_ref.spec.projection import Bits, Projection, Row, assemble, from_rows, general_objective, greatest

__all__ = ["project_weighted"]

U = 2.0**-53  # the unit roundoff of float64
UNDERFLOW = 2.0**-1070  # more than a term can lose by underflow, which is less than 2**-1072
SMALLEST_MASS = 2.0**-900  # of a class, beside a largest s of about 1: below, float64 does not decide
Floats = npt.NDArray[np.float64]


def _normalised(values: Floats) -> Floats:
    """Return the values times the power of two that brings the largest magnitude into [1/2, 1)."""
    return np.ldexp(values, -np.frexp(np.abs(values).max())[1])


def _centred(v: np.ndarray, middle: int) -> Floats:
    """Return (v - v[middle]) times a power of two, at most 1 in magnitude, each with relative error at most U."""
    centre = v[middle]
    if v.dtype.kind in "iu" and v.dtype.itemsize == 8:
        # A difference of 64-bit integers fits in 64 unsigned bits; the wraparound is exact.
        wide = v.view(np.uint64)
        above = v >= centre
        size = np.where(above, wide - wide[middle], wide[middle] - wide).astype(np.float64)
        return _normalised(np.where(above, size, -size))
    x = v.astype(np.float64)
    if np.abs(x).max() > 2.0**1000:  # else a difference could overflow
        x = np.ldexp(x, -64)
    return _normalised(x - x[middle])


def _sums_after(values: Floats) -> Floats:
    """Return for each k = 1..n-1 the sum of the elements after the first k."""
    return np.cumsum(values[:0:-1])[::-1]


def _cuts(v: np.ndarray, s: np.ndarray) -> list[int]:
    """Return the k for which the first k of the falling weights v may be the best ones; empty for equal weights.

    With x the centred weights and t the normalised s, let M, S and A be the sums of t, t x and t |x| over the first
    k, and R, Q and B those over the rest. Then the objective D^2 / (K (N - K)) is the square of

        h = S sqrt(R / M) - Q sqrt(M / R)

    times a constant. Errors, to first order: each t and x has relative error U, and so a product 3 U; summing n
    numbers adds at most n U. So S errs by (n + 3) U A and M and R by (n + 1) U of themselves; sqrt(R / M) has
    relative error (n + 3) U; the first term of h errs by (2 n + 7) U A sqrt(R / M), and the second likewise; the
    difference adds U |h|, which is less than U times both. 1.001 (2 n + 10) U covers terms of second order too
    (n U < 1e-4). Underflow adds at most n UNDERFLOW to S and to Q; where M or R itself may have suffered from it,
    the cut stays.

    Only ends of equal weights can be best: within equal weights D is linear in K, and a square of that over the
    concave K (N - K) is convex.
    """
    n = v.size
    if v[0] == v[-1]:
        return []
    t = _normalised(s.astype(np.float64))
    mass = np.cumsum(t)
    x = _centred(v, int(np.searchsorted(mass, mass[-1] / 2)))
    first, rest = mass[:-1], _sums_after(t)
    product = t * x
    size = np.abs(product)
    decided = np.minimum(first, rest) >= SMALLEST_MASS
    root = np.sqrt(np.where(decided, rest, 1) / np.where(decided, first, 1))
    objective = np.cumsum(product)[:-1] * root - _sums_after(product) / root
    bound = 1.001 * (2 * n + 10) * U * (np.cumsum(size)[:-1] * root + _sums_after(size) / root)
    bound += n * UNDERFLOW * (root + 1 / root)
    bound[~decided] = np.inf
    end = v[1:] != v[:-1]
    least = (objective - bound)[end].max()
    return (np.flatnonzero(end & (objective + bound >= least)) + 1).tolist()


def _solve(w: np.ndarray, s: np.ndarray) -> tuple[Row, Bits]:
    """Project one channel."""
    taking_part = np.flatnonzero(s > 0)
    order = taking_part[np.argsort(w[taking_part])[::-1]]
    v, s = w[order], s[order]
    cuts = _cuts(v, s)
    exact = weighted_prefix_sums(v, s, cuts or [0])
    n, k, tied = v.size, 0, True  # for equal weights, where any bits are as good
    if cuts:
        mass, moment = exact.mass, exact.moment
        best = greatest(general_objective(mass[cut], moment[cut], moment[n], mass[n]) for cut in cuts)
        k, tied = cuts[best.position], best.tied
    sums = exact.sums(n, k)
    alpha, beta = sums.means()
    middle = (alpha + beta) / 2
    # A float64, or an integer, is above the middle exactly if it is above the middle rounded down to its kind.
    bits = w > (math.floor(middle) if w.dtype.kind in "iu" else np.float64(floor_float64(middle)))
    return Row(alpha, beta, sums.error(alpha, beta), int(bits.sum()), tied), bits


def project_weighted(w: np.ndarray, sample_weight: np.ndarray, *, channel_axis: int | None = None) -> Projection:
    """Return what `bbdg_ref.spec.projection.project` returns for sample weights.

    Parameters
    ----------
    w, sample_weight, channel_axis
        As there.

    Returns
    -------
    Projection
        The same, bit for bit; O(n log n).
    """
    pairs = zip(channels(w, channel_axis), channels(sample_weight, channel_axis), strict=True)
    solved = [_solve(*pair) for pair in pairs]
    bits = from_rows(np.array([row_bits for _, row_bits in solved]), w.shape, channel_axis)
    return assemble([row for row, _ in solved], bits, channel_axis)
