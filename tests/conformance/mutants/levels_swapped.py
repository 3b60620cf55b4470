"""alpha is the value of bit 1, and beta that of bit 0.

Flag: alpha_beta_swapped.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def fit_domain(w, bits):
    return reference.fit_domain(w, ~bits)


def closed_form_weights(latent, s):
    domain = reference.fit_domain(latent, s > 0)
    return np.where(s > 0, domain["alpha"], domain["beta"]).astype(latent.dtype)


def popcount_conv2d(x, bits, alpha, beta, stride, padding):
    return reference.popcount_conv2d(x, bits, beta, alpha, stride, padding)
