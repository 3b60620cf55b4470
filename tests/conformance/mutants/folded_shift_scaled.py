"""Batch norm folded as g (z - mean + bias): the bias is scaled too.

Flag: folded_shift.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def fold_binary(alpha, beta, weight, bias, running_mean, running_var, eps):
    g = weight.astype(np.float64) / np.sqrt(running_var.astype(np.float64) + eps)
    right = reference.fold_binary(alpha, beta, weight, bias, running_mean, running_var, eps)
    return {**right, "shift": (g * (bias - running_mean)).astype(np.float32)}
