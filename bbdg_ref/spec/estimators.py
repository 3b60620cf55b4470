"""The sign function and the straight-through estimators (STE) that stand in for its derivative.

Forward, every binary value is ``sign(x)``: +1 where ``x > 0``, else -1; so 0.0 and -0.0 give -1 (bit 0). The
derivative of the sign is zero almost everywhere, so the backward pass replaces it by an estimator ``g``::

    dL/dx = dL/dsign * g(x)

=====================  ==========================================  =======================================
function               g(x)                                        used for
=====================  ==========================================  =======================================
identity_backward      1                                           weights of ReActNet
clipped_ste_backward   1 where abs(x) <= 1, else 0                 BinaryNet, XNOR-Net
ede_backward           k t (1 - tanh(t x)^2)                       weights and activations of the ResNets
                                                                   for CIFAR-10 (IR-Net)
quadratic_backward     2 - 2 abs(x) where -1 <= x < 1, else 0      activations of Bi-Real Net, ReActNet
=====================  ==========================================  =======================================

A finite difference cannot check an estimator: it is a definition, not a derivative.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "EDEParameters",
    "clipped_ste_backward",
    "ede_backward",
    "ede_schedule",
    "identity_backward",
    "quadratic_backward",
    "sign",
    "sign_bits",
]


def sign_bits(x: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return the bit of every number: ``b = (x > 0)``.

    Parameters
    ----------
    x : ndarray of float, any shape

    Returns
    -------
    ndarray of bool, shape of `x`

    Examples
    --------
    >>> sign_bits(np.array([-1.5, -0.0, 0.0, 2.0]))
    array([False, False, False,  True])
    """
    return x > 0


def sign(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the sign of every number: +1 where ``x > 0``, else -1, never 0.

    Parameters
    ----------
    x : ndarray of float, any shape

    Returns
    -------
    ndarray, shape and dtype of `x`

    Notes
    -----
    ``s = 2 b - 1`` with ``b = sign_bits(x)``. Unlike ``numpy.sign`` there is no third value at zero.

    Examples
    --------
    >>> sign(np.array([-1.5, -0.0, 0.0, 2.0]))
    array([-1., -1., -1.,  1.])
    """
    one = x.dtype.type(1)
    return np.where(sign_bits(x), one, -one)


def identity_backward(dy: NDArray[np.floating], x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Pass the gradient through the sign unchanged: ``g(x) = 1``.

    Parameters
    ----------
    dy : ndarray of float
        Gradient of the loss with respect to ``sign(x)``.
    x : ndarray of float, shape of `dy`
        Input of the sign. Not read: every estimator has the same signature.

    Returns
    -------
    ndarray, shape and dtype of `dy`

    Notes
    -----
    Y. Bengio, N. Leonard, A. Courville, arXiv 1308.3432: the plain straight-through estimator.

    Examples
    --------
    >>> identity_backward(np.array([3.0, 4.0]), np.array([-9.0, 0.5]))
    array([3., 4.])
    """
    return dy.copy()


def clipped_ste_backward(dy: NDArray[np.floating], x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Pass the gradient where the input is within [-1, 1]: ``g(x) = 1 if abs(x) <= 1 else 0``.

    Parameters
    ----------
    dy : ndarray of float
        Gradient of the loss with respect to ``sign(x)``.
    x : ndarray of float, shape of `dy`
        Input of the sign.

    Returns
    -------
    ndarray, shape and dtype of `dy`

    Notes
    -----
    Both corners pass: ``g(-1) = g(1) = 1``. M. Courbariaux et al., BinaryNet, arXiv 1602.02830, equation 4.

    Examples
    --------
    >>> clipped_ste_backward(np.full(4, 2.0), np.array([-1.5, -1.0, 0.0, 1.0]))
    array([0., 2., 2., 2.])
    """
    return np.where(np.abs(x) <= 1, dy, dy.dtype.type(0))


def ede_backward(dy: NDArray[np.floating], x: NDArray[np.floating], *, t: float, k: float) -> NDArray[np.floating]:
    """Error decay estimator (EDE): the derivative of ``k tanh(t x)``, ``g(x) = k t (1 - tanh(t x)^2)``.

    Parameters
    ----------
    dy : ndarray of float
        Gradient of the loss with respect to ``sign(x)``.
    x : ndarray of float, shape of `dy`
        Input of the sign.
    t, k : float
        Steepness and scale, from `ede_schedule`.

    Returns
    -------
    ndarray, shape and dtype of `dy`

    Notes
    -----
    The largest slope is ``g(0) = k t``. H. Qin et al., IR-Net, arXiv 1909.10788, section 3.3.

    Examples
    --------
    >>> ede_backward(np.array([1.0, 1.0]), np.array([0.0, 2.0]), t=0.1, k=10.0).round(4)
    array([1.    , 0.961])
    """
    return dy * (k * t * (1 - np.tanh(t * x) ** 2))


def quadratic_backward(dy: NDArray[np.floating], x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Differentiate Bi-Real's piecewise quadratic: ``g(x) = 2 - 2 abs(x)`` on [-1, 1), else 0.

    Parameters
    ----------
    dy : ndarray of float
        Gradient of the loss with respect to ``sign(x)``.
    x : ndarray of float, shape of `dy`
        Input of the sign.

    Returns
    -------
    ndarray, shape and dtype of `dy`

    Notes
    -----
    ``g(x) = 2 + 2 x`` on [-1, 0) and ``2 - 2 x`` on [0, 1); both corners give 0 and ``g(0) = 2``. Z. Liu et
    al., Bi-Real Net, arXiv 1808.00278, equation 7.

    Examples
    --------
    >>> quadratic_backward(np.ones(5), np.array([-1.0, -0.25, 0.0, 0.5, 1.0]))
    array([0. , 1.5, 2. , 1. , 0. ])
    """
    slope = np.where(x < 0, 2 + 2 * x, 2 - 2 * x)
    return np.where((x >= -1) & (x < 1), dy * slope, dy.dtype.type(0))


@dataclass(frozen=True)
class EDEParameters:
    """Steepness `t` and scale `k` of the error decay estimator in one epoch."""

    t: float
    k: float


def ede_schedule(epoch: int, epochs: int) -> EDEParameters:
    """Return the parameters of EDE in one epoch: ``t = 10^(-1 + 2 e / E)``, ``k = max(1 / t, 1)``.

    Parameters
    ----------
    epoch : int
        Index e of the epoch, 0 to E - 1.
    epochs : int
        Number E of epochs.

    Returns
    -------
    EDEParameters

    Notes
    -----
    From ``t = 0.1, k = 10`` (nearly the identity, slope 1 everywhere) towards ``t = 10, k = 1`` (nearly the
    sign), which is never reached: the last epoch is E - 1. H. Qin et al., IR-Net, arXiv 1909.10788, section
    3.3.

    Examples
    --------
    >>> ede_schedule(0, 500)
    EDEParameters(t=0.1, k=10.0)
    >>> ede_schedule(250, 500)
    EDEParameters(t=1.0, k=1.0)
    """
    t = 10.0 ** (-1 + 2 * epoch / epochs)
    return EDEParameters(t=t, k=max(1 / t, 1.0))
