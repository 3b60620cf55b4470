"""Real activations: hardtanh, PReLU with one slope per channel, and a learned shift per channel.

RSign is ``sign(channel_bias(x, b))``; RPReLU is ``channel_bias(prelu(channel_bias(x, b1), slope), b2)``
(Z. Liu et al., ReActNet, arXiv 2003.03488). Every function is linear in the size of `x`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bbdg_ref.spec.batchnorm import not_channels, per_channel

__all__ = [
    "PReLUGradients",
    "channel_bias",
    "channel_bias_backward",
    "hardtanh",
    "hardtanh_backward",
    "prelu",
    "prelu_backward",
]


def hardtanh(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Clip to [-1, 1]: ``y = min(max(x, -1), 1)``.

    Parameters
    ----------
    x : ndarray of float, any shape

    Returns
    -------
    ndarray, shape and dtype of `x`

    Examples
    --------
    >>> hardtanh(np.array([-3.0, 0.5, 1.5]))
    array([-1. ,  0.5,  1. ])
    """
    return np.clip(x, -1, 1)


def hardtanh_backward(dy: NDArray[np.floating], x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the gradient of `hardtanh`: `dy` where ``-1 < x < 1``, 0 elsewhere, also at both corners.

    Parameters
    ----------
    dy, x : ndarray of float, same shape

    Returns
    -------
    ndarray, shape and dtype of `dy`

    Examples
    --------
    >>> hardtanh_backward(np.full(4, 2.0), np.array([-3.0, -1.0, 0.5, 1.0]))
    array([0., 0., 2., 0.])
    """
    return np.where((x > -1) & (x < 1), dy, dy.dtype.type(0))


@dataclass(frozen=True, eq=False)
class PReLUGradients:
    """Gradients with respect to the input `x`, in its shape, and to the `slope`, shape (channels,)."""

    x: NDArray[np.floating]
    slope: NDArray[np.floating]


def prelu(x: NDArray[np.floating], slope: NDArray[np.floating]) -> NDArray[np.floating]:
    """Parametric ReLU: ``y = x`` where ``x > 0``, else ``slope * x``.

    Parameters
    ----------
    x : ndarray (batch, channels) or (batch, channels, height, width)
    slope : ndarray (channels,)

    Returns
    -------
    ndarray, shape and dtype of `x`

    Notes
    -----
    K. He et al., arXiv 1502.01852, equation 1.

    Examples
    --------
    >>> prelu(np.array([[-2.0, -2.0], [3.0, 3.0]]), np.array([0.25, 0.5]))
    array([[-0.5, -1. ],
           [ 3. ,  3. ]])
    """
    return np.where(x > 0, x, per_channel(slope, x) * x)


def prelu_backward(dy: NDArray[np.floating], x: NDArray[np.floating], slope: NDArray[np.floating]) -> PReLUGradients:
    """Return the gradients of `prelu`.

    Parameters
    ----------
    dy, x : ndarray (batch, channels) or (batch, channels, height, width)
    slope : ndarray (channels,)

    Returns
    -------
    PReLUGradients
        ``dx = dy`` where ``x > 0``, else ``slope * dy`` (also at 0); ``dslope = sum of dy * x where x <= 0``,
        per channel.

    Notes
    -----
    K. He et al., arXiv 1502.01852, equations 2 and 3.

    Examples
    --------
    >>> grads = prelu_backward(np.array([[1.0], [1.0]]), np.array([[-2.0], [3.0]]), np.array([0.25]))
    >>> grads.x.ravel(), grads.slope
    (array([0.25, 1.  ]), array([-2.]))
    """
    return PReLUGradients(
        x=np.where(x > 0, dy, per_channel(slope, x) * dy),
        slope=np.where(x > 0, dy.dtype.type(0), dy * x).sum(axis=not_channels(x)),
    )


def channel_bias(x: NDArray[np.floating], bias: NDArray[np.floating]) -> NDArray[np.floating]:
    """Add one number per channel: ``y[n, c, ...] = x[n, c, ...] + bias[c]``.

    Parameters
    ----------
    x : ndarray (batch, channels) or (batch, channels, height, width)
    bias : ndarray (channels,)

    Returns
    -------
    ndarray, shape and dtype of `x`

    Examples
    --------
    >>> channel_bias(np.zeros((1, 2)), np.array([1.0, -1.0]))
    array([[ 1., -1.]])
    """
    return x + per_channel(bias, x)


def channel_bias_backward(dy: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the gradient with respect to the bias of `channel_bias`; that of the input is `dy` itself.

    Parameters
    ----------
    dy : ndarray (batch, channels) or (batch, channels, height, width)

    Returns
    -------
    ndarray (channels,)
        ``dbias[c] = sum of dy[n, c, ...]`` over all other axes.

    Examples
    --------
    >>> channel_bias_backward(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([4., 6.])
    """
    return dy.sum(axis=not_channels(dy))
