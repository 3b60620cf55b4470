"""The schedule of t divides by E - 1, so that the last epoch has t = 10.

Flag: schedule_end.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def ede_schedule(epoch, epochs):
    t = 10.0 ** (-1 + 2 * epoch / max(epochs - 1, 1))
    return {"t": t, "k": max(1 / t, 1.0)}
