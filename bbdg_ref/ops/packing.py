"""Faster twins of `bbdg_ref.spec.packing`: masks of vector comparisons, and no transposed copy. Equal bit for bit."""
# The kernels are imported inside functions so that importing bbdg_ref does not import Numba.

import math
import sys

import numpy as np
from numpy.typing import NDArray

from ..spec.packing import Bits, Words
from ..spec.packing import pack_bits as defined_pack_bits
from ..spec.packing import pack_kernels as defined_pack_kernels
from ..spec.packing import pack_signs as defined_pack_signs
from ..spec.packing import unpack_bits as defined_unpack_bits
from ..spec.packing import unpack_kernels as defined_unpack_kernels

__all__ = ["pack_bits", "pack_kernels", "pack_signs", "unpack_bits", "unpack_kernels"]


def _twin_fits(array: NDArray, dtype: type, count: int = 1) -> bool:
    """Tell whether the array is not empty and of this dtype, the bytes of words are in order, and the JIT is on."""
    if array.dtype != dtype or array.size * count == 0 or sys.byteorder != "little":
        return False
    from ..kernels.compiled import jit_is_on

    return jit_is_on()


def _slabs(array: NDArray, axis: int) -> NDArray:
    """Return the array as (outer, length of the axis, inner), C-contiguous; the axis from 0 on."""
    shape = array.shape
    return np.ascontiguousarray(array).reshape(math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))


def _pack(x: NDArray, axis: int) -> Words:
    """Pack bytes or float32 values along one axis."""
    from ..kernels import packing

    axis %= x.ndim
    if not x.flags.c_contiguous and np.moveaxis(x, axis, -1).flags.c_contiguous:  # as channels-last images are
        return np.ascontiguousarray(np.moveaxis(_pack(np.moveaxis(x, axis, -1), -1), -1, axis))
    words = packing.pack(_slabs(x, axis), words_last=False)
    return words.reshape(*x.shape[:axis], -1, *x.shape[axis + 1 :])


def pack_bits(bits: Bits, *, axis: int = -1) -> Words:
    """Pack bits along one axis; see `bbdg_ref.spec.packing.pack_bits`. Equal to it."""
    return _pack(bits.view(np.uint8), axis) if _twin_fits(bits, np.bool_) else defined_pack_bits(bits, axis=axis)


def pack_signs(x: NDArray[np.floating], *, axis: int = -1) -> Words:
    """Pack the bits ``x > 0`` along one axis; see `bbdg_ref.spec.packing.pack_signs`. Equal to it."""
    return _pack(x, axis) if _twin_fits(x, np.float32) else defined_pack_signs(x, axis=axis)


def unpack_bits(words: Words, count: int, *, axis: int = -1) -> Bits:
    """Undo `pack_bits`; see `bbdg_ref.spec.packing.unpack_bits`. Equal to it."""
    if not _twin_fits(words, np.uint64, count):
        return defined_unpack_bits(words, count, axis=axis)
    from ..kernels import packing

    axis %= words.ndim
    bits = packing.unpack(_slabs(words, axis), count, words_last=False).view(np.bool_)
    return bits.reshape(*words.shape[:axis], count, *words.shape[axis + 1 :])


def pack_kernels(bits: Bits) -> Words:
    """Pack the weights of a convolution; see `bbdg_ref.spec.packing.pack_kernels`. Equal to it."""
    if not _twin_fits(bits, np.bool_):
        return defined_pack_kernels(bits)
    from ..kernels import packing

    outputs, _, height, width = bits.shape
    words = packing.pack(_slabs(bits.view(np.uint8), 1), words_last=True)
    return words.reshape(outputs, height, width, -1)


def unpack_kernels(words: Words, in_channels: int) -> Bits:
    """Undo `pack_kernels`; see `bbdg_ref.spec.packing.unpack_kernels`. Equal to it."""
    if not _twin_fits(words, np.uint64, in_channels):
        return defined_unpack_kernels(words, in_channels)
    from ..kernels import packing

    outputs, height, width, each = words.shape
    taps = np.ascontiguousarray(words).reshape(outputs, height * width, each)
    bits = packing.unpack(taps, in_channels, words_last=True).view(np.bool_)
    return bits.reshape(outputs, in_channels, height, width)
