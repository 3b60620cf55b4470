"""Real-valued layers: parameters and running state around the functions of `bbdg_ref.ops`."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from ..ops.clipped_norm import ClippedNormGradients
from ..spec.batchnorm import BatchNormForward
from .parameter import Module, Parameter, Shape

__all__ = [
    "BatchNorm",
    "Conv2d",
    "GlobalAvgPool",
    "HardTanh",
    "Linear",
    "Sequential",
    "StrideAndPad",
    "uniform_fan_in",
]


def uniform_fan_in(shape: Shape, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw weights from U(−1/√fan_in, 1/√fan_in), fan_in = the product of all axes but the first.

    Parameters
    ----------
    shape : tuple of int
        (out, in, kernel height, kernel width) or (out, in).
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray of float32, of that shape

    Examples
    --------
    >>> import numpy as np
    >>> w = uniform_fan_in((4, 25), np.random.default_rng(0))
    >>> bool(np.abs(w).max() < 0.2)
    True
    """
    bound = 1.0 / np.sqrt(np.prod(shape[1:]))
    return rng.uniform(-bound, bound, shape).astype(np.float32)


class Sequential(Module):
    """Modules one after the other.

    Parameters
    ----------
    *layers : Module
        In the order of the forward pass.
    """

    def __init__(self, *layers: Module) -> None:
        self.layers = list(layers)

    def steps(self) -> list[Module]:
        """Return what runs: the layers, but a batch norm and the hardtanh after it as one."""
        steps: list[Module] = []
        for layer in self.layers:
            if isinstance(layer, HardTanh) and steps and isinstance(steps[-1], BatchNorm):
                steps[-1] = ClippedNorm(steps[-1])
            else:
                steps.append(layer)
        return steps

    def parts(self) -> Iterator[tuple[str, Module]]:
        """Yield the layers, named by their index."""
        return ((str(index), layer) for index, layer in enumerate(self.layers))

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Apply the layers in order."""
        for step in self.steps():
            x = step.forward(x, training=training)
        return x

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Apply the layers' backward passes in reverse order."""
        for step in reversed(self.steps()):
            dy = step.backward(dy)
        return dy

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape after the last layer."""
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return shape

    def walk(self, shape: Shape) -> Iterator[tuple[Module, Shape]]:
        """Yield the leaves of each layer in turn."""
        for layer in self.layers:
            yield from layer.walk(shape)
            shape = layer.output_shape(shape)


class Conv2d(Module):
    """Real-valued convolution without bias: y[n,o] = Σ_c x[n,c] ∗ weight[o,c] (`ops.conv2d`).

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    kernel_size : int
        Height and width of the kernel.
    stride, padding : int
        As in `ops.conv2d`; the padding contributes nothing.
    rng : numpy.random.Generator
        For the initial weights, U(±1/√fan_in).
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, padding: int = 0,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.stride, self.padding = stride, padding
        self.weight = Parameter(uniform_fan_in((out_channels, in_channels, kernel_size, kernel_size), rng))

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Return conv(x, weight)."""
        if training:
            self._saved = x
        return ops.conv2d(x, self.weight.value, stride=self.stride, padding=self.padding)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Store ∂loss/∂weight, return ∂loss/∂x."""
        x, weight = self.take_saved(), self.weight
        where = {"stride": self.stride, "padding": self.padding}
        weight.grad = ops.conv2d_grad_weight(dy, x, kernel_size=weight.value.shape[2:], **where)
        return ops.conv2d_grad_input(dy, weight.value, input_size=x.shape[2:], **where)

    def output_shape(self, shape: Shape) -> Shape:
        """Return (out channels, height, width)."""
        _, height, width = shape
        out, _, kh, kw = self.weight.value.shape
        return out, *ops.output_size((height, width), (kh, kw), self.stride, self.padding)


class BatchNorm(Module):
    """Batch normalisation over axis 1, for (batch, channels) and (batch, channels, height, width).

    Training uses the batch's mean and biased variance and moves the running ones by 0.1 (the running
    variance takes the unbiased one); evaluation uses the running ones. eps = 1e-5.

    Parameters
    ----------
    channels : int
        Length of axis 1.
    """

    state_names = ("running_mean", "running_var")

    def __init__(self, channels: int) -> None:
        self.weight = Parameter(np.ones(channels, np.float32))
        self.bias = Parameter(np.zeros(channels, np.float32))
        self.running_mean = np.zeros(channels, np.float32)
        self.running_var = np.ones(channels, np.float32)

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Normalise with the batch's statistics in training, with the running ones otherwise."""
        weight, bias = self.weight.value, self.bias.value
        if not training:
            return ops.batchnorm_infer(x, weight, bias, self.running_mean, self.running_var)
        result = ops.batchnorm_train(x, weight, bias)
        self._update(x, result)
        self._saved = x, result.mean, result.var, None
        return result.y

    def _update(self, x: NDArray[Any], result: BatchNormForward) -> None:
        """Move the running statistics towards those of a batch."""
        running = ops.running_update(
            self.running_mean, self.running_var, result.mean, result.var, count=x.size // x.shape[1]
        )
        self.running_mean, self.running_var = running.mean, running.var

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Store the gradients of scale and shift, return ∂loss/∂x through the batch's statistics."""
        x, mean, var, y = self.take_saved()
        if y is not None:
            raise RuntimeError(
                "BatchNorm.backward: the forward pass before it must be forward; got forward_clipped; "
                "call backward_clipped"
            )
        gradients = ops.batchnorm_backward(dy, x, self.weight.value, mean, var)
        self.weight.grad, self.bias.grad = gradients.weight, gradients.bias
        return gradients.x

    def forward_clipped(self, x: NDArray[Any], added: NDArray[Any] | None, *, training: bool) -> NDArray[Any]:
        """Return hardtanh(BN(x) + added), equal to the three one after the other; in training in one pass."""
        if not training:
            y = self.forward(x, training=False)
            return ops.hardtanh(y if added is None else y + added)
        result = ops.clipped_norm_train(x, added, self.weight.value, self.bias.value)
        self._update(x, result)
        self._saved = x, result.mean, result.var, result.y
        return result.y

    def backward_clipped(self, dy: NDArray[Any]) -> ClippedNormGradients:
        """Store the gradients of scale and shift, return them with ∂loss/∂x and ∂loss/∂added."""
        x, mean, var, y = self.take_saved()
        if y is None:
            raise RuntimeError(
                "BatchNorm.backward_clipped: the forward pass before it must be forward_clipped; got forward; "
                "call backward"
            )
        gradients = ops.clipped_norm_backward(dy, y, x, self.weight.value, mean, var)
        self.weight.grad, self.bias.grad = gradients.weight, gradients.bias
        return gradients


class HardTanh(Module):
    """y = min(max(x, −1), 1)."""

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Clip to [−1, 1]."""
        y = ops.hardtanh(x)
        if training:
            self._saved = y
        return y

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Let the gradient through where −1 < x < 1, which is where −1 < y < 1: x need not be kept."""
        return ops.hardtanh_backward(dy, self.take_saved())


class ClippedNorm(Module):
    """y = hardtanh(norm(x)), run in one pass.

    Parameters
    ----------
    norm : BatchNorm
        Its parameters and running statistics are used and moved.
    """

    def __init__(self, norm: BatchNorm) -> None:
        self.norm = norm

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Return hardtanh(norm(x))."""
        return self.norm.forward_clipped(x, None, training=training)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Return ∂loss/∂x."""
        return self.norm.backward_clipped(dy).x


class GlobalAvgPool(Module):
    """Mean over height and width: (batch, channels, height, width) → (batch, channels)."""

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Return the mean of each channel."""
        if training:
            self._saved = x.shape[2:]
        return ops.global_avg_pool(x)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Spread the gradient evenly over the pixels."""
        return ops.global_avg_pool_backward(dy, input_size=self.take_saved())

    def output_shape(self, shape: Shape) -> Shape:
        """Return (channels,)."""
        return shape[:1]


class Linear(Module):
    """y = x·weightᵀ + bias.

    Parameters
    ----------
    in_features, out_features : int
        Lengths of a row of x and of y.
    rng : numpy.random.Generator
        For weight and bias, U(±1/√in_features).
    """

    def __init__(self, in_features: int, out_features: int, *, rng: np.random.Generator) -> None:
        self.weight = Parameter(uniform_fan_in((out_features, in_features), rng))
        bound = 1.0 / np.sqrt(in_features)
        self.bias = Parameter(rng.uniform(-bound, bound, out_features).astype(np.float32))

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Return x·weightᵀ + bias."""
        if training:
            self._saved = x
        return ops.linear(x, self.weight.value, self.bias.value)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Store the gradients of weight and bias, return ∂loss/∂x."""
        gradients = ops.linear_backward(dy, self.take_saved(), self.weight.value)
        self.weight.grad, self.bias.grad = gradients.weight, gradients.bias
        return gradients.x

    def output_shape(self, shape: Shape) -> Shape:
        """Return (out features,)."""
        return self.weight.value.shape[:1]


class StrideAndPad(Module):
    """Parameter-free shortcut: every stride-th pixel, new channels filled with zeros.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels before and after; the zeros are split between front and back.
    stride : int
        Step in both directions.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Take the pixels and pad the channels."""
        if training:
            self._saved = x.shape[2:]
        return ops.stride_and_pad(x, out_channels=self.out_channels, stride=self.stride)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Put the gradient back where the pixels came from."""
        size = self.take_saved()
        return ops.stride_and_pad_backward(dy, in_channels=self.in_channels, input_size=size, stride=self.stride)

    def output_shape(self, shape: Shape) -> Shape:
        """Return (out channels, ⌈height/stride⌉, ⌈width/stride⌉)."""
        return self.out_channels, *(-(-size // self.stride) for size in shape[1:])
