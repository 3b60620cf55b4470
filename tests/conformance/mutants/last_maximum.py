"""Of equal maxima the last wins: >= in the loop over the window.

Flag: first_maximum.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def max_pool2d(x, size, stride, padding):
    right = reference.max_pool2d(x, size, stride, padding)
    (height, width), y = x.shape[2:], right["y"]
    argmax = np.empty(y.shape, np.int64)
    for n, c, p, q in np.ndindex(y.shape):
        for i, j in np.ndindex(*size):
            h, w = p * stride[0] + i - padding[0], q * stride[1] + j - padding[1]
            if 0 <= h < height and 0 <= w < width and x[n, c, h, w] >= y[n, c, p, q]:
                argmax[n, c, p, q] = h * width + w
    return {"y": y, "argmax": argmax}
