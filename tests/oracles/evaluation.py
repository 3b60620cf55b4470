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


def max_pool(x: np.ndarray, pools: Any) -> np.ndarray:
    """Maxima, or minima of the channels whose sign is -1."""
    for pool in pools:
        where = (pool.size, pool.stride, pool.padding)
        found = {1.0: max, -1.0: min}
        batch, channels, *sides = x.shape
        rows, columns = ((side + 2 * pool.padding - pool.size) // pool.stride + 1 for side in sides)
        y = np.zeros((batch, channels, rows, columns))
        for n, c, p, q in np.ndindex(y.shape):
            pixels = [float(x[n, c, h, w]) for h, w in window(p, q, sides, *where)]
            y[n, c, p, q] = found[float(pool.sign[c])](pixels)
        x = y
    return x


def window(p: int, q: int, sides: Any, size: int, stride: int, padding: int) -> list[tuple[int, int]]:
    """The pixels of a window that lie in the image, in C order."""
    top, left = p * stride - padding, q * stride - padding
    places = product(range(top, top + size), range(left, left + size))
    return [(h, w) for h, w in places if 0 <= h < sides[0] and 0 <= w < sides[1]]


def pooled(x: np.ndarray, shortcut: Any) -> np.ndarray | None:
    size = shortcut.size
    means = np.zeros((*x.shape[:2], x.shape[2] // size, x.shape[3] // size))
    for n, c, p, q in np.ndindex(means.shape):
        total = 0.0
        for h, w in window(p, q, x.shape[2:], size, size, 0):
            total = add(total, float(x[n, c, h, w]))
        means[n, c, p, q] = rounded(total / (size * size))
    if shortcut.layer is not None:
        return real_layer(means, shortcut.layer)
    return np.concatenate([means] * shortcut.copies, axis=1) if shortcut.copies else None


def rprelu(x: np.ndarray, relu: Any) -> np.ndarray:
    y = np.zeros(x.shape)
    for n, c, p, q in np.ndindex(x.shape):
        h = add(float(x[n, c, p, q]), float(relu.before[c]))
        y[n, c, p, q] = add(h if h > 0 else times(float(relu.slope[c]), h), float(relu.after[c]))
    return y


def around(x: np.ndarray, shortcut: Any) -> np.ndarray | None:
    """What a block's shortcut makes of its input; None if it has none."""
    if shortcut is None:
        return x
    if hasattr(shortcut, "weight"):
        return real_layer(x, shortcut)
    return pooled(x, shortcut) if hasattr(shortcut, "copies") else stride_pad(x, shortcut)


def evaluate(network: Any, images: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """(logits, the bits that each binary layer read, the maps after the stem and after each block)."""
    x = real_layer(images, network.stem)
    x = hardtanh(x) if network.opening is None else max_pool(x, network.opening)
    bits, features = [], [x]
    for block in network.blocks:
        h = x
        for number, layer in enumerate(block.layers):
            if number and layer.threshold is None:  # the definition leaves this one out; here it changes nothing
                h = hardtanh(h)
            biases = [0.0] * h.shape[1] if layer.threshold is None else (-layer.threshold).tolist()
            bits.append(np.stack([h[:, c] + b > 0 for c, b in enumerate(biases)], axis=1))  # in float64
            h = binary_layer(bits[-1], layer)
        h, short = max_pool(h, block.pool), around(x, block.shortcut)
        if short is not None:
            sums = [add(a, b) for a, b in zip(h.ravel().tolist(), short.ravel().tolist(), strict=True)]
            h = np.array(sums).reshape(h.shape)
        x = hardtanh(h) if block.activation is None else rprelu(h, block.activation)
        features.append(x)
    if network.classifier.weight.shape[1] != x.shape[1]:
        x = x.reshape(len(x), -1, 1, 1)
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
