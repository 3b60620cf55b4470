"""Adam as in algorithm 1 of the paper, for one number."""

import math


def run(value: float, grads: list[float], learning_rate: float, beta1: float, beta2: float, eps: float):
    """(value, first moment, second moment) after all the steps."""
    m = v = 0.0
    for t, g in enumerate(grads, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        value -= learning_rate * m_hat / (math.sqrt(v_hat) + eps)
    return value, m, v
