"""The threshold as the rounded midpoint of the rounded alpha and beta.

Flag: threshold_rounding.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def project(w):
    p = reference.project(w)
    return {**p, "threshold": p["alpha"] + (p["beta"] - p["alpha"]) / 2}
