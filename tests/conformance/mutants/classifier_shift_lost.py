"""The shift of the batch norm does not reach the bias of the linear layer.

Flag: folded_shift.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def fold_classifier(linear_weight, linear_bias, weight, bias, running_mean, running_var, eps):
    g = weight / np.sqrt(running_var.astype(float) + eps)
    return {"folded_weight": (linear_weight * g).astype(np.float32), "folded_bias": linear_bias}
