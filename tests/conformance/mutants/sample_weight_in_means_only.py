"""Sample weights enter the two means, but not the choice of the bits.

Flag: sample_weight.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def project_weighted(w, sample_weight):
    p = reference.project(w)
    counts = sample_weight.astype(np.float64)
    means = {}
    for name, chosen in (("alpha", ~p["bits"]), ("beta", p["bits"])):
        total = counts[chosen].sum()
        means[name] = float((counts * w)[chosen].sum() / total) if total else p[name]
    return {**p, **means, "threshold": means["alpha"] / 2 + means["beta"] / 2}
