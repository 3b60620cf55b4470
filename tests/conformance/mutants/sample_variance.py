"""Normalization by the sample variance, which divides by m - 1.

Flag: population_variance.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


AXES = {2: 0, 4: (0, 2, 3)}  # all but that of the channels


def batchnorm_train(x, weight, bias, eps):
    mean, var = x.mean(axis=AXES[x.ndim]), x.var(axis=AXES[x.ndim], ddof=1)
    return {"y": reference.batchnorm_infer(x, weight, bias, mean, var, eps), "mean": mean, "var": var}
