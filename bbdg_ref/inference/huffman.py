"""Huffman code over the 512 patterns of a 3×3 kernel: for layers whose kernels repeat.

The code of a kernel is the sum of b[i, j] 2^(3i + j). A pattern that comes more often gets a shorter word, of 15 bits
at most; the words are canonical, so that their lengths say all: patterns sorted by (length, pattern) take, in this
order, the next free word of their length, and a word's first bit is its most significant. ::

    number of bytes of the next part      in base 128
    512 lengths (0: does not occur)       4 bits each, even patterns in the lower half of a byte; deflated
    bits of every segment                 16-bit little-endian; a segment is 1024 kernels in C order, or what is left
    the words of all kernels, one after another

The segments let a decoder work on all of them at once; one that goes from front to back can leave them aside.

D. A. Huffman, "A method for the construction of minimum-redundancy codes" (1952); the bound of 15 bits by
L. L. Larmore and D. S. Hirschberg, "A fast algorithm for optimal length-limited Huffman codes" (1990).
"""

import math
import zlib

import numpy as np
from numpy.typing import NDArray

from .bitstream import Bits, ByteReader, Bytes, count_bytes, pack_stream, unpack_stream

__all__ = ["code_lengths", "decode_huffman", "encode_huffman", "kernel_codes"]

Integers = NDArray[np.int64]

PATTERNS = 512
LONGEST = 15
SEGMENT = 1024  # kernels; SEGMENT * LONGEST bits fit 16 bits
PLACES = 1 << np.arange(9)
RAW_DEFLATE = -15  # zlib's name for deflate without header and checksum


def kernel_codes(bits: Bits) -> Integers:
    """Return the code of every 3×3 kernel.

    Parameters
    ----------
    bits : ndarray of bool (..., 3, 3)

    Returns
    -------
    ndarray of int64 (kernels,)
        ``sum of b[i, j] 2^(3i + j)``, from 0 to 511, in C order.

    Examples
    --------
    >>> kernel_codes(np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 0]]], bool))
    array([17])
    """
    return bits.reshape(-1, 9) @ PLACES


def code_lengths(counts: Integers) -> Integers:
    """Return the lengths of the shortest code with words of at most 15 bits, by package-merge.

    Parameters
    ----------
    counts : ndarray of int64 (symbols,)
        How often each symbol occurs; at most 2^15 symbols do.

    Returns
    -------
    ndarray of int64 (symbols,)
        0 for a symbol that does not occur; 1 for one that occurs alone.

    Notes
    -----
    A symbol is offered once for each possible bit of its word, at the price of its count. Fifteen times, what is on
    offer is sorted by price and paired into packages that are offered together with all the symbols in the next
    round. The cheapest 2 (symbols − 1) of the last offer, packages opened, hold every symbol as often as it has bits.

    Examples
    --------
    >>> code_lengths(np.array([5, 0, 1, 2]))
    array([1, 0, 2, 2])
    """
    used = np.flatnonzero(counts)
    lengths = np.zeros(counts.size, np.int64)
    if used.size == 1:
        lengths[used] = 1
        return lengths
    symbols: list[tuple[int, tuple[int, ...]]] = [(int(counts[s]), (int(s),)) for s in used]
    offer = sorted(symbols)
    for _ in range(LONGEST - 1):
        pairs = zip(offer[::2], offer[1::2], strict=False)  # of an odd number the dearest stays out
        packages = [(a[0] + b[0], a[1] + b[1]) for a, b in pairs]
        offer = sorted(symbols + packages, key=lambda item: item[0])
    for _, held in offer[: 2 * (used.size - 1)]:
        np.add.at(lengths, list(held), 1)
    return lengths


def _canonical_order(lengths: Integers) -> Integers:
    """Return the patterns that occur, by (length, pattern)."""
    order = np.argsort(lengths, kind="stable")
    return order[lengths[order] > 0]


def encode_huffman(bits: Bits) -> Bytes | None:
    """Code the kernels of a convolution.

    Parameters
    ----------
    bits : ndarray of bool, any shape

    Returns
    -------
    ndarray of uint8 (bytes,) or None
        None unless the last two axes are 3 and 3.

    Examples
    --------
    >>> kernels = np.array([False, True])[[0, 1, 0, 0], None, None] & np.ones((4, 3, 3), bool)
    >>> encode_huffman(kernels)[-3:]  # 4 bits: 0 1 0 0
    array([4, 0, 2], dtype=uint8)
    """
    if bits.shape[-2:] != (3, 3):
        return None
    codes = kernel_codes(bits)
    lengths = code_lengths(np.bincount(codes, minlength=PATTERNS))
    order = _canonical_order(lengths)
    share = 1 << (LONGEST - lengths[order])  # of the 2^15 numbers that begin with the word
    words = np.zeros(PATTERNS, np.int64)
    words[order] = (np.cumsum(share) - share) >> (LONGEST - lengths[order])
    sizes, written = lengths[codes], words[codes]
    ends = np.cumsum(sizes)
    stream = np.zeros(int(ends[-1]), np.bool_)
    for back in range(1, LONGEST + 1):  # the last bit of every word, the one before it, ...
        reached = sizes >= back
        stream[ends[reached] - back] = written[reached] >> (back - 1) & 1
    segments = np.add.reduceat(sizes, np.arange(0, codes.size, SEGMENT)).astype("<u2").view(np.uint8)
    nibbles = lengths[::2] + 16 * lengths[1::2]
    deflate = zlib.compressobj(9, zlib.DEFLATED, RAW_DEFLATE)
    table = np.frombuffer(deflate.compress(nibbles.astype(np.uint8).tobytes()) + deflate.flush(), np.uint8)
    return np.concatenate([count_bytes(table.size), table, segments, pack_stream(stream)])


def _read_lengths(reader: ByteReader) -> Integers:
    table = reader.take("table", reader.count("size of the table", 1, 2 * PATTERNS)).tobytes()
    inflate = zlib.decompressobj(RAW_DEFLATE)
    try:
        nibbles = np.frombuffer(inflate.decompress(table, PATTERNS // 2 + 1), np.uint8).astype(np.int64)
    except zlib.error as error:
        raise ValueError(f"its table must be a deflate stream; {error}") from error
    if nibbles.size != PATTERNS // 2 or not inflate.eof or inflate.unused_data:
        raise ValueError(f"its table must hold {PATTERNS} lengths and end; got {2 * nibbles.size}")
    lengths = np.stack([nibbles % 16, nibbles // 16], axis=1).reshape(-1)
    numbers = int((1 << (LONGEST - lengths[lengths > 0])).sum())
    if numbers != 1 << LONGEST and sorted(lengths)[-2:] != [0, 1]:
        raise ValueError(f"its words must fill {1 << LONGEST} numbers of 15 bits; got {numbers}")
    return lengths


def decode_huffman(data: Bytes, shape: tuple[int, ...]) -> Bits:
    """Return the bits that `encode_huffman` coded.

    Parameters
    ----------
    data : ndarray of uint8 (bytes,)
    shape : tuple of int
        Of the bits; the last two are 3 and 3.

    Returns
    -------
    ndarray of bool, shape `shape`

    Raises
    ------
    ValueError
        If `data` is nothing that `encode_huffman` writes for this shape.

    Examples
    --------
    >>> kernels = np.arange(3 * 5 * 9).reshape(3, 5, 3, 3) % 2 == 0
    >>> np.array_equal(decode_huffman(encode_huffman(kernels), kernels.shape), kernels)
    True
    """
    if shape[-2:] != (3, 3):
        raise ValueError(f"its shape must end in 3×3 for the code of kernels; got {shape}")
    reader, kernels = ByteReader(data), math.prod(shape) // 9
    lengths = _read_lengths(reader)
    segments = -(-kernels // SEGMENT)
    sizes = reader.take("segments", 2 * segments).view("<u2").astype(np.int64)
    ends = np.cumsum(sizes)
    stream = reader.rest()
    unpack_stream(stream, int(ends[-1]))  # for its checks
    codes = _decode_segments(stream, ends - sizes, ends, kernels, lengths)
    return (codes[:, None] & PLACES != 0).reshape(shape)


def _decode_segments(stream: Bytes, starts: Integers, ends: Integers, kernels: int, lengths: Integers) -> Integers:
    """Decode the k-th kernel of all segments at once, for k = 0, 1, ..."""
    order = _canonical_order(lengths)
    table = np.full(1 << LONGEST, -1)  # the pattern whose word begins these 15 bits
    filled = np.repeat(order, 1 << (LONGEST - lengths[order]))
    table[: filled.size] = filled
    table = table[_reversed_bits()]
    advance = np.where(table < 0, 1, lengths[table])
    # A damaged segment may run past its end, by no more than its kernels' 15 bits each.
    padded = np.concatenate([stream, np.zeros(SEGMENT * LONGEST // 8 + 3, np.uint8)]).astype(np.int64)
    ahead = padded[:-2] | padded[1:-1] << 8 | padded[2:] << 16  # the 24 bits from each byte on
    steps = min(kernels, SEGMENT)
    codes = np.empty((starts.size, steps), np.int64)
    place = starts.copy()
    for k in range(steps):  # what the last, shorter segment reads past its end is dropped
        window = ahead[place >> 3] >> (place & 7) & (1 << LONGEST) - 1
        codes[:, k] = table[window]
        place += advance[window]
    flat = codes.reshape(-1)[:kernels]
    if (flat < 0).any():
        raise ValueError(f"its stream must hold words of the table; got another for kernel {int(np.argmax(flat < 0))}")
    reached = starts + np.add.reduceat(lengths[flat], np.arange(0, kernels, SEGMENT))
    if (reached != ends).any():
        bad = int(np.argmax(reached != ends))
        raise ValueError(f"its segment {bad} must end at bit {ends[bad]}; got {reached[bad]}")
    return flat


def _reversed_bits() -> Integers:
    """Return the 15-bit numbers from 0 on, each with its bits reversed."""
    numbers = np.zeros(1, np.int64)
    for _ in range(LONGEST):
        numbers = np.concatenate([2 * numbers, 2 * numbers + 1])
    return numbers
