"""The density moves along a straight line.

Flag: cubic_schedule.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def cubic_density(step, start, end, begin, steps):
    share = min(max((step - begin) / steps, 0.0), 1.0)
    return (1 - share) * start + share * end
