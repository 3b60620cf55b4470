"""Faster twins of `bbdg_ref.spec.conv2d` for float32: explicit vectors over channels, images on threads.

Where the JIT is off, the dtype is not float32, or the batch is too small to fill a tile, the functions of ``spec`` are
served instead.
"""
# The imports of `bbdg_ref.kernels` stand inside functions so that importing bbdg_ref does not import Numba.

from functools import lru_cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from .._memory import empty
from ..spec.conv2d import Pair, output_size, pair
from ..spec.conv2d import conv2d as defined_conv2d
from ..spec.conv2d import conv2d_grad_input as defined_grad_input
from ..spec.conv2d import conv2d_grad_weight as defined_grad_weight
from ..spec.estimators import sign

__all__ = ["conv2d", "conv2d_grad_input", "conv2d_grad_weight", "sign_conv2d_grad_weight"]

Float = NDArray[np.floating]
Integer = NDArray[np.int64]

SMALLEST_BATCH = 4  # below it, tiles of eight images are mostly empty and NumPy's BLAS is faster


def _kernels(*arrays: Float) -> ModuleType | None:
    """Return the kernels if they take these arrays: 4-D, float32, not empty, a batch large enough."""
    if any(array.ndim != 4 or array.dtype != np.float32 or array.size == 0 for array in arrays):
        return None
    if len(arrays[0]) < SMALLEST_BATCH:
        return None
    from ..kernels import conv2d
    from ..kernels.compiled import jit_is_on

    return conv2d if jit_is_on() else None


# The plans below depend on a few sizes, and a network asks for the same ones at every step: they are kept. Nobody
# writes to them.


def _plan(first: Integer, count: Integer, size: int, taps: Integer) -> Integer:
    """Return an axis plan: of `count` taps with the inputs `first`, first + 1, ..., those inside ``0 .. size - 1``.

    Returns
    -------
    int64 (3, positions)
        The first input index, the first tap (the taps of a position stand from `taps` on), how many taps.
    """
    before = np.maximum(-first, 0)
    after = np.minimum(size - first, count)
    return np.stack((first + before, taps + before, np.maximum(after - before, 0)))


@lru_cache(maxsize=256)
def forward_axis(size: int, outputs: int, kernel: int, stride: int, padding: int) -> tuple[Integer, Integer]:
    """Return the taps' order and the axis plan of a convolution: tap i of output q reads ``q s - padding + i``."""
    first = np.arange(outputs) * stride - padding
    return np.arange(kernel), _plan(first, np.full(outputs, kernel), size, np.zeros(outputs, np.int64))


@lru_cache(maxsize=256)
def backward_axis(size: int, outputs: int, kernel: int, stride: int, padding: int) -> tuple[Integer, Integer]:
    """Return the order of the taps and the axis plan of a convolution's gradient with respect to its input.

    Input q was read by output p through tap i where ``p s - padding + i = q``, so only through taps with
    ``i = q + padding mod s``. In descending order, r + (n-1) s, ..., r + s, r, such taps meet consecutive outputs.
    """
    classes = [np.arange(r, kernel, stride)[::-1] for r in range(stride)]
    taps = np.array([len(c) for c in classes])
    places = np.concatenate(([0], np.cumsum(taps)[:-1]))
    quotient, remainder = np.divmod(np.arange(size) + padding, stride)
    first = quotient - taps[remainder] + 1
    return np.concatenate(classes), _plan(first, taps[remainder], outputs, places[remainder])


def conv2d(x: Float, weight: Float, *, stride: int | Pair = 1, padding: int | Pair = 0) -> Float:
    """Convolve a batch of images with a bank of kernels; see `bbdg_ref.spec.conv2d.conv2d`.

    Every output is one sum in a fixed order (kernel row, kernel column, channel), with fused multiply-adds in float32,
    whatever the number of threads.
    """
    kernels = _kernels(x, weight)
    rows, columns = output_size(x.shape[2:], weight.shape[2:], stride, padding)
    if kernels is None or x.shape[1] != weight.shape[1] or min(rows, columns) < 1:
        return defined_conv2d(x, weight, stride=stride, padding=padding)
    order_v, vertical = forward_axis(x.shape[2], rows, weight.shape[2], pair(stride)[0], pair(padding)[0])
    order_h, horizontal = forward_axis(x.shape[3], columns, weight.shape[3], pair(stride)[1], pair(padding)[1])
    y = empty((len(x), len(weight), rows, columns))
    packed = kernels.packed_forward(np.ascontiguousarray(weight), order_v, order_h)
    kernels.convolve(np.ascontiguousarray(x), packed, vertical, horizontal, y)
    return y


def conv2d_grad_input(
    dy: Float, weight: Float, *, input_size: Pair, stride: int | Pair = 1, padding: int | Pair = 0
) -> Float:
    """Return the gradient with respect to the input of `conv2d`; see `bbdg_ref.spec.conv2d.conv2d_grad_input`.

    A convolution of `dy` with the same kernel code: for stride 1 with the taps turned round, for greater strides each
    input pixel with the taps that reach it (`backward_axis`), so that no product with an inserted zero is computed.
    """
    kernels = _kernels(dy, weight)
    expected = output_size(input_size, weight.shape[2:], stride, padding)
    if kernels is None or dy.shape[2:] != expected or dy.shape[1] != len(weight):
        return defined_grad_input(dy, weight, input_size=input_size, stride=stride, padding=padding)
    (kh, kw), (sv, sh), (pv, ph) = weight.shape[2:], pair(stride), pair(padding)
    order_v, vertical = backward_axis(input_size[0], dy.shape[2], kh, sv, pv)
    order_h, horizontal = backward_axis(input_size[1], dy.shape[3], kw, sh, ph)
    dx = empty((len(dy), weight.shape[1], *input_size))
    packed = kernels.packed_backward(np.ascontiguousarray(weight), order_v, order_h)
    kernels.convolve(np.ascontiguousarray(dy), packed, vertical, horizontal, dx)
    return dx


@lru_cache(maxsize=256)
def weight_axis(size: int, outputs: int, kernel: int, stride: int, padding: int) -> Integer:
    """Return for every tap i of an axis the outputs q that read the image there: ``0 <= q s - padding + i < size``.

    Returns
    -------
    int64 (3, kernel)
        The first such q, the last one plus 1 (not below the first), and the input index of output 0.
    """
    origin = np.arange(kernel) - padding
    first = np.minimum(np.maximum(-(origin // stride), 0), outputs)
    last = np.minimum((size - 1 - origin) // stride + 1, outputs)
    return np.stack((first, np.maximum(last, first), origin))


def conv2d_grad_weight(
    dy: Float, x: Float, *, kernel_size: int | Pair, stride: int | Pair = 1, padding: int | Pair = 0
) -> Float:
    """Return the gradient with respect to the weight of `conv2d`; see `bbdg_ref.spec.conv2d.conv2d_grad_weight`.

    The batch is cut into parts whose number depends on the shapes alone; their sums are added in order, so that the
    result does not depend on the number of threads.
    """
    if (dweight := _grad_weight(dy, x, False, kernel_size, stride, padding)) is not None:
        return dweight
    return defined_grad_weight(dy, x, kernel_size=kernel_size, stride=stride, padding=padding)


def sign_conv2d_grad_weight(
    dy: Float, x: Float, *, kernel_size: int | Pair, stride: int | Pair = 1, padding: int | Pair = 0
) -> Float:
    """Return the gradient with respect to the weight of ``conv2d(sign(x), weight)``, without an array of the signs.

    Equal to ``conv2d_grad_weight(dy, sign(x), ...)``, bit for bit: the signs are taken in scratch memory.

    Parameters
    ----------
    dy : ndarray (batch, out, output height, output width)
    x : ndarray (batch, in, height, width)
    kernel_size, stride, padding : int or (int, int)
        Vertical and horizontal.

    Returns
    -------
    ndarray (out, in, kernel height, kernel width)
    """
    if (dweight := _grad_weight(dy, x, True, kernel_size, stride, padding)) is not None:
        return dweight
    return defined_grad_weight(dy, sign(x), kernel_size=kernel_size, stride=stride, padding=padding)


def _grad_weight(
    dy: Float, x: Float, signs: bool, kernel_size: int | Pair, stride: int | Pair, padding: int | Pair
) -> Float | None:
    """Return the gradient with respect to the weight for x or for its signs, or None where the kernels do not run."""
    kernels = _kernels(dy, x)
    (kh, kw), (sv, sh), (pv, ph) = pair(kernel_size), pair(stride), pair(padding)
    expected = output_size(x.shape[2:], (kh, kw), stride, padding)
    if kernels is None or dy.shape[2:] != expected or len(dy) != len(x):
        return None
    vertical = weight_axis(x.shape[2], dy.shape[2], kh, sv, pv)
    horizontal = weight_axis(x.shape[3], dy.shape[3], kw, sh, ph)
    dweight = empty((dy.shape[1], x.shape[1], kh, kw))
    from ..kernels.conv2d_weight import weight_gradient

    weight_gradient(np.ascontiguousarray(dy), np.ascontiguousarray(x), signs, (sv, sh), vertical, horizontal, dweight)
    return dweight
