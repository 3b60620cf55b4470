"""The plan of a packed convolution that counts along the channels: see `bbdg_ref.kernels.columns`.

It costs the same at every density, and nothing for unfilled vectors of pixels: better than adding planes where maps are
small and weights are not sparse (`bbdg_ref.ops.packed_plan` says when).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..spec.conv2d import Pair, output_size
from ..spec.packing import pack_kernels
from .packed_plan import PIECE, valid_taps

__all__ = ["ColumnGeometry", "ColumnWeights", "column_geometry", "column_weights"]

GROUP = 8  # output channels that are counted together, and pixels
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ColumnGeometry:
    """All that depends on the shapes of such a convolution alone.

    Attributes
    ----------
    batch : int
        Number of images.
    size, output_size : (int, int)
        Height and width of input and output.
    words : int
        Words of a column: ceil(in / 64).
    rows, run, row_step : int
        A window is `rows` runs of `run` words, `row_step` words apart.
    length : int
        Words of an image with its border.
    pitch : int
        Output pixels, filled up to a multiple of `PIECE`.
    pixel_place : ndarray of int64, shape (height * width,)
        The word where each input pixel's column begins.
    windows : ndarray of int64, shape (pitch,)
        The word where each output pixel's window begins.
    valid : ndarray of bool, shape (taps, pitch)
        Where a tap lies inside the image.
    """

    batch: int
    size: Pair
    output_size: Pair
    words: int
    rows: int
    run: int
    row_step: int
    length: int
    pitch: int
    pixel_place: Integers
    windows: Integers
    valid: NDArray[np.bool_]


@lru_cache(maxsize=64)
def column_geometry(batch: int, channels: int, size: Pair, kernel: Pair, stride: Pair, padding: Pair) -> ColumnGeometry:
    """Plan a convolution of the given shapes.

    Parameters
    ----------
    batch, channels : int
        Number of images and of their channels.
    size, kernel, stride, padding : (int, int)
        Vertical and horizontal.

    Returns
    -------
    ColumnGeometry

    Examples
    --------
    >>> plan = column_geometry(1, 70, (4, 4), (3, 3), (1, 1), (1, 1))
    >>> plan.words, plan.rows, plan.run, plan.row_step, plan.windows[:5].tolist()
    (2, 3, 6, 12, [0, 2, 4, 6, 12])
    """
    outputs = output_size(size, kernel, stride, padding)
    words = -(-channels // 64)
    row_step = (size[1] + 2 * padding[1]) * words
    length = (size[0] + 2 * padding[0]) * row_step
    place = (np.arange(size[0]) + padding[0])[:, None] * row_step + (np.arange(size[1]) + padding[1]) * words
    window = np.arange(outputs[0])[:, None] * stride[0] * row_step + np.arange(outputs[1]) * stride[1] * words
    pixels = outputs[0] * outputs[1]
    pitch = -(-pixels // PIECE) * PIECE
    vertical, horizontal = (
        valid_taps(outputs[a], outputs[a], size[a], kernel[a], stride[a], padding[a]) for a in (0, 1)
    )
    valid = np.zeros((kernel[0] * kernel[1], pitch), np.bool_)
    valid[:, :pixels] = (vertical[:, None, :, None] & horizontal[None, :, None, :]).reshape(len(valid), pixels)
    windows = np.concatenate((window.ravel(), np.zeros(pitch - pixels, np.int64)))
    return ColumnGeometry(
        batch,
        size,
        outputs,
        words,
        kernel[0],
        kernel[1] * words,
        row_step,
        length,
        pitch,
        place.ravel(),
        windows,
        valid,
    )


@dataclass(frozen=True, eq=False)
class ColumnWeights:
    """What the weights say to the kernel.

    Attributes
    ----------
    words : ndarray of uint64, shape (groups + 1, rows, run, `GROUP`)
        The bits of `GROUP` output channels side by side; the last group is one channel of ones, for the shared map.
    start : ndarray of int16, shape (out + 1, pitch)
        What is added to twice the count: minus the ones on valid taps.
    """

    words: NDArray[np.uint64]
    start: NDArray[np.int16]


def column_weights(bits: NDArray[np.bool_], plan: ColumnGeometry) -> ColumnWeights:
    """Lay the weights' bits out for the kernel.

    Parameters
    ----------
    bits : ndarray of bool, shape (out, in, kernel height, kernel width)
        The weights' bits.
    plan : ColumnGeometry
        Of the convolution.

    Returns
    -------
    ColumnWeights
    """
    out, channels = bits.shape[:2]
    groups = -(-out // GROUP)
    every = np.concatenate((bits, np.ones((1, *bits.shape[1:]), np.bool_)))
    packed = pack_kernels(every).reshape(out + 1, plan.rows, plan.run)
    words = np.zeros(((groups + 1) * GROUP, plan.rows, plan.run), np.uint64)
    words[:out], words[groups * GROUP] = packed[:out], packed[out]
    on_tap = every.reshape(out + 1, channels, -1).sum(axis=1)
    # As float64 this sum of products of small integers is exact, and NumPy's BLAS does it.
    start = -(on_tap.astype(np.float64) @ plan.valid.astype(np.float64))
    grouped = words.reshape(groups + 1, GROUP, plan.rows, plan.run).transpose(0, 2, 3, 1)
    return ColumnWeights(np.ascontiguousarray(grouped), start.astype(np.int16))
