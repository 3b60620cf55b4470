"""The border has bit 0 and every tap counts, so that padding is -1.

Flag: border_count.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def framed(bits, padding):
    v, h = padding
    return np.pad(bits, ((0, 0), (0, 0), (v, v), (h, h)))


def binary_counts(u, bits, stride, padding):
    return reference.binary_counts(framed(u, padding), bits, stride, np.zeros(2, int))
