"""One step of Adam in one pass over parameter, gradient and moments, float32."""

from typing import Any

import numpy as np

from .._memory import empty
from .compiled import compiled
from .threads import share_out

Array = np.ndarray[Any, Any]

PIECE = 65536  # elements that are worth a thread of their own


@compiled
def _step(value: Array, grad: Array, m: Array, v: Array, constants: Array, to: Array, to_m: Array, to_v: Array) -> None:
    """Compute the definition's expressions, every operation rounded to float32 in the same order."""
    beta1, rest1, beta2, rest2, root, eps, rate = constants
    for k in range(value.size):
        first = beta1 * m[k] + rest1 * grad[k]
        second = beta2 * v[k] + rest2 * (grad[k] * grad[k])
        to_m[k] = first
        to_v[k] = second
        to[k] = value[k] - rate * (first / (np.sqrt(second) / root + eps))


def step(value: Array, grad: Array, m: Array, v: Array, constants: Array) -> tuple[Array, Array, Array]:
    """Return the new parameter and its moments.

    Parameters
    ----------
    value, grad, m, v : float32, one shape
    constants : float32 (7,)
        beta1, 1 - beta1, beta2, 1 - beta2, sqrt(1 - beta2^t), eps, learning rate / (1 - beta1^t).
    """
    results = tuple(empty(value.shape) for _ in range(3))
    flat = [np.ascontiguousarray(array).reshape(-1) for array in (value, grad, m, v)]
    new = [array.reshape(-1) for array in results]

    def work(first: int, last: int) -> None:
        part = slice(first * PIECE, last * PIECE)
        _step(*(array[part] for array in flat), constants, *(array[part] for array in new))

    share_out(work, -(-value.size // PIECE))
    return results[0], results[1], results[2]
