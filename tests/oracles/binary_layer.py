"""The binary convolution and its gradients written out entry by entry, from the published formulas."""

from dataclasses import dataclass

import numpy as np

from oracles import conv2d, estimators
from oracles.weights import mean, mean_abs, means_by_sign


@dataclass(frozen=True, eq=False)
class Layer:
    """What a layer computes: output, gradients of input and latent weights, and of tau and phi if it has them."""

    y: np.ndarray
    dx: np.ndarray
    dlatent: np.ndarray
    dtau: float | None
    dphi: float | None


def scales(domain: str, latent: np.ndarray, s: np.ndarray, tau: float, phi: float) -> tuple[np.ndarray, np.ndarray]:
    """(half difference, midpoint) of the two values at every weight."""
    one = np.ones(latent.shape)
    if domain == "bipolar":
        return one, 0 * one
    if domain == "symmetric":
        return one * np.reshape([mean_abs(f.ravel().tolist()) for f in latent], (-1, 1, 1, 1)), 0 * one
    if domain == "general":
        return tau * one, phi * one
    alpha, beta = means_by_sign(latent.ravel().tolist(), s.ravel().tolist())
    return one * (beta - alpha) / 2, one * (beta + alpha) / 2


def layer(domain, x, latent, bits, threshold, dy, *, stride, padding, tau, phi, t, k) -> Layer:
    """Forward and backward with EDE for weights and activations."""
    a = np.array([1.0 if v > 0 else -1.0 for v in x.flat]).reshape(x.shape)
    s = np.array([1.0 if b else -1.0 for b in bits.flat]).reshape(bits.shape)
    half, middle = scales(domain, latent, s, tau, phi)
    weight = half * s + middle
    y = conv2d.conv2d(a, weight, stride, padding).value
    dw = conv2d.conv2d_grad_weight(dy, a, latent.shape[2:], stride, padding).value
    da = conv2d.conv2d_grad_input(dy, weight, x.shape[2:], stride, padding).value
    dlatent = np.empty(latent.shape)
    for index in np.ndindex(*latent.shape):
        dlatent[index] = half[index] * dw[index] * estimators.ede(float(latent[index]) - threshold, t, k)
        if domain == "general-closed":  # dL/dmean * dmean/dlatent = (sum of the group's dw) / (size of the group)
            dlatent[index] += float(mean(dw[s == s[index]].tolist()))
    dx = np.empty(x.shape)
    for index in np.ndindex(*x.shape):
        dx[index] = da[index] * estimators.ede(float(x[index]), t, k)
    if domain != "general":
        return Layer(y, dx, dlatent, None, None)
    return Layer(y, dx, dlatent, float((dw * s).sum()), float(dw.sum()))
