"""Projection onto a binary domain {alpha, beta}: the nearest weights alpha + (beta - alpha) b.

Which function when:

`project`
    The joint optimum over alpha, beta and the bits, optionally with a limit on the ones.
`project_k`
    The optimum with exactly k ones: the k largest weights.
`project_symmetric`
    The domain {-a, +a} of XNOR-Net.
`project_zero`
    The domain {0, beta}: a weight with bit 0 is not there at all.
`fit_domain`
    The bits are given: the best alpha and beta.
`assign`
    The domain is given: the best bits.
`explain`
    Alpha, beta and perhaps bits are given, by another implementation for example: what is wrong with them.

`project` is not what training uses, where bits come from the sign of latent weights: the joint optimum moves
the threshold, and may call many more weights ones than are positive.

Every result is exact: the bits that rational arithmetic would choose, and numbers rounded once from their
exact values, for every finite input. Among equal optima the one with the fewest ones is chosen; among equal
weights of which only some can be ones, those of the lowest flat (C-order) index.
"""

import numpy.typing as npt

from bbdg_ref import _checks, ops
from bbdg_ref.ops import Explanation
from bbdg_ref.spec.domain import Domain
from bbdg_ref.spec.projection import Bits, Count, Projection

__all__ = [
    "Domain",
    "Explanation",
    "Projection",
    "assign",
    "explain",
    "fit_domain",
    "project",
    "project_k",
    "project_symmetric",
    "project_zero",
]


def project(
    w: npt.ArrayLike,
    *,
    channel_axis: int | None = None,
    max_ones: Count | None = None,
    sample_weight: npt.ArrayLike | None = None,
) -> Projection:
    """Return the nearest weights alpha + (beta - alpha) b over all alpha <= beta and all bits b.

    Minimises ``sum s (w - alpha - (beta - alpha) b)**2``, exactly, with s = 1 or the given sample weights.

    Parameters
    ----------
    w : array of float16, float32, float64 or integers, of any shape
        The weights: anything with ``__array__`` or ``__dlpack__`` in CPU memory, or nested lists. Never
        changed.
    channel_axis : int, optional
        Fit one domain for each index of this axis (0 for convolution weights (out, in, kh, kw)). Without it,
        one domain for all.
    max_ones : int or array of shape (channels,), optional
        Consider only bits with at most so many ones (in each channel). 0 or more; more than n is no limit.
    sample_weight : array of float16, float32, float64 or integers, in the shape of ``w``, optional
        s, how much each square counts: finite, 0 or more, not 0 throughout (in any channel). The importance of a
        weight for example, or its entry in the diagonal of the Hessian of the loss: half the error is then the
        second-order estimate of what the projection adds to the loss. Not together with ``max_ones``.

    Returns
    -------
    Projection
        The optimum, with the fewest ones if there are several. A weight with s = 0 takes no part in alpha, beta,
        the error and ``tied``; its bit, too, is ``w > threshold``, and counts in ``n_ones``.

    Raises
    ------
    TypeError, ValueError
        If ``w`` is empty, not of a real dtype, or holds NaN or infinity, or an argument does not fit it; also if
        there are both sample weights and a limit.

    Notes
    -----
    For K ones the optimal ones are the K largest weights. With their sum S_K and the sum T of all n weights,
    the best K has the greatest ``(n S_K - K T)**2 / (K (n - K))``; this is the optimum of one-dimensional
    2-means. Ones and zeros lie strictly on either side of (alpha + beta)/2. O(n) time, in less than 64 MB beyond
    the weights and the result; with a limit or sample weights O(n log n), in O(n) memory.

    With sample weights, n, K, S_K and T become sums of s and of s w: alpha and beta are weighted means. A whole s
    does what s copies of the weight would do; a power of two as a common factor of all s changes the error alone.

    For equal weights, alpha = beta = the weight, with no ones. Source: arXiv 2306.13515 for the domain; Otsu
    (1979) for the criterion.

    Examples
    --------
    >>> p = project([1, 2, 3, 100])
    >>> p.alpha, p.beta, p.bits, p.error
    (2.0, 100.0, array([False, False, False,  True]), 2.0)
    >>> p.values
    array([  2.,   2.,   2., 100.])
    >>> project([-1, 0, 1]).tied  # {-1}, {0, 1} is as good, but has more ones
    True
    >>> project([[0, 1], [5, 7]], channel_axis=0).beta
    array([1., 7.])
    >>> project([0, 5, 6], max_ones=1).bits
    array([False, False,  True])
    >>> p = project([1, 2, 3, 100], sample_weight=[4, 1, 3, 0])  # the last weight does not count
    >>> p.alpha, p.beta, p.bits, p.error
    (1.0, 2.75, array([False,  True,  True,  True]), 0.75)
    """
    plain = max_ones is None and sample_weight is None
    x = _checks.real_array("project", "w", w, finite=not plain)  # without them, NaN is found on the way
    axis = _checks.axis("project", "channel_axis", channel_axis, x.ndim)
    if plain:
        try:
            return ops.project(x, channel_axis=axis)
        except ops.NotFinite:
            raise _checks.not_finite("project", "w", x) from None
    if sample_weight is not None:
        if max_ones is not None:
            mend = "leave one of the two out: the best bits within a limit need not be those of the largest weights"
            got = "sample weights and max_ones together"
            raise ValueError(_checks.message("project", "sample_weight", "None where max_ones is given", got, mend))
        s = _checks.sample_weight("project", sample_weight, x.shape, axis)
        return ops.project(x, channel_axis=axis, sample_weight=s)
    limit = _limit("project", x.shape, x.size, axis, max_ones)
    return ops.project(x, channel_axis=axis, max_ones=limit)


def project_k(w: npt.ArrayLike, k: Count, *, channel_axis: int | None = None) -> Projection:
    """Return the nearest weights alpha + (beta - alpha) b with exactly k ones: the k largest weights.

    Parameters
    ----------
    w : array of float16, float32, float64 or integers, of any shape
        The weights, as in `project`.
    k : int or array of shape (channels,)
        The number of ones (in each channel), from 0 to n.
    channel_axis : int, optional
        As in `project`.

    Returns
    -------
    Projection
        beta is the mean of the ones and alpha of the rest; for k = 0 and k = n both are the mean of all. The
        threshold need not separate the bits.

    Raises
    ------
    TypeError, ValueError
        As in `project`; also if k is not in 0..n.

    Notes
    -----
    O(n log n) time. The density is k/n: a fixed budget of connections, as top-k pruning has.

    Examples
    --------
    >>> p = project_k([0.0, 4.0, 1.0, 4.0, 6.0], 2)  # of the equal weights, the first
    >>> p.bits, p.alpha, p.beta, p.tied
    (array([False,  True, False, False,  True]), 1.6666666666666667, 5.0, True)
    """
    x = _checks.real_array("project_k", "w", w)
    axis = _checks.axis("project_k", "channel_axis", channel_axis, x.ndim)
    each = x.size if axis is None else x.size // x.shape[axis]
    count = _checks.counts("project_k", "k", k, None if axis is None else x.shape[axis], 0, each)
    return ops.project_k(x, count, channel_axis=axis)


def project_symmetric(
    w: npt.ArrayLike, *, channel_axis: int | None = None, max_ones: Count | None = None
) -> Projection:
    """Return the nearest weights in {-a, +a}, a >= 0: b = (w > 0) and a = mean |w|.

    Parameters
    ----------
    w : array of float16, float32, float64 or integers, of any shape
        The weights, as in `project`.
    channel_axis : int, optional
        As in `project`.
    max_ones : int or array of shape (channels,), optional
        With fewer ones allowed than there are positive weights, the largest are ones and a = mean of s w with
        s = 2b - 1; where that is not positive, a = 0 with no ones.

    Returns
    -------
    Projection
        alpha = -a, beta = a, threshold 0. Tied if a weight is 0, which costs the same as either bit.

    Raises
    ------
    TypeError, ValueError
        As in `project`.

    Notes
    -----
    O(n log n) time. Source: XNOR-Net (Rastegari et al., 2016), here with bit 0 for a weight of 0.

    Examples
    --------
    >>> p = project_symmetric([-3.0, 1.0, 2.0])
    >>> p.alpha, p.beta, p.bits, p.error
    (-2.0, 2.0, array([False,  True,  True]), 2.0)
    """
    x = _checks.real_array("project_symmetric", "w", w)
    axis = _checks.axis("project_symmetric", "channel_axis", channel_axis, x.ndim)
    limit = _limit("project_symmetric", x.shape, x.size, axis, max_ones)
    return ops.project_symmetric(x, channel_axis=axis, max_ones=limit)


def project_zero(w: npt.ArrayLike, *, channel_axis: int | None = None, max_ones: Count | None = None) -> Projection:
    """Return the nearest weights in {0, beta}, beta of either sign.

    Parameters
    ----------
    w : array of float16, float32, float64 or integers, of any shape
        The weights, as in `project`.
    channel_axis : int, optional
        As in `project`.
    max_ones : int or array of shape (channels,), optional
        As in `project`.

    Returns
    -------
    Projection
        alpha = 0. The only projection in which alpha may exceed beta. Without a limit, ``bits`` is
        ``w > threshold`` for beta > 0 and ``w <= threshold`` for beta < 0. Of two optima with equally many
        ones, that with beta > 0; no ones and beta = 0 if every weight is 0.

    Raises
    ------
    TypeError, ValueError
        As in `project`.

    Notes
    -----
    The error is ``sum w**2 - S**2 / K`` for K ones with the sum S: the best are the K largest weights with a
    positive sum, or the K smallest with a negative one. O(n log n) time.

    Examples
    --------
    >>> p = project_zero([-5.0, 1.0])
    >>> p.alpha, p.beta, p.bits
    (0.0, -5.0, array([ True, False]))
    """
    x = _checks.real_array("project_zero", "w", w)
    axis = _checks.axis("project_zero", "channel_axis", channel_axis, x.ndim)
    limit = _limit("project_zero", x.shape, x.size, axis, max_ones)
    return ops.project_zero(x, channel_axis=axis, max_ones=limit)


def fit_domain(w: npt.ArrayLike, bits: npt.ArrayLike, *, channel_axis: int | None = None) -> Domain:
    """Return the best domain for given bits: alpha = mean of the zeros, beta = mean of the ones.

    Parameters
    ----------
    w : array of float16, float32, float64 or integers, of any shape
        The weights, as in `project`.
    bits : array of bool, or of integers 0 and 1, of the shape of ``w``
        The bit of each weight.
    channel_axis : int, optional
        As in `project`.

    Returns
    -------
    Domain
        Correctly rounded; a class without members takes the other's mean. alpha > beta if the bits say so.

    Raises
    ------
    TypeError, ValueError
        As in `project`; also if the bits are not bits or not of the shape of ``w``.

    Notes
    -----
    With signs s = 2b - 1 the same in tau and phi: tau = cov(w, s)/var(s), phi = mean(w) - tau mean(s). O(n
    log n).

    Examples
    --------
    >>> fit_domain([0.0, 1.0, 5.0], [0, 0, 1])
    Domain(alpha=0.5, beta=5.0, channel_axis=None)
    """
    x = _checks.real_array("fit_domain", "w", w)
    b = _checks.bits("fit_domain", "bits", bits, x.shape)
    axis = _checks.axis("fit_domain", "channel_axis", channel_axis, x.ndim)
    return ops.fit_domain(x, b, channel_axis=axis)


def assign(w: npt.ArrayLike, domain: Domain) -> Bits:
    """Return the bit of the nearest value of the domain; where both are equally near, bit 0.

    Parameters
    ----------
    w : array of float16, float32, float64 or integers, of any shape
        The weights, as in `project`.
    domain : Domain
        The two values; if per channel, for the channels of ``w`` along ``domain.channel_axis``.

    Returns
    -------
    array of bool
        In the shape of ``w``. Compared exactly with the midpoint of the stored alpha and beta. (The bits of
        `project` separate at the midpoint of the unrounded means, which may differ by a rounding.)

    Raises
    ------
    TypeError, ValueError
        As in `project`; also if ``domain`` is not a `Domain` or has other channels than ``w``.

    Notes
    -----
    For alpha < beta, b = (w > (alpha + beta)/2); for alpha > beta, b = (w < (alpha + beta)/2). O(n) time.

    Examples
    --------
    >>> assign([0.0, 0.5, 0.6], Domain(0.0, 1.0))
    array([False, False,  True])
    """
    x = _checks.real_array("assign", "w", w)
    if not isinstance(domain, Domain):
        mend = "write Domain(alpha, beta)"
        raise TypeError(_checks.message("assign", "domain", "a Domain", type(domain).__name__, mend))
    axis = _checks.axis("assign", "domain.channel_axis", domain.channel_axis, x.ndim)
    if axis is not None:
        channels = len(domain.alpha)  # type: ignore[arg-type]
        if x.shape[axis] != channels:
            expected = f"an array with {channels} channels along axis {axis}"
            mend = "give weights and domain the same channels"
            raise ValueError(_checks.message("assign", "w", expected, f"shape {x.shape}", mend))
    return ops.assign(x, domain)


def explain(
    w: npt.ArrayLike,
    alpha: float,
    beta: float,
    bits: npt.ArrayLike | None = None,
    *,
    sample_weight: npt.ArrayLike | None = None,
) -> Explanation:
    """Say whether alpha, beta and bits are an optimum as `project` finds it, and if not, what is wrong.

    Parameters
    ----------
    w : array of float16, float32, float64 or integers, of any shape
        The weights, as in `project`.
    alpha, beta : float
        The values of bit 0 and bit 1.
    bits : array of bool, or of integers 0 and 1, of the shape of ``w``, optional
        The bits; without them, those that `assign` gives.
    sample_weight : array of float16, float32, float64 or integers, in the shape of ``w``, optional
        How much each square counts, as in `project`; every mean is then a weighted one.

    Returns
    -------
    Explanation
        Its message names swapped values, values that are not the means of their weights, and the first wrong
        bit.

    Raises
    ------
    TypeError, ValueError
        As in `project`; also if alpha or beta is not a finite float64, or the bits do not fit.

    Notes
    -----
    The errors are exact before their one rounding, so that a gap far below the error's own rounding is seen.
    O(n log n) time.

    Examples
    --------
    >>> e = explain([0.0, 3.0, 4.0], 0.0, 4.0)
    >>> e.optimal, e.error, e.optimal_error
    (False, 1.0, 0.5)
    >>> print(e.message)
    not optimal: error 1.0, least error 0.5, gap 0.5; beta = 4.0, but the mean of the 2 weights with bit 1 is
    3.5
    """
    x = _checks.real_array("explain", "w", w)
    low = _checks.real_number("explain", "alpha", alpha)
    high = _checks.real_number("explain", "beta", beta)
    given = None if bits is None else _checks.bits("explain", "bits", bits, x.shape)
    s = None if sample_weight is None else _checks.sample_weight("explain", sample_weight, x.shape, None)
    return ops.explain(x, low, high, given, sample_weight=s)


def _limit(function: str, shape: tuple[int, ...], size: int, axis: int | None, max_ones: Count | None) -> Count | None:
    """Check a limit on the ones; more than there are weights is no limit."""
    if max_ones is None:
        return None
    limit = _checks.counts(function, "max_ones", max_ones, None if axis is None else shape[axis], 0)
    return min(limit, size) if isinstance(limit, int) else limit
