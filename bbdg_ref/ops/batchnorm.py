"""Faster twins of `bbdg_ref.spec.batchnorm` for float32 maps: statistics in float64, two passes over the memory."""
# The kernels are imported inside functions so that importing bbdg_ref does not import Numba.

import numpy as np
from numpy.typing import NDArray

from ..spec.batchnorm import BatchNormForward, BatchNormGradients
from ..spec.batchnorm import batchnorm_backward as defined_batchnorm_backward
from ..spec.batchnorm import batchnorm_infer as defined_batchnorm_infer
from ..spec.batchnorm import batchnorm_train as defined_batchnorm_train
from .twins import compiled_twin_fits

__all__ = ["batchnorm_backward", "batchnorm_infer", "batchnorm_train"]

Float = NDArray[np.floating]


def fits(maps: tuple[Float, ...], channels: tuple[Float, ...]) -> bool:
    """Tell whether these are float32 maps of one shape with one float32 number per channel."""
    shape = maps[0].shape
    if len(shape) != 4 or any(values.shape != shape[1:2] or values.dtype != np.float32 for values in channels):
        return False
    return compiled_twin_fits(*maps)


def pixels(x: Float) -> Float:
    """Return maps as a C-contiguous array (batch, channels, pixels)."""
    return np.ascontiguousarray(x).reshape(x.shape[0], x.shape[1], -1)


def batchnorm_infer(
    x: Float, weight: Float, bias: Float, running_mean: Float, running_var: Float, *, eps: float = 1e-5
) -> Float:
    """Normalize with given statistics; see `bbdg_ref.spec.batchnorm.batchnorm_infer`.

    Computed as ``(x - mean) * scale + bias`` with ``scale = weight / sqrt(var + eps)`` rounded once from float64.
    """
    if not fits((x,), (weight, bias, running_mean, running_var)):
        return defined_batchnorm_infer(x, weight, bias, running_mean, running_var, eps=eps)
    from ..kernels import batchnorm

    scale = scale_of(weight, running_var, eps)
    return batchnorm.scaled(pixels(x), running_mean, scale, bias).reshape(x.shape)


def batchnorm_train(x: Float, weight: Float, bias: Float, *, eps: float = 1e-5) -> BatchNormForward:
    """Normalize with the statistics of the batch itself; see `bbdg_ref.spec.batchnorm.batchnorm_train`.

    Mean and variance are summed in float64 and rounded once.
    """
    if not fits((x,), (weight, bias)):
        return defined_batchnorm_train(x, weight, bias, eps=eps)
    mean, var = batch_moments(x)
    return BatchNormForward(y=batchnorm_infer(x, weight, bias, mean, var, eps=eps), mean=mean, var=var)


def batchnorm_backward(
    dy: Float, x: Float, weight: Float, mean: Float, var: Float, *, eps: float = 1e-5
) -> BatchNormGradients:
    """Return the gradients of `batchnorm_train`; see `bbdg_ref.spec.batchnorm.batchnorm_backward`.

    ``dx = scale * (dy - mean(dy) - (x - mean) * k)`` with ``scale = weight / std`` and ``k = mean(dy * (x - mean)) /
    std^2``, the sums in float64, the expression in float32.
    """
    if not fits((dy, x), (weight, mean, var)):
        return defined_batchnorm_backward(dy, x, weight, mean, var, eps=eps)
    from ..kernels import batchnorm

    return input_gradient(dy, x, weight, mean, var, eps, *batchnorm.products(pixels(dy), pixels(x), mean))


def scale_of(weight: Float, var: Float, eps: float) -> Float:
    """Return ``weight / sqrt(var + eps)``, rounded once from float64."""
    return (weight / np.sqrt(var.astype(np.float64) + eps)).astype(np.float32)


def batch_moments(x: Float) -> tuple[Float, Float]:
    """Return mean and biased variance of every channel, float32, summed in float64."""
    from ..kernels import batchnorm

    mean, var = (value.astype(np.float32) for value in batchnorm.moments(pixels(x)))
    return mean, var


def input_gradient(
    dy: Float, x: Float, weight: Float, mean: Float, var: Float, eps: float, dy_sum: Float, product_sum: Float
) -> BatchNormGradients:
    """Return the gradients of a batch norm from the sums of dy and of ``dy * (x - mean)`` of every channel."""
    from ..kernels import batchnorm

    count = x.size // x.shape[1]
    std = np.sqrt(var.astype(np.float64) + eps)
    slopes = np.stack((weight / std, dy_sum / count, product_sum / count / std**2)).astype(np.float32)
    return BatchNormGradients(
        x=batchnorm.combined(pixels(dy), pixels(x), mean, slopes).reshape(x.shape),
        weight=(product_sum / std).astype(np.float32),
        bias=dy_sum.astype(np.float32),
    )
