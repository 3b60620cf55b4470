"""Real activations, one number at a time, and their sums over a channel."""

import numpy as np

from oracles.sums import Sums, add_up


def hardtanh(x: float) -> float:
    if x > 1:
        return 1.0
    return -1.0 if x < -1 else x


def hardtanh_slope(x: float) -> float:
    return 1.0 if -1 < x < 1 else 0.0


def prelu(x: float, slope: float) -> float:
    return x if x > 0 else slope * x


def prelu_slope(x: float, slope: float) -> float:
    return 1.0 if x > 0 else slope


def prelu_grad_slope(dy: np.ndarray, x: np.ndarray) -> Sums:
    return add_up(
        (x.shape[1],),
        (((i[1],), float(dy[i]) * min(float(x[i]), 0.0)) for i in np.ndindex(*x.shape)),
    )


def channel_sums(dy: np.ndarray) -> Sums:
    return add_up((dy.shape[1],), (((i[1],), float(dy[i])) for i in np.ndindex(*dy.shape)))
