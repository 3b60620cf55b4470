"""The bit of a number is x >= 0, in the convolution as well.

Flag: zero.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def sign_bits(x):
    return x >= 0


def popcount_conv2d(x, bits, alpha, beta, stride, padding):
    signs = np.where(sign_bits(x), np.float32(1), np.float32(-1))
    return reference.popcount_conv2d(signs, bits, alpha, beta, stride, padding)
