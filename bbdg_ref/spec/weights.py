"""From latent weights to the real values of binary weights, in four domains, and back.

Training keeps real *latent* weights, of which a bit b each is chosen (`bbdg_ref.spec.pruning`). The signs
``s = 2 b - 1`` of the chosen bits say which of the two values of the domain a weight takes (-1: alpha, bit 0;
+1: beta, bit 1); the threshold of the choice only centres the estimator. The convolution uses the result W:

==============  ======================================  =====================================================
domain          W                                       source
==============  ======================================  =====================================================
bipolar         s                                       BinaryNet, arXiv 1602.02830
symmetric       a s, a = mean abs(latent) per filter    XNOR-Net, arXiv 1603.05279, section 3.1
general         tau s + phi, tau and phi learned        arXiv 2306.13515
closed form     alpha or beta, the means of the latent  least squares: both are optimal for the given signs
                weights with s = -1 and s = +1
==============  ======================================  =====================================================

Each ``..._backward`` takes the gradient dw with respect to W and returns the gradient with respect to s,
which an estimator then carries on to the latent weights, and what reaches the latent weights or tau and phi
directly. Sums run in float64; results have the dtype of the input. All functions are linear in the number of
weights.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bbdg_ref.spec.domain import Domain

__all__ = [
    "WeightGradients",
    "bipolar_weights",
    "bipolar_weights_backward",
    "closed_form_weights",
    "closed_form_weights_backward",
    "conditional_means",
    "general_weights",
    "general_weights_backward",
    "symmetric_scale",
    "symmetric_weights",
    "symmetric_weights_backward",
]


@dataclass(frozen=True, eq=False)
class WeightGradients:
    """Gradients of the loss with respect to what W was made of; None where W does not depend on it.

    Attributes
    ----------
    s : ndarray (out, in, kernel height, kernel width)
        With respect to the signs; to be passed on through an estimator.
    latent : ndarray, shape of `s`, or None
        With respect to the latent weights at fixed signs; to be added to what comes through the estimator.
    tau, phi : floating scalar or None
        With respect to the learned half difference and midpoint.
    """

    s: NDArray[np.floating]
    latent: NDArray[np.floating] | None = None
    tau: np.floating | None = None
    phi: np.floating | None = None


def bipolar_weights(latent: NDArray[np.floating], s: NDArray[np.floating]) -> NDArray[np.floating]:
    """Weights in {-1, +1}: ``W = s``.

    Parameters
    ----------
    latent : ndarray (out, in, kernel height, kernel width)
        Not read.
    s : ndarray, shape of `latent`
        Signs, -1 or +1.

    Returns
    -------
    ndarray, shape of `s`

    Examples
    --------
    >>> bipolar_weights(np.array([0.3, -4.0]), np.array([1.0, -1.0]))
    array([ 1., -1.])
    """
    return s.copy()


def bipolar_weights_backward(
    dw: NDArray[np.floating], latent: NDArray[np.floating], s: NDArray[np.floating]
) -> WeightGradients:
    """Return the gradient of `bipolar_weights`: ``ds = dw``.

    Parameters
    ----------
    dw, latent, s : ndarray (out, in, kernel height, kernel width)
        `latent` and `s` are not read.

    Returns
    -------
    WeightGradients

    Examples
    --------
    >>> bipolar_weights_backward(np.array([2.0]), np.array([0.3]), np.array([1.0])).s
    array([2.])
    """
    return WeightGradients(s=dw.copy())


def symmetric_scale(latent: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the scale of each filter, ``a[o] = mean abs(latent[o])``.

    Parameters
    ----------
    latent : ndarray (out, in, kernel height, kernel width)

    Returns
    -------
    ndarray (out, 1, 1, 1), dtype of `latent`
        Summed in float64, then rounded; W is a or -a exactly.

    Examples
    --------
    >>> symmetric_scale(np.array([[1.0, -3.0], [0.5, 0.5]]))
    array([[2. ],
           [0.5]])
    """
    axes = tuple(range(1, latent.ndim))
    return np.abs(latent).mean(axis=axes, dtype=np.float64, keepdims=True).astype(latent.dtype)


def symmetric_weights(latent: NDArray[np.floating], s: NDArray[np.floating]) -> NDArray[np.floating]:
    """Weights in {-a, +a}: ``W[o] = a[o] * s[o]`` with ``a[o] = mean abs(latent[o])``.

    Parameters
    ----------
    latent : ndarray (out, in, kernel height, kernel width)
    s : ndarray, shape of `latent`
        Signs, -1 or +1.

    Returns
    -------
    ndarray, shape of `latent`

    Notes
    -----
    For ``s = sign(latent)`` this a is the least-squares scale: arXiv 1603.05279, equation 6.

    Examples
    --------
    >>> symmetric_weights(np.array([[1.0, -3.0], [0.5, 0.5]]), np.array([[1.0, -1.0], [1.0, 1.0]]))
    array([[ 2. , -2. ],
           [ 0.5,  0.5]])
    """
    return symmetric_scale(latent) * s


def symmetric_weights_backward(
    dw: NDArray[np.floating], latent: NDArray[np.floating], s: NDArray[np.floating]
) -> WeightGradients:
    """Return the gradient of `symmetric_weights`, its scale taken as a constant: ``ds[o] = a[o] * dw[o]``.

    Parameters
    ----------
    dw, latent, s : ndarray (out, in, kernel height, kernel width)
        `s` is not read.

    Returns
    -------
    WeightGradients

    Examples
    --------
    >>> symmetric_weights_backward(np.array([[1.0, 2.0]]), np.array([[1.0, -3.0]]), np.array([[1.0, -1.0]])).s
    array([[2., 4.]])
    """
    return WeightGradients(s=symmetric_scale(latent) * dw)


def general_weights(s: NDArray[np.floating], tau: float, phi: float) -> NDArray[np.floating]:
    """Weights in {phi - tau, phi + tau}: ``W = tau * s + phi``, one learned tau and phi for the whole layer.

    Parameters
    ----------
    s : ndarray (out, in, kernel height, kernel width)
        Signs, -1 or +1.
    tau, phi : float or ndarray ()
        Half difference and midpoint of the domain; they start at 1 and 0. tau may turn negative.

    Returns
    -------
    ndarray, shape and dtype of `s`

    Examples
    --------
    >>> general_weights(np.array([1.0, -1.0]), 0.5, 0.25)
    array([ 0.75, -0.25])
    """
    return float(tau) * s + float(phi)


def general_weights_backward(
    dw: NDArray[np.floating], s: NDArray[np.floating], tau: float, phi: float
) -> WeightGradients:
    """Return the gradients of `general_weights`: ``ds = tau * dw``, ``dtau = sum dw * s``, ``dphi = sum dw``.

    Parameters
    ----------
    dw, s : ndarray (out, in, kernel height, kernel width)
    tau, phi : float or ndarray ()
        As in the forward pass; `phi` is not read.

    Returns
    -------
    WeightGradients

    Examples
    --------
    >>> grads = general_weights_backward(np.array([2.0, 3.0]), np.array([1.0, -1.0]), 0.5, 0.25)
    >>> grads.s, float(grads.tau), float(grads.phi)
    (array([1. , 1.5]), -1.0, 5.0)
    """
    return WeightGradients(
        s=float(tau) * dw,
        tau=np.sum(dw * s, dtype=np.float64).astype(dw.dtype),
        phi=np.sum(dw, dtype=np.float64).astype(dw.dtype),
    )


def _means_by_sign(values: NDArray[np.floating], s: NDArray[np.floating]) -> tuple[float, float]:
    # Means of the values with s = -1 and with s = +1; a missing class takes the other's mean.
    minus, plus = (
        float(values[group].mean(dtype=np.float64)) if group.any() else float(values.mean(dtype=np.float64))
        for group in (s <= 0, s > 0)
    )
    return minus, plus


def conditional_means(latent: NDArray[np.floating], s: NDArray[np.floating]) -> Domain:
    """Return the best domain for given signs: alpha, beta = mean of the latent weights with s = -1, s = +1.

    Parameters
    ----------
    latent : ndarray of float, any shape, not empty
    s : ndarray, shape of `latent`
        Signs, -1 or +1.

    Returns
    -------
    Domain
        Python floats, summed in float64. A missing class takes the other's mean, so that alpha = beta.

    Notes
    -----
    The means minimise ``sum (latent - W)^2`` over all W with one value per sign.

    Examples
    --------
    >>> domain = conditional_means(np.array([0.5, 1.5, -1.0, 0.25]), np.array([1.0, 1.0, -1.0, -1.0]))
    >>> domain.alpha, domain.beta
    (-0.375, 1.0)
    """
    alpha, beta = _means_by_sign(latent, s)
    return Domain(alpha, beta)


def closed_form_weights(latent: NDArray[np.floating], s: NDArray[np.floating]) -> NDArray[np.floating]:
    """Weights in {alpha, beta}, the conditional means: ``W = alpha + (beta - alpha) b``, ``b = (s > 0)``.

    Parameters
    ----------
    latent : ndarray (out, in, kernel height, kernel width)
    s : ndarray, shape of `latent`
        Signs, -1 or +1.

    Returns
    -------
    ndarray, shape and dtype of `latent`

    Examples
    --------
    >>> closed_form_weights(np.array([0.5, 1.5, -1.0, 0.25]), np.array([1.0, 1.0, -1.0, -1.0]))
    array([ 1.   ,  1.   , -0.375, -0.375])
    """
    domain = conditional_means(latent, s)
    # The choice gives beta itself where alpha + (beta - alpha) would round.
    return np.where(s > 0, domain.beta, domain.alpha).astype(latent.dtype)


def closed_form_weights_backward(
    dw: NDArray[np.floating], latent: NDArray[np.floating], s: NDArray[np.floating]
) -> WeightGradients:
    """Return the gradients of `closed_form_weights`, also through the conditional means.

    Parameters
    ----------
    dw, latent, s : ndarray (out, in, kernel height, kernel width)

    Returns
    -------
    WeightGradients
        ``ds = (beta - alpha) / 2 * dw`` from ``W = phi + tau * s``; ``dlatent`` of an entry is the mean of dw
        over the entries of its own sign: ``dL/dbeta = sum over ones of dw`` and
        ``dbeta/dlatent = 1 / (number of ones)``.

    Notes
    -----
    A missing class gets no gradient: no W takes its value, and ``beta - alpha = 0`` stops the other way.

    Examples
    --------
    >>> latent, s = np.array([0.5, 1.5, -1.0, 0.0]), np.array([1.0, 1.0, -1.0, -1.0])
    >>> grads = closed_form_weights_backward(np.array([1.0, 3.0, 5.0, 5.0]), latent, s)
    >>> grads.s, grads.latent
    (array([0.75, 2.25, 3.75, 3.75]), array([2., 2., 5., 5.]))
    """
    minus, plus = _means_by_sign(dw, s)
    return WeightGradients(
        s=conditional_means(latent, s).tau * dw,  # tau = (beta - alpha) / 2
        latent=np.where(s > 0, plus, minus).astype(dw.dtype),
    )
