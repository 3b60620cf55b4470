"""Of equally good partitions the last is taken, that with the most ones.

Flag: tied_optima.
"""

from fractions import Fraction

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def project(w):
    v = [Fraction(x) for x in sorted(w.reshape(-1).tolist(), reverse=True)]
    n, total, ones_sum = len(v), sum(v), Fraction(0)
    best, best_gain, tied = 0, Fraction(0), False
    for k in range(1, n):
        ones_sum += v[k - 1]
        gain = (n * ones_sum - k * total) ** 2 / (k * (n - k))
        if gain and gain >= best_gain:
            best, tied, best_gain = k, gain == best_gain, gain
    return {**reference.project_k(w, best), "tied": tied}
