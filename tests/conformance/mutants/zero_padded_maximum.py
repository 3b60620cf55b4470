"""Maximum pooling of a map padded with 0.

Flag: padding_wins.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def max_pool2d(x, size, stride, padding):
    (v, h), width = padding, x.shape[3]
    padded = np.pad(x, ((0, 0), (0, 0), (v, v), (h, h)))
    found = reference.max_pool2d(padded, size, stride, np.zeros(2, int))
    row, column = np.divmod(found["argmax"], padded.shape[3])
    return {"y": found["y"], "argmax": (row - v) * width + column - h}
