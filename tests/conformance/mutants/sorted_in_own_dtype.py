"""A descending sort by -w in the dtype of w: -(-128) is -128 in int8, and -1 is 255 in uint8.

Flag: narrow_dtype.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def project(w):
    flat = w.reshape(-1)
    order = np.argsort(-flat, kind="stable")
    ones = reference.project(w)["n_ones"]
    bits = np.zeros(flat.size, bool)
    bits[order[:ones]] = True
    bits = bits.reshape(w.shape)
    domain = reference.fit_domain(w, bits)
    return {**reference.project(w), **domain, "bits": bits}
