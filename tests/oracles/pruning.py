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


def n_of_m(values: list[list[float]], n: int, m: int) -> list[list[bool]]:
    """The n largest of every m consecutive values of each row, by sorting pairs."""
    found = []
    for row in values:
        bits: list[bool] = []
        for first in range(0, len(row), m):
            group = row[first : first + m]
            chosen = set(sorted(range(len(group)), key=lambda i, group=group: (-group[i], i))[:n])
            bits += [i in chosen for i in range(len(group))]
        found.append(bits)
    return found


def blocks(values: list[list[float]], k: int) -> list[bool]:
    """Which k rows have the largest exact sums; the lower index among equals."""
    sums = [sum(map(Fraction, row)) for row in values]
    chosen = set(sorted(range(len(sums)), key=lambda i: (-sums[i], i))[:k])
    return [i in chosen for i in range(len(sums))]


def code(kernel: list[float], threshold: float = 0) -> int:
    """The code of the nine values above the threshold, row by row."""
    return sum(1 << place for place, value in enumerate(kernel) if value > threshold)


def frequent(codes: list[int], count: int) -> list[int]:
    """The most frequent codes of all 512, the lower ones first among equals."""
    return sorted(range(512), key=lambda c: (-codes.count(c), c))[:count]


def nearest(kernel: list[float], patterns: list[int], threshold: float) -> int:
    """Index of the first pattern of the least squared distance from the values less the threshold."""
    shifted = [Fraction(value) - Fraction(threshold) for value in kernel]
    distances = [
        sum((value - (1 if pattern >> place & 1 else -1)) ** 2 for place, value in enumerate(shifted))
        for pattern in patterns
    ]
    return distances.index(min(distances))


def learned(kernels: list[list[float]], patterns: list[int], threshold: float) -> list[int]:
    """Move each pattern to the signs of the sum of its kernels; replace repeats by the most frequent missing code."""
    which = [nearest(kernel, patterns, threshold) for kernel in kernels]
    moved = []
    for index, pattern in enumerate(patterns):
        own = [kernel for kernel, nearest_one in zip(kernels, which, strict=True) if nearest_one == index]
        sums = [sum(Fraction(value) - Fraction(threshold) for value in place) for place in zip(*own, strict=True)]
        moved.append(code(sums) if own else pattern)
    spare = [c for c in frequent([code(kernel, threshold) for kernel in kernels], 512) if c not in moved]
    return [c if c not in moved[:index] else spare.pop(0) for index, c in enumerate(moved)]
