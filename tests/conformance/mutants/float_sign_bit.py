"""The bit of a number is read from the sign bit of its format, as a mask of vector instructions does.

Flag: negative_zero.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def sign_bits(x):
    return ~np.signbit(x)
