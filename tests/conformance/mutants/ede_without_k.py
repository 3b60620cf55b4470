"""The error decay estimator t (1 - tanh(t x)^2), without its scale k.

Flag: estimator_scale.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def ede_backward(dy, x, t, k):
    return dy * (t * (1 - np.square(np.tanh(t * x))))


def binary_block_backward(**inputs):
    return reference.binary_block_backward(**{**inputs, "k": 1.0})
