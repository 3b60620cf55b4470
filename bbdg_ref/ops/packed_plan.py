"""The plan of a packed convolution: where every bit lies, and which kernel runs.

With stride (sv, sh), tap i reads row ``p sv - pv + i = (p + q) sv + r`` for output row p: row p + q of phase r, where
``q, r = divmod(i - pv, sv)``; columns alike. All phases of an image and its output share one grid of ``grid_width``
columns, so that a tap reads its phase shifted by ``q_v * grid_width + q_h`` bits, and pixel p of image n is bit
``n * pitch + p`` of a stream. A mask per tap blanks what lies outside the image.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..spec.conv2d import Pair, output_size

__all__ = [
    "PIECE",
    "Geometry",
    "Lists",
    "columns_are_faster",
    "counting_lists",
    "exact_bits",
    "geometry",
    "ones_of_rows",
    "valid_taps",
]

PIECE = 16  # pixels that are compared, expanded and stored together
WIDE, NARROW = 8, 2  # 64-bit words of a block
STEP = 16  # planes are added in steps of so many
CHUNK = 8 * WIDE * 64  # pixels whose streams are made at a time, at least (if there are so many)
# What `columns_are_faster` weighs, in nanoseconds on one core with 512-bit vectors; only their proportions matter.
PLANE, BLOCK, WORD, PIXELS, READ = 0.5, 15.0, 1.6, 4.0, 0.1
HALVED, ROW, RUN = 20.0, 50.0, 20.0
UNCACHED = 1 << 20  # results of so many bytes or more are written past the cache

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Geometry:
    """All that depends on the shapes of a packed convolution alone.

    Attributes
    ----------
    batch : int
        Number of images.
    size, output_size : (int, int)
        Height and width of input and output.
    stride : (int, int)
        Vertical and horizontal.
    words : int
        Words of a block: `WIDE` or `NARROW`.
    grid_width, pitch : int
        Bits from one row of the grid to the next, and from one image to the next.
    chunk : int
        Images whose streams are made at a time.
    front, length : int
        Words of a stream before its first bit, and in all.
    tap_phase, tap_shift : ndarray of int64, shape (taps,)
        What each tap reads.
    masks : ndarray of uint64, shape (taps, words of a chunk)
        Where a tap lies inside the image, as bits, for all images of a chunk.
    starts : ndarray of int64, shape (words of a chunk,)
        Words of 64 pixels on which the same taps are valid are of one kind: 64 times the number of each word's kind.
    kinds : ndarray of bool, shape (taps, 64 * number of kinds)
        Where a tap is valid, for the pixels of one word of each kind.
    aligned : bool
        Whether output pixels are grid pixels, and images whole pieces.
    piece_image, piece_pixel : ndarray of int64, shape (pieces of a chunk,)
        Image and grid pixel where each piece begins.
    runs, run_limits : ndarray of int64, shapes (4, runs), (blocks + 1,)
        If not aligned: image, pixel in the block, length and output pixel of every run of pixels that are stored
        together; which runs belong to a block.
    """

    batch: int
    size: Pair
    output_size: Pair
    stride: Pair
    words: int
    grid_width: int
    pitch: int
    chunk: int
    front: int
    length: int
    tap_phase: Integers
    tap_shift: Integers
    masks: NDArray[np.uint64]
    starts: Integers
    kinds: NDArray[np.bool_]
    aligned: bool
    piece_image: Integers
    piece_pixel: Integers
    runs: Integers
    run_limits: Integers

    @property
    def chunks(self) -> int:
        """How many chunks the batch makes."""
        return -(-self.batch // self.chunk)


def valid_taps(outputs: int, positions: int, inputs: int, kernel: int, stride: int, padding: int) -> NDArray[np.bool_]:
    """Return, for each tap of an axis and each position of the grid, whether it is an output that reads the image.

    Parameters
    ----------
    outputs, positions, inputs : int
        Length of the output, of the grid, and of the image.
    kernel, stride, padding : int
        Of the convolution along this axis.

    Returns
    -------
    ndarray of bool, shape (kernel, positions)
    """
    position = np.arange(positions)
    read = position * stride - padding + np.arange(kernel)[:, None]
    return (position < outputs) & (read >= 0) & (read < inputs)


def _runs(
    outputs: Pair, chunk: int, pitch: int, grid_width: int, pixels: int, blocks: int
) -> tuple[Integers, Integers]:
    """Return the rows of the output as runs of pixels, cut where blocks end, in the order of the blocks."""
    if outputs[1] == grid_width:  # the rows lie behind one another
        outputs, grid_width = (1, outputs[0] * outputs[1]), outputs[0] * outputs[1]
    runs: list[tuple[int, int, int, int, int]] = []
    for image in range(chunk):
        for row in range(outputs[0]):
            first, target = image * pitch + row * grid_width, row * outputs[1]
            last = first + outputs[1]
            while first < last:
                block = first // pixels
                count = min(last, (block + 1) * pixels) - first
                runs.append((block, image, first - block * pixels, count, target))
                first, target = first + count, target + count
    table = np.array(runs, np.int64).reshape(-1, 5)
    return np.ascontiguousarray(table[:, 1:].T), np.searchsorted(table[:, 0], np.arange(blocks + 1))


@lru_cache(maxsize=64)
def geometry(batch: int, size: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Geometry:
    """Plan a convolution of the given shapes.

    Parameters
    ----------
    batch : int
        Number of images.
    size, kernel, stride, padding : (int, int)
        Vertical and horizontal.

    Returns
    -------
    Geometry

    Examples
    --------
    >>> plan = geometry(32, (8, 8), (3, 3), (1, 1), (1, 1))
    >>> plan.words, plan.pitch, plan.chunk, plan.tap_shift.tolist()
    (8, 64, 32, [-9, -8, -7, -1, 0, 1, 7, 8, 9])
    """
    outputs = output_size(size, kernel, stride, padding)
    grid = [max(out, -(-given // step)) for out, given, step in zip(outputs, size, stride, strict=True)]
    pitch = -(-grid[0] * grid[1] // PIECE) * PIECE
    words = NARROW if batch * pitch <= 64 * NARROW else WIDE
    pixels = 64 * words
    chunk = min(batch, -(-CHUNK // pitch))
    blocks = -(-chunk * pitch // pixels)
    rows = [divmod(i - padding[0], stride[0]) for i in range(kernel[0])]
    columns = [divmod(j - padding[1], stride[1]) for j in range(kernel[1])]
    shift = np.array([qv * grid[1] + qh for qv, _ in rows for qh, _ in columns])
    phase = np.array([rv * stride[1] + rh for _, rv in rows for _, rh in columns])
    vertical, horizontal = (
        valid_taps(outputs[axis], grid[axis], size[axis], kernel[axis], stride[axis], padding[axis]) for axis in (0, 1)
    )
    valid = np.zeros((len(shift), pitch), np.bool_)
    both = vertical[:, None, :, None] & horizontal[None, :, None, :]
    valid[:, : grid[0] * grid[1]] = both.reshape(len(shift), -1)
    whole = np.zeros((len(shift), blocks * pixels), np.bool_)
    whole[:, : chunk * pitch] = np.tile(valid, (1, chunk))
    masks = np.packbits(whole, axis=1, bitorder="little").view(np.uint64)
    different, kind = np.unique(masks, axis=1, return_inverse=True)
    front = max(0, -int(shift.min())) // 64 + 1
    aligned = outputs == (grid[0], grid[1]) and outputs[0] * outputs[1] % PIECE == 0
    pieces = np.arange(0, chunk * pitch, PIECE)
    none = np.zeros((4, 0), np.int64), np.zeros(blocks + 1, np.int64)
    runs = none if aligned else _runs(outputs, chunk, pitch, grid[1], pixels, blocks)
    return Geometry(
        batch, size, outputs, stride, words, grid[1], pitch, chunk, front,
        # one word more than the last shift reaches: words are read in pairs
        front + blocks * words + max(0, int(shift.max())) // 64 + 2,
        phase, shift, masks, kind.ravel() * 64,
        np.unpackbits(np.ascontiguousarray(different).view(np.uint8), axis=1, bitorder="little").astype(np.bool_),
        aligned, pieces // pitch, pieces % pitch, *runs,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Lists:
    """What the weights of a packed convolution say to the kernel: which planes to add up.

    The last of the ``out + 1`` rows is a channel of ones only, for the shared map a * 1.

    Attributes
    ----------
    places : ndarray of uint32
        The planes of every row, as offsets in words; every row is filled up with a plane of zeros.
    rows : ndarray of int64, shape (out + 1, 3)
        Where each row begins and ends, and whether (1) it lists the zeros, which are fewer, or (0) the ones.
    start : ndarray of int16, shape (out + 1, 64 * number of kinds)
        What is added to twice the count: minus the listed weights on valid taps (plus, if they are the zeros).
    """

    places: NDArray[np.uint32]
    rows: Integers
    start: NDArray[np.int16]


def exact_bits(bits: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Copy bits so that every byte is 0 or 1, as kernels that compute with the bytes need.

    NumPy takes any other byte for True as well; one gets in by a view, as ``mask.view(bool)`` of a mask of 0 and 255.

    Parameters
    ----------
    bits : ndarray of bool
        Of any shape and layout.

    Returns
    -------
    ndarray of bool, C-contiguous, of the same shape

    Examples
    --------
    >>> exact_bits(np.array([0, 255, 1], np.uint8).view(bool)).view(np.uint8)
    array([0, 1, 1], dtype=uint8)
    """
    return np.ascontiguousarray(bits).view(np.uint8).reshape(bits.shape) != 0


def counting_lists(bits: NDArray[np.bool_], plan: Geometry) -> Lists:
    """List the planes to add up for every output channel.

    Parameters
    ----------
    bits : ndarray of bool, shape (out, in, kernel height, kernel width)
        The weights' bits.
    plan : Geometry
        Of the convolution.

    Returns
    -------
    Lists

    Examples
    --------
    >>> plan = geometry(1, (8, 8), (1, 1), (1, 1), (0, 0))
    >>> lists = counting_lists(np.array([[1, 0, 0, 1, 0], [1, 1, 1, 0, 1]], bool).reshape(2, 5, 1, 1), plan)
    >>> (lists.places[:2] // plan.words).tolist(), (lists.places[16:17] // plan.words).tolist(), lists.rows[:2, 2]
    ([0, 3], [3], array([0, 1]))
    """
    from ..kernels.weight_lists import list_planes

    out, channels, *kernel = bits.shape
    every = exact_bits(np.concatenate((bits, np.ones((1, *bits.shape[1:]), np.bool_)))).view(np.uint8)
    every = every.reshape(out + 1, channels, kernel[0] * kernel[1])
    planes = every[0].size
    ones = ones_of_rows(bits)
    zeros_are_fewer = np.append(2 * ones > planes, False)
    counts = np.append(np.minimum(ones, planes - ones), planes)
    lengths = -(-counts // STEP) * STEP
    limits = np.concatenate(([0], np.cumsum(lengths)))
    on_tap = np.empty((out + 1, every.shape[2]))
    listed = np.empty(limits[-1] + 1, np.uint32)
    list_planes(every, zeros_are_fewer.view(np.uint8), limits[:-1], plan.words, listed, on_tap)
    for row in np.flatnonzero(lengths > counts):
        listed[limits[row] + counts[row] : limits[row + 1]] = planes * plan.words
    # As float64 this sum of products of small integers is exact, and NumPy's BLAS does it.
    on_valid = on_tap @ plan.kinds.astype(np.float64)
    start = np.where(zeros_are_fewer[:, None], on_valid, -on_valid).astype(np.int16)
    rows = np.stack((limits[:-1], limits[1:], zeros_are_fewer), axis=1)
    return Lists(listed[:-1], rows, start)


def ones_of_rows(bits: NDArray[np.bool_]) -> Integers:
    """Count the ones of every output channel.

    Parameters
    ----------
    bits : ndarray of bool, shape (out, ...)
        The weights' bits.

    Returns
    -------
    ndarray of int64, shape (out,)
    """
    from ..kernels.weight_lists import count_ones

    ones = np.empty(len(bits), np.int64)
    count_ones(exact_bits(bits).view(np.uint8).reshape(len(bits), -1), ones)
    return ones


def columns_are_faster(bits: NDArray[np.bool_], plan: Geometry) -> bool:
    """Tell whether counting along the channels is expected to take less time than adding planes.

    Adding planes costs `PLANE` for every listed plane and block, and `BLOCK` for every output and word of a block;
    where the streams are not made word by word, `HALVED` or `ROW` for what has to be moved by bits, and `RUN` for every
    run of the output that is. Counting along the channels costs `WORD` for every word of the window, eight pixels and
    eight outputs, `PIXELS` for every output and eight pixels, and `READ` for every activation.
    (``benchmarks/crossover.py`` measures where the two meet.)

    Parameters
    ----------
    bits : ndarray of bool, shape (out, in, kernel height, kernel width)
        The weights' bits.
    plan : Geometry
        For adding planes.

    Returns
    -------
    bool

    Examples
    --------
    >>> bits = np.random.default_rng(0).random((512, 512, 3, 3)) < 0.1
    >>> [columns_are_faster(bits, geometry(batch, (4, 4), (3, 3), (1, 1), (1, 1))) for batch in (1, 32)]
    [True, False]
    """
    out, channels, *kernel = bits.shape
    if plan.stride[0] * plan.stride[1] > 4 * kernel[0] * kernel[1]:  # most phases would be made for nothing
        return True
    planes = bits[0].size
    ones = ones_of_rows(bits)
    listed = np.append(np.minimum(ones, planes - ones), planes)
    steps = int((-(-listed // STEP)).sum()) * STEP
    blocks = -(-plan.batch * plan.pitch // (64 * plan.words))
    runs = 1 if plan.output_size[1] == plan.grid_width else plan.output_size[0]
    moved = channels * _stream_cost(plan) + (0.0 if plan.aligned else RUN * out * runs)
    by_planes = blocks * (steps * PLANE + out * BLOCK * plan.words) + plan.batch * moved
    eights = -(-plan.output_size[0] * plan.output_size[1] // PIECE) * 2 * plan.batch
    words = kernel[0] * kernel[1] * -(-channels // 64)
    read = READ * plan.batch * channels * plan.size[0] * plan.size[1]
    return eights * ((-(-out // 8) + 1) * words * WORD + out * PIXELS) + read < by_planes


def _stream_cost(plan: Geometry) -> float:
    """Return the cost of moving one channel of one image into its streams."""
    height, width = plan.size
    pixels = height * width
    if plan.stride == (1, 1) and plan.grid_width == width:
        return 0.0 if pixels % PIECE == 0 else HALVED
    halves = plan.stride == (2, 2) and 2 * plan.grid_width == width and 4 * plan.pitch == pixels
    return HALVED if halves and width in (8, 16, 32) and pixels % 64 == 0 else ROW * (height + 1)
