"""The size of the input is derived from that of the output: rows that no window reached are cut off.

Flag: unreached.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def conv2d_grad_input(dy, weight, input_size, stride, padding):
    smallest = (np.array(dy.shape[2:]) - 1) * stride + np.array(weight.shape[2:]) - 2 * padding
    return reference.conv2d_grad_input(dy, weight, smallest, stride, padding)
