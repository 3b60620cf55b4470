"""The push of the entropy goes on beyond one half, where it makes more ones.

Flag: entropy_slope.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def entropy_factor(density, limit):
    if density <= 0.5:
        return reference.entropy_factor(density, limit)
    return -reference.entropy_factor(1 - density, limit)
