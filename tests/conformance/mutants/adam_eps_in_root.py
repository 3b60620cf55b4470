"""Adam's eps under the root.

Flag: adam_eps.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def adam_steps(value, grads, learning_rate, beta1, beta2, eps):
    first, second = np.zeros_like(value), np.zeros_like(value)
    for step, grad in enumerate(grads, start=1):
        first = beta1 * first + (1 - beta1) * grad
        second = beta2 * second + (1 - beta2) * grad * grad
        corrected = second / (1 - beta2**step)
        value = value - learning_rate * (first / (1 - beta1**step)) / np.sqrt(corrected + eps)
    return {"value": value, "first_moment": first, "second_moment": second}
