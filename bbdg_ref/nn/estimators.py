"""Gradient estimators of the sign function, as small objects that a binary layer carries.

Each has one method, ``backward(dy, x)``: the gradient with respect to x that is used for
s = sign(x). The formulas stand in `bbdg_ref.spec.estimators`.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from .. import ops

__all__ = ["EDE", "ClippedSTE", "Estimator", "Identity", "Quadratic"]


class Estimator(Protocol):
    """What stands in for the derivative of sign."""

    def backward(self, dy: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
        """Return the estimated gradient with respect to x."""
        ...


@dataclass(frozen=True)
class Identity:
    """Straight-through: dx = dy."""

    def backward(self, dy: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
        """Return dy."""
        return ops.identity_backward(dy, x)


@dataclass(frozen=True)
class ClippedSTE:
    """Clipped straight-through: dx = dy where |x| ≤ 1, else 0."""

    def backward(self, dy: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
        """Return dy inside [−1, 1]."""
        return ops.clipped_ste_backward(dy, x)


@dataclass(frozen=True)
class Quadratic:
    """Bi-Real's piecewise quadratic: dx = dy·(2 − 2|x|) where −1 ≤ x < 1, else 0."""

    def backward(self, dy: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
        """Return dy times the triangle."""
        return ops.quadratic_backward(dy, x)


@dataclass(frozen=True)
class EDE:
    """Error decay estimator of IR-Net: dx = dy·k·t·(1 − tanh²(t·x)).

    Parameters
    ----------
    t : float
        Steepness; grows from 0.1 towards 10 over training (`ops.ede_schedule`).
    k : float
        Height, max(1/t, 1).
    """

    t: float
    k: float

    def backward(self, dy: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
        """Return dy times the derivative of k·tanh(t·x)."""
        return ops.ede_backward(dy, x, t=self.t, k=self.k)
