"""The published slopes of the estimators, one number at a time."""

import math


def identity(x: float) -> float:
    return 1.0


def clipped(x: float) -> float:
    """BinaryNet: 1 where abs(x) <= 1."""
    return 1.0 if -1.0 <= x <= 1.0 else 0.0


def ede(x: float, t: float, k: float) -> float:
    """IR-Net: k t (1 - tanh^2(t x)), written as k t / cosh^2(t x) = 4 k t / (e^(t x) + e^(-t x))^2."""
    z = abs(t * x)
    return 0.0 if z > 350 else 4 * k * t / (math.exp(z) + math.exp(-z)) ** 2


def quadratic(x: float) -> float:
    """Bi-Real: 2 + 2x on [-1, 0), 2 - 2x on [0, 1), 0 otherwise."""
    if -1.0 <= x < 0.0:
        return 2.0 + 2.0 * x
    if 0.0 <= x < 1.0:
        return 2.0 - 2.0 * x
    return 0.0
