"""The image is padded with -1, the sign of 0.

Flag: border.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


NONE = np.zeros(2, int)


def framed(x, padding):
    v, h = padding
    return np.pad(x, ((0, 0), (0, 0), (v, v), (h, h)), constant_values=-1)


def conv2d(x, weight, stride, padding):
    return reference.conv2d(framed(x, padding), weight, stride, NONE)


def conv2d_grad_weight(dy, x, kernel_size, stride, padding):
    return reference.conv2d_grad_weight(dy, framed(x, padding), kernel_size, stride, NONE)
