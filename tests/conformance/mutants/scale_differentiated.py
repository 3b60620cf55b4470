"""The gradient of XNOR-Net's weights flows through the scale mean |latent| as well.

Flag: scale_not_differentiated.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def symmetric_weights_backward(dw, latent, s):
    through_scale = (dw * s).mean(axis=(1, 2, 3), keepdims=True) * np.sign(latent)
    return (reference.symmetric_weights_backward(dw, latent, s) + through_scale).astype(dw.dtype)
