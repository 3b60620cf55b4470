"""A faster twin of `bbdg_ref.spec.activation.hardtanh_backward` for float32: one pass without branches."""
# The kernels are imported inside functions so that importing bbdg_ref does not import Numba.

import numpy as np
from numpy.typing import NDArray

from ..spec.activation import hardtanh_backward as defined_hardtanh_backward
from .twins import compiled_twin_fits

__all__ = ["hardtanh_backward"]


def hardtanh_backward(dy: NDArray[np.floating], x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return `dy` where ``-1 < x < 1``, else 0; see `bbdg_ref.spec.activation.hardtanh_backward`. Equal to it."""
    if not compiled_twin_fits(dy, x):
        return defined_hardtanh_backward(dy, x)
    from ..kernels import elementwise

    return elementwise.hardtanh_backward(dy, x)
