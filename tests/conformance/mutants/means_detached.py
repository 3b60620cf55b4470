"""The conditional means are constants of the backward pass.

Flag: gradient_through_means.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def closed_form_weights_backward(dw, latent, s):
    right = reference.closed_form_weights_backward(dw, latent, s)
    return {**right, "dlatent": np.zeros_like(dw)}
