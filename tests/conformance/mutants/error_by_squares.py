"""The error as sum w^2 - n_0 alpha^2 - n_1 beta^2, which cancels.

Flag: offset_cancellation.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def error(w, p):
    ones, v = p["n_ones"], w.reshape(-1).astype(np.float64)
    with np.errstate(all="ignore"):
        left = np.square(v).sum() - (v.size - ones) * np.square(p["alpha"]) - ones * np.square(p["beta"])
    return float(np.fmax(left, 0.0))


def project(w):
    p = reference.project(w)
    return {**p, "error": error(w, p)}


def project_k(w, k):
    p = reference.project_k(w, k)
    return {**p, "error": error(w, p)}
