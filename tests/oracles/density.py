"""The density penalty in rational arithmetic."""

import math
from fractions import Fraction


def penalty(ones: int, total: int, limit: float, gamma: float, loss: float, slope: float, dead_zone: float):
    """(lambda * h, lambda * slope / total), both zero inside the dead zone."""
    excess = Fraction(ones, total) - Fraction(limit)
    if excess <= Fraction(dead_zone):
        return 0.0, 0.0
    multiplier = Fraction(gamma) * Fraction(loss) / (excess * (1 - Fraction(gamma)))
    return float(multiplier * excess), float(multiplier * Fraction(slope) / total)


def entropy_push(ones: int, total: int, limit: float, gamma: float, loss: float, slope: float) -> float:
    """The slope of lambda (H(p) - H(EC)) with lambda constant, by a central difference of H in nats."""
    p, step = ones / total, 1e-6

    def entropy(q: float) -> float:
        return -q * math.log(q) - (1 - q) * math.log(1 - q)

    multiplier = gamma * loss / ((entropy(p) - entropy(limit)) * (1 - gamma))
    return multiplier * (entropy(p + step) - entropy(p - step)) / (2 * step) * slope / total
