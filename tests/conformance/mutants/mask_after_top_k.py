"""The k largest of all weights, of which those outside the mask are then left out.

Flag: outside_the_mask.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def select_within(latent, mask, k):
    chosen = reference.select_top_k(latent, min(k, latent.size))
    return {**chosen, "bits": chosen["bits"] & mask}
