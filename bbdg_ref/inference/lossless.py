"""The two coders that know nothing of convolutions: the bits as they are, and LZMA for repetitions of any kind.

LZMA (Igor Pavlov's; the standard library wraps XZ Utils) is used without a container, as one raw LZMA2 stream over the
packed bits: the model file has its own lengths and checksums.
"""

import lzma
import math

import numpy as np

from .bitstream import Bits, Bytes, pack_stream, unpack_stream

__all__ = ["decode_lzma", "decode_raw", "encode_lzma", "encode_raw"]

# Bytes of bits have no text-like context, so that none is modelled (lc, lp, pb). The window is part of the format.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 23, "lc": 0, "lp": 0, "pb": 0}]


def encode_raw(bits: Bits) -> Bytes:
    """Pack bits in C order, eight to a byte, the first one lowest.

    Parameters
    ----------
    bits : ndarray of bool, any shape

    Returns
    -------
    ndarray of uint8 (ceil(bits / 8),)

    Examples
    --------
    >>> encode_raw(np.array([[True, False], [True, False]]))
    array([5], dtype=uint8)
    """
    return pack_stream(bits.reshape(-1))


def decode_raw(data: Bytes, shape: tuple[int, ...]) -> Bits:
    """Return the bits that `encode_raw` packed.

    Parameters
    ----------
    data : ndarray of uint8 (bytes,)
    shape : tuple of int
        Of the bits.

    Returns
    -------
    ndarray of bool, shape `shape`

    Raises
    ------
    ValueError
        If the number of bytes is another, or a bit after the last is set.

    Examples
    --------
    >>> decode_raw(np.array([5], np.uint8), (2, 2)).astype(int)
    array([[1, 0],
           [1, 0]])
    """
    return unpack_stream(data, math.prod(shape)).reshape(shape)


def encode_lzma(bits: Bits) -> Bytes:
    """Compress the bytes of `encode_raw`.

    Parameters
    ----------
    bits : ndarray of bool, any shape

    Returns
    -------
    ndarray of uint8 (bytes,)

    Examples
    --------
    >>> encode_lzma(np.arange(80_000) % 7 == 0).size < 100
    True
    """
    return np.frombuffer(lzma.compress(encode_raw(bits).tobytes(), lzma.FORMAT_RAW, filters=FILTERS), np.uint8)


def decode_lzma(data: Bytes, shape: tuple[int, ...]) -> Bits:
    """Return the bits that `encode_lzma` compressed.

    Parameters
    ----------
    data : ndarray of uint8 (bytes,)
    shape : tuple of int
        Of the bits.

    Returns
    -------
    ndarray of bool, shape `shape`

    Raises
    ------
    ValueError
        If `data` is no LZMA2 stream, or one of another length; no more than that length is ever decompressed.

    Examples
    --------
    >>> bits = np.arange(80_000).reshape(200, 400) % 7 == 0
    >>> np.array_equal(decode_lzma(encode_lzma(bits), (200, 400)), bits)
    True
    """
    size = -(-math.prod(shape) // 8)
    stream = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=FILTERS)
    try:
        content = stream.decompress(data.tobytes(), size + 1)
    except lzma.LZMAError as error:
        raise ValueError(f"its data must be an LZMA2 stream; {error}") from error
    if len(content) != size or not stream.eof or stream.unused_data:
        raise ValueError(f"its LZMA2 stream must hold {size} bytes and end with the data; got another")
    return unpack_stream(np.frombuffer(content, np.uint8), math.prod(shape)).reshape(shape)
