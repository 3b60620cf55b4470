"""Bits in 64-bit words: element i along the packed axis is bit ``i % 64`` of word ``i // 64``; tail bits are zero.

The same order in bytes: element i is bit ``i % 8`` of byte ``i // 8`` of the words written as little-endian integers.
Two other conventions are in use, and are converted here: bit 0 for +1 (`invert_bits`), and ``x >= 0`` as the bit of a
number (`bits_at_least_zero`, `above_to_at_least`, `at_least_to_above`). `bbdg_ref.packing` draws them all.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "above_to_at_least",
    "at_least_to_above",
    "bits_at_least_zero",
    "invert_bits",
    "pack_bits",
    "pack_kernels",
    "pack_signs",
    "unpack_bits",
    "unpack_kernels",
]

WORD = 64
Words = NDArray[np.uint64]
Bits = NDArray[np.bool_]


def pack_bits(bits: Bits, *, axis: int = -1) -> Words:
    """Pack along one axis: ``words[i // 64] = sum_i bits[i] * 2**(i % 64)``.

    Parameters
    ----------
    bits : ndarray of bool, any shape with at least one axis
    axis : int
        The axis to pack, of length n; it may be 0.

    Returns
    -------
    ndarray of uint64
        The shape of `bits` with ceil(n/64) in place of n.

    Examples
    --------
    >>> pack_bits(np.array([True, False, True, True]))
    array([13], dtype=uint64)
    >>> pack_bits(np.arange(130) % 65 == 64)  # elements 64 and 129: bit 0 of word 1, bit 1 of word 2
    array([0, 1, 2], dtype=uint64)
    """
    last = np.moveaxis(bits, axis, -1)
    count = last.shape[-1]
    octets = np.zeros((*last.shape[:-1], -(-count // WORD) * 8), np.uint8)
    octets[..., : -(-count // 8)] = np.packbits(last, axis=-1, bitorder="little")
    words = octets.view("<u8").astype(np.uint64)  # 8 bytes, the lowest first; then the machine's own order
    return np.ascontiguousarray(np.moveaxis(words, -1, axis))


def unpack_bits(words: Words, count: int, *, axis: int = -1) -> Bits:
    """Undo `pack_bits`: ``bits[i] = words[i // 64] >> (i % 64) & 1``.

    Parameters
    ----------
    words : ndarray of uint64
        With ceil(count/64) words along the axis.
    count : int
        How many bits there are along the axis.
    axis : int
        The packed axis.

    Returns
    -------
    ndarray of bool
        The shape of `words` with `count` in place of the number of words.

    Examples
    --------
    >>> unpack_bits(np.array([13], np.uint64), 4)
    array([ True, False,  True,  True])
    """
    octets = np.ascontiguousarray(np.moveaxis(words, axis, -1), "<u8").view(np.uint8)
    bits = np.unpackbits(octets, axis=-1, count=count, bitorder="little").view(np.bool_)
    return np.ascontiguousarray(np.moveaxis(bits, -1, axis))


def pack_kernels(bits: Bits) -> Words:
    """Pack the weights of a convolution along their input channels, into the layout in which they are exchanged.

    Parameters
    ----------
    bits : ndarray of bool, (out_channels, in_channels, kernel_height, kernel_width)

    Returns
    -------
    ndarray of uint64, (out_channels, kernel_height, kernel_width, ceil(in_channels/64))

    Examples
    --------
    >>> pack_kernels(np.ones((8, 70, 3, 3), bool))[0, 0, 0]  # 2**64 - 1, 2**6 - 1
    array([18446744073709551615,                   63], dtype=uint64)
    """
    return pack_bits(bits.transpose(0, 2, 3, 1))


def unpack_kernels(words: Words, in_channels: int) -> Bits:
    """Undo `pack_kernels`.

    Parameters
    ----------
    words : ndarray of uint64, (out_channels, kernel_height, kernel_width, ceil(in_channels/64))
    in_channels : int

    Returns
    -------
    ndarray of bool, (out_channels, in_channels, kernel_height, kernel_width)

    Examples
    --------
    >>> unpack_kernels(np.array([5], np.uint64).reshape(1, 1, 1, 1), 3).ravel()
    array([ True, False,  True])
    """
    return np.ascontiguousarray(unpack_bits(words, in_channels).transpose(0, 3, 1, 2))


def pack_signs(x: NDArray[np.floating], *, axis: int = -1) -> Words:
    """Pack the bits ``x > 0`` of real numbers along one axis.

    Parameters
    ----------
    x : ndarray of float, any shape with at least one axis
    axis : int
        The axis to pack.

    Returns
    -------
    ndarray of uint64
        As `pack_bits` of ``x > 0``: 0.0, -0.0 and NaN give bit 0.

    Examples
    --------
    >>> pack_signs(np.array([-1.5, -0.0, 0.0, 2.0]))
    array([8], dtype=uint64)
    """
    return pack_bits(x > 0, axis=axis)


def invert_bits(words: Words, count: int, *, axis: int = -1) -> Words:
    """Exchange zeros and ones, the tail bits left zero: to and from the convention in which bit 0 is +1.

    Parameters
    ----------
    words : ndarray of uint64
        With ceil(count/64) words along the axis.
    count : int
        How many bits there are along the axis.
    axis : int
        The packed axis.

    Returns
    -------
    ndarray of uint64, shape of `words`
        Inverted once more, it is `words` again.

    Examples
    --------
    >>> invert_bits(np.array([13], np.uint64), 6)  # 001101 to 110010
    array([50], dtype=uint64)
    """
    valid = pack_bits(np.ones(count, np.bool_))
    return np.moveaxis(np.moveaxis(words, axis, -1) ^ valid, -1, axis)


def bits_at_least_zero(x: NDArray[np.floating]) -> Bits:
    """Return the bits of other systems, ``x >= 0``: those of `sign_bits` and in addition 0.0 and -0.0.

    Parameters
    ----------
    x : ndarray of float, any shape

    Returns
    -------
    ndarray of bool, shape of `x`
        Except for NaN also ``~(-x > 0)``: pack -x in the rule ``x > 0`` and invert.

    Examples
    --------
    >>> bits_at_least_zero(np.array([-1.5, -0.0, 0.0, 2.0]))
    array([False,  True,  True,  True])
    """
    return x >= 0


def above_to_at_least(threshold: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the threshold t' with ``(x > t) == (x >= t')`` for every x of the same dtype: the float next above t.

    Parameters
    ----------
    threshold : ndarray of float, any shape
        t, less than inf: nothing is above inf, but something at least inf.

    Returns
    -------
    ndarray of float, shape and dtype of `threshold`

    Notes
    -----
    Above 0 comes the smallest subnormal number, so ``x > 0`` needs arithmetic that does not flush these to zero.

    Examples
    --------
    >>> above_to_at_least(np.array([0.0, 1.0], np.float32))
    array([1.4012985e-45, 1.0000001e+00], dtype=float32)
    """
    with np.errstate(over="ignore"):  # beyond the largest float comes inf, as it should
        return np.nextafter(threshold, threshold.dtype.type(np.inf))


def at_least_to_above(threshold: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the threshold t with ``(x > t) == (x >= t')`` for every x of the same dtype: the float next below t'.

    Parameters
    ----------
    threshold : ndarray of float, any shape
        t', greater than -inf: everything is at least -inf, but -inf is not above anything.

    Returns
    -------
    ndarray of float, shape and dtype of `threshold`

    Examples
    --------
    >>> at_least_to_above(np.array([0.0, 65504.0], np.float16))
    array([-5.960e-08,  6.547e+04], dtype=float16)
    """
    with np.errstate(over="ignore"):  # beyond the largest float comes -inf, as it should
        return np.nextafter(threshold, threshold.dtype.type(-np.inf))
