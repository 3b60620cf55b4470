"""Values of binary weights in rational arithmetic, over flat lists."""

from fractions import Fraction


def mean(values: list[float]) -> Fraction:
    return sum(map(Fraction, values), Fraction(0)) / len(values)


def means_by_sign(values: list[float], signs: list[float]) -> tuple[float, float]:
    """Means of the values whose sign is -1 and +1, correctly rounded; a missing class takes the other's."""
    minus = [v for v, s in zip(values, signs, strict=True) if s < 0]
    plus = [v for v, s in zip(values, signs, strict=True) if s > 0]
    return float(mean(minus or plus)), float(mean(plus or minus))


def mean_abs(values: list[float]) -> float:
    return float(mean([abs(v) for v in values]))
