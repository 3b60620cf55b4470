"""The k largest of a list, by sorting pairs."""

from fractions import Fraction


def top_k(values: list[float], k: int) -> tuple[list[bool], float]:
    """Bits of the k largest, lower index first among equals, and the exact midpoint, rounded."""
    ranking = sorted(range(len(values)), key=lambda i: (-values[i], i))
    chosen = set(ranking[:k])
    if k == 0:
        threshold = values[ranking[0]]
    elif k == len(values):
        threshold = values[ranking[-1]]
    else:
        threshold = float((Fraction(values[ranking[k - 1]]) + Fraction(values[ranking[k]])) / 2)
    return [i in chosen for i in range(len(values))], threshold
