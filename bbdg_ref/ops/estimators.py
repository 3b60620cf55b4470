"""Faster twins of functions of `bbdg_ref.spec.estimators` for float32: one pass without branches."""
# The kernels are imported inside functions so that importing bbdg_ref does not import Numba.

import numpy as np
from numpy.typing import NDArray

from ..spec.estimators import clipped_ste_backward as defined_clipped_ste_backward
from ..spec.estimators import ede_backward as defined_ede_backward
from ..spec.estimators import quadratic_backward as defined_quadratic_backward
from ..spec.estimators import sign as defined_sign
from .twins import compiled_twin_fits

__all__ = ["clipped_ste_backward", "ede_backward", "quadratic_backward", "sign"]

Float = NDArray[np.floating]


def sign(x: Float) -> Float:
    """Return +1 where ``x > 0``, else -1; see `bbdg_ref.spec.estimators.sign`. Equal to it."""
    if not compiled_twin_fits(x):
        return defined_sign(x)
    from ..kernels import elementwise

    return elementwise.sign(x)


def clipped_ste_backward(dy: Float, x: Float) -> Float:
    """Return `dy` where ``abs(x) <= 1``, else 0; see `bbdg_ref.spec.estimators.clipped_ste_backward`. Equal to it."""
    if not compiled_twin_fits(dy, x):
        return defined_clipped_ste_backward(dy, x)
    from ..kernels import elementwise

    return elementwise.clipped_ste_backward(dy, x)


def quadratic_backward(dy: Float, x: Float) -> Float:
    """Return ``dy * (2 - 2 abs(x))`` on [-1, 1); see `bbdg_ref.spec.estimators.quadratic_backward`. Equal to it."""
    if not compiled_twin_fits(dy, x):
        return defined_quadratic_backward(dy, x)
    from ..kernels import elementwise

    return elementwise.quadratic_backward(dy, x)


def ede_backward(dy: Float, x: Float, *, t: float, k: float) -> Float:
    """Return ``dy * k * t * (1 - tanh(t x)^2)``; see `bbdg_ref.spec.estimators.ede_backward`.

    Computed as ``dy * k * t / cosh(t x)^2``, in which nothing cancels: the relative error is a few units of roundoff
    (plus ``4 abs(t x)`` of them, from the rounding of ``t x``), where that of the definition grows without bound.
    """
    if not compiled_twin_fits(dy, x):
        return defined_ede_backward(dy, x, t=t, k=k)
    from ..kernels import elementwise

    return elementwise.ede_backward(dy, x, t, k)
