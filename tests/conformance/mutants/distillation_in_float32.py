"""The logarithms of the distillation loss, and their differences, in the dtype of the logits.

Flag: magnified_rounding.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def log_softmax(z):
    shifted = z - z.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def distillation(logits, teacher_logits, temperature):
    student, teacher = (log_softmax(z / temperature) for z in (logits, teacher_logits))
    return float(temperature**2 * (np.exp(teacher) * (teacher - student)).sum() / len(logits))
