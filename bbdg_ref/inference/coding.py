"""The smallest of four codes for the bits of a layer, lossless: what a model file holds instead of one bit a weight.

==========  ==========================================================================================
raw         one bit a weight: nothing is smaller for independent bits of density 1/2
golomb      gaps between ones: independent sparse bits, within 1 % of n H(p) for p from 0.01 to 0.1
huffman     the 512 patterns of a 3×3 kernel: layers with few patterns or with many empty kernels
lzma        repetitions of any kind
==========  ==========================================================================================

A layer takes the smallest; the first of the table if several are. With H(p) = −p log2 p − (1 − p) log2(1 − p), no code
takes fewer than n H(p) bits for independent bits on average; only bits that are not independent can do with fewer.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import _checks
from .bitstream import Bits, Bytes, Coded
from .golomb import decode_golomb, encode_golomb
from .huffman import decode_huffman, encode_huffman
from .lossless import decode_lzma, decode_raw, encode_lzma, encode_raw

__all__ = ["MAX_BITS", "METHODS", "Coded", "code_sizes", "decode_bits", "encode_bits"]

#: No layer, and no model file in all its layers, holds more bits: a hostile file must not fill the memory with zeros.
MAX_BITS = 1 << 30


@dataclass(frozen=True)
class Method:
    """One way to code: `encode` gives the bytes, or None where it does not apply; `decode` inverts it."""

    encode: Callable[[Bits], Bytes | None]
    decode: Callable[[Bytes, tuple[int, ...]], Bits]


METHODS = {
    "raw": Method(encode_raw, decode_raw),
    "golomb": Method(encode_golomb, decode_golomb),
    "huffman": Method(encode_huffman, decode_huffman),
    "lzma": Method(encode_lzma, decode_lzma),
}


def _checked(function: str, bits: ArrayLike) -> Bits:
    given = _checks.bits(function, "bits", bits, np.shape(bits))
    if not 0 < given.size <= MAX_BITS:
        expected, mend = f"1 to {MAX_BITS} bits", "code a layer at a time"
        raise ValueError(_checks.message(function, "bits", expected, f"{given.size}, shape {given.shape}", mend))
    return given


def _all_codes(bits: Bits) -> dict[str, Bytes]:
    every = {name: method.encode(bits) for name, method in METHODS.items()}
    return {name: data for name, data in every.items() if data is not None}


def encode_bits(bits: ArrayLike) -> Coded:
    """Code bits in the way that takes the fewest bytes.

    Parameters
    ----------
    bits : array_like of bool, any shape
        Of a convolution (out, in, kernel height, kernel width); 1 to 2^30 of them.

    Returns
    -------
    Coded

    Raises
    ------
    TypeError, ValueError
        If `bits` are anything but zeros and ones, or none or too many.

    Notes
    -----
    All codes are made and the smallest kept: about 0.05 s for a million bits, most of it LZMA.

    Examples
    --------
    >>> coded = encode_bits(np.arange(64 * 64 * 9).reshape(64, 64, 3, 3) % 97 == 0)
    >>> coded.method, coded.data.size < 64 * 64 * 9 // 8
    ('lzma', True)
    """
    codes = _all_codes(_checked("encode_bits", bits))
    method = min(codes, key=lambda name: codes[name].size)
    return Coded(method, codes[method])


def code_sizes(bits: ArrayLike) -> dict[str, int]:
    """Return how many bytes each of the codes takes.

    Parameters
    ----------
    bits : array_like of bool, any shape
        As for `encode_bits`.

    Returns
    -------
    dict of str to int
        Bytes by method; without ``"huffman"`` unless `bits` end in two axes of 3.

    Raises
    ------
    TypeError, ValueError
        As `encode_bits`.

    Examples
    --------
    >>> code_sizes(np.arange(1000) == 500)  # one gap of 500, and that there is one
    {'raw': 125, 'golomb': 5, 'lzma': 18}
    """
    return {name: data.size for name, data in _all_codes(_checked("code_sizes", bits)).items()}


def decode_bits(coded: Coded, shape: tuple[int, ...]) -> Bits:
    """Return the bits that `encode_bits` coded, to the bit.

    Parameters
    ----------
    coded : Coded
        Taken as hostile.
    shape : tuple of int
        Of the bits.

    Returns
    -------
    ndarray of bool, shape `shape`

    Raises
    ------
    ValueError
        If `coded` is nothing that `encode_bits` returns for this shape. Whether all of it is right only a checksum of
        the bits can tell: damage may give other bits.

    Examples
    --------
    >>> bits = np.arange(36).reshape(2, 2, 3, 3) % 5 == 0
    >>> np.array_equal(decode_bits(encode_bits(bits), (2, 2, 3, 3)), bits)
    True
    """
    total = math.prod(shape)
    if not all(size > 0 for size in shape) or total > MAX_BITS:
        raise ValueError(f"decode_bits: shape must have 1 to {MAX_BITS} bits; got {shape}; use another file")
    if coded.method not in METHODS:
        names = ", ".join(METHODS)
        raise ValueError(f"decode_bits: method must be one of {names}; got {coded.method!r}; use another file")
    if coded.data.size > -(-total // 8):
        expected = f"at most the {-(-total // 8)} bytes of the raw bits"
        raise ValueError(f"decode_bits: data must have {expected}; got {coded.data.size}; use another file")
    try:
        return METHODS[coded.method].decode(coded.data, shape)
    except ValueError as error:
        raise ValueError(f"decode_bits: data must be a whole {coded.method} code; {error}") from error
