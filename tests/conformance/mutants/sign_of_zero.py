"""numpy.sign, which has a third value at 0.

Flag: zero.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def sign(x):
    return np.sign(x)
