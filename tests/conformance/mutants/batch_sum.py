"""Loss and gradient summed over the batch.

Flag: batch_mean.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def cross_entropy(logits, targets):
    return reference.cross_entropy(logits, targets) * len(logits)


def cross_entropy_backward(logits, targets):
    return reference.cross_entropy_backward(logits, targets) * np.asarray(len(logits), logits.dtype)
