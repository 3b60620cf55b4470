"""The clipped straight-through estimator passes for |x| < 1, not for |x| <= 1.

Flag: corner.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def clipped_ste_backward(dy, x):
    return np.where(np.abs(x) < 1, dy, 0)
