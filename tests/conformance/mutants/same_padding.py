"""The same padding in all, but the odd row and column at the end: at stride 2 the windows start elsewhere.

Flag: stride.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


NONE = np.zeros(2, int)


def framed(x, kernel_size, stride, padding):
    size = np.array(x.shape[2:])
    outputs = (size + 2 * padding - kernel_size) // stride + 1
    needed = np.maximum((outputs - 1) * stride + kernel_size - size, 0)
    (top, left), (bottom, right) = needed // 2, needed - needed // 2
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))


def conv2d(x, weight, stride, padding):
    return reference.conv2d(framed(x, np.array(weight.shape[2:]), stride, padding), weight, stride, NONE)


def conv2d_grad_weight(dy, x, kernel_size, stride, padding):
    return reference.conv2d_grad_weight(dy, framed(x, kernel_size, stride, padding), kernel_size, stride, NONE)
