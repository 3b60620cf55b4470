"""Average, global average and maximum pooling of maps.

Output sizes as for a convolution: ``floor((size + 2 padding - window) / stride) + 1``; rows and columns that
no window reaches are not used and get gradient 0. Cost: one addition or comparison per element of every
window.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bbdg_ref.spec.conv2d import Pair, output_size, pair, windows

__all__ = [
    "MaxPoolForward",
    "avg_pool2d",
    "avg_pool2d_backward",
    "global_avg_pool",
    "global_avg_pool_backward",
    "max_pool2d",
    "max_pool2d_backward",
]


def avg_pool2d(x: NDArray[np.floating], size: int | Pair, *, stride: int | Pair | None = None) -> NDArray[np.floating]:
    """Average every window: ``y[n, c, p, q] = mean over i, j of x[n, c, p s + i, q s + j]``.

    Parameters
    ----------
    x : ndarray (batch, channels, height, width)
    size : int or (int, int)
        Height and width of the window.
    stride : int or (int, int), optional
        Default: `size`, so that the windows do not overlap.

    Returns
    -------
    ndarray (batch, channels, output height, output width)

    Examples
    --------
    >>> avg_pool2d(np.arange(8.0).reshape(1, 1, 2, 4), 2)[0, 0]
    array([[2.5, 4.5]])
    """
    v = windows(x, pair(size), pair(size if stride is None else stride))  # (n, c, p, q, i, j)
    return v.mean(axis=(4, 5))


def avg_pool2d_backward(
    dy: NDArray[np.floating], *, input_size: Pair, size: int | Pair, stride: int | Pair | None = None
) -> NDArray[np.floating]:
    """Return the gradient of `avg_pool2d`: every pixel of a window gets ``dy / (kh * kw)``.

    Parameters
    ----------
    dy : ndarray (batch, channels, output height, output width)
    input_size : (int, int)
        Height and width of the input.
    size, stride : int or (int, int)
        As in the forward pass.

    Returns
    -------
    ndarray (batch, channels, height, width)

    Raises
    ------
    ValueError
        If the shape of `dy` is not that of the output.

    Examples
    --------
    >>> avg_pool2d_backward(np.full((1, 1, 1, 1), 4.0), input_size=(2, 3), size=2)[0, 0]
    array([[1., 1., 0.],
           [1., 1., 0.]])
    """
    kh, kw = pair(size)
    steps = pair(size if stride is None else stride)
    expected = output_size(input_size, size, steps, 0)
    if dy.shape[2:] != expected:  # a size of 1 would be spread over the whole map without a word
        raise ValueError(f"avg_pool2d_backward: dy must have height and width {expected}; got {dy.shape[2:]}")

    dx = np.zeros((*dy.shape[:2], *input_size), dy.dtype)
    v = windows(dx, (kh, kw), steps, writeable=True)
    for i in range(kh):
        for j in range(kw):  # windows may overlap, but for one (i, j) no two of them write to the same pixel
            v[..., i, j] += dy / (kh * kw)
    return dx


def global_avg_pool(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Average every map: ``y[n, c] = mean over h, w of x[n, c, h, w]``.

    Parameters
    ----------
    x : ndarray (batch, channels, height, width)

    Returns
    -------
    ndarray (batch, channels)

    Examples
    --------
    >>> global_avg_pool(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[1.5, 5.5]])
    """
    return x.mean(axis=(2, 3))


def global_avg_pool_backward(dy: NDArray[np.floating], *, input_size: Pair) -> NDArray[np.floating]:
    """Return the gradient of `global_avg_pool`: ``dx[n, c, h, w] = dy[n, c] / (height * width)``.

    Parameters
    ----------
    dy : ndarray (batch, channels)
    input_size : (int, int)
        Height and width of the input.

    Returns
    -------
    ndarray (batch, channels, height, width)

    Examples
    --------
    >>> global_avg_pool_backward(np.array([[4.0]]), input_size=(2, 2))[0, 0]
    array([[1., 1.],
           [1., 1.]])
    """
    height, width = input_size
    return np.broadcast_to(dy[:, :, None, None] / (height * width), (*dy.shape, height, width)).copy()


@dataclass(frozen=True, eq=False)
class MaxPoolForward:
    """Maxima `y` and `argmax`, where each was found: ``h * width + w`` in the unpadded map."""

    y: NDArray[np.floating]
    argmax: NDArray[np.intp]


def max_pool2d(
    x: NDArray[np.floating], size: int | Pair, *, stride: int | Pair | None = None, padding: int | Pair = 0
) -> MaxPoolForward:
    """Take the largest value of every window: ``y[n, c, p, q] = max over i, j of x[n, c, p s + i, q s + j]``.

    Parameters
    ----------
    x : ndarray (batch, channels, height, width)
    size : int or (int, int)
        Height and width of the window.
    stride : int or (int, int), optional
        Default: `size`.
    padding : int or (int, int)
        Smaller than `size`, so that every window holds a pixel. Padding never wins, whatever the values.

    Returns
    -------
    MaxPoolForward
        Maxima and positions, (batch, channels, output height, output width); of equal maxima the lowest.

    Examples
    --------
    >>> out = max_pool2d(np.array([[[[-5.0, -2.0, -2.0]]]]), (1, 3), stride=1, padding=(0, 1))
    >>> out.y.ravel(), out.argmax.ravel()
    (array([-2., -2., -2.]), array([1, 1, 1]))
    """
    (height, width), (pv, ph), kernel = x.shape[2:], pair(padding), pair(size)
    steps = pair(size if stride is None else stride)
    # Padding repeats the border. A copy never beats the pixel that it copies, and that pixel lies in the same
    # window, so the copies change no maximum; the positions are padded alike, so that a copy points to its
    # pixel.
    border = ((0, 0), (0, 0), (pv, pv), (ph, ph))
    positions = np.arange(height * width).reshape(1, 1, height, width)
    values = windows(np.pad(x, border, mode="edge"), kernel, steps)  # (n, c, p, q, i, j)
    places = windows(np.pad(positions, border, mode="edge"), kernel, steps)  # (1, 1, p, q, i, j)

    values = values.reshape(*values.shape[:4], -1)
    places = np.broadcast_to(places.reshape(*places.shape[:4], -1), values.shape)
    first = values.argmax(axis=4)[..., None]  # the first of equal values
    return MaxPoolForward(
        y=np.take_along_axis(values, first, axis=4)[..., 0], argmax=np.take_along_axis(places, first, axis=4)[..., 0]
    )


def max_pool2d_backward(
    dy: NDArray[np.floating], argmax: NDArray[np.intp], *, input_size: Pair
) -> NDArray[np.floating]:
    """Return the gradient of `max_pool2d`: ``dx[n, c, argmax[n, c, p, q]] += dy[n, c, p, q]``.

    Parameters
    ----------
    dy : ndarray (batch, channels, output height, output width)
    argmax : ndarray of int, shape of `dy`
        As `max_pool2d` returned it.
    input_size : (int, int)
        Height and width of the input.

    Returns
    -------
    ndarray (batch, channels, height, width)

    Raises
    ------
    ValueError
        If `dy` and `argmax` differ in shape.

    Examples
    --------
    >>> dy, argmax = np.array([[[[1.0, 2.0, 3.0]]]]), np.array([[[[1, 1, 2]]]])
    >>> max_pool2d_backward(dy, argmax, input_size=(1, 3))
    array([[[[0., 3., 3.]]]])
    """
    batch, channels = dy.shape[:2]
    if dy.shape != argmax.shape:
        raise ValueError(f"max_pool2d_backward: dy must have the shape {argmax.shape} of argmax; got {dy.shape}")
    dx = np.zeros((batch * channels, input_size[0] * input_size[1]), dy.dtype)
    plane = np.arange(batch * channels)[:, None]
    np.add.at(dx, (plane, argmax.reshape(batch * channels, -1)), dy.reshape(batch * channels, -1))
    return dx.reshape(batch, channels, *input_size)
