"""{0, beta} searched among the largest weights only, so that beta is never negative.

Flag: negative_beta.
"""

from fractions import Fraction
from itertools import accumulate

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def project_zero(w):
    v = sorted((Fraction(x) for x in w.reshape(-1).tolist()), reverse=True)
    gains = [Fraction(0)]
    gains += [max(s, 0) ** 2 / k for k, s in enumerate(accumulate(v), start=1)]
    ones = gains.index(max(gains))
    best = reference.project_k(w, ones)
    beta = best["beta"] if ones else 0.0
    error = float(sum(x * x for x in v) - gains[ones])
    tied = best["tied"] or gains.count(gains[ones]) > 1
    return {**best, "alpha": 0.0, "beta": beta, "threshold": beta / 2, "error": error, "tied": tied}
