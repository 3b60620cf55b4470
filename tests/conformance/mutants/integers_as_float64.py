"""Every weight is made a float64 first, which 64-bit integers are not.

Flag: wide_integers.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def project(w):
    return reference.project(w.astype(np.float64))


def project_k(w, k):
    return reference.project_k(w.astype(np.float64), k)
