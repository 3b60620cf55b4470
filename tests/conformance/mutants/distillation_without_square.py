"""The distillation loss is not multiplied by the square of the temperature.

Flag: temperature.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def distillation(logits, teacher_logits, temperature):
    return reference.distillation(logits, teacher_logits, temperature) / temperature**2
