"""Functions of single elements, float32: one pass over the memory, without branches, on threads.

The loops run over slices from 0 to their end, so that Numba's check for negative indices vanishes and LLVM makes
vector code of them. NumPy's ``where`` on the same data is 10 to 40 times slower: it branches on every element, and the
signs of activations cannot be predicted.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from .._memory import empty
from .compiled import compiled
from .threads import share_out

Array = np.ndarray[Any, Any]

PIECE = 65536  # elements that are worth a thread of their own

ZERO, ONE, TWO, FOUR = np.float32(0), np.float32(1), np.float32(2), np.float32(4)


def _for_pieces(function: Callable[..., None], *arrays: Array, **constants: np.float32) -> Array:
    """Call ``function(*pieces of the flat arrays, piece of the result, *constants)`` on threads; return the result."""
    result = empty(arrays[0].shape)
    flat = [np.ascontiguousarray(array).reshape(-1) for array in arrays]
    flat.append(result.reshape(-1))

    def work(first: int, last: int) -> None:
        function(*(array[first * PIECE : last * PIECE] for array in flat), *constants.values())

    share_out(work, -(-result.size // PIECE))
    return result


@compiled
def _sign(x: Array, y: Array) -> None:
    for k in range(x.size):
        y[k] = ONE if x[k] > ZERO else -ONE


@compiled
def _clipped_ste_backward(dy: Array, x: Array, dx: Array) -> None:
    for k in range(x.size):
        dx[k] = dy[k] if abs(x[k]) <= ONE else ZERO


@compiled
def _quadratic_backward(dy: Array, x: Array, dx: Array) -> None:
    for k in range(x.size):
        value = x[k]
        slope = TWO + TWO * value if value < ZERO else TWO - TWO * value
        product = dy[k] * slope
        dx[k] = product if (value >= -ONE) & (value < ONE) else ZERO


@compiled
def _hardtanh_backward(dy: Array, x: Array, dx: Array) -> None:
    for k in range(x.size):
        dx[k] = dy[k] if (x[k] > -ONE) & (x[k] < ONE) else ZERO


@compiled
def _add_to(total: Array, other: Array) -> None:
    for k in range(total.size):
        total[k] += other[k]


@intrinsic
def _bits(_context, number):  # type: ignore
    """Return the bits of a float32 as an int32."""

    def generate(context, builder, signature, arguments):  # type: ignore
        return builder.bitcast(arguments[0], context.get_value_type(types.int32))

    return types.int32(types.float32), generate


@intrinsic
def _from_bits(_context, bits):  # type: ignore
    """Return the float32 with these bits."""

    def generate(context, builder, signature, arguments):  # type: ignore
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


# exp(v) = 2^n exp(r), n the integer nearest to v / ln 2. Adding 1.5 * 2^23 rounds to an integer, which then stands in
# the low bits of the sum. ln 2 is split so that n times its upper part is exact.
ROUNDER = np.float32(1.5 * 2**23)
ROUNDER_BITS = np.int32(0x4B400000)
LOG2_E = np.float32(1.4426950408889634)
LN2_UPPER = np.float32(355 / 512)
LN2_LOWER = np.float32(0.6931471805599453 - 355 / 512)
LEAST = np.float32(-87)  # exp(-87) is still a normal number
C2, C3, C4, C5, C6, C7 = (np.float32(1 / f) for f in (2, 6, 24, 120, 720, 5040))  # the error is below r^8 / 8! < 6e-9


@compiled
def _ede_backward(dy: Array, x: Array, dx: Array, t: np.float32, scale: np.float32) -> None:
    """Compute ``dy * scale * (1 - tanh(t x)^2)`` as ``dy * scale * 4 e / (1 + e)^2`` with ``e = exp(-2 abs(t x))``.

    The two are the same, but nothing cancels in the second.
    """
    for k in range(x.size):
        v = -TWO * abs(t * x[k])
        v = LEAST if v < LEAST else v  # NaN stays NaN
        shifted = v * LOG2_E + ROUNDER
        n = shifted - ROUNDER
        r = (v - n * LN2_UPPER) - n * LN2_LOWER
        power: np.float32 = _from_bits(np.int32((_bits(shifted) - ROUNDER_BITS + 127) << 23))  # 2^n
        e = power * (ONE + r * (ONE + r * (C2 + r * (C3 + r * (C4 + r * (C5 + r * (C6 + r * C7)))))))
        dx[k] = dy[k] * (scale * (FOUR * e / ((ONE + e) * (ONE + e))))


def sign(x: Array) -> Array:
    """Return +1 where ``x > 0``, else -1."""
    return _for_pieces(_sign, x)


def clipped_ste_backward(dy: Array, x: Array) -> Array:
    """Return `dy` where ``abs(x) <= 1``, else 0."""
    return _for_pieces(_clipped_ste_backward, dy, x)


def quadratic_backward(dy: Array, x: Array) -> Array:
    """Return ``dy * (2 - 2 abs(x))`` where ``-1 <= x < 1``, else 0."""
    return _for_pieces(_quadratic_backward, dy, x)


def ede_backward(dy: Array, x: Array, t: float, k: float) -> Array:
    """Return ``dy * k * t * (1 - tanh(t x)^2)``."""
    return _for_pieces(_ede_backward, dy, x, t=np.float32(t), scale=np.float32(k * t))


def hardtanh_backward(dy: Array, x: Array) -> Array:
    """Return `dy` where ``-1 < x < 1``, else 0."""
    return _for_pieces(_hardtanh_backward, dy, x)


def add_to(total: Array, other: Array) -> None:
    """Add to `total`, which is C-contiguous, in place."""
    flat, others = total.reshape(-1), np.ascontiguousarray(other).reshape(-1)

    def work(first: int, last: int) -> None:
        part = slice(first * PIECE, last * PIECE)
        _add_to(flat[part], others[part])

    share_out(work, -(-flat.size // PIECE))
