"""The nearest pattern by the number of bits that differ from those of the latent weights.

Flag: distance_of_bits.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def nearest_pattern(latent, patterns, threshold):
    signs = np.where(latent > threshold, 1.0, -1.0)
    return reference.nearest_pattern(signs, patterns, 0.0)
