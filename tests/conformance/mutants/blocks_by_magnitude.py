"""Kernels and filters ranked by their L1 norm, as where zero is what a pruned weight is.

Flag: block_score.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def kept(select, latent, k):
    bits = select(np.abs(latent), k)["bits"]
    return {"bits": bits, "threshold": reference.select_top_k(latent, int(bits.sum()))["threshold"]}


def select_kernels(latent, k):
    return kept(reference.select_kernels, latent, k)


def select_filters(latent, k):
    return kept(reference.select_filters, latent, k)
