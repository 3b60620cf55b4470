"""Bits in words, one bit at a time, as Python ints."""

import numpy as np


def words_of(row: list[bool], width: int = 64) -> list[int]:
    """The words of one row: element i is worth 2**(i % width) in word i // width."""
    words = [0] * ((len(row) + width - 1) // width)
    for i, bit in enumerate(row):
        if bit:
            words[i // width] += 2 ** (i % width)
    return words


def pack(bits: np.ndarray, axis: int) -> np.ndarray:
    """Pack one axis of an array."""
    shape = list(bits.shape)
    shape[axis] = (shape[axis] + 63) // 64
    words = np.zeros(shape, object)
    for index in np.ndindex(bits.shape):
        place = list(index)
        place[axis] = index[axis] // 64
        if bits[index]:
            words[tuple(place)] += 2 ** (index[axis] % 64)
    return words.astype(np.uint64)


def unpack(words: np.ndarray, count: int, axis: int) -> np.ndarray:
    """Unpack one axis of an array."""
    shape = list(words.shape)
    shape[axis] = count
    bits = np.zeros(shape, np.bool_)
    for index in np.ndindex(bits.shape):
        place = list(index)
        place[axis] = index[axis] // 64
        bits[index] = int(words[tuple(place)]) // 2 ** (index[axis] % 64) % 2 == 1
    return bits


def pack_kernels(bits: np.ndarray) -> np.ndarray:
    """Pack the weights of a convolution along their input channels."""
    outputs, inputs, height, width = bits.shape
    words = np.zeros((outputs, height, width, (inputs + 63) // 64), object)
    for o, c, i, j in np.ndindex(bits.shape):
        if bits[o, c, i, j]:
            words[o, i, j, c // 64] += 2 ** (c % 64)
    return words.astype(np.uint64)


def octets(row: list[bool]) -> bytes:
    """The words of one row as they stand in a file: element i is bit i % 8 of byte i // 8, up to a whole word."""
    padded = row + [False] * (-len(row) % 64)
    return bytes(sum(2**i for i in range(8) if padded[start + i]) for start in range(0, len(padded), 8))


def compute_engine_words(row: list[float]) -> list[int]:
    """Larq Compute Engine's 32-bit words of one row: bit 1 where x < 0, the tail zero."""
    return words_of([x < 0 for x in row], 32)
