"""momentum weighs the old statistics, as in TensorFlow, instead of the batch's.

Flag: momentum.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def running_update(running_mean, running_var, mean, var, count, momentum):
    return reference.running_update(running_mean, running_var, mean, var, count, 1 - momentum)
