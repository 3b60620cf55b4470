"""The midpoint of alpha and beta in floating point, where it rounds and overflows.

Flag: midpoint_rounding.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def assign(w, alpha, beta):
    middle = (np.float64(alpha) + np.float64(beta)) / 2
    return (w > middle) if alpha <= beta else (w < middle)
