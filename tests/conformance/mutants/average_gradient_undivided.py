"""The gradient of an average is handed to every pixel whole.

Flag: window_area.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def avg_pool2d_backward(dy, input_size, size, stride):
    return reference.avg_pool2d_backward(dy, input_size, size, stride) * np.float32(size.prod())


def global_avg_pool_backward(dy, input_size):
    return np.tile(dy[:, :, None, None], (1, 1, *input_size))
