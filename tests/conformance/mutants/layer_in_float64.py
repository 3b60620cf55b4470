"""The folded layer in float64, rounded to float32 at the end.

Flag: rounding_order.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def binary_layer(u, bits, scale, shared, shift, stride, padding):
    counts = reference.binary_counts(u, bits, stride, padding)
    scale, shared, shift = (level.astype(np.float64).reshape(-1, 1, 1) for level in (scale, shared, shift))
    return (scale * counts["ones"] + shared * counts["total"] + shift).astype(np.float32)
