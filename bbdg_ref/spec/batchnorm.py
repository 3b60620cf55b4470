"""Batch normalization (S. Ioffe, C. Szegedy, arXiv 1502.03167), of vectors and of maps.

Per channel c, over the batch (and the height and width of a map), m values in all::

    mean = 1/m sum x                       var = 1/m sum (x - mean)^2          (biased)
    xhat = (x - mean) / sqrt(var + eps)    y = weight * xhat + bias

Inference takes the running statistics in the place of mean and var. Every function is linear in the size of
`x`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BatchNormForward",
    "BatchNormGradients",
    "RunningStatistics",
    "batchnorm_backward",
    "batchnorm_infer",
    "batchnorm_train",
    "not_channels",
    "per_channel",
    "running_update",
]


@dataclass(frozen=True, eq=False)
class BatchNormForward:
    """Output `y` in the shape of the input; `mean` and biased `var` of the batch, shape (channels,)."""

    y: NDArray[np.floating]
    mean: NDArray[np.floating]
    var: NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class BatchNormGradients:
    """Gradients with respect to the input `x`, the `weight` and the `bias`, in their shapes."""

    x: NDArray[np.floating]
    weight: NDArray[np.floating]
    bias: NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class RunningStatistics:
    """Running `mean` and running unbiased `var`, shape (channels,)."""

    mean: NDArray[np.floating]
    var: NDArray[np.floating]


def not_channels(x: NDArray[np.floating]) -> tuple[int, ...]:
    """Return every axis of `x` but the channel axis 1: (0,) of vectors, (0, 2, 3) of maps.

    Parameters
    ----------
    x : ndarray (batch, channels) or (batch, channels, height, width)

    Returns
    -------
    tuple of int

    Examples
    --------
    >>> not_channels(np.zeros((2, 3))), not_channels(np.zeros((2, 3, 4, 4)))
    ((0,), (0, 2, 3))
    """
    return (0, *range(2, x.ndim))


def per_channel(value: NDArray[np.floating], x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Reshape `value`, one number per channel of `x`, so that it meets axis 1 of `x`.

    Parameters
    ----------
    value : ndarray (channels,)
    x : ndarray (batch, channels) or (batch, channels, height, width)

    Returns
    -------
    ndarray (1, channels) or (1, channels, 1, 1)

    Raises
    ------
    ValueError
        If `value` does not have as many elements as `x` has channels.

    Examples
    --------
    >>> per_channel(np.zeros(3), np.zeros((2, 3, 4, 4))).shape
    (1, 3, 1, 1)
    """
    return value.reshape(1, x.shape[1], *[1] * (x.ndim - 2))


def batchnorm_infer(
    x: NDArray[np.floating],
    weight: NDArray[np.floating],
    bias: NDArray[np.floating],
    running_mean: NDArray[np.floating],
    running_var: NDArray[np.floating],
    *,
    eps: float = 1e-5,
) -> NDArray[np.floating]:
    """Normalize with given statistics: ``y = weight * (x - running_mean) / sqrt(running_var + eps) + bias``.

    Parameters
    ----------
    x : ndarray (batch, channels) or (batch, channels, height, width)
    weight, bias, running_mean, running_var : ndarray (channels,)
    eps : float
        Added to the variance.

    Returns
    -------
    ndarray, shape of `x`

    Examples
    --------
    >>> one, zero = np.ones(1), np.zeros(1)
    >>> batchnorm_infer(np.array([[1.0], [5.0]]), 2 * one, zero, 3 * one, 4 * one, eps=0.0)
    array([[-2.],
           [ 2.]])
    """
    xhat = (x - per_channel(running_mean, x)) / np.sqrt(per_channel(running_var, x) + eps)
    return per_channel(weight, x) * xhat + per_channel(bias, x)


def batchnorm_train(
    x: NDArray[np.floating], weight: NDArray[np.floating], bias: NDArray[np.floating], *, eps: float = 1e-5
) -> BatchNormForward:
    """Normalize with the statistics of the batch itself.

    Parameters
    ----------
    x : ndarray (batch, channels) or (batch, channels, height, width)
    weight, bias : ndarray (channels,)
    eps : float
        Added to the variance.

    Returns
    -------
    BatchNormForward
        The output, and the mean and *biased* variance that `batchnorm_backward` and `running_update` take.

    Examples
    --------
    >>> out = batchnorm_train(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1), eps=0.0)
    >>> out.y.ravel(), out.mean, out.var
    (array([-1.,  1.]), array([2.]), array([1.]))
    """
    mean = x.mean(axis=not_channels(x))
    var = np.square(x - per_channel(mean, x)).mean(axis=not_channels(x))
    return BatchNormForward(y=batchnorm_infer(x, weight, bias, mean, var, eps=eps), mean=mean, var=var)


def batchnorm_backward(
    dy: NDArray[np.floating],
    x: NDArray[np.floating],
    weight: NDArray[np.floating],
    mean: NDArray[np.floating],
    var: NDArray[np.floating],
    *,
    eps: float = 1e-5,
) -> BatchNormGradients:
    """Return the gradients of `batchnorm_train`, through the batch's mean and variance too.

    Parameters
    ----------
    dy, x : ndarray (batch, channels) or (batch, channels, height, width)
    weight, mean, var : ndarray (channels,)
        `mean` and `var` as `batchnorm_train` returned them.
    eps : float
        As in the forward pass.

    Returns
    -------
    BatchNormGradients
        ``dx = weight / sqrt(var + eps) * (dy - mean(dy) - xhat * mean(dy * xhat))``, means per channel.

    Notes
    -----
    The two subtracted terms are what flows through mean and var: `dx` is orthogonal to the constant and (up
    to eps) to xhat. arXiv 1502.03167, section 3, collected into one expression.

    Examples
    --------
    >>> x, dy, one = np.array([[1.0], [3.0]]), np.array([[1.0], [0.0]]), np.ones(1)
    >>> grads = batchnorm_backward(dy, x, weight=one, mean=2 * one, var=one, eps=0.0)
    >>> grads.x.ravel(), grads.weight, grads.bias
    (array([0., 0.]), array([-1.]), array([1.]))
    """
    axes = not_channels(x)
    inverse_std = 1 / np.sqrt(per_channel(var, x) + eps)
    xhat = (x - per_channel(mean, x)) * inverse_std
    mean_dy = dy.mean(axis=axes, keepdims=True)
    mean_dy_xhat = (dy * xhat).mean(axis=axes, keepdims=True)
    return BatchNormGradients(
        x=per_channel(weight, x) * inverse_std * (dy - mean_dy - xhat * mean_dy_xhat),
        weight=(dy * xhat).sum(axis=axes),
        bias=dy.sum(axis=axes),
    )


def running_update(
    running_mean: NDArray[np.floating],
    running_var: NDArray[np.floating],
    mean: NDArray[np.floating],
    var: NDArray[np.floating],
    *,
    count: int,
    momentum: float = 0.1,
) -> RunningStatistics:
    """Move the running statistics towards those of a batch.

    Parameters
    ----------
    running_mean, running_var : ndarray (channels,)
        Before the batch; they start at 0 and 1.
    mean, var : ndarray (channels,)
        Of the batch, `var` biased, as `batchnorm_train` returns them.
    count : int
        Number m of values per channel, at least 2: the batch size times height times width.
    momentum : float
        Weight of the new batch.

    Returns
    -------
    RunningStatistics
        ``(1 - momentum) * running + momentum * batch``, with the variance made unbiased:
        ``var * m / (m - 1)``.

    Raises
    ------
    ZeroDivisionError
        If `count` is 1: one value has no unbiased variance.

    Examples
    --------
    >>> new = running_update(np.zeros(1), np.ones(1), np.full(1, 5.0), np.full(1, 2.0), count=3, momentum=0.5)
    >>> new.mean, new.var
    (array([2.5]), array([2.]))
    """
    unbiased = var * (count / (count - 1))
    return RunningStatistics(
        mean=(1 - momentum) * running_mean + momentum * mean,
        var=(1 - momentum) * running_var + momentum * unbiased,
    )
