"""Two-dimensional convolution (cross-correlation, as in every deep learning framework) and its two gradients.

With ``x0`` the input surrounded by zeros, s the stride, n the image, o and c the output and input channel::

    y[n, o, p, q] = sum over c, i, j of  x0[n, c, p s + i, q s + j] * weight[o, c, i, j]

The zeros of the border contribute nothing: they are neither -1 nor +1, also where the input is binary. Rows
and columns that no window reaches (on the right and at the bottom, where the stride does not fit) are not
used and get gradient 0.

Notes
-----
All three functions take ``batch * out * in * kernel height * kernel width * output height * output width``
multiply-adds and store every window (kernel area times the size of the input).
"""

from typing import TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["conv2d", "conv2d_grad_input", "conv2d_grad_weight", "output_size", "pair", "windows"]

Pair = tuple[int, int]
Scalar = TypeVar("Scalar", bound=np.generic)


def pair(value: int | Pair) -> Pair:
    """Return ``(vertical, horizontal)`` from one integer for both or from the pair itself.

    Parameters
    ----------
    value : int or (int, int)

    Returns
    -------
    (int, int)

    Examples
    --------
    >>> pair(2), pair((1, 3))
    ((2, 2), (1, 3))
    """
    if isinstance(value, int | np.integer):
        return int(value), int(value)
    vertical, horizontal = value
    return int(vertical), int(horizontal)


def output_size(input_size: Pair, kernel_size: int | Pair, stride: int | Pair, padding: int | Pair) -> Pair:
    """Return the height and width of the output: ``floor((size + 2 padding - kernel) / stride) + 1``.

    Parameters
    ----------
    input_size : (int, int)
        Height and width of the input.
    kernel_size, stride, padding : int or (int, int)
        Vertical and horizontal.

    Returns
    -------
    (int, int)

    Examples
    --------
    >>> output_size((32, 32), 3, stride=2, padding=1)
    (16, 16)
    """
    (height, width), (kh, kw) = input_size, pair(kernel_size)
    (sv, sh), (pv, ph) = pair(stride), pair(padding)
    return (height + 2 * pv - kh) // sv + 1, (width + 2 * ph - kw) // sh + 1


def windows(padded: NDArray[Scalar], kernel_size: Pair, stride: Pair, *, writeable: bool = False) -> NDArray[Scalar]:
    """Return a view ``v[n, c, p, q, i, j] = padded[n, c, p s + i, q s + j]`` of every window.

    Parameters
    ----------
    padded : ndarray (batch, channels, height, width)
    kernel_size, stride : (int, int)
        Vertical and horizontal.
    writeable : bool
        Whether writing to the view may write to `padded`.

    Returns
    -------
    ndarray (batch, channels, output height, output width, kernel height, kernel width)

    Raises
    ------
    ValueError
        If the kernel is larger than the padded input.

    Examples
    --------
    >>> windows(np.arange(12.0).reshape(1, 1, 3, 4), (2, 2), (1, 2))[0, 0, 1, 1]
    array([[ 6.,  7.],
           [10., 11.]])
    """
    every = sliding_window_view(padded, kernel_size, axis=(2, 3), writeable=writeable)
    return every[:, :, :: stride[0], :: stride[1]]


def _zero_pad(x: NDArray[np.floating], padding: int | Pair) -> NDArray[np.floating]:
    pv, ph = pair(padding)
    return np.pad(x, ((0, 0), (0, 0), (pv, pv), (ph, ph)))


def conv2d(
    x: NDArray[np.floating], weight: NDArray[np.floating], *, stride: int | Pair = 1, padding: int | Pair = 0
) -> NDArray[np.floating]:
    """Convolve a batch of images with a bank of kernels.

    Parameters
    ----------
    x : ndarray (batch, in, height, width)
    weight : ndarray (out, in, kernel height, kernel width)
        Same dtype as `x`.
    stride, padding : int or (int, int)
        Vertical and horizontal. Padding is with zeros on both sides.

    Returns
    -------
    ndarray (batch, out, output height, output width)
        ``y[n, o, p, q] = sum over c, i, j of x0[n, c, p s + i, q s + j] * weight[o, c, i, j]``.

    Raises
    ------
    ValueError
        If the channels disagree or the kernel is larger than the padded input.

    Examples
    --------
    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> conv2d(x, np.ones((1, 1, 3, 3)), stride=2, padding=1)[0, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    v = windows(_zero_pad(x, padding), weight.shape[2:], pair(stride))  # (n, c, p, q, i, j)
    y = np.tensordot(v, weight, axes=((1, 4, 5), (1, 2, 3)))  # (n, p, q, o): the sum over c, i, j
    return np.ascontiguousarray(np.moveaxis(y, 3, 1))


def conv2d_grad_input(
    dy: NDArray[np.floating],
    weight: NDArray[np.floating],
    *,
    input_size: Pair,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
) -> NDArray[np.floating]:
    """Return the gradient with respect to the input of `conv2d`.

    Parameters
    ----------
    dy : ndarray (batch, out, output height, output width)
    weight : ndarray (out, in, kernel height, kernel width)
    input_size : (int, int)
        Height and width of the input; with a stride they do not follow from `dy`.
    stride, padding : int or (int, int)
        As in the forward pass.

    Returns
    -------
    ndarray (batch, in, height, width)
        ``dx0[n, c, p s + i, q s + j] += sum over o of dy[n, o, p, q] * weight[o, c, i, j]``, without the
        border.

    Raises
    ------
    ValueError
        If the shape of `dy` is not that of the output.

    Examples
    --------
    >>> dy = np.ones((1, 1, 2, 2))
    >>> conv2d_grad_input(dy, np.ones((1, 1, 3, 3)), input_size=(3, 3), stride=2, padding=1)[0, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    (height, width), (pv, ph) = input_size, pair(padding)
    kh, kw = weight.shape[2:]
    expected = output_size(input_size, (kh, kw), stride, padding)
    if dy.shape[2:] != expected:  # a size of 1 would be spread over the whole map without a word
        raise ValueError(f"conv2d_grad_input: dy must have height and width {expected}; got {dy.shape[2:]}")

    dx0 = np.zeros((len(dy), weight.shape[1], height + 2 * pv, width + 2 * ph), dy.dtype)
    v = windows(dx0, (kh, kw), pair(stride), writeable=True)  # (n, c, p, q, i, j)
    for i in range(kh):
        for j in range(kw):  # windows overlap, but for one (i, j) no two of them write to the same pixel
            product = np.tensordot(dy, weight[:, :, i, j], axes=(1, 0))  # (n, p, q, c): the sum over o
            v[..., i, j] += np.moveaxis(product, 3, 1)
    return np.ascontiguousarray(dx0[:, :, pv : pv + height, ph : ph + width])


def conv2d_grad_weight(
    dy: NDArray[np.floating],
    x: NDArray[np.floating],
    *,
    kernel_size: int | Pair,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
) -> NDArray[np.floating]:
    """Return the gradient with respect to the weight of `conv2d`.

    Parameters
    ----------
    dy : ndarray (batch, out, output height, output width)
    x : ndarray (batch, in, height, width)
    kernel_size : int or (int, int)
        Height and width of the kernel; with a stride they do not follow from the shapes.
    stride, padding : int or (int, int)
        As in the forward pass.

    Returns
    -------
    ndarray (out, in, kernel height, kernel width)
        ``dweight[o, c, i, j] = sum over n, p, q of dy[n, o, p, q] * x0[n, c, p s + i, q s + j]``.

    Raises
    ------
    ValueError
        If the shape of `dy` is not that of the output.

    Examples
    --------
    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> conv2d_grad_weight(np.ones((1, 1, 2, 2)), x, kernel_size=2)[0, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    v = windows(_zero_pad(x, padding), pair(kernel_size), pair(stride))  # (n, c, p, q, i, j)
    return np.tensordot(dy, v, axes=((0, 2, 3), (0, 2, 3)))  # (o, c, i, j): the sum over n, p, q
