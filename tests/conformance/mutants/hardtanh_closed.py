"""The gradient of hardtanh passes at -1 and 1 too.

Flag: corner.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def hardtanh_backward(dy, x):
    return np.where(np.abs(x) <= 1, dy, 0)
