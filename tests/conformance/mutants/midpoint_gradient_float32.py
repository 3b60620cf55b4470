"""The gradients of tau and phi added up in float32, one after the other.

Flag: float32_sums.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def general_weights_backward(dw, s, tau, phi):
    right = reference.general_weights_backward(dw, s, tau, phi)
    running = np.cumsum(dw.reshape(-1), dtype=np.float32), np.cumsum((dw * s).reshape(-1), dtype=np.float32)
    return {**right, "dphi": running[0][-1:].reshape(()), "dtau": running[1][-1:].reshape(())}
