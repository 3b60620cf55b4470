"""Latent weights whose signs are given bits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["signed_latents"]

#: The least size of a result: the smallest normal float32, which rounds to 0 in no sum of its own.
LEAST = np.float32(np.finfo(np.float32).tiny)


def signed_latents(latent: NDArray[Any], bits: NDArray[np.bool_], threshold: float) -> NDArray[np.float32]:
    """Return max(|w − θ|, 2⁻¹²⁶)·s with s = +1 where the bit is 1 and −1 where it is 0.

    Where the bits are those of w > θ, this is w − θ. Other bits, of ties or of a choice that no threshold cuts, stay as
    they are too: what a port or a training that knows signs alone makes of the result are the same bits.

    Parameters
    ----------
    latent : ndarray of float, any shape
        Latent weights w.
    bits : ndarray of bool, of that shape
        The signs wanted.
    threshold : float
        θ.

    Returns
    -------
    ndarray of float32, of that shape
        None of them 0.

    Examples
    --------
    >>> import numpy as np
    >>> signed_latents(np.array([0.5, 0.25, 1.0]), np.array([False, True, True]), 0.25).tolist()
    [-0.25, 1.1754943508222875e-38, 0.75]
    """
    size = np.abs(latent.astype(np.float64) - np.float64(threshold)).astype(np.float32)
    return np.where(bits, np.maximum(size, LEAST), -np.maximum(size, LEAST))
