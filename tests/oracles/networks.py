"""The networks written out as published, forward and backward in float64, from arrays by name.

Batch norm uses the statistics of the batch, as in training. Names of arrays: those that a network's state has.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from oracles import estimators, tape
from oracles.tape import Value

Slope = Callable[[float], float]


@dataclass(frozen=True, eq=False)
class Result:
    """The logits, and the gradients of the sum of their products with `weights` by name of the parameter."""

    logits: np.ndarray
    grads: dict[str, np.ndarray]


class Arrays:
    """The parameters by name; each becomes a value of the tape when it is first asked for."""

    def __init__(self, state: Mapping[str, np.ndarray], domain: str, weight_slope: Slope, slope: Slope) -> None:
        self.state, self.domain, self.weight_slope, self.slope = state, domain, weight_slope, slope
        self.used: dict[str, Value] = {}

    def __getitem__(self, name: str) -> Value:
        if name not in self.used:
            self.used[name] = Value(self.state[name])
        return self.used[name]

    def channels(self, name: str) -> Value:
        return self[name].reshape(1, -1, 1, 1)

    def weights(self, name: str) -> Value:
        """The two-valued weights of a binary layer whose bits are the signs of its latent weights."""
        latent = self[f"{name}.latent"]
        s = tape.sign(latent, self.weight_slope)
        if self.domain == "bipolar":
            return s
        if self.domain == "symmetric":  # the scale counts as a constant
            return s * np.abs(latent.array).mean((1, 2, 3), keepdims=True)
        if self.domain == "general":
            return s * self[f"{name}.domain.tau"] + self[f"{name}.domain.phi"]
        means = []
        for group in (s.array > 0, s.array < 0):
            means.append((latent * group).total() * (1 / group.sum()))
        return (means[0] - means[1]) * 0.5 * s + (means[0] + means[1]) * 0.5


def binary(x: Value, name: str, arrays: Arrays, *, stride: int, padding: int) -> Value:
    return tape.conv(tape.sign(x, arrays.slope), arrays.weights(name), stride, padding)


def norm(x: Value, name: str, arrays: Arrays) -> Value:
    centred = x - x.mean((0, 2, 3))
    variance = (centred * centred).mean((0, 2, 3))
    scaled = centred * (variance + 1e-5).power(-0.5)
    return scaled * arrays.channels(f"{name}.weight") + arrays.channels(f"{name}.bias")


def rprelu(x: Value, name: str, arrays: Arrays) -> Value:
    x = x + arrays.channels(f"{name}.0.bias")
    x = tape.where_positive(x, x, x * arrays.channels(f"{name}.1.slope"))
    return x + arrays.channels(f"{name}.2.bias")


def vgg_small(images: Value, arrays: Arrays) -> Value:
    x = tape.clip(norm(tape.conv(images, arrays["stem.0.weight"], 1, 1), "stem.1", arrays))
    for name, pooled in (("1.0", True), ("2.0", False), ("2.1", True), ("3.0", False), ("3.1", True)):
        x = binary(x, f"stage{name}.0", arrays, stride=1, padding=1)
        if pooled:
            x = tape.max_pool(x, 2, 2, 0)
        x = tape.clip(norm(x, f"stage{name}.{2 if pooled else 1}", arrays))
    rows = x.reshape(len(x.array), -1)
    return tape.linear(rows, arrays["head.1.weight"], arrays["head.1.bias"])


def head(x: Value, arrays: Arrays) -> Value:
    rows = x.mean((2, 3)).reshape(*x.array.shape[:2])
    return tape.linear(rows, arrays["head.1.weight"], arrays["head.1.bias"])


def reactnet18(images: Value, arrays: Arrays) -> Value:
    x = norm(tape.conv(images, arrays["stem.0.weight"], 1, 1), "stem.1", arrays)
    x = tape.max_pool(x, 3, 2, 1)
    for stage in range(1, 5):
        for block in range(4):
            name = f"stage{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            shifted = x + arrays.channels(f"{name}.main.0.bias")
            main = norm(binary(shifted, f"{name}.main.1", arrays, stride=stride, padding=1), f"{name}.main.2", arrays)
            if stride == 2:
                x = tape.conv(tape.avg_pool(x, 2), arrays[f"{name}.shortcut.1.weight"], 1, 0)
                x = norm(x, f"{name}.shortcut.2", arrays)
            x = rprelu(main + x, f"{name}.activation", arrays)
    return head(x, arrays)


def reactnet_a(images: Value, arrays: Arrays) -> Value:
    x = norm(tape.conv(images, arrays["stem.0.weight"], 2, 1), "stem.1", arrays)
    for stage, blocks in enumerate((1, 2, 2, 6, 2), 1):
        for block in range(blocks):
            name = f"stage{stage}.{block}.0"
            stride = 2 if stage > 1 and block == 0 else 1
            shifted = x + arrays.channels(f"{name}.main.0.bias")
            main = norm(binary(shifted, f"{name}.main.1", arrays, stride=stride, padding=1), f"{name}.main.2", arrays)
            x = rprelu(main + (tape.avg_pool(x, 2) if stride == 2 else x), f"{name}.activation", arrays)

            name = f"stage{stage}.{block}.1"
            shifted = x + arrays.channels(f"{name}.main.0.bias")
            if block == 0:  # widens
                halves = []
                for path in ("0", "1"):
                    y = binary(shifted, f"{name}.main.1.{path}.0", arrays, stride=1, padding=0)
                    halves.append(norm(y, f"{name}.main.1.{path}.1", arrays) + x)
                y = tape.concatenate(halves)
            else:
                y = norm(binary(shifted, f"{name}.main.1", arrays, stride=1, padding=0), f"{name}.main.2", arrays) + x
            x = rprelu(y, f"{name}.activation", arrays)
    return head(x, arrays)


NETWORKS = {"vgg-small": vgg_small, "reactnet18": reactnet18, "reactnet-a": reactnet_a}


def run(
    name: str,
    state: Mapping[str, np.ndarray],
    images: np.ndarray,
    weights: np.ndarray,
    *,
    domain: str,
    t: float,
    k: float,
) -> Result:
    """Run a network on images; ReActNet has estimators of its own, VGG-Small takes EDE with t and k."""
    ede = lambda x: estimators.ede(x, t, k)  # noqa: E731
    slopes = (ede, ede) if name == "vgg-small" else (estimators.identity, estimators.quadratic)
    arrays = Arrays(state, domain, *slopes)
    logits = NETWORKS[name](Value(images), arrays)
    (logits * weights).total().backward()
    return Result(logits.array, {key: value.grad for key, value in arrays.used.items()})
