"""The backward pass of batch norm takes the mean and the variance of the batch for constants.

Flag: statistics_gradient.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def batchnorm_backward(dy, x, weight, mean, var, eps):
    channels = (-1,) + (1,) * (x.ndim - 2)
    right = reference.batchnorm_backward(dy, x, weight, mean, var, eps)
    return {**right, "dx": dy * np.reshape(weight / np.sqrt(var + eps), channels)}
