"""eps is added to the standard deviation instead of the variance.

Flag: eps.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def squared(var, eps):
    return np.square(np.sqrt(var) + eps)


def batchnorm_infer(x, weight, bias, running_mean, running_var, eps):
    return reference.batchnorm_infer(x, weight, bias, running_mean, squared(running_var, eps), 0.0)


def batchnorm_train(x, weight, bias, eps):
    right = reference.batchnorm_train(x, weight, bias, eps)
    return {**right, "y": batchnorm_infer(x, weight, bias, right["mean"], right["var"], eps)}


def fold_binary(alpha, beta, weight, bias, running_mean, running_var, eps):
    return reference.fold_binary(alpha, beta, weight, bias, running_mean, squared(running_var, eps), 0.0)
