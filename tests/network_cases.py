"""Small networks, and the two ways in which a gradient of a network with signs can be checked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest

from bbdg_ref import nn, ops
from bbdg_ref.nn import EDE, BinaryConv2d, Module

DOMAINS = ("bipolar", "symmetric", "general", "general-closed")
WIDTHS = {"resnet20": (1, 2, 3), "resnet18": (1, 2), "vgg-small": (1, 3), "reactnet18": (1, 2), "reactnet-a": (1, 2)}
SMALL = st.sampled_from([(arch, width) for arch, widths in WIDTHS.items() for width in widths])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def small(arch: str = "resnet20", *, domain: str = "general", width: int = 2, classes: int = 3, seed: int = 0):
    return nn.NETWORKS[arch](domain=domain, width=width, classes=classes, rng=rng(seed))


def in_float64(module: Module) -> None:
    """Turn every float32 array of a module into float64."""
    for _, part in module.modules():
        for name, value in vars(part).items():
            if isinstance(value, nn.Parameter):
                value.value = value.value.astype(np.float64)
            elif name in part.state_names and value.dtype == np.float32:
                setattr(part, name, value.astype(np.float64))


def randomise(module: Module, seed: int = 0) -> None:
    """Move every parameter away from its special start (1 or 0)."""
    source = rng(seed)
    for parameter in module.parameters().values():
        value = parameter.value
        parameter.value = (value + source.normal(0, 0.2, value.shape)).astype(value.dtype)


@contextmanager
def soft_signs(t: float, k: float) -> Iterator[None]:
    """Replace sign(x) by k tanh(t x), for weights and activations: then EDE is the true derivative.

    Hardtanh gives way to tanh, forward and backward, for the sake of its corners, of which a deep network meets one
    at every step. What is left is smooth, so that finite differences can tell whether a network's backward pass is
    the derivative of its forward pass.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ops, "sign", lambda x: k * np.tanh(t * x))
        patch.setattr(BinaryConv2d, "_grad_activations", soft_grad_activations)
        patch.setattr(ops, "sign_conv2d_grad_weight", soft_grad_weight)
        patch.setattr(ops, "hardtanh", np.tanh)
        patch.setattr(ops, "hardtanh_backward", lambda dy, y: dy * (1 - y**2))
        patch.setattr(ops, "clipped_norm_train", soft_norm_train)
        patch.setattr(ops, "clipped_norm_backward", soft_norm_backward)
        patch.setattr(BinaryConv2d, "_signs_of", lambda self, _: k * np.tanh(t * (self.latent.value - self.threshold)))
        yield


def soft_grad_weight(dy: np.ndarray, x: np.ndarray, **where: Any) -> np.ndarray:
    return ops.conv2d_grad_weight(dy, ops.sign(x), **where)


def soft_grad_activations(layer: BinaryConv2d, dy: np.ndarray, *bits_and_size: Any) -> np.ndarray:
    *_, size = bits_and_size
    where = {"stride": layer.stride, "padding": layer.padding}
    return ops.conv2d_grad_input(dy, layer.weights(), input_size=size, **where)


def soft_norm_train(x: np.ndarray, added: np.ndarray | None, *parameters: np.ndarray) -> ops.BatchNormForward:
    normal = ops.batchnorm_train(x, *parameters)
    y = ops.hardtanh(normal.y if added is None else normal.y + added)
    return ops.BatchNormForward(y, normal.mean, normal.var)


def soft_norm_backward(dy: np.ndarray, y: np.ndarray, *rest: np.ndarray) -> ops.ClippedNormGradients:
    inside = ops.hardtanh_backward(dy, y)
    normal = ops.batchnorm_backward(inside, *rest)
    return ops.ClippedNormGradients(normal.x, inside, normal.weight, normal.bias)


def set_estimators(module: Module, t: float, k: float) -> None:
    for _, part in module.modules():
        if isinstance(part, BinaryConv2d):
            part.weight_estimator = part.activation_estimator = EDE(t=t, k=k)


def difference(function: Callable[[], float], parameter: nn.Parameter, direction: np.ndarray, h: float) -> float:
    """Central difference of a function of a parameter along a direction."""
    start = parameter.value
    try:
        parameter.value = start + h * direction
        above = function()
        parameter.value = start - h * direction
        return (above - function()) / (2 * h)
    finally:
        parameter.value = start


def assert_derivative(
    module: Module, c: np.ndarray, inputs: nn.Parameter, parameter: nn.Parameter, gradient: np.ndarray, name: str,
    *, seed: int, h: float,
) -> None:  # fmt: skip
    """`gradient` is that of <c, forward(inputs)> with respect to `parameter`: central differences along a direction.

    Steps h and h/2 tell the truncation error. The rounding error is bounded by that of the function's terms over h;
    64 stands for the roundings on the way to a term. Both must be small against the gradient, or nothing is shown.
    """

    def value() -> float:
        return float((c * module.forward(inputs.value, training=True)).sum())

    assert gradient is not None and gradient.shape == parameter.value.shape, name
    assert gradient.dtype == np.float64, f"{name}: {gradient.dtype}"
    direction = np.random.default_rng(seed).choice([-1.0, 1.0], parameter.value.shape)
    coarse, fine = (difference(value, parameter, direction, step) for step in (h, h / 2))
    magnitude = float(np.abs(c * module.forward(inputs.value, training=True)).sum())
    bound = 2 * abs(coarse - fine) + 64 * np.finfo(float).eps * magnitude / h
    got, scale = float((gradient * direction).sum()), float(np.abs(gradient).sum()) + 1e-3
    assert bound <= 1e-3 * scale, f"{name}: the differences {coarse} and {fine} tell nothing"
    assert abs(got - fine) <= bound, f"{name}: backward {got}, finite difference {fine}, bound {bound}"


def check_gradients(module: Module, x: np.ndarray, names: list[str], *, seed: int = 0, h: float = 2.0**-18) -> None:
    """The gradients of <c, forward(x)> for the named parameters, in float64."""
    c = rng(seed).standard_normal(module.forward(x, training=True).shape)
    module.backward(c)
    parameters = module.parameters()
    gradients = {name: parameters[name].grad for name in names}
    for name in names:
        assert_derivative(module, c, nn.Parameter(x), parameters[name], gradients[name], name, seed=seed, h=h)


def check_input_gradient(module: Module, x: np.ndarray, *, seed: int = 0, h: float = 2.0**-18) -> None:
    """The gradient of <c, forward(x)> for x, in float64."""
    inputs, c = nn.Parameter(x), rng(seed).standard_normal(module.forward(x, training=True).shape)
    dx = module.backward(c)
    assert_derivative(module, c, inputs, inputs, dx, "x", seed=seed, h=h)
