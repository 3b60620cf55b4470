"""The density penalty is the share gamma of the task loss, not of the whole loss.

Flag: penalty_share.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def density_penalty(ones, total, limit, gamma, loss, dead_zone, slope):
    excess = max(ones / total - limit, 0.0)
    multiplier = gamma * loss / excess if excess > dead_zone else 0.0
    return {
        "value": multiplier * excess,
        "multiplier": multiplier,
        "excess": excess,
        "push": multiplier * slope / total,
    }
