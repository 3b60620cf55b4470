"""The Adam optimizer (D. Kingma, J. Ba, arXiv 1412.6980, algorithm 1), one step of one array."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["AdamUpdate", "adam"]


@dataclass(frozen=True, eq=False)
class AdamUpdate:
    """The parameter, `value`, with its `first_moment` and `second_moment` after one step, in their shapes."""

    value: NDArray[np.floating]
    first_moment: NDArray[np.floating]
    second_moment: NDArray[np.floating]


def adam(
    value: NDArray[np.floating],
    grad: NDArray[np.floating],
    first_moment: NDArray[np.floating],
    second_moment: NDArray[np.floating],
    step: int,
    *,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
) -> AdamUpdate:
    """Make step t of Adam.

    Parameters
    ----------
    value, grad : ndarray, any shape
        The parameter and the gradient of the loss.
    first_moment, second_moment : ndarray, shape of `value`
        Zero before the first step.
    step : int
        Number t of this step, from 1.
    learning_rate, beta1, beta2, eps : float
        Python floats, so that the dtype of `value` is kept.

    Returns
    -------
    AdamUpdate
        ``m = beta1 m + (1 - beta1) g``, ``v = beta2 v + (1 - beta2) g^2`` and
        ``value - learning_rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)``.

    Notes
    -----
    `eps` is added after the bias of v is corrected, as in algorithm 1 (not in the shorter form that follows
    it in the paper). It matters here: where the only gradient is the push of the density penalty (1e-8 to
    1e-4), eps = 1e-8 is not small. Linear in the size of `value`.

    Examples
    --------
    >>> out = adam(np.array([1.0]), np.array([0.5]), np.zeros(1), np.zeros(1), 1, learning_rate=0.1, eps=0.0)
    >>> out.value.round(12), out.first_moment.round(12), out.second_moment.round(12)
    (array([0.9]), array([0.05]), array([0.00025]))
    """
    m = beta1 * first_moment + (1 - beta1) * grad
    v = beta2 * second_moment + (1 - beta2) * grad**2
    denominator = np.sqrt(v) / math.sqrt(1 - beta2**step) + eps
    return AdamUpdate(
        value=value - learning_rate / (1 - beta1**step) * (m / denominator), first_moment=m, second_moment=v
    )
