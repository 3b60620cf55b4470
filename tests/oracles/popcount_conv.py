"""The binary convolution on unpacked values: activations -1 and +1, weights alpha and beta, one product at a time."""

from fractions import Fraction
from itertools import product

import numpy as np

from oracles.conv2d import output_shape, taps


def counts(u: np.ndarray, bits: np.ndarray, stride, padding) -> tuple[np.ndarray, np.ndarray]:
    """(sum of the activations under a one, sum of all activations), by direct loops over Python ints."""
    batch, out, rows, columns = output_shape(u, bits, stride, padding)
    a = [[[[1 if bit else -1 for bit in row] for row in plane] for plane in image] for image in u.tolist()]
    b = bits.tolist()
    ones = np.zeros((batch, out, rows, columns), object)
    total = np.zeros((batch, 1, rows, columns), object)
    for p, q, i, j, h, w in taps(u.shape[2:], bits.shape[2:], stride, padding):
        for n, c in product(range(batch), range(u.shape[1])):
            value = a[n][c][h][w]
            total[n, 0, p, q] += value
            for o in range(out):
                if b[o][c][i][j]:
                    ones[n, o, p, q] += value
    return ones, total


def convolve(u: np.ndarray, bits: np.ndarray, alpha: list[float], beta: list[float], stride, padding) -> np.ndarray:
    """conv(a, W) in rationals, W = beta where the bit is one and alpha elsewhere; one pair per output channel."""
    batch, out, rows, columns = output_shape(u, bits, stride, padding)
    y = np.full((batch, out, rows, columns), Fraction(0), object)
    values = [(Fraction(low), Fraction(high)) for low, high in zip(alpha, beta, strict=True)]
    for p, q, i, j, h, w in taps(u.shape[2:], bits.shape[2:], stride, padding):
        for n, o in product(range(batch), range(out)):
            low, high = values[o]
            signs = [1 if bit else -1 for bit in u[n, :, h, w].tolist()]
            at_one = sum(s for s, bit in zip(signs, bits[o, :, i, j].tolist(), strict=True) if bit)
            at_zero = sum(s for s, bit in zip(signs, bits[o, :, i, j].tolist(), strict=True) if not bit)
            y[n, o, p, q] += high * at_one + low * at_zero
    return y


def affine(ones: np.ndarray, total: np.ndarray, alpha: list[float], beta: list[float]) -> np.ndarray:
    """(beta - alpha) ones + alpha total in Python floats, then float32."""
    y = np.zeros(ones.shape, np.float32)
    for n, o, p, q in np.ndindex(ones.shape):
        low, high = float(alpha[o]), float(beta[o])
        first = (high - low) * float(ones[n, o, p, q])
        second = low * float(total[n, 0, p, q])
        y[n, o, p, q] = np.float32(first + second)
    return y
