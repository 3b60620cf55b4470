"""The binary linear layer without the sum of the row: weights of bit 0 taken for zeros.

Flag: shared_term.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def popcount_linear(x, bits, alpha, beta):
    ones = np.where(x > 0, 1.0, -1.0) @ bits.T
    return ((beta - alpha) * ones).astype(np.float32)
