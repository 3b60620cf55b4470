"""Every kernel in turn takes the pattern with the largest sum that still fits, without a multiplier for its ones.

Flag: pattern_multiplier.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def patterns_of_k_ones(latent, patterns, k):
    shapes = reference.pattern_bits(patterns).reshape(-1, 9)
    bits, left = np.zeros((latent.size // 9, 9), bool), k
    for kernel, weights in enumerate(latent.reshape(-1, 9).astype(float)):
        fitting = shapes[shapes.sum(axis=1) <= left]
        bits[kernel] = fitting[np.argmax(fitting @ weights)]
        left -= bits[kernel].sum()
    bits = bits.reshape(latent.shape)
    return {"bits": bits, "threshold": reference.select_top_k(latent, int(bits.sum()))["threshold"]}
