r"""Golomb code of the gaps between ones: near the entropy for sparse, independent bits.

The positions of the ones (of the zeros, where they are fewer), in C order, leave gaps: g is the number of other bits
between one and the next. If every bit is one with probability p, then P(g) = p (1 − p)^g, and the best code that gives
every gap a whole number of bits is Golomb's. With divisor m::

    q, r = divmod(g, m)
    q in unary:              q zeros, then a one
    r in truncated binary:   w = ceil(log2 m), short = 2^w − m
                             r < short: r itself in w − 1 bits
                             else       r + short in w bits, which begins with (r + short) // 2 >= short

A Rice code allows only powers of two for m; this takes any, and costs for p from 0.01 to 0.1 less than 1 % above the
entropy n H(p). m is found by trying, not from p: real layers are not independent bits.

The layout lets a decoder work on whole arrays (a sequential one reads from three places)::

    count of ones, 2 m + (1 if ones are listed, 0 if zeros)     in base 128
    the unary parts of all gaps
    the w − 1 bits of every gap: r or (r + short) // 2, lowest bit first
    the last bit of every r >= short: (r + short) % 2

S. W. Golomb, "Run-length encodings", IEEE Transactions on Information Theory 12 (1966);
R. G. Gallager and D. C. van Voorhis, "Optimal source codes for geometrically distributed integer alphabets" (1975).
"""

import math

import numpy as np
from numpy.typing import NDArray

from .bitstream import Bits, ByteReader, Bytes, count_bytes, pack_stream

__all__ = ["best_divisor", "decode_golomb", "encode_golomb"]

Integers = NDArray[np.int64]

EVERY = 256  # divisors up to here are all tried; beyond, 16 to an octave, where so little more changes next to nothing


def best_divisor(gaps: Integers) -> int:
    """Return the divisor with the shortest code, the smallest if several have it.

    Parameters
    ----------
    gaps : ndarray of int64 (gaps,)

    Returns
    -------
    int
        From 1 to the largest gap + 1; beyond 256 that one or one of 16 in every octave.

    Examples
    --------
    >>> best_divisor(np.array([0, 1, 3, 2, 2, 9]))
    2
    """
    if gaps.size == 0:
        return 1
    values, counts = np.unique(gaps, return_counts=True)
    largest = int(values[-1]) + 1
    steps = 16 * max(0, (largest - 1).bit_length() - 8)
    coarse = (round(EVERY * 2 ** (i / 16)) for i in range(1, steps + 1))
    tried = [*range(1, min(largest, EVERY) + 1), *(m for m in coarse if m < largest), largest]
    return min(tried, key=lambda m: (_length(values, counts, m), m))


def _width(m: int) -> int:
    return (m - 1).bit_length()


def _length(values: Integers, counts: Integers, m: int) -> int:
    """Return the bits that the gaps take with divisor m."""
    width = _width(m)
    if m == 1:
        return int((values + 1) @ counts)
    quotients, remainders = np.divmod(values, m)
    return int((quotients + width + (remainders >= 2**width - m)) @ counts)


def encode_golomb(bits: Bits) -> Bytes:
    """Code bits by the gaps between the rarer value.

    Parameters
    ----------
    bits : ndarray of bool, any shape

    Returns
    -------
    ndarray of uint8 (bytes,)

    Examples
    --------
    >>> encode_golomb(np.arange(16) == 5)  # a gap of 5 = 2 * 2 + 1 with m = 2: 001 1
    array([ 1,  5, 12], dtype=uint8)
    """
    flat = bits.reshape(-1)
    listed = bool(2 * np.count_nonzero(flat) <= flat.size)
    gaps = np.diff(np.flatnonzero(flat == listed), prepend=-1) - 1
    m = best_divisor(gaps)
    width = _width(m)
    short = 2**width - m
    quotients, remainders = np.divmod(gaps, m)
    unary = np.zeros(int(quotients.sum()) + gaps.size, np.bool_)
    unary[np.cumsum(quotients + 1) - 1] = True
    long = (remainders >= short) & (m > 1)
    upper = np.where(long, (remainders + short) >> 1, remainders)
    fields = (upper[:, None] >> np.arange(max(width - 1, 0)) & 1).astype(np.bool_)
    last = ((remainders[long] + short) & 1).astype(np.bool_)
    stream = pack_stream(np.concatenate([unary, fields.reshape(-1), last]))
    return np.concatenate([count_bytes(gaps.size, 2 * m + listed), stream])


def decode_golomb(data: Bytes, shape: tuple[int, ...]) -> Bits:
    """Return the bits that `encode_golomb` coded.

    Parameters
    ----------
    data : ndarray of uint8 (bytes,)
    shape : tuple of int
        Of the bits; no more than 2^31 of them.

    Returns
    -------
    ndarray of bool, shape `shape`

    Raises
    ------
    ValueError
        If `data` is nothing that `encode_golomb` writes for this shape.

    Notes
    -----
    Time and memory are proportional to the bits and to the bytes of `data`.

    Examples
    --------
    >>> decode_golomb(np.array([1, 5, 12], np.uint8), (2, 5)).astype(int)
    array([[0, 0, 0, 0, 0],
           [1, 0, 0, 0, 0]])
    """
    total = math.prod(shape)
    reader = ByteReader(data)
    number = reader.count("number of gaps", 0, total // 2)
    m, listed = divmod(reader.count("divisor", 2, 2 * total + 1), 2)
    flags = np.unpackbits(reader.rest(), bitorder="little")
    ends = np.flatnonzero(flags)[:number]
    if ends.size < number:
        raise ValueError(f"its stream must hold {number} gaps; got {ends.size}, then the data ends")
    place = int(ends[-1]) + 1 if number else 0
    width = _width(m)
    short, field = 2**width - m, max(width - 1, 0)
    fields = _slice(flags, place, number * field).reshape(number, field)
    remainders = fields.astype(np.int64) @ (np.int64(1) << np.arange(field))
    place += number * field
    if m > 1:
        long = np.flatnonzero(remainders >= short)
        remainders[long] = 2 * remainders[long] + _slice(flags, place, long.size) - short
        place += long.size
    if flags.size - place >= 8 or flags[place:].any():
        raise ValueError(f"its stream must end after bit {place} with zeros; got {flags.size} bits")
    # No overflow in 64 bits: there are fewer than 2^31 gaps, m is at most 2^31, the quotients sum to the stream's bits.
    positions = np.cumsum((np.diff(ends, prepend=-1) - 1) * m + remainders + 1) - 1
    if number and not 0 <= positions[-1] < total:
        raise ValueError(f"its gaps must stay within {total} bits; got position {positions[-1]}")
    bits = np.full(total, not listed)
    bits[positions] = listed
    return bits.reshape(shape)


def _slice(flags: NDArray[np.uint8], place: int, size: int) -> NDArray[np.uint8]:
    if size > flags.size - place:
        raise ValueError(f"its remainders must have {size} bits; got {flags.size - place}, then the data ends")
    return flags[place : place + size]
