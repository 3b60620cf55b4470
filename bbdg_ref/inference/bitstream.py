"""Streams of bits and counts in arrays of bytes: what the coders of a model file write and read.

Bit i of a stream is bit i % 8, counted from the lowest, of byte i // 8, as everywhere in this package; the bits left
over in the last byte are zero. A count is written in base 128, lowest digit first, one digit a byte, with 128 added to
every digit but the last (LEB128).

Whatever is read is taken as hostile: a length is held against what is there before anything is allocated.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Coded", "ByteReader", "count_bytes", "pack_stream", "unpack_stream"]

Bits = NDArray[np.bool_]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Coded:
    """The bits of one layer, coded.

    Attributes
    ----------
    method : str
        The name of the coder.
    data : ndarray of uint8 (bytes,)
        What it wrote, its parameters included; only the shape of the bits is kept elsewhere.
    """

    method: str
    data: Bytes


def pack_stream(bits: Bits) -> Bytes:
    """Return the bytes of a stream of bits.

    Parameters
    ----------
    bits : ndarray of bool (bits,)

    Returns
    -------
    ndarray of uint8 (ceil(bits / 8),)

    Examples
    --------
    >>> pack_stream(np.array([True, False, False, False, False, False, False, True, True]))
    array([129,   1], dtype=uint8)
    """
    return np.packbits(bits, bitorder="little")


def unpack_stream(data: Bytes, count: int) -> Bits:
    """Return the bits of a stream: the inverse of `pack_stream`.

    Parameters
    ----------
    data : ndarray of uint8 (bytes,)
    count : int
        Number of bits.

    Returns
    -------
    ndarray of bool (count,)

    Raises
    ------
    ValueError
        If `data` has another length than `count` bits need, or if a bit beyond them is set.

    Examples
    --------
    >>> unpack_stream(np.array([1], np.uint8), 3)
    array([ True, False, False])
    """
    if data.size != -(-count // 8):
        raise ValueError(f"its stream of {count} bits must have {-(-count // 8)} bytes; got {data.size}")
    bits = np.unpackbits(data, bitorder="little").view(np.bool_)
    if bits[count:].any():
        raise ValueError(f"its stream must have zeros after bit {count}; got a one")
    return bits[:count]


def count_bytes(*counts: int) -> Bytes:
    """Return integers of at least 0 in base 128, one after the other.

    Parameters
    ----------
    *counts : int

    Returns
    -------
    ndarray of uint8 (bytes,)

    Examples
    --------
    >>> count_bytes(5, 300)  # 300 = 44 + 2 * 128
    array([  5, 172,   2], dtype=uint8)
    """
    digits = []
    for count in counts:
        while count >= 128:
            digits.append(count % 128 + 128)
            count //= 128
        digits.append(count)
    return np.array(digits, np.uint8)


class ByteReader:
    """Takes counts and pieces off the front of an array of bytes.

    Parameters
    ----------
    data : ndarray of uint8 (bytes,)
    """

    def __init__(self, data: Bytes) -> None:
        self.data, self.place = data, 0

    def count(self, name: str, low: int, high: int) -> int:
        """Take the integer `name`, from `low` to `high`."""
        value, base = 0, 1
        while True:
            digit = int(self.take(name, 1)[0])
            value += digit % 128 * base
            if value > high or (digit == 0 and base > 1):  # a highest digit of 0 is never written
                raise ValueError(f"its {name} must be an integer from {low} to {high}; got another")
            if digit < 128:
                break
            base *= 128
        if value < low:
            raise ValueError(f"its {name} must be an integer from {low} to {high}; got {value}")
        return value

    def take(self, name: str, size: int) -> Bytes:
        """Take `size` bytes, which hold `name`."""
        left = self.data.size - self.place
        if size > left:
            raise ValueError(f"its {name} must have {size} bytes; got {left}, then the data ends")
        self.place += size
        return self.data[self.place - size : self.place]

    def rest(self) -> Bytes:
        """Take all that is left."""
        return self.take("rest", self.data.size - self.place)
