"""What is wrong with a projection: given alpha, beta and bits against the optimum, in exact arithmetic."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from bbdg_ref.ops.exact import split_sums, weighted_split_sums
from bbdg_ref.ops.projection import assign, project
from bbdg_ref.spec.domain import Domain
from bbdg_ref.spec.exact import Sums, round_float64
from bbdg_ref.spec.projection import Bits

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True)
class Explanation:
    """Whether given alpha, beta and bits are optimal, and if not, what is wrong with them.

    Parameters
    ----------
    optimal : bool
        Whether no other bits have a smaller error with the means of their classes, and alpha and beta are
        those means, correctly rounded (the value of a class without members is free).
    error, optimal_error : float
        The squared error of what was given, and the least possible; each rounded once from its exact value.
    gap : float
        Their exact difference, rounded once. A small gap remains at an optimum whose means had to be rounded.
    message : str
        The same in words, with the faults found.

    Examples
    --------
    >>> explain(np.array([0.0, 3.0, 4.0]), 0.0, 3.5).message
    'optimal: error 0.5'
    """

    optimal: bool
    error: float
    optimal_error: float
    gap: float
    message: str


def explain(
    w: np.ndarray,
    alpha: float,
    beta: float,
    bits: Bits | None = None,
    *,
    sample_weight: np.ndarray | None = None,
) -> Explanation:
    """Say whether alpha, beta and bits are an optimum as `project` finds it, and if not, why not.

    Parameters
    ----------
    w : array of float16, float32, float64 or integers
        The weights.
    alpha, beta : float
        The domain.
    bits : array of bool, optional
        The bits; without them, the bits that `assign` gives.
    sample_weight : array of float16, float32, float64 or integers, in the shape of ``w``, optional
        How much each square counts, as in `project`.

    Returns
    -------
    Explanation
        The verdict; O(n log n).
    """
    nearer = Nearer(assign(w, Domain(alpha, beta)), assign(w, Domain(beta, alpha)))
    best = project(w, sample_weight=sample_weight).bits
    given = nearer.one if bits is None else bits
    return _judge(
        w, Given(alpha, beta, given, _sums(w, given, sample_weight)), nearer, best, _sums(w, best, sample_weight)
    )


def _sums(w: np.ndarray, bits: Bits, sample_weight: np.ndarray | None) -> Sums:
    """Return the exact sums of the weights with these bits."""
    if sample_weight is None:
        return split_sums(w.reshape(1, -1), bits.reshape(1, -1))[0]
    return weighted_split_sums(w.ravel(), sample_weight.ravel(), bits.ravel())


@dataclass(frozen=True, eq=False)
class Given:
    """What is to be judged, with the exact sums of its split."""

    alpha: float
    beta: float
    bits: Bits
    sums: Sums


@dataclass(frozen=True, eq=False)
class Nearer:
    """Where beta (``one``) and where alpha (``zero``) is strictly the nearer value."""

    one: Bits
    zero: Bits


def _judge(w: np.ndarray, given: Given, nearer: Nearer, best: Bits, best_sums: Sums) -> Explanation:
    """Compare what was given with the optimal bits ``best``."""
    alpha, beta, sums = given.alpha, given.beta, given.sums
    error = sums.error(Fraction(alpha), Fraction(beta))
    least = best_sums.error(*best_sums.means())
    means = sums.means()
    right_split = sums.error(*means) == least
    right_means = all(
        count == 0 or value == round_float64(mean)
        for value, mean, count in zip((alpha, beta), means, (sums.n - sums.ones, sums.ones), strict=True)
    )
    optimal = right_split and right_means
    gap = error - least
    head = (
        f"optimal: error {round_float64(error)!r}"
        if optimal
        else f"not optimal: error {round_float64(error)!r}, least error {round_float64(least)!r}, "
        f"gap {round_float64(gap)!r}"
    )
    faults = _value_faults(given) + _nearer_faults(w, given, nearer)
    faults += _bit_faults(w, given.bits, best, best_sums, right_split)
    return Explanation(
        optimal,
        round_float64(error),
        round_float64(least),
        round_float64(gap),
        "; ".join([head, *faults]),
    )


def _value_faults(given: Given) -> list[str]:
    """Say what is wrong with alpha and beta, given the bits."""
    alpha, beta, sums = given.alpha, given.beta, given.sums
    ones = int(given.bits.sum())
    low, high = map(round_float64, sums.means())
    faults = []
    if alpha > beta:
        faults.append(f"alpha = {alpha!r} > beta = {beta!r}, where a projection has alpha <= beta")
    exchanged = sums.error(Fraction(beta), Fraction(alpha))
    if exchanged < sums.error(Fraction(alpha), Fraction(beta)):
        faults.append(
            f"alpha and beta are swapped: exchanged (or with the bits inverted) they give error "
            f"{round_float64(exchanged)!r}"
        )
    if sums.ones < sums.n and alpha != low:
        faults.append(f"alpha = {alpha!r}, but the mean of the {given.bits.size - ones} weights with bit 0 is {low!r}")
    if sums.ones > 0 and beta != high:
        faults.append(f"beta = {beta!r}, but the mean of the {ones} weights with bit 1 is {high!r}")
    return faults


def _nearer_faults(w: np.ndarray, given: Given, nearer: Nearer) -> list[str]:
    """Say which bits are not those of the nearer value; where both are equally near, either is."""
    wrong = np.where(given.bits, nearer.zero, nearer.one)
    if not wrong.any():
        return []
    where, weight, bit = _first(w, given.bits, wrong)
    return [
        f"{int(wrong.sum())} of {w.size} bits are not those of the nearer value, first at index {where}: "
        f"weight {weight} has bit {bit}, with alpha = {given.alpha!r} and beta = {given.beta!r}"
    ]


def _bit_faults(w: np.ndarray, bits: Bits, best: Bits, best_sums: Sums, right: bool) -> list[str]:
    """Say how the bits differ from the optimal ones; ``right`` if they are equally good."""
    differ = bits != best
    if not differ.any():
        return []
    where, weight, bit = _first(w, bits, differ)
    alpha, beta = map(round_float64, best_sums.means())
    verdict = "equally good, but the tie rule takes other bits" if right else "other bits are better"
    return [
        f"{verdict}: {int(best.sum())} ones where there are {int(bits.sum())}, {int(differ.sum())} of {w.size} "
        f"bits differ, first at index {where}: weight {weight} has bit {bit}; the optimum has alpha = "
        f"{alpha!r}, beta = {beta!r}"
    ]


def _first(w: np.ndarray, bits: Bits, mask: Bits) -> tuple[str, str, int]:
    """Return the index, weight and bit of the first true element of the mask."""
    place = tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), mask.shape))
    return (str(place[0]) if len(place) == 1 else str(place)), str(w[place]), int(bits[place])
