"""A folded network as a program: one row of numbers a step, and the arenas that the numbers point into.

Running a network layer by layer from Python costs more, for one image, than its arithmetic. So everything is laid out
once for a batch size (`bbdg_ref.ops.packed_layout`): the constants of all layers in five arenas, the maps and bits
between the layers in two, and a table whose rows say what is done with them. `bbdg_ref.kernels.packed_program` runs the
table in one call.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec.evaluation import Evaluation

__all__ = ["Memory", "Program", "Step", "aligned_zeros", "kept", "remember", "run", "share_out"]

_lock = threading.Lock()
KEPT = 16  # programs that a network keeps


@dataclass(frozen=True)
class Step:
    """One row of the table: the order of the attributes is the order of the columns.

    The kinds of steps are those of `bbdg_ref.kernels.packed_program`.

    Attributes
    ----------
    kind : int
        What is done.
    source, target, shortcut, result : int
        Offsets of what is read (bits, or floats), of the bits that are written, of the floats that are added, and of
        the floats that are written; -1 for none.
    batch, channels, height, width, outputs : int
        Images, and the shapes of input and output.
    stride_or_padding_v, stride_or_padding_h : int
        Of a binary layer its stride, of a real one its padding; by columns: rows and run of a window.
    words : int
        Words of a block, or of a column; of a real layer: how many pixels lie in a row ...
    grid_width : int
        Bits of a row of the grid; by columns: words between rows; of a real layer: ... how far apart.
    pitch, front, length, chunk : int
        As in `bbdg_ref.ops.packed_plan.Geometry`; by columns: `length` of its own geometry.
    out_pixels, taps : int
        Pixels of an output map; taps of a kernel, and of all channels in a real layer.
    tap_phase, tap_shift : int
        Offsets in the integers; by columns: of pixel places and windows; of a real layer: of where each output pixel
        begins, and how far each tap is from there.
    starts, float_places, bit_places, rows : int
        Offsets in the integers.
    weight : int
        Offset in the reals: of scale, shared and shift, or of the weights.
    bias_or_masks : int
        Offset in the reals, or in the masks (by columns: of the weights' words there).
    places, start : int
        Offsets in the places and in the starts.
    start_row : int
        Length of a row of starts.
    """

    kind: int
    source: int = 0
    target: int = -1
    shortcut: int = -1
    result: int = -1
    batch: int = 0
    channels: int = 0
    height: int = 0
    width: int = 0
    outputs: int = 0
    stride_or_padding_v: int = 0
    stride_or_padding_h: int = 0
    words: int = 0
    grid_width: int = 0
    pitch: int = 0
    front: int = 0
    length: int = 0
    chunk: int = 0
    out_pixels: int = 0
    taps: int = 0
    tap_phase: int = 0
    tap_shift: int = 0
    starts: int = 0
    float_places: int = 0
    bit_places: int = 0
    rows: int = 0
    weight: int = 0
    bias_or_masks: int = 0
    places: int = 0
    start: int = 0
    start_row: int = 0

    def row(self) -> list[int]:
        """Return the columns."""
        return list(vars(self).values())


@dataclass(frozen=True, eq=False)
class Memory:
    """The maps and the bits that a run leaves behind, and its scratch memory.

    Attributes
    ----------
    floats : ndarray of float32
        Maps.
    words : ndarray of uint64
        Bits.
    border, gathered : ndarray of float32
        One map with its border, and what two pieces of a real convolution read, or the means.
    """

    floats: NDArray[np.float32]
    words: NDArray[np.uint64]
    border: NDArray[np.float32]
    gathered: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Program:
    """A network laid out for one batch size.

    Attributes
    ----------
    table : ndarray of int64, shape (steps, fields)
        The steps.
    constants : tuple of ndarray
        Integers, reals, places, starts and masks, as the kernel takes them.
    floats, words, border, gathered : int
        Sizes of the arenas of maps and of bits, of the largest map with its border, and of what two pieces
        read.
    features, bits : list of (int, tuple)
        Where the maps after stem and blocks, and the bits that the binary layers read, are found, and their shapes; all
        of them only if the program was built to keep them.
    unused : list of Memory
        What earlier runs have given back.
    """

    table: NDArray[np.int64]
    constants: tuple[NDArray[Any], ...]
    floats: int
    words: int
    border: int
    gathered: int
    features: list[tuple[int, tuple[int, ...]]]
    bits: list[tuple[int, tuple[int, ...]]]
    unused: list[Memory] = field(default_factory=list)

    def memory(self) -> Memory:
        """Return memory for a run: what an earlier run has given back, so that its pages need not be mapped anew."""
        try:
            return self.unused.pop()
        except IndexError:
            words = aligned_zeros(self.words + 16, np.uint64)
            sizes = self.floats, self.border, self.gathered
            floats, *others = (aligned_zeros(size + 16, np.float32) for size in sizes)
            return Memory(floats, words, *others)

    def give_back(self, memory: Memory) -> None:
        """Keep the memory of a run for a later one."""
        self.unused.append(memory)


def run(program: Program, images: NDArray[np.float32], logits: NDArray[np.float32]) -> Memory:
    """Run a program.

    Parameters
    ----------
    program : Program
        For the batch size of `images`.
    images : ndarray of float32, shape (batch, channels, height, width), contiguous
        Normalised as in training.
    logits : ndarray of float32, shape (batch, classes)
        The result.

    Returns
    -------
    Memory
        What the run has left behind.
    """
    from ..kernels.packed_program import run as run_table  # not at the top: importing bbdg_ref does not import Numba

    memory = program.memory()
    run_table(
        program.table, images.reshape(-1), memory.floats, memory.words, *program.constants, logits,
        memory.border, memory.gathered,
    )  # fmt: skip
    return memory


def aligned_zeros(size: int, dtype: Any) -> NDArray[Any]:
    """Return zeros that begin at a cache line: a vector that lies across two lines takes twice as long.

    Parameters
    ----------
    size : int
        How many.
    dtype : dtype
        Of what kind.

    Returns
    -------
    ndarray of that dtype, shape (size,)
    """
    width = np.dtype(dtype).itemsize
    memory = np.zeros(size + 64 // width, dtype)
    first = -memory.__array_interface__["data"][0] % 64 // width
    return memory[first : first + size]


def share_out(work: Callable[[int, int], None], pieces: int) -> None:
    """Share runs out to the threads of Numba; see `bbdg_ref.kernels.threads.share_out`.

    Parameters
    ----------
    work : callable
        Called with the first piece and the last one plus 1.
    pieces : int
        How many there are.
    """
    from ..kernels.threads import share_out as share  # not at the top: importing bbdg_ref does not import Numba

    share(work, pieces)


def remember(known: dict[Any, Any], key: Any, value: Any) -> None:
    """Keep a program; the oldest one goes where there are `KEPT`.

    Parameters
    ----------
    known : dict
        What is kept.
    key, value
        What to add.
    """
    with _lock:
        if key not in known and len(known) >= KEPT:
            del known[next(iter(known))]
        known[key] = value


def kept(program: Program, memory: Memory, logits: NDArray[np.float32]) -> Evaluation:
    """Return what a run has left behind, of a program that was built to keep it.

    Parameters
    ----------
    program : Program
        The program.
    memory : Memory
        What `run` returned.
    logits : ndarray of float32, shape (batch, classes)
        What it has written.

    Returns
    -------
    Evaluation
    """

    def bits(begin: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        batch, channels, height, width = shape
        stored = -(-height * width // 64)
        planes = memory.words[begin : begin + batch * channels * stored].reshape(batch, channels, stored)
        every = np.unpackbits(planes.view(np.uint8), axis=2, count=height * width, bitorder="little")
        return every.astype(np.bool_).reshape(shape)

    def feature(begin: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        return memory.floats[begin : begin + math.prod(shape)].reshape(shape)

    return Evaluation(
        logits, tuple(bits(*place) for place in program.bits), tuple(feature(*place) for place in program.features)
    )
