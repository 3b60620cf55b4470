"""A faster twin of `bbdg_ref.spec.adam` for float32: one pass instead of a dozen."""
# The kernels are imported inside functions so that importing bbdg_ref does not import Numba.

import math

import numpy as np
from numpy.typing import NDArray

from ..spec.adam import AdamUpdate
from ..spec.adam import adam as defined_adam
from .twins import compiled_twin_fits

__all__ = ["adam"]

Float = NDArray[np.floating]


def adam(
    value: Float, grad: Float, first_moment: Float, second_moment: Float, step: int, *,
    learning_rate: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
) -> AdamUpdate:  # fmt: skip
    """Make step t of Adam; see `bbdg_ref.spec.adam.adam`. Equal to it, bit for bit."""
    if not compiled_twin_fits(value, grad, first_moment, second_moment):
        return defined_adam(
            value, grad, first_moment, second_moment, step,
            learning_rate=learning_rate, beta1=beta1, beta2=beta2, eps=eps,
        )  # fmt: skip
    from ..kernels import adam

    rate, root = learning_rate / (1 - beta1**step), math.sqrt(1 - beta2**step)
    constants = np.array((beta1, 1 - beta1, beta2, 1 - beta2, root, eps, rate), np.float32)
    return AdamUpdate(*adam.step(value, grad, first_moment, second_moment, constants))
