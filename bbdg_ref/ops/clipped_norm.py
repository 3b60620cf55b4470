"""Batch norm, a sum and hardtanh in one pass over the memory, and back: the end of every residual block.

Elementwise passes over large maps take as long as the memory needs to move them, so one pass instead of three saves two
thirds. What is computed is the composition of the functions of ``spec``, in the same order of operations::

    y = hardtanh(batchnorm(x) + added)
"""
# The kernels are imported inside functions so that importing bbdg_ref does not import Numba.

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..spec.activation import hardtanh
from ..spec.batchnorm import BatchNormForward
from .activation import hardtanh_backward
from .batchnorm import batch_moments, batchnorm_backward, batchnorm_train, fits, input_gradient, pixels, scale_of

__all__ = ["ClippedNormGradients", "clipped_norm_backward", "clipped_norm_train"]

Float = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class ClippedNormGradients:
    """Gradients with respect to the input `x`, to what was `added`, to `weight` and `bias`, in their shapes."""

    x: Float
    added: Float
    weight: Float
    bias: Float


def clipped_norm_train(
    x: Float, added: Float | None, weight: Float, bias: Float, *, eps: float = 1e-5
) -> BatchNormForward:
    """Normalize with the statistics of the batch, add, and clip: ``y = hardtanh(batchnorm(x) + added)``.

    Parameters
    ----------
    x : ndarray (batch, channels, height, width)
        Input.
    added : ndarray of the same shape, or None
        What is added before clipping; None adds nothing.
    weight, bias : ndarray (channels,)
        Of the batch norm.
    eps : float
        Added to the variance.

    Returns
    -------
    BatchNormForward
        y, and the mean and biased variance of the batch.

    Examples
    --------
    >>> x = np.array([1.0, 3.0, 5.0, 7.0], np.float32).reshape(4, 1, 1, 1)
    >>> one = np.ones(1, np.float32)
    >>> clipped_norm_train(x, np.full_like(x, 0.5), one, 0 * one).y.ravel().round(3)
    array([-0.842,  0.053,  0.947,  1.   ], dtype=float32)
    """
    if not fits((x,) if added is None else (x, added), (weight, bias)):
        normal = batchnorm_train(x, weight, bias, eps=eps)
        total = normal.y if added is None else normal.y + added
        return BatchNormForward(y=hardtanh(total), mean=normal.mean, var=normal.var)
    from ..kernels import batchnorm

    mean, var = batch_moments(x)
    other = None if added is None else pixels(added)
    y = batchnorm.clipped(pixels(x), other, mean, scale_of(weight, var, eps), bias).reshape(x.shape)
    return BatchNormForward(y=y, mean=mean, var=var)


def clipped_norm_backward(
    dy: Float, y: Float, x: Float, weight: Float, mean: Float, var: Float, *, eps: float = 1e-5
) -> ClippedNormGradients:
    """Return the gradients of `clipped_norm_train`.

    With ``d = dy where -1 < y < 1, else 0`` (y lies there exactly where the sum before clipping does), the gradient of
    what was added is d, and the others are those of the batch norm for d.

    Parameters
    ----------
    dy, y, x : ndarray (batch, channels, height, width)
        Gradient with respect to the output, the output, the input.
    weight, mean, var : ndarray (channels,)
        `mean` and `var` as `clipped_norm_train` returned them.
    eps : float
        As in the forward pass.

    Returns
    -------
    ClippedNormGradients

    Examples
    --------
    >>> x, one = np.array([1.0, 3.0], np.float32).reshape(2, 1, 1, 1), np.ones(1, np.float32)
    >>> grads = clipped_norm_backward(np.ones_like(x), np.float32(0.5) * x, x, one, 2 * one, one)
    >>> grads.added.ravel(), grads.bias
    (array([1., 0.], dtype=float32), array([1.], dtype=float32))
    """
    if not fits((dy, y, x), (weight, mean, var)):
        inside = hardtanh_backward(dy, y)
        normal = batchnorm_backward(inside, x, weight, mean, var, eps=eps)
        return ClippedNormGradients(normal.x, inside, normal.weight, normal.bias)
    from ..kernels import batchnorm

    inside, dy_sum, product_sum = batchnorm.clipped_products(pixels(dy), pixels(y), pixels(x), mean)
    inside = inside.reshape(x.shape)
    normal = input_gradient(inside, x, weight, mean, var, eps, dy_sum, product_sum)
    return ClippedNormGradients(normal.x, inside, normal.weight, normal.bias)
