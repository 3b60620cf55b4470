"""Exact arithmetic on floats: an integer times a power of two, so that sums and squares are integers."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Sums", "floor_float64", "round_float64", "to_integers"]


def to_integers(values: Iterable[float]) -> tuple[list[int], Fraction]:
    """Return integers v and one unit, a power of two, with values[i] == v[i] * unit exactly.

    Parameters
    ----------
    values : non-empty list of finite floats or ints
        Python numbers, as `numpy.ndarray.tolist` gives them.

    Returns
    -------
    v : list of int
        One integer for each value.
    unit : Fraction
        2**-s for the least s >= 0 that makes them integers.
    """
    ratios = [value.as_integer_ratio() for value in values]  # p / q with q a power of two; q = 1 for an int
    common = max(q for _, q in ratios)
    return [p * (common // q) for p, q in ratios], Fraction(1, common)


def round_float64(x: Fraction) -> float:
    """Return the float64 nearest to x: ties to even, infinity on overflow, zero on underflow.

    Parameters
    ----------
    x : Fraction
        Any rational number.

    Returns
    -------
    float
        The correctly rounded value.
    """
    try:
        return x.numerator / x.denominator  # Python's int / int is correctly rounded
    except OverflowError:
        return math.inf if x > 0 else -math.inf


def floor_float64(x: Fraction) -> float:
    """Return the largest float64 that is at most x.

    Parameters
    ----------
    x : Fraction
        A rational number in the range of float64.

    Returns
    -------
    float
        x rounded toward minus infinity.
    """
    nearest = round_float64(x)
    return nearest if nearest <= x else math.nextafter(nearest, -math.inf)


@dataclass(frozen=True)
class Sums:
    """All that the error and the means of a split into zeros and ones depend on, exactly.

    Parameters
    ----------
    n, ones : int or Fraction
        The number of weights, and of those with bit 1; where weights have sample weights s, the sums of s.
    ones_sum, total, squares : Fraction
        The sum of the ones, of all weights, and of the squares of all weights, each times its s.
    """

    n: int | Fraction
    ones: int | Fraction
    ones_sum: Fraction
    total: Fraction
    squares: Fraction

    def means(self) -> tuple[Fraction, Fraction]:
        """Return alpha and beta: the mean of the zeros and of the ones; a missing class takes the other's."""
        if self.ones in (0, self.n):
            return self.total / self.n, self.total / self.n
        alpha = (self.total - self.ones_sum) / (self.n - self.ones)
        beta = self.ones_sum / self.ones
        return alpha, beta

    def error(self, alpha: Fraction, beta: Fraction) -> Fraction:
        """Return sum over zeros of (w - alpha)^2 + sum over ones of (w - beta)^2, multiplied out."""
        zeros, zeros_sum = self.n - self.ones, self.total - self.ones_sum
        cross = alpha * zeros_sum + beta * self.ones_sum
        return self.squares - 2 * cross + zeros * alpha**2 + self.ones * beta**2
