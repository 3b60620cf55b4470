"""The logarithm of a probability that has underflowed to 0.

Flag: log_of_zero.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def cross_entropy(logits, targets):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log(e / e.sum(axis=1, keepdims=True))
        return float(-(targets * logarithm).sum() / len(logits))
