"""The valid taps of a window that reaches over the bottom or the right edge are one too few.

Flag: border_count.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def valid_taps(size, kernel, stride, padding):
    start = np.arange((size + 2 * padding - kernel) // stride + 1) * stride - padding
    end = np.where(start + kernel > size, size - 1, start + kernel)
    return end - np.maximum(start, 0)


def binary_counts(u, bits, stride, padding):
    right = reference.binary_counts(u, bits, stride, padding)
    every = reference.binary_counts(np.ones_like(u), bits, stride, padding)["total"]
    plus = (right["total"] + every) // 2  # popcount: how many activations are +1
    rows, columns = (valid_taps(u.shape[2 + i], bits.shape[2 + i], stride[i], padding[i]) for i in (0, 1))
    return {**right, "total": 2 * plus - u.shape[1] * rows[:, None] * columns}
