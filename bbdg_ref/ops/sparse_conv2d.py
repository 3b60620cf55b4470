"""The gradient with respect to the input of a convolution with two-valued weights: its time falls with the density."""
# The imports of `bbdg_ref.kernels` stand inside functions so that importing bbdg_ref does not import Numba.

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._memory import empty
from ..spec.conv2d import Pair, output_size, pair
from .conv2d import conv2d_grad_input
from .packed_plan import exact_bits

__all__ = ["two_valued_grad_input"]

Float = NDArray[np.floating]
Level = float | NDArray[np.float64]

# With many more ones than this the dense kernel is as fast (``benchmarks/sparse_gradient.py``). It costs the same at
# every density; here each one costs a load from the second-level cache, where the dense kernel's multiply-adds work on
# registers.
DENSEST = 0.3
SMALLEST_BATCH = 4  # as of `conv2d`
PAST_CACHE = 2**23  # bytes; a result this large would drive out of the cache what the kernel reads


def two_valued_grad_input(
    dy: Float,
    bits: NDArray[np.bool_],
    alpha: Level,
    beta: Level,
    *,
    input_size: Pair,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
) -> Float:
    """Return the gradient with respect to the input of a convolution with weights of two values.

    It is `bbdg_ref.spec.conv2d.conv2d_grad_input` with ``weight = alpha + (beta - alpha) * bits`` in the dtype of `dy`.
    Where few bits are ones, it is computed as a sum over them and a map that all input channels share::

        dx[n, c, q] = sum over o, i, j with bits[o, c, i, j] of (beta[o] - alpha[o]) * dy[n, o, p(q, i, j)]
                      + sum over all o, i, j of alpha[o] * dy[n, o, p(q, i, j)],

    p(q, i, j) being the output that read input q by tap (i, j), if there is one.

    Parameters
    ----------
    dy : ndarray (batch, out, output height, output width)
    bits : ndarray of bool (out, in, kernel height, kernel width)
    alpha, beta : float, or float64 (out,)
        The value of bit 0 and of bit 1, as in `bbdg_ref.spec.domain.Domain`.
    input_size : (int, int)
        Height and width of the input.
    stride, padding : int or (int, int)
        Vertical and horizontal.

    Returns
    -------
    ndarray (batch, in, height, width)
        Of the dtype of `dy`.

    Raises
    ------
    ValueError
        If the shape of `dy` is not that of the output.

    Notes
    -----
    ``batch * ones * height * width / stride**2`` additions. Every value is one sum in a fixed order, whatever the
    number of threads and the rest of the batch. What the kernel does not take goes to
    `bbdg_ref.ops.conv2d.conv2d_grad_input`: other dtypes than float32, few images, more ones than `DENSEST`, strides
    other than 1 and 2, odd sizes with stride 2, maps smaller than a tile.

    Examples
    --------
    >>> dy, bits = np.ones((1, 1, 2, 2)), np.array([[[[True, False], [False, False]]]])
    >>> two_valued_grad_input(dy, bits, -1.0, 1.0, input_size=(3, 3))[0, 0]
    array([[ 1.,  0., -1.],
           [ 0., -2., -2.],
           [-1., -2., -1.]])
    """
    low, high = (np.broadcast_to(np.asarray(level, np.float64), len(bits)) for level in (alpha, beta))
    size, steps, pads = pair(input_size), pair(stride), pair(padding)
    if bits.dtype == np.bool_:
        bits = exact_bits(bits)
    numbers = _plan(dy, bits, size, steps, pads) if _is_sparse(dy, bits) else None
    if numbers is None:
        weight = _weights(bits, low.astype(dy.dtype), high.astype(dy.dtype))
        return conv2d_grad_input(dy, weight, input_size=size, stride=steps, padding=pads)
    from ..kernels import sparse_conv2d as kernels

    step, pitch, line = steps[0], numbers.pitch, (len(bits) + 1) * numbers.pitch
    channels, *kernel = bits.shape[1:]
    dx = empty((len(dy), channels, *size))
    lists = []
    for given in (bits, np.ones((1, 1, *kernel), np.bool_)):
        flat = given.view(np.uint8).reshape(len(given), -1)
        entries = np.empty(np.count_nonzero(given), np.int32)
        starts = np.empty(step * given.shape[1] * kernel[0] + 1, np.int64)
        kernels.list_ones(flat, np.array(kernel), np.array(pads), step, pitch, line, entries, starts)
        lists.append((entries, starts))
    (entries, starts), (box, box_starts) = lists
    delta, shared = (high - low).astype(np.float32), low.astype(np.float32)
    kernels.gradient(np.ascontiguousarray(dy), numbers, delta, shared, entries, starts, box, box_starts, dx)
    return dx


def _weights(bits: NDArray[np.bool_], low: Float, high: Float) -> Float:
    """Return ``low (1 - bits) + high bits``, exactly one of the two values: times 1 and plus 0 nothing is rounded."""
    weight, rest = np.empty((2, *bits.shape), low.dtype)
    np.copyto(weight, bits)
    np.subtract(1, weight, out=rest)
    weight *= high.reshape(-1, 1, 1, 1)
    rest *= low.reshape(-1, 1, 1, 1)
    weight += rest
    return weight


def _is_sparse(dy: Float, bits: NDArray[np.bool_]) -> bool:
    """Tell whether the kernel takes these arrays and is faster than the dense one."""
    if dy.ndim != 4 or bits.ndim != 4 or dy.dtype != np.float32 or bits.dtype != np.bool_:
        return False
    if dy.size == 0 or bits.size == 0 or dy.shape[1] != len(bits) or len(dy) < SMALLEST_BATCH:
        return False
    from ..kernels.compiled import jit_is_on
    from ..kernels.vectors import LANES

    in_use = len(dy) / (-(-len(dy) // LANES) * LANES)  # lanes that hold an image
    return jit_is_on() and int(np.count_nonzero(bits)) <= DENSEST * in_use * bits.size


def _shifts(kernel: int, stride: int, padding: int) -> tuple[int, int]:
    """Return the least and greatest shift of an axis: a tap reaches input ``stride a + r`` from output a + shift."""
    taps = np.arange(kernel)
    shifts = ((taps - padding) % stride + padding - taps) // stride
    return int(shifts.min()), int(shifts.max())


def _plan(dy: Float, bits: NDArray[np.bool_], size: Pair, strides: Pair, pads: Pair) -> Any:
    """Return `bbdg_ref.kernels.sparse_conv2d.Numbers` for its `gradient`, or None if it does not take these shapes."""
    from ..kernels.sparse_conv2d import LANES, WIDTHS, Numbers

    (height, width), stride, (dy_height, dy_width) = size, strides[0], dy.shape[2:]
    outputs, channels, kernel_v, kernel_h = bits.shape
    expected = output_size(size, (kernel_v, kernel_h), strides, pads)
    if stride not in (1, 2) or strides[1] != stride or (dy_height, dy_width) != expected:
        return None
    if height % stride or width % stride or min(pads) < 0:
        return None
    tiles = []
    for rows, columns in ((height // stride, width // stride), (dy_height, dy_width)):
        fitting = [tile for tile in WIDTHS if tile <= columns and LANES // tile <= rows]
        if not fitting:
            return None
        tiles.append(fitting[0])
    borders = []
    for axis, kernel in enumerate((kernel_v, kernel_h)):
        least, most = _shifts(kernel, stride, pads[axis])
        borders.append(max(0, -least, size[axis] // stride + most - expected[axis]))
    reach, pitch = _shifts(kernel_v, stride, pads[0])[1], dy_width + borders[1]
    if (dy_height + 2 * borders[0]) * (outputs + 1) * pitch * LANES >= 2**31:  # distances are int32
        return None
    # A store past the cache writes whole lines: either rows of dx consist of them, or a tile is whole rows.
    if stride == 1:
        lines = width % LANES == 0 or (width == tiles[0] and (height * width) % LANES == 0)
    else:
        lines = width % (2 * tiles[0]) == 0 and 2 * tiles[0] >= LANES
    past = LANES == 16 and lines and 4 * len(dy) * channels * height * width >= PAST_CACHE
    return Numbers(
        stride=stride, kernel=kernel_v, pad=pads[0], channels=channels, height=height, width=width, columns=tiles[0],
        dy_height=dy_height, dy_width=dy_width, outputs=outputs, pitch=pitch, dy_columns=tiles[1],
        past_cache=int(past), border_v=borders[0], border_h=borders[1], reach=reach,
    )  # fmt: skip
