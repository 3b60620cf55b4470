"""Every layer gets its share of k by its number of weights, and its own k largest.

Flag: across_layers.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def select_top_k_of_layers(first, second, k):
    share = round(k * first.size / (first.size + second.size))
    one, other = reference.select_top_k(first, share), reference.select_top_k(second, k - share)
    return {"first_bits": one["bits"], "second_bits": other["bits"], "threshold": one["threshold"]}
