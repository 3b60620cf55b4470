"""The derivative 2 - 2 |x| goes on beyond -1 and 1, where it is negative.

Flag: outside.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def quadratic_backward(dy, x):
    return dy * (2 - 2 * np.abs(x))
