"""The residual shortcut without parameters: take every stride-th pixel and pad the channels with zeros.

The other shortcut, a real 1x1 convolution, is `conv2d` with a 1x1 kernel. K. He et al., arXiv 1512.03385,
options A and B.
"""

import numpy as np
from numpy.typing import NDArray

from bbdg_ref.spec.conv2d import Pair, output_size, pair

__all__ = ["stride_and_pad", "stride_and_pad_backward"]


def stride_and_pad(x: NDArray[np.floating], *, out_channels: int, stride: int | Pair) -> NDArray[np.floating]:
    """Take every stride-th pixel from the first on and put zero channels around.

    Parameters
    ----------
    x : ndarray (batch, in, height, width)
    out_channels : int
        At least ``in``. Of the added channels half (rounded down) come before those of `x`, the rest after.
    stride : int or (int, int)
        Vertical and horizontal.

    Returns
    -------
    ndarray (batch, out_channels, ceil(height / stride), ceil(width / stride))
        ``y[n, before + c, p, q] = x[n, c, p s, q s]``, 0 in the other channels.

    Raises
    ------
    ValueError
        If `out_channels` is smaller than the channels of `x`.

    Examples
    --------
    >>> stride_and_pad(np.arange(9.0).reshape(1, 1, 3, 3), out_channels=2, stride=2)[0]
    array([[[0., 2.],
            [6., 8.]],
    <BLANKLINE>
           [[0., 0.],
            [0., 0.]]])
    """
    sv, sh = pair(stride)
    added = out_channels - x.shape[1]
    before = added // 2
    return np.pad(x[:, :, ::sv, ::sh], ((0, 0), (before, added - before), (0, 0), (0, 0)))


def stride_and_pad_backward(
    dy: NDArray[np.floating], *, in_channels: int, input_size: Pair, stride: int | Pair
) -> NDArray[np.floating]:
    """Return the gradient of `stride_and_pad`: ``dx[n, c, p s, q s] = dy[n, before + c, p, q]``, else 0.

    Parameters
    ----------
    dy : ndarray (batch, out, output height, output width)
    in_channels : int
    input_size : (int, int)
        Height and width of the input.
    stride : int or (int, int)
        As in the forward pass.

    Returns
    -------
    ndarray (batch, in_channels, height, width)

    Raises
    ------
    ValueError
        If the shape of `dy` is not that of the output.

    Examples
    --------
    >>> stride_and_pad_backward(np.ones((1, 2, 1, 2)), in_channels=1, input_size=(2, 3), stride=2)[0, 0]
    array([[1., 0., 1.],
           [0., 0., 0.]])
    """
    sv, sh = pair(stride)
    expected = output_size(input_size, 1, (sv, sh), 0)
    if dy.shape[2:] != expected:  # a size of 1 would be spread over the whole map without a word
        raise ValueError(f"stride_and_pad_backward: dy must end in {expected}; got {dy.shape[2:]}")

    before = (dy.shape[1] - in_channels) // 2
    dx = np.zeros((len(dy), in_channels, *input_size), dy.dtype)
    dx[:, :, ::sv, ::sh] = dy[:, before : before + in_channels]
    return dx
