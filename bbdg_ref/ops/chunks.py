"""Arrays that are larger than memory, read chunk by chunk: as often as a pass asks for them."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from bbdg_ref.ops.passes import C, Show

__all__ = ["boxes", "show_chunks", "show_dask", "slices"]

TOGETHER = 2**20  # numbers that are read at once


def boxes(data: Any) -> Iterator[tuple[slice, ...]]:
    """Yield places that make up an array, of about a million numbers each.

    Parameters
    ----------
    data : dataset of an HDF5 file, memory map, ...
        It has a shape and is read by slices. If it is stored in chunks and says so (``data.chunks``), none is read
        twice.

    Yields
    ------
    tuple of slice
        A box; larger where a stored chunk is.
    """
    box = list(getattr(data, "chunks", None) or [1] * len(data.shape))
    for axis in reversed(range(len(box))):  # the last axis first: its numbers stand side by side
        times = max(1, TOGETHER // max(1, int(np.prod(box))))
        box[axis] = min(data.shape[axis], box[axis] * times)
    starts = (range(0, size, max(1, step)) for size, step in zip(data.shape, box, strict=True))
    for place in itertools.product(*starts):
        yield tuple(slice(start, start + step) for start, step in zip(place, box, strict=True))


def slices(data: Any) -> Iterator[np.ndarray]:
    """Yield all of an array, box by box.

    Parameters
    ----------
    data : dataset of an HDF5 file, memory map, ...
        As for `boxes`.

    Yields
    ------
    array
        What lies in a box; O(its size).
    """
    for box in boxes(data):
        yield np.asarray(data[box])


def show_chunks(chunks: Callable[[], Iterable[np.ndarray]]) -> Show:
    """Return the pass that reads chunks one after the other.

    Parameters
    ----------
    chunks : function
        Gives the same chunks each time it is called.

    Returns
    -------
    Show
        The pass.
    """

    def show(new: Callable[[], C], /) -> C:
        collector = new()
        for chunk in chunks():
            collector.add(chunk)
        return collector

    return show


def _collected(new: Callable[[], C], check: Callable[[np.ndarray], np.ndarray], blocks: list[np.ndarray]) -> C:
    """Return a collector of some blocks."""
    collector = new()
    for block in blocks:
        collector.add(check(block))
    return collector


def _merged(new: Callable[[], C], collectors: list[C]) -> C:
    """Return a new collector that has learnt what these have; they stay as they are, since Dask may use them again."""
    whole = new()
    for collector in collectors:
        whole.merge(collector)
    return whole


def show_dask(array: Any, check: Callable[[np.ndarray], np.ndarray]) -> Show:
    """Return the pass that reads a Dask array, its blocks on the workers.

    Parameters
    ----------
    array : dask.array.Array
        Each worker holds the blocks that it works on, and for each of them what it has learnt: 20 MB at most.
    check : function
        Returns a block as it is, or raises an error.

    Returns
    -------
    Show
        The pass.
    """
    import dask  # optional: the extra `distributed`

    def show(new: Callable[[], C], /) -> C:
        blocks = array.to_delayed().ravel().tolist()
        learn = dask.delayed(partial(_collected, new, check), pure=False)
        level = [learn([block]) for block in blocks]
        merge = dask.delayed(partial(_merged, new), pure=False)
        while len(level) > 1:
            level = [merge(level[start : start + 4]) for start in range(0, len(level), 4)]
        found: C = level[0].compute()
        return found

    return show
