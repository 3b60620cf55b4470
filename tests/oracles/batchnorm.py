"""Batch normalization of one channel, a list of floats, following the paper's section 3 step by step."""

import math


def moments(values: list[float]) -> tuple[float, float]:
    """Mean and biased variance."""
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((v - mean) ** 2 for v in values) / len(values)


def normalize(values: list[float], weight: float, bias: float, mean: float, var: float, eps: float) -> list[float]:
    return [weight * (v - mean) / math.sqrt(var + eps) + bias for v in values]


def backward(dy: list[float], values: list[float], weight: float, eps: float) -> tuple[list[float], float, float]:
    """The chain rule through xhat, then the variance, then the mean: (dx, dweight, dbias)."""
    m = len(values)
    mean, var = moments(values)
    std = math.sqrt(var + eps)
    dxhat = [g * weight for g in dy]
    dvar = math.fsum(g * (v - mean) for g, v in zip(dxhat, values, strict=True)) * -0.5 * std**-3
    dmean = -math.fsum(dxhat) / std + dvar * math.fsum(-2 * (v - mean) for v in values) / m
    dx = [g / std + dvar * 2 * (v - mean) / m + dmean / m for g, v in zip(dxhat, values, strict=True)]
    dweight = math.fsum(g * (v - mean) / std for g, v in zip(dy, values, strict=True))
    return dx, dweight, math.fsum(dy)


def sample_variance(values: list[float]) -> float:
    """The unbiased variance, which the running statistics keep."""
    mean = math.fsum(values) / len(values)
    return math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
