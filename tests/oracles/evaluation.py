"""Inference by scalar loops: every product and every sum in Python floats, rounded to float32 at once.

A float64 result of one operation on float32 numbers, rounded to float32, is that operation correctly rounded: float64
has more than twice the digits of float32. So nothing here depends on how NumPy orders or fuses its loops.
"""

import math
import struct
from itertools import product
from typing import Any

import numpy as np

from oracles.conv2d import output_shape
from oracles.popcount_conv import counts


def rounded(x: float) -> float:
    """The float32 nearest to x."""
    return struct.unpack("f", struct.pack("f", x))[0]


def add(a: float, b: float) -> float:
    return rounded(a + b)


def times(a: float, b: float) -> float:
    return rounded(a * b)


def hardtanh(x: np.ndarray) -> np.ndarray:
    return np.array([1.0 if v > 1 else -1.0 if v < -1 else v for v in x.ravel().tolist()]).reshape(x.shape)


def binary_layer(u: np.ndarray, layer: Any) -> np.ndarray:
    ones, total = counts(u, layer.bits, layer.stride, layer.padding)
    scale, shared, shift = layer.scale.tolist(), layer.shared.tolist(), layer.shift.tolist()
    z = np.zeros(ones.shape)
    for n, o, p, q in np.ndindex(ones.shape):
        common = add(times(shared[o], total[n, 0, p, q]), shift[o])
        z[n, o, p, q] = add(times(scale[o], ones[n, o, p, q]), common)
    return z


def real_layer(x: np.ndarray, layer: Any) -> np.ndarray:
    (sv, sh), (pv, ph), weight = layer.stride, layer.padding, layer.weight.tolist()
    _, channels, kh, kw = layer.weight.shape
    y = np.zeros(output_shape(x, layer.weight, layer.stride, layer.padding))
    for n, o, p, q in np.ndindex(y.shape):
        total = float(layer.bias[o])
        for c, i, j in product(range(channels), range(kh), range(kw)):
            h, w = p * sv + i - pv, q * sh + j - ph
            inside = 0 <= h < x.shape[2] and 0 <= w < x.shape[3]
            total = add(total, times(weight[o][c][i][j], float(x[n, c, h, w]) if inside else 0.0))
        y[n, o, p, q] = total
    return y


def stride_pad(x: np.ndarray, shortcut: Any) -> np.ndarray:
    batch, channels, height, width = x.shape
    s, before = shortcut.stride, (shortcut.out_channels - channels) // 2
    y = np.zeros((batch, shortcut.out_channels, -(-height // s), -(-width // s)))
    for n, c, p, q in np.ndindex(batch, channels, *y.shape[2:]):
        y[n, before + c, p, q] = x[n, c, p * s, q * s]
    return y


def classify(x: np.ndarray, classifier: Any) -> np.ndarray:
    batch, channels, height, width = x.shape
    logits = np.zeros((batch, len(classifier.bias)))
    for n in range(batch):
        features = []
        for c in range(channels):
            s = 0.0
            for value in x[n, c].ravel().tolist():
                s = add(s, value)
            features.append(rounded(s / (height * width)))
        for k in range(len(classifier.bias)):
            total = float(classifier.bias[k])
            for c in range(channels):
                total = add(total, times(float(classifier.weight[k, c]), features[c]))
            logits[n, k] = total
    return logits


def evaluate(network: Any, images: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """(logits, the bits that each binary layer read, the maps after the stem and after each block)."""
    x = hardtanh(real_layer(images, network.stem))
    bits, features = [], [x]
    for block in network.blocks:
        h = x
        for number, layer in enumerate(block.layers):
            if number:  # the definition leaves this one out; here it stands, and changes nothing
                h = hardtanh(h)
            bits.append(h > 0)
            h = binary_layer(h > 0, layer)
        short = x
        if hasattr(block.shortcut, "weight"):
            short = real_layer(x, block.shortcut)
        elif block.shortcut is not None:
            short = stride_pad(x, block.shortcut)
        sums = [add(a, b) for a, b in zip(h.ravel().tolist(), short.ravel().tolist(), strict=True)]
        x = hardtanh(np.array(sums).reshape(h.shape))
        features.append(x)
    return classify(x, network.classifier), bits, features


def batch_norm(norm: tuple[np.ndarray, ...], eps: float) -> list[tuple[float, float]]:
    """(g, bias - g mean) of every channel, in Python floats."""
    found = []
    for weight, bias, mean, var in zip(*(value.tolist() for value in norm), strict=True):
        g = weight / math.sqrt(var + eps)
        found.append((g, bias - g * mean))
    return found


def fold_binary(alpha: list[float], beta: list[float], norm: tuple[np.ndarray, ...], eps: float) -> list[list[float]]:
    """[scale, shared, shift]."""
    rows = zip(alpha, beta, batch_norm(norm, eps), strict=True)
    folded = [(rounded(g * (high - low)), rounded(g * low), rounded(shift)) for low, high, (g, shift) in rows]
    return [list(column) for column in zip(*folded, strict=True)]


def fold_real(kernels: np.ndarray, norm: tuple[np.ndarray, ...], eps: float) -> tuple[list, list[float]]:
    folded = batch_norm(norm, eps)
    weight = np.zeros(kernels.shape)
    for index in np.ndindex(kernels.shape):
        weight[index] = rounded(folded[index[0]][0] * float(kernels[index]))
    return weight.tolist(), [rounded(shift) for _, shift in folded]


def fold_classifier(
    weight: np.ndarray, bias: np.ndarray, norm: tuple[np.ndarray, ...], eps: float
) -> tuple[list, list]:
    folded, logits = batch_norm(norm, eps), []
    for row, start in zip(weight.tolist(), bias.tolist(), strict=True):
        total = start
        for w, (_, shift) in zip(row, folded, strict=True):
            total += w * shift
        logits.append(rounded(total))
    return [[rounded(w * g) for w, (g, _) in zip(row, folded, strict=True)] for row in weight.tolist()], logits
