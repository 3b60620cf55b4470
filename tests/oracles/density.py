"""The density penalty in rational arithmetic."""

from fractions import Fraction


def penalty(ones: int, total: int, limit: float, gamma: float, loss: float, slope: float, dead_zone: float):
    """(lambda * h, lambda * slope / total), both zero inside the dead zone."""
    excess = Fraction(ones, total) - Fraction(limit)
    if excess <= Fraction(dead_zone):
        return 0.0, 0.0
    multiplier = Fraction(gamma) * Fraction(loss) / (excess * (1 - Fraction(gamma)))
    return float(multiplier * excess), float(multiplier * Fraction(slope) / total)
