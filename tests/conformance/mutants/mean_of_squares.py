"""The variance as mean(x^2) - mean(x)^2.

Flag: offset_cancellation.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


AXES = {2: 0, 4: (0, 2, 3)}  # all but that of the channels


def batchnorm_train(x, weight, bias, eps):
    mean = x.mean(axis=AXES[x.ndim])
    var = np.maximum(np.square(x).mean(axis=AXES[x.ndim]) - np.square(mean), 0)
    return {"y": reference.batchnorm_infer(x, weight, bias, mean, var, eps), "mean": mean, "var": var}
