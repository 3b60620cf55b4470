"""Twins of functions of `bbdg_ref.spec.weights` whose temporary arrays come from memory that is used again."""

import numpy as np
from numpy.typing import NDArray

from .._memory import empty
from ..spec.weights import WeightGradients
from ..spec.weights import general_weights as defined_general_weights
from ..spec.weights import general_weights_backward as defined_general_weights_backward

__all__ = ["general_weights", "general_weights_backward"]

Float = NDArray[np.floating]


def general_weights(s: Float, tau: float, phi: float) -> Float:
    """Return ``tau * s + phi``; see `bbdg_ref.spec.weights.general_weights`. Equal to it."""
    if s.dtype != np.float32:
        return defined_general_weights(s, tau, phi)
    weights = np.multiply(s, np.float32(tau), out=empty(s.shape))
    weights += np.float32(phi)
    return weights


def general_weights_backward(dw: Float, s: Float, tau: float, phi: float) -> WeightGradients:
    """Return the gradients of `general_weights`; see `bbdg_ref.spec.weights.general_weights_backward`. Equal to it."""
    if dw.dtype != np.float32 or s.dtype != np.float32:
        return defined_general_weights_backward(dw, s, tau, phi)
    ds = np.multiply(dw, s, out=empty(dw.shape))
    dtau = np.sum(ds, dtype=np.float64).astype(dw.dtype)
    np.multiply(dw, np.float32(tau), out=ds)
    return WeightGradients(s=ds, tau=dtau, phi=np.sum(dw, dtype=np.float64).astype(dw.dtype))
