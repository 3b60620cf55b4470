"""The fully connected layer: ``y = x weight^T + bias``."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LinearGradients", "linear", "linear_backward"]


@dataclass(frozen=True, eq=False)
class LinearGradients:
    """Gradients of `linear` with respect to the input `x`, the `weight` and the `bias`, in their shapes."""

    x: NDArray[np.floating]
    weight: NDArray[np.floating]
    bias: NDArray[np.floating]


def linear(x: NDArray[np.floating], weight: NDArray[np.floating], bias: NDArray[np.floating]) -> NDArray[np.floating]:
    """Apply an affine map: ``y[n, o] = sum over c of x[n, c] * weight[o, c] + bias[o]``.

    Parameters
    ----------
    x : ndarray (batch, in)
    weight : ndarray (out, in)
    bias : ndarray (out,)

    Returns
    -------
    ndarray (batch, out)

    Raises
    ------
    ValueError
        If the shapes disagree.

    Examples
    --------
    >>> linear(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]), np.array([0.5, -2.0]))
    array([[11.5,  0. ]])
    """
    return x @ weight.T + bias.reshape(len(weight))


def linear_backward(dy: NDArray[np.floating], x: NDArray[np.floating], weight: NDArray[np.floating]) -> LinearGradients:
    """Return the three gradients of `linear`.

    Parameters
    ----------
    dy : ndarray (batch, out)
    x : ndarray (batch, in)
    weight : ndarray (out, in)

    Returns
    -------
    LinearGradients

    Examples
    --------
    >>> grads = linear_backward(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.eye(2))
    >>> grads.x, grads.bias
    (array([[1., 2.]]), array([1., 2.]))
    >>> grads.weight
    array([[3., 4.],
           [6., 8.]])
    """
    return LinearGradients(
        x=dy @ weight,  # dx[n, c] = sum over o of dy[n, o] weight[o, c]
        weight=dy.T @ x,  # dweight[o, c] = sum over n of dy[n, o] x[n, c]
        bias=dy.sum(axis=0),  # dbias[o] = sum over n of dy[n, o]
    )
