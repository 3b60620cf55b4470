"""The density penalty is on as soon as there is any excess.

Flag: dead_zone.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def density_penalty(ones, total, limit, gamma, loss, dead_zone, slope):
    excess = max(ones / total - limit, 0.0)
    multiplier = gamma * loss / (excess * (1 - gamma)) if excess > 0 else 0.0
    return {
        "value": multiplier * excess,
        "multiplier": multiplier,
        "excess": excess,
        "push": multiplier * slope / total,
    }
