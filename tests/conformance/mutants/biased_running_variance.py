"""The running variance takes in the biased variance of the batch.

Flag: population_variance.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def running_update(running_mean, running_var, mean, var, count, momentum):
    return {
        "new_mean": (1 - momentum) * running_mean + momentum * mean,
        "new_var": (1 - momentum) * running_var + momentum * var,
    }
