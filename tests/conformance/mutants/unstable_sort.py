"""The k largest by an unstable sort: NumPy's default is one beyond a handful of elements.

Flag: duplicates.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def first(w, k):
    bits = np.zeros(w.size, bool)
    bits[np.argsort(-w.reshape(-1))[:k]] = True
    return bits.reshape(w.shape)


def project_k(w, k):
    return {**reference.project_k(w, k), "bits": first(w, k)}


def select_top_k(latent, k):
    return {**reference.select_top_k(latent, k), "bits": first(latent, k)}
