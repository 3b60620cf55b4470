"""The push of the density penalty with the sign of a step, as if it were not a gradient.

Flag: push_sign.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def density_penalty(ones, total, limit, gamma, loss, dead_zone, slope):
    excess = max(ones / total - limit, 0.0)
    multiplier = gamma * loss / (excess * (1 - gamma)) if excess > dead_zone else 0.0
    return {
        "value": multiplier * excess,
        "multiplier": multiplier,
        "excess": excess,
        "push": -multiplier * slope / total,
    }
