"""A convolution as in signal processing, which flips the kernel.

Flag: kernel_flip.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def conv2d(x, weight, stride, padding):
    return reference.conv2d(x, np.ascontiguousarray(weight[:, :, ::-1, ::-1]), stride, padding)
