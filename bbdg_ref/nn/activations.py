"""Learned shifts and slopes of the activations, one number per channel: what ReActNet adds to a binary network.

RSign is a `ChannelBias` before the binary convolution, RPReLU a `ChannelBias`, a `PReLU` and another `ChannelBias`
(Z. Liu et al., ReActNet, arXiv 2003.03488).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from .parameter import Module, Parameter

__all__ = ["ChannelBias", "PReLU"]

SLOPE = 0.25  # of a fresh PReLU (K. He et al., arXiv 1502.01852)


class ChannelBias(Module):
    """y[n, c] = x[n, c] + bias[c].

    Parameters
    ----------
    channels : int
        Length of axis 1.

    Attributes
    ----------
    bias : Parameter
        float32 (channels,), 0 at first.

    Examples
    --------
    >>> import numpy as np
    >>> layer = ChannelBias(2)
    >>> layer.bias.value = np.array([1, -1], np.float32)
    >>> layer.forward(np.zeros((1, 2), np.float32), training=False)
    array([[ 1., -1.]], dtype=float32)
    """

    def __init__(self, channels: int) -> None:
        self.bias = Parameter(np.zeros(channels, np.float32))

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Return x + bias."""
        if training:
            self._saved = True  # nothing but that there was a forward pass
        return ops.channel_bias(x, self.bias.value)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Store ∂loss/∂bias, the sum of dy over all other axes; return dy."""
        self.take_saved()
        self.bias.grad = ops.channel_bias_backward(dy)
        return dy


class PReLU(Module):
    """y = x where x > 0, else slope[c]·x.

    Parameters
    ----------
    channels : int
        Length of axis 1.

    Attributes
    ----------
    slope : Parameter
        float32 (channels,), 0.25 at first.

    Examples
    --------
    >>> import numpy as np
    >>> PReLU(2).forward(np.array([[-2.0, 3.0]], np.float32), training=False)
    array([[-0.5,  3. ]], dtype=float32)
    """

    def __init__(self, channels: int) -> None:
        self.slope = Parameter(np.full(channels, SLOPE, np.float32))

    def forward(self, x: NDArray[Any], *, training: bool) -> NDArray[Any]:
        """Return x where it is positive, else slope·x."""
        if training:
            self._saved = x
        return ops.prelu(x, self.slope.value)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Store ∂loss/∂slope, the sum of dy·x where x ≤ 0; return dy where x > 0, else slope·dy."""
        gradients = ops.prelu_backward(dy, self.take_saved(), self.slope.value)
        self.slope.grad = gradients.slope
        return gradients.x
