"""Density of binary weights and the penalty that bounds it.

Density is the fraction of ones (connections, value beta): ``p = ones / weights``. The penalty keeps p, over
all binary layers together, near or below a limit EC, the *expected connections* (arXiv 2306.13515).
"""

from dataclasses import dataclass
from math import log1p

import numpy as np
from numpy.typing import NDArray

__all__ = ["DensityPenalty", "density", "density_penalty", "density_penalty_push", "entropy_factor"]


def density(bits: NDArray[np.bool_]) -> float:
    """Return the fraction of ones.

    Parameters
    ----------
    bits : ndarray of bool, any shape, not empty

    Returns
    -------
    float
        From 0 to 1.

    Examples
    --------
    >>> density(np.array([True, False, False, False]))
    0.25
    """
    return float(np.count_nonzero(bits) / bits.size)


@dataclass(frozen=True)
class DensityPenalty:
    """The penalty of one step: `value` = `multiplier` * `excess`, with `excess` = max(density - limit, 0)."""

    value: float
    multiplier: float
    excess: float


def density_penalty(
    ones: int, total: int, *, limit: float, gamma: float, loss: float, dead_zone: float = 1e-4
) -> DensityPenalty:
    """Return the penalty on density above the limit.

    Parameters
    ----------
    ones, total : int
        Ones and weights of all binary layers together.
    limit : float
        The expected connections EC, the largest density that costs nothing.
    gamma : float
        Share of the whole loss that the penalty takes, from 0 to below 1.
    loss : float
        Task loss L of the batch; enters as a constant.
    dead_zone : float
        Excess up to which there is no penalty: 1e-4 for CIFAR, 1e-5 for ImageNet.

    Returns
    -------
    DensityPenalty
        ``h = max(ones / total - limit, 0)``; ``lambda = 0 if h <= dead_zone else gamma L / (h (1 - gamma))``;
        ``value = lambda h``.

    Notes
    -----
    Where it acts, ``value = gamma / (1 - gamma) * L``, so that the penalty is the share gamma of
    ``L + value``, whatever the excess. lambda is not differentiated; the gradient is `density_penalty_push`.

    Examples
    --------
    >>> density_penalty(30, 100, limit=0.05, gamma=0.2, loss=2.0)
    DensityPenalty(value=0.5, multiplier=2.0, excess=0.25)
    >>> density_penalty(5, 100, limit=0.05, gamma=0.2, loss=2.0)
    DensityPenalty(value=0.0, multiplier=0.0, excess=0.0)
    """
    excess = max(ones / total - limit, 0.0)
    multiplier = 0.0 if excess <= dead_zone else gamma * loss / (excess * (1 - gamma))
    return DensityPenalty(value=multiplier * excess, multiplier=multiplier, excess=excess)


def density_penalty_push(multiplier: float, total: int, *, slope: float = 0.5) -> float:
    """Return the gradient of the penalty with respect to every latent weight: ``lambda * slope / total``.

    Parameters
    ----------
    multiplier : float
        lambda, from `density_penalty`.
    total : int
        Weights of all binary layers together.
    slope : float
        Derivative given to the bit of a weight by its straight-through estimator: 1/2 for CIFAR, from
        ``b = (sign(w) + 1) / 2``; 1 for ImageNet.

    Returns
    -------
    float
        The same for every latent weight, whatever its value.

    Notes
    -----
    ``d(lambda h)/dw = lambda * (1 / total) * db/dw``.

    Examples
    --------
    >>> density_penalty_push(2.0, 1000)
    0.001
    """
    return multiplier * slope / total


def entropy_factor(density: float, limit: float) -> float:
    """Return what scales the push if the entropy is bounded instead of the density.

    Parameters
    ----------
    density : float
        p, above the limit.
    limit : float
        The expected connections EC, above 0 and below 1/2.

    Returns
    -------
    float
        ``H'(p) (p - EC) / (H(p) - H(EC))`` with ``H(p) = -p log2 p - (1 - p) log2(1 - p)`` and
        ``H'(p) = log2((1 - p) / p)``; 0 for p >= 1/2.

    Notes
    -----
    Below 1/2 the constraint ``H(p) <= H(EC)`` is ``p <= EC``. Its penalty ``lambda (H(p) - H(EC))`` is also the share
    gamma of the whole, so that it differs in its push alone: 1 at the limit, less above it, none at 1/2, from where on
    fewer ones have no less entropy.

    Near the limit the difference of the entropies cancels. In nats it is ``(p - EC) H'(p) + D``, with the divergence
    ``D = EC log(EC / p) + (1 - EC) log((1 - EC) / (1 - p))``. Up to twice the limit the code sums its Taylor series
    about p, no term of which is negative::

        D / (p - EC) = sum over j >= 1 of (x^j - y^j) / (j (j + 1)),   x = (p - EC) / p,   y = -(p - EC) / (1 - p)

    Examples
    --------
    >>> round(entropy_factor(0.25, 0.125), 3), entropy_factor(0.5, 0.125)
    (0.74, 0.0)
    """
    if density >= 0.5:
        return 0.0
    excess, slope = density - limit, log1p((1 - 2 * density) / density)
    x, y = excess / density, excess / (density - 1)
    near = ((x**j - y**j) / (j * (j + 1)) for j in range(1, 48))
    far = (1 - limit) * log1p(-y) - limit * log1p(excess / limit)
    return slope / (slope + (sum(near) if x <= 0.5 else far / excess))
