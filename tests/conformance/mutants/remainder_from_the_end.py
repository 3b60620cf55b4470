"""The ones that are left over go to the last of the equally good kernels.

Flag: pattern_remainder.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def patterns_of_k_ones(latent, patterns, k):
    backwards = latent.reshape(-1, 1, 3, 3)[::-1]
    chosen = reference.patterns_of_k_ones(backwards, patterns, k)
    return {**chosen, "bits": chosen["bits"][::-1].reshape(latent.shape)}
