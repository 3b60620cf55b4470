"""The map a * 1 is computed where the whole window lies inside, and is 0 elsewhere.

Flag: border.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def total_inside(x, bits, stride, padding):
    """Return a * 1 of the windows without padding."""
    total = reference.binary_counts(x > 0, bits, stride, padding)["total"]
    taps = reference.binary_counts(np.ones_like(x, bool), bits, stride, padding)["total"]
    return np.where(taps == bits[0].size, total, 0)


def combined(x, bits, alpha, beta, stride, padding):
    ones = reference.binary_counts(x > 0, bits, stride, padding)["ones"]
    low, high = alpha.reshape(-1, 1, 1), beta.reshape(-1, 1, 1)
    return (high - low) * ones + low * total_inside(x, bits, stride, padding)


def popcount_conv2d(x, bits, alpha, beta, stride, padding):
    return combined(x, bits, alpha, beta, stride, padding).astype(np.float32)


def shared_map(x, bits, alpha, beta, stride, padding):
    right = reference.shared_map(x, bits, alpha, beta, stride, padding)
    return {**right, "y": combined(x, bits, alpha, beta, stride, padding)}
