"""epsilon is spread over the other classes, and the true one keeps 1 - epsilon.

Flag: smoothing_share.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def smooth_targets(targets, epsilon):
    return (1 - epsilon) * targets + epsilon / (targets.shape[1] - 1) * (1 - targets)
