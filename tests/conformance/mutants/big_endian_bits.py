"""numpy.packbits as it is, with the first element in the highest bit of a byte.

Flag: bit_order.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def pack_bits(bits):
    count = bits.shape[-1]
    pad = [(0, 0)] * (bits.ndim - 1) + [(0, -count % 64)]
    return np.packbits(np.pad(bits, pad), axis=-1).view("<u8")


def unpack_bits(words, count):
    return np.unpackbits(words.view(np.uint8), axis=-1)[..., :count].astype(bool)


def pack_kernels(bits):
    return pack_bits(np.ascontiguousarray(np.moveaxis(bits, 1, -1)))
