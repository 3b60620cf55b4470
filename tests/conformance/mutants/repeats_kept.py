"""Patterns that became equal stay equal.

Flag: repeated_pattern.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def learned_patterns(latent, patterns, threshold):
    which = reference.nearest_pattern(latent, patterns, threshold)
    learned = patterns.copy()
    for index in range(len(patterns)):
        if (which == index).any():
            ones = (latent[which == index] - threshold).sum(axis=0) > 0
            learned[index] = ones.reshape(9) @ (1 << np.arange(9))
    return learned
