"""A faster twin of `bbdg_ref.spec.popcount_conv`: time falls with the density of the weights.

`PackedWeights` keeps what the kernels want to know about one layer's weights, for the shapes of input met so far. Where
the JIT is off, or counts do not fit the kernels' integers, the function of ``spec`` is served instead.
"""
# The imports of `bbdg_ref.kernels` stand inside functions so that importing bbdg_ref does not import Numba.

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._memory import empty
from ..spec.conv2d import Pair, pair
from ..spec.popcount_conv import popcount_conv2d as defined_popcount_conv2d
from .column_plan import ColumnGeometry, ColumnWeights, column_geometry, column_weights
from .packed_plan import UNCACHED, Geometry, Lists, columns_are_faster, counting_lists, geometry

__all__ = ["PackedWeights", "packed_affine", "packed_kernels_take", "plain", "popcount_conv2d"]

Float = NDArray[np.float32]
Level = float | NDArray[np.float64]
_lock = threading.Lock()
KEPT = 8  # shapes of input for which a layer keeps what it has prepared


@dataclass(frozen=True, eq=False)
class Prepared:
    """A layer's weights and an input's shapes, as the kernels take them.

    Attributes
    ----------
    plan : Geometry
        Of the shapes.
    lists : Lists
        Of the weights.
    numbers : ndarray of int64, shape (16,)
        Batch, channels, height, width, outputs, stride (2), words of a block, grid width, pitch, front, length, chunk,
        output pixels, whether aligned, whether the result is written past the cache.
    piece_places : ndarray of int64, shape (pieces of a chunk,)
        Where each piece begins in the result, counted from the chunk's first pixel of the output channel.
    shape : tuple of int
        Of the result.
    """

    plan: Geometry
    lists: Lists
    numbers: NDArray[np.int64]
    piece_places: NDArray[np.int64]
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class PackedWeights:
    """Bits and domain of a binary layer, ready for the kernels.

    Parameters
    ----------
    bits : ndarray of bool, shape (out, in, kernel height, kernel width)
        The weights' bits.
    alpha, beta : ndarray of float64, shape (out,)
        The value of bit 0 and of bit 1.

    Attributes
    ----------
    delta : ndarray of float64, shape (out,)
        beta - alpha.
    calls : dict
        What is prepared by the arguments (shape of the input, stride, padding) of calls that were found in order.
    """

    bits: NDArray[np.bool_]
    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]
    delta: NDArray[np.float64] = field(init=False)
    calls: dict[Any, "Prepared | PreparedColumns"] = field(init=False, default_factory=dict)
    _lists: dict[Any, Lists] = field(init=False, default_factory=dict)
    _prepared: dict[Any, "Prepared | PreparedColumns"] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "delta", self.beta - self.alpha)

    def prepared(self, batch: int, size: Pair, stride: Pair, padding: Pair) -> "Prepared | PreparedColumns":
        """Return what the kernels need for one shape of input; it is kept for the next call.

        Parameters
        ----------
        batch : int
            Number of images.
        size, stride, padding : (int, int)
            Vertical and horizontal.

        Returns
        -------
        Prepared or PreparedColumns
            Of the kernel that is expected to be faster.
        """
        # Beyond the padded image a stride makes no difference, but every phase takes memory.
        vertical, horizontal = (min(stride[a], size[a] + 2 * padding[a]) for a in (0, 1))
        key = batch, size, (vertical, horizontal), padding
        known = self._prepared.get(key)
        if known is None:
            known = self._prepare(*key)
            _keep(self._prepared, key, known)
        return known

    def remember(self, shape: tuple[int, int, int, int], stride: int, padding: int) -> None:
        """Note that a call with these arguments is in order."""
        _keep(self.calls, (shape, stride, padding), self.prepared(shape[0], shape[2:], (stride,) * 2, (padding,) * 2))

    def _prepare(self, batch: int, size: Pair, stride: Pair, padding: Pair) -> "Prepared | PreparedColumns":
        out, channels = self.bits.shape[:2]
        plan = geometry(batch, size, self.bits.shape[2:], stride, padding)
        if columns_are_faster(self.bits, plan):
            return self._prepare_columns(batch, size, stride, padding)
        lists_key = plan.words, plan.kinds.tobytes()
        lists = self._lists.get(lists_key)
        if lists is None:
            lists = counting_lists(self.bits, plan)
            _keep(self._lists, lists_key, lists)
        pixels = plan.output_size[0] * plan.output_size[1]
        past_cache = plan.aligned and 4 * batch * out * pixels >= UNCACHED
        numbers = np.array(
            [batch, channels, *size, out, *stride, plan.words, plan.grid_width, plan.pitch, plan.front, plan.length,
             plan.chunk, pixels, plan.aligned, past_cache]
        )  # fmt: skip
        return Prepared(
            plan,
            lists,
            numbers,
            plan.piece_image * (out * pixels) + plan.piece_pixel,
            (batch, out, *plan.output_size),
        )

    def _prepare_columns(self, batch: int, size: Pair, stride: Pair, padding: Pair) -> "PreparedColumns":
        out, channels, *kernel = self.bits.shape
        plan = column_geometry(batch, channels, size, (kernel[0], kernel[1]), stride, padding)
        pixels = plan.output_size[0] * plan.output_size[1]
        numbers = np.array(
            [
                batch,
                channels,
                size[0] * size[1],
                out,
                plan.words,
                plan.rows,
                plan.run,
                plan.row_step,
                plan.length,
                pixels,
            ]
        )
        return PreparedColumns(plan, column_weights(self.bits, plan), numbers, (batch, out, *plan.output_size))


@dataclass(frozen=True, eq=False)
class PreparedColumns:
    """A layer's weights and an input's shapes, as the kernels that count along the channels take them.

    Attributes
    ----------
    plan : ColumnGeometry
        Of the shapes.
    weights : ColumnWeights
        Of the layer.
    numbers : ndarray of int64, shape (10,)
        Batch, channels, input pixels, outputs, words of a column, rows, run, row step, length, output pixels.
    shape : tuple of int
        Of the result.
    """

    plan: ColumnGeometry
    weights: ColumnWeights
    numbers: NDArray[np.int64]
    shape: tuple[int, ...]


def _keep(known: dict[Any, Any], key: Any, value: Any) -> None:
    """Add an entry; the oldest one goes where there are `KEPT`."""
    with _lock:
        if key not in known and len(known) >= KEPT:
            del known[next(iter(known))]
        known[key] = value


def packed_kernels_take(channels: int, kernel: Pair) -> bool:
    """Tell whether the kernels run here and the counts fit their 16-bit integers.

    Parameters
    ----------
    channels : int
        Input channels.
    kernel : (int, int)
        Height and width.

    Returns
    -------
    bool
    """
    if channels * kernel[0] * kernel[1] > np.iinfo(np.int16).max:
        return False
    from ..kernels.compiled import jit_is_on

    return jit_is_on()


def packed_affine(
    x: Float, bits: NDArray[np.uint64], packed: bool, weights: PackedWeights,
    prepared: Prepared | PreparedColumns, y: Float,
) -> bool:  # fmt: skip
    """Convolve floats, or bits if `packed`, into `y`, and tell whether there was a NaN among the floats.

    Parameters
    ----------
    x : ndarray of float32, shape (batch, in, height, width), contiguous
        Activations; of any shape if `packed`.
    bits : ndarray of uint64, shape (batch, in, ceil(height * width / 64))
        Their bits; of any shape if not `packed`.
    packed : bool
        Which of the two is read.
    weights : PackedWeights
        The layer.
    prepared : Prepared or PreparedColumns
        From ``weights.prepared`` for this shape.
    y : ndarray of float32, shape (batch, out, output height, output width), contiguous
        The result.

    Returns
    -------
    bool
    """
    if isinstance(prepared, PreparedColumns):
        return _by_columns(x, bits, packed, weights, prepared, y)
    from ..kernels.packed_conv2d import convolve_affine
    from ..kernels.threads import share_out

    plan, lists, numbers = prepared.plan, prepared.lists, prepared.numbers
    if numbers[-1] and _address(y) % 64 != 0:  # past the cache go whole lines only
        numbers = np.append(numbers[:-1], 0)
    nans: list[int] = []

    def work(first: int, last: int) -> None:
        found = convolve_affine(
            x.reshape(-1), bits.reshape(-1), packed, numbers, plan.tap_phase, plan.tap_shift, plan.masks,
            plan.starts, prepared.piece_places, plan.runs, plan.run_limits,
            lists.places, lists.rows, lists.start, weights.alpha, weights.delta, y.reshape(-1), first, last,
        )  # fmt: skip
        nans.append(found)

    share_out(work, plan.chunks)
    return any(nans)


def _by_columns(
    x: Float, bits: NDArray[np.uint64], packed: bool, weights: PackedWeights, prepared: PreparedColumns, y: Float
) -> bool:
    from ..kernels.column_conv2d import convolve_affine_by_columns
    from ..kernels.threads import share_out

    plan, nans = prepared.plan, []

    def work(first: int, last: int) -> None:
        found = convolve_affine_by_columns(
            x.reshape(-1), bits.reshape(-1), packed, prepared.numbers, plan.pixel_place, plan.windows,
            prepared.weights.words.reshape(-1), prepared.weights.start.reshape(-1), weights.alpha, weights.delta,
            y.reshape(-1), first, last,
        )  # fmt: skip
        nans.append(found)

    share_out(work, plan.batch)
    return any(nans)


def plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array contiguous, aligned and writeable: for any other kind Numba would compile the kernels once more.

    Parameters
    ----------
    array : ndarray
        Of any layout.

    Returns
    -------
    ndarray
        Itself, or a copy.
    """
    return array if array.flags.carray else np.array(array, order="C")


def _address(array: Float) -> int:
    """Return where an array lies (``array.ctypes.data`` takes a microsecond)."""
    return int(array.__array_interface__["data"][0])


def popcount_conv2d(
    x: NDArray[np.floating], bits: NDArray[np.bool_], alpha: Level, beta: Level, *,
    stride: int | Pair = 1, padding: int | Pair = 0,
) -> Float:  # fmt: skip
    """Convolve the signs of `x` with two-valued weights; see `bbdg_ref.spec.popcount_conv.popcount_conv2d`."""
    batch, channels, *size = x.shape
    stride, padding = pair(stride), pair(padding)
    if x.dtype != np.float32 or x.size == 0 or bits.size == 0 or not packed_kernels_take(channels, bits.shape[2:]):
        return defined_popcount_conv2d(x, bits, alpha, beta, stride=stride, padding=padding)
    levels = [np.broadcast_to(np.asarray(level, np.float64), len(bits)).copy() for level in (alpha, beta)]
    weights = PackedWeights(bits, *levels)
    prepared = weights.prepared(batch, (size[0], size[1]), stride, padding)
    y = empty((batch, len(bits), *prepared.plan.output_size))
    packed_affine(plain(x), np.empty(0, np.uint64), False, weights, prepared, y)
    return y
