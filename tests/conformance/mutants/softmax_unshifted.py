"""exp of the logits as they are.

Flag: softmax_overflow.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def softmax(logits):
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(logits)
        return e / e.sum(axis=1, keepdims=True)


def cross_entropy_backward(logits, targets):
    return (softmax(logits) - targets) / len(logits)
