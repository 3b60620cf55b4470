"""The divergence of the teacher from the network instead of the network from the teacher.

Flag: divergence_direction.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def distillation(logits, teacher_logits, temperature):
    return reference.distillation(teacher_logits, logits, temperature)
