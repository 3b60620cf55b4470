"""dx[argmax] += dy with repeated indices, of which NumPy keeps one.

Flag: overlap.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def max_pool2d_backward(dy, argmax, input_size):
    dx = np.zeros((*dy.shape[:2], input_size.prod()), dy.dtype)
    for image in np.ndindex(dy.shape[:2]):
        dx[image][argmax[image].reshape(-1)] += dy[image].reshape(-1)
    return dx.reshape(*dy.shape[:2], *input_size)
