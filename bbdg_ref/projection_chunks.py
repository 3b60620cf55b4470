"""The projection of weights that do not fit into memory: the optimum of `bbdg_ref.project`, from chunks.

The weights are read two or three times and never sorted. What one reading has to keep is counts and exact sums, which
add up: so it does not matter in which order chunks come, or on which machine each of them is read.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from bbdg_ref import _checks, ops
from bbdg_ref.spec.domain import Domain
from bbdg_ref.spec.projection import Bits, assemble

__all__ = ["ChunkedProjection", "project_chunks"]

EXPECTED = "a function that gives an iterator of arrays, an h5py dataset, or a dask array"
Chunks = Any  # a function that gives an iterator of arrays, or what is read by slices, or a dask array


@dataclass(frozen=True, eq=False)
class ChunkedProjection:
    """The nearest binary weights of weights that were read in chunks; `bits` gives the bits of each chunk.

    Parameters
    ----------
    alpha, beta, threshold, error, n_ones, tied
        As in `Projection`.
    n : int
        The number of weights.
    dtype : dtype
        Of the weights.
    least : int or None
        The place of the smallest weight with bit 1 in the order of all numbers of this dtype; None without ones.

    Examples
    --------
    >>> p = project_chunks(lambda: iter([np.array([0.0, 3.0]), np.array([4.0])]))
    >>> p.alpha, p.beta, p.n_ones, p.n
    (0.0, 3.5, 2, 3)
    >>> p.bits(np.array([0.0, 3.0]))
    array([False,  True])
    """

    alpha: float
    beta: float
    threshold: np.float64
    error: float
    n_ones: int
    tied: bool
    n: int
    dtype: np.dtype
    least: int | None

    @property
    def domain(self) -> Domain:
        """The domain {alpha, beta}."""
        return Domain(self.alpha, self.beta)

    @property
    def density(self) -> float:
        """Ones / weights."""
        return self.n_ones / self.n

    def bits(self, chunk: npt.ArrayLike) -> Bits:
        """Return the bits of weights that took part: those above the exact midpoint of alpha and beta.

        Parameters
        ----------
        chunk : array of the dtype of the weights, of any shape
            Some of the weights.

        Returns
        -------
        array of bool
            In its shape; O(its size).

        Raises
        ------
        TypeError, ValueError
            If the chunk is of another dtype, or holds NaN or infinity.
        """
        x = _checks.real_array("ChunkedProjection.bits", "chunk", chunk, empty=True)
        if x.size == 0:
            return np.empty(x.shape, np.bool_)
        if x.dtype != self.dtype:
            mend = "give chunks as they were projected"
            raise TypeError(_checks.message("ChunkedProjection.bits", "chunk", str(self.dtype), str(x.dtype), mend))
        found = np.empty(x.shape, np.bool_)
        ops.write_bits(x, self.least, found)
        return found


def project_chunks(chunks: Chunks) -> ChunkedProjection:
    """Return what `project` returns for all weights of all chunks together.

    Minimises ``sum (w - alpha - (beta - alpha) b)**2`` exactly, over all alpha <= beta and all bits b.

    Parameters
    ----------
    chunks : function, dataset or dask array
        A function without arguments that gives a fresh iterator of arrays, the same ones each time, of any shapes and
        of one dtype: float16, float32, float64 or integers. Or an h5py dataset, or anything else that has a shape, a
        dtype and slices (a memory map); or a dask array, whose blocks are read where its scheduler runs them (extra
        ``distributed``).

    Returns
    -------
    ChunkedProjection
        The same numbers, bit for bit; the bits of a chunk are computed when they are asked for.

    Raises
    ------
    TypeError, ValueError
        If there are no weights, or some are not real numbers of one dtype, or NaN or infinite; also if the function is
        seen to give other weights the second time (it is not, where count and sum of those that are kept agree).

    Notes
    -----
    For n weights O(n) time, and for each chunk as much as for 65,536 weights. The memory is less than 64 MB beyond the
    chunk at work, and the one before it, which a generator holds until it makes the next.

    float16 and 8- and 16-bit integers are read once; others twice, or three times where many weights are nearly equal.
    In the worst case, which takes some contriving, ``3 + n/20000`` times. Source: as `project`.

    Examples
    --------
    >>> def chunks():
    ...     for seed in range(3):
    ...         yield np.random.default_rng(seed).standard_normal(1000, dtype=np.float32)
    >>> p, whole = project_chunks(chunks), np.concatenate(list(chunks()))
    >>> p.n_ones, bool((p.bits(whole) == (whole > p.threshold)).all())
    (1473, True)
    """
    dtype, show = _source(chunks)
    try:
        split = ops.best_split(dtype, show)
    except ops.Empty:
        raise _no_weights() from None
    except ops.NotFinite:
        raise _not_finite(chunks) from None
    except ops.Changed:
        got = "other numbers the second time"
        mend = "make a new iterator in each call: lambda: iter(...), not one iterator that is used up"
        raise ValueError(_message("the same chunks from every call", got, mend)) from None
    p = assemble([split.row], np.empty(0, np.bool_), None)
    numbers = (float(p.alpha), float(p.beta), np.float64(p.threshold), float(p.error), int(p.n_ones), bool(p.tied))
    return ChunkedProjection(*numbers, split.n, dtype, split.least)


def _message(expected: str, got: str, mend: str) -> str:
    return _checks.message("project_chunks", "chunks", expected, got, mend)


def _checked(chunk: npt.ArrayLike, dtype: np.dtype | None = None) -> np.ndarray:
    """Return a chunk as an array of real numbers, of the dtype of the first where that is known."""
    array = _checks.real_array("project_chunks", "chunks", chunk, finite=False, empty=True)
    if array.size == 0:
        return array
    if dtype is not None and array.dtype != dtype:
        got = f"{dtype} and then {array.dtype}"
        mend = "convert all chunks to one dtype that holds their numbers, such as np.float64"
        raise TypeError(_message("arrays of one dtype", got, mend))
    return array


class _Reading:
    """The chunks of a function, read again for each pass; the dtype is that of the first chunk with any numbers."""

    def __init__(self, chunks: Callable[[], Iterable[npt.ArrayLike]]) -> None:
        self.chunks = chunks
        self.begun: Iterator[np.ndarray] | None = self._new()
        first = next(self.begun, None)
        if first is None:
            raise _no_weights()
        self.dtype = first.dtype
        self.first: list[np.ndarray] = [first]

    def _new(self) -> Iterator[np.ndarray]:
        chunks = self.chunks()
        if not isinstance(chunks, Iterable):
            mend = "let the function return an iterator, or be a generator"
            raise TypeError(_message(EXPECTED, f"a function that gives {type(chunks).__name__}", mend))
        for chunk in chunks:
            array = _checked(chunk)
            if array.size:
                yield array

    def __call__(self) -> Iterator[np.ndarray]:
        """Yield the chunks: first those of the iterator from which the dtype was read, then of new ones."""
        begun, self.begun = self.begun or self._new(), None
        while self.first:
            yield _checked(self.first.pop(), self.dtype)  # not held here, while it is worked on
        for chunk in begun:
            yield _checked(chunk, self.dtype)


def _source(chunks: Chunks) -> tuple[np.dtype, ops.Show]:
    """Return the dtype of the weights and the pass over them."""
    if _is_dask(chunks):
        dtype = _checked(np.empty(1, chunks.dtype)).dtype
        return dtype, ops.show_dask(chunks, partial(_checked, dtype=dtype))
    if not (_is_sliced(chunks) or callable(chunks)):
        mend = "write lambda: iter(chunks) for a list of arrays"
        raise TypeError(_message(EXPECTED, type(chunks).__name__, mend))
    reading = _Reading(partial(ops.slices, chunks) if _is_sliced(chunks) else chunks)
    return reading.dtype, ops.show_chunks(reading)


def _is_dask(chunks: Chunks) -> bool:
    return hasattr(chunks, "__dask_graph__") and hasattr(chunks, "to_delayed")


def _is_sliced(chunks: Chunks) -> bool:
    if isinstance(chunks, np.ma.MaskedArray):
        raise TypeError(_message(EXPECTED, "a masked array", "fill or drop the masked entries"))
    if all(hasattr(chunks, name) for name in ("shape", "dtype", "__getitem__")):
        if chunks.shape is None:  # a dataset of h5py may hold no data space at all
            raise _no_weights()
        return True
    return False


def _no_weights() -> ValueError:
    return ValueError(_message("chunks with at least one weight", "none", "give at least one weight"))


def _not_finite(chunks: Chunks) -> ValueError:
    """Return the error for NaN and infinity; it tells where the first one is, if the chunks come in an order."""
    where = ""
    for name, first, chunk in _numbered(chunks):
        bad = ~np.isfinite(chunk)
        if bad.any():
            place = np.argwhere(bad)[0]
            index = tuple((place + first).tolist())
            where = f", first {chunk[tuple(place)]} at index {index[0] if len(index) == 1 else index}{name}"
            break
    return ValueError(_message("chunks of finite numbers", f"NaN or infinity{where}", "remove or replace them"))


def _numbered(chunks: Chunks) -> Iterator[tuple[str, Any, np.ndarray]]:
    """Yield each chunk with what is to be said of its number, and with the index of its first element."""
    if _is_dask(chunks):
        return
    if _is_sliced(chunks):
        for box in ops.boxes(chunks):
            yield "", [part.start for part in box], np.asarray(chunks[box])
    else:
        for number, chunk in enumerate(chunks()):
            yield f" of chunk {number}", 0, np.asarray(chunk)
