"""tanh written with exponentials, whose quotient is inf/inf far out.

Flag: estimator_saturation.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def ede_backward(dy, x, t, k):
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(2 * t * x)
        tanh = (e - 1) / (e + 1)
    return dy * (k * t * (1 - np.square(tanh)))
