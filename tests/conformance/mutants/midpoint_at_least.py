"""A weight exactly between alpha and beta gets bit 1: >= where > is meant.

Flag: midpoint_tie.
"""

from fractions import Fraction

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def assign(w, alpha, beta):
    middle = (Fraction(alpha) + Fraction(beta)) / 2
    bits = [(Fraction(x) - middle) * (1 if beta >= alpha else -1) >= 0 for x in w.reshape(-1).tolist()]
    return np.reshape(np.array(bits, bool), w.shape)
