"""Pooling over windows, and the step from maps to rows."""

import math
from typing import Any

from numpy.typing import NDArray

from .. import ops
from .parameter import Module, Shape

__all__ = ["AvgPool2d", "Flatten", "MaxPool2d"]


class MaxPool2d(Module):
    """The largest value of every window (`ops.max_pool2d`).

    Parameters
    ----------
    size : int
        Height and width of the window.
    stride : int, optional
        Step in both directions; `size` by default.
    padding : int
        Smaller than `size`; padding never wins.

    Examples
    --------
    >>> import numpy as np
    >>> MaxPool2d(2).forward(np.arange(8.0).reshape(1, 1, 2, 4), training=False)[0, 0]
    array([[5., 7.]])
    """

    def __init__(self, size: int, *, stride: int | None = None, padding: int = 0) -> None:
        self.size, self.stride, self.padding = size, size if stride is None else stride, padding

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Return the maxima; in training, keep where they were."""
        pooled = ops.max_pool2d(x, self.size, stride=self.stride, padding=self.padding)
        if training:
            self._saved = pooled.argmax, x.shape[2:]
        return pooled.y

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Send the gradient to where the maxima were; of equal ones, to the first."""
        argmax, size = self.take_saved()
        return ops.max_pool2d_backward(dy, argmax, input_size=size)

    def output_shape(self, shape: Shape) -> Shape:
        """Return (channels, height, width)."""
        channels, height, width = shape
        return channels, *ops.output_size((height, width), (self.size, self.size), self.stride, self.padding)


class AvgPool2d(Module):
    """The mean of every size × size window, side by side (`ops.avg_pool2d`).

    Parameters
    ----------
    size : int
        Height and width of the window, and the step.

    Examples
    --------
    >>> import numpy as np
    >>> AvgPool2d(2).forward(np.arange(8.0).reshape(1, 1, 2, 4), training=False)[0, 0]
    array([[2.5, 4.5]])
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Return the means."""
        if training:
            self._saved = x.shape[2:]
        return ops.avg_pool2d(x, self.size)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Spread the gradient evenly over each window."""
        return ops.avg_pool2d_backward(dy, input_size=self.take_saved(), size=self.size)

    def output_shape(self, shape: Shape) -> Shape:
        """Return (channels, ⌊height/size⌋, ⌊width/size⌋)."""
        return shape[0], *(side // self.size for side in shape[1:])


class Flatten(Module):
    """(batch, channels, height, width) → (batch, channels·height·width), in C order.

    Examples
    --------
    >>> import numpy as np
    >>> Flatten().forward(np.zeros((2, 3, 4, 4)), training=False).shape
    (2, 48)
    """

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Return one row an image."""
        if training:
            self._saved = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Give the gradient the shape of the maps."""
        return dy.reshape(self.take_saved())

    def output_shape(self, shape: Shape) -> Shape:
        """Return (channels·height·width,)."""
        return (math.prod(shape),)
