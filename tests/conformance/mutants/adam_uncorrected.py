"""Adam's moments as they are, without the correction of their start at zero.

Flag: bias_correction.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def adam_steps(value, grads, learning_rate, beta1, beta2, eps):
    first, second = np.zeros_like(value), np.zeros_like(value)
    for grad in grads:
        first = beta1 * first + (1 - beta1) * grad
        second = beta2 * second + (1 - beta2) * grad * grad
        with np.errstate(invalid="ignore"):
            value = value - learning_rate * first / (np.sqrt(second) + eps)
    return {"value": value, "first_moment": first, "second_moment": second}
