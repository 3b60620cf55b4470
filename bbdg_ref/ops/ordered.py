"""Numbers of one type as unsigned integers of the same order, and back.

The bits of a float of at least 0 order as integers do; those of a negative one the other way round. So u = bits with
the sign bit inverted, or with all bits inverted where the number is negative, has the order of the numbers (-0.0 comes
just below 0.0). A signed integer needs its sign bit inverted. Integers of 8 bits are read as of 16.

Between two u that differ in their lower bits only (not in sign or exponent), the numbers are evenly spaced:
number(u0 + l) = (base + l) * 2**scale, with whole base. `projection_passes` counts and sums l.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Line", "blocks"]

MANTISSA = {16: 10, 32: 23, 64: 52}  # bits of a float of so many bits
DIGIT = 16  # bits that are counted at once


@dataclass(frozen=True)
class Line:
    """The numbers of one dtype in their order.

    Parameters
    ----------
    dtype : dtype
        float16, float32, float64, or integers of 16, 32 or 64 bits.
    """

    dtype: np.dtype

    @classmethod
    def of(cls, dtype: npt.DTypeLike) -> "Line":
        """Return the line that holds all numbers of a dtype exactly."""
        given = np.dtype(dtype)
        return cls(
            np.promote_types(given, np.int16 if given.kind == "i" else np.uint16) if given.kind in "iu" else given
        )

    @cached_property
    def bits(self) -> int:
        """The bits of a number."""
        return 8 * self.dtype.itemsize

    @cached_property
    def unsigned(self) -> np.dtype:
        """The dtype of u."""
        return np.dtype(f"u{self.dtype.itemsize}")

    @cached_property
    def flips(self) -> tuple[int, int]:
        """What is inverted in negative numbers, and what in all: u = bits ^ (the first, if negative) ^ the second."""
        sign = 1 << self.bits - 1
        return (sign - 1 if self.dtype.kind == "f" else 0), (0 if self.dtype.kind == "u" else sign)

    @cached_property
    def unit(self) -> int:
        """The exponent of the power of two that all numbers are multiples of."""
        return self._exponent(0) if self.dtype.kind == "f" else 0

    @cached_property
    def finite(self) -> tuple[int, int]:
        """The least and the greatest u of a finite number."""
        if self.dtype.kind != "f":
            return 0, (1 << self.bits) - 1
        largest = np.finfo(self.dtype).max
        return int(self.order(np.array([-largest]))[0]), int(self.order(np.array([largest]))[0])

    def order(self, x: np.ndarray) -> np.ndarray:
        """Return u of each number; x is contiguous and of this dtype."""
        negative, always = (self.unsigned.type(flip) for flip in self.flips)
        signed = np.dtype(f"i{self.dtype.itemsize}")
        if not negative:
            return x.view(self.unsigned) ^ always
        return x.view(self.unsigned) ^ (
            (x.view(signed) >> signed.type(self.bits - 1)).view(self.unsigned) & negative | always
        )

    def number(self, u: int) -> np.generic:
        """Return the number of one u."""
        negative, always = self.flips
        bits = u ^ always
        if bits >> self.bits - 1:
            bits ^= negative
        return np.array([bits], self.unsigned).view(self.dtype)[0]

    def least_equal(self, x: np.generic) -> int:
        """Return the least u of the numbers equal to x: that of -0.0 for 0."""
        if self.dtype.kind == "f" and x == 0:
            return (1 << self.bits - 1) - 1
        return int(self.order(np.array([x], self.dtype))[0])

    def reaching(self, x: np.ndarray, least: int, out: npt.NDArray[np.bool_]) -> None:
        """Write which numbers of an array have at least this u; O(its size)."""
        number = self.number(least)
        if self.bits > 16 and number != 0:
            np.greater_equal(x, number, out=out)  # NumPy compares float16 slowly, and cannot tell 0.0 from -0.0
            return
        flags = ["external_loop", "buffered", "zerosize_ok"]
        pieces = np.nditer(
            [x, out], flags, [["readonly"], ["writeonly"]], [self.dtype, np.bool_], casting="safe", buffersize=2**16
        )  # type: ignore[call-overload]
        with pieces:
            for piece, bits in pieces:
                np.greater_equal(self.order(np.ascontiguousarray(piece)), self.unsigned.type(least), out=bits)

    def bases(self, first: npt.NDArray[np.uint64], width: int) -> tuple[list[int], list[int]]:
        """Return base and scale of runs of u that begin at ``first``, are ``width`` + 1 long and of one exponent."""
        if self.dtype.kind != "f":
            least = 0 if self.dtype.kind == "u" else 1 << self.bits - 1
            return [u - least for u in first.tolist()], [0] * first.size
        mantissa, sign = MANTISSA[self.bits], 1 << self.bits - 1
        positive = first >= np.uint64(sign)
        # A run of negative numbers begins with its largest magnitude.
        size = np.where(positive, first - np.uint64(sign), np.uint64(sign - 1) - first).astype(np.int64)
        exponent = size >> mantissa
        whole = (size & ((1 << mantissa) - 1)) | (np.minimum(exponent, 1) << mantissa)
        return np.where(positive, whole, -whole).tolist(), (np.maximum(exponent, 1) + self._exponent(0) - 1).tolist()

    def _exponent(self, field: int) -> int:
        """Return the exponent of the last bit of floats with an exponent field of at least 1; that of 0 is as of 1."""
        mantissa = MANTISSA[self.bits]
        bias = (1 << self.bits - mantissa - 2) - 1
        return max(field, 1) - bias - mantissa


def blocks(chunk: np.ndarray, dtype: np.dtype, size: int) -> Iterator[np.ndarray]:
    """Yield all numbers of an array as contiguous one-dimensional blocks, in any order.

    Parameters
    ----------
    chunk : array
        Of any shape and layout; copied, block by block, only where it is not contiguous or of another dtype.
    dtype : dtype
        Of the blocks; it holds the numbers exactly.
    size : int
        The most numbers of a block.

    Yields
    ------
    array
        A block; O(its size).
    """
    if chunk.flags.c_contiguous:
        flat = chunk.reshape(-1)
        for start in range(0, flat.size, size):
            yield flat[start : start + size].astype(dtype, copy=False)
    else:
        flags: list[Any] = ["external_loop", "buffered", "zerosize_ok"]
        with np.nditer(chunk, flags, [["readonly"]], [dtype], order="K", casting="safe", buffersize=size) as pieces:  # type: ignore[call-overload]
            for piece in pieces:
                yield np.ascontiguousarray(piece)
