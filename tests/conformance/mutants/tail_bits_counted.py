"""The number of channels rounded up to whole words: the tail counts as activations of -1.

Flag: tail_bits.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def whole_words(bits):
    return np.pad(bits, ((0, 0), (0, -bits.shape[1] % 64), (0, 0), (0, 0)))


def binary_counts(u, bits, stride, padding):
    return reference.binary_counts(whole_words(u), whole_words(bits), stride, padding)
