"""How far rounding may move a result: bounds derived from the number of terms.

A sum of n products, each rounded, in any order, is off by at most (n + 1)/2 eps times the sum of the magnitudes of its
terms. What the vector expects is rounded in one such order, so that another may lie twice as far from it.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..vector import Bound

__all__ = ["of_scale", "of_steps", "of_sum"]

DIGITS = 8  # binary ones of a scale: its last places are no part of a bound


def of_scale(ulps: float, scale: float) -> Bound:
    """Return a bound in units of eps of a scale, which is rounded up.

    Parameters
    ----------
    ulps : float
        How many units.
    scale : float
        The largest sum of magnitudes.

    Returns
    -------
    Bound

    Examples
    --------
    >>> of_scale(3, 1.001)
    Bound(ulps=3, scale=1.0078125)
    """
    fraction, exponent = math.frexp(scale)
    return Bound(ulps, math.ldexp(math.ceil(math.ldexp(fraction, DIGITS)), exponent - DIGITS))


def of_sum(terms: int, magnitudes: npt.ArrayLike) -> Bound:
    """Return the bound of sums of products: ``terms + 1`` eps of the largest sum of magnitudes.

    Parameters
    ----------
    terms : int
        How many numbers each element adds up.
    magnitudes : array
        The sum of the magnitudes of the terms of every element.

    Returns
    -------
    Bound
    """
    return of_scale(terms + 1, float(np.max(magnitudes)))


def of_steps(steps: int, values: Any = None) -> Bound:
    """Return the bound of a chain of rounded operations: one unit a step, in the last place or of a largest value.

    Parameters
    ----------
    steps : int
        Rounded operations, those of the expected value included.
    values : array, optional
        The largest magnitude among these is the scale, for results that cancel.

    Returns
    -------
    Bound
    """
    return Bound(steps) if values is None else of_scale(steps, float(np.max(np.abs(values))))
