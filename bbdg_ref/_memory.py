"""Memory of large arrays, used again instead of being returned to the system.

A training step makes and drops the same large arrays over and over. Memory that comes fresh from the system has to be
filled with zeros page by page on first use, which takes as long as computing what goes in. So what a large array leaves
behind is kept for the next one of about its size.
"""

import contextlib
import math
import mmap
import os
import threading
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["empty", "held", "release"]

SMALLEST = 1 << 18  # bytes: below, NumPy's own allocator is as good
LINE = 64  # bytes of a cache line
SPARE = 1 << 26  # bytes


class _Pool:
    """Blocks of memory that no array uses.

    In use and unused, it is at most an eighth or `SPARE` bytes (the larger) more than was once in use at a time.

    What is in use is counted from the blocks that still exist, so that one lost on its way to an array (an interrupt
    may come between any two steps) is not counted for ever. A step that must not be torn is one call of a list.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()  # for taking; finalizers and signal handlers may take while the holder does
        self.free: list[mmap.mmap] = []  # the one given back last stands last
        self.blocks: list[weakref.ref[mmap.mmap]] = []  # all that exist, in use or free
        self.most = 0

    def take(self, size: int) -> mmap.mmap:
        """Return the free block that fits best and is not a quarter larger than needed, else a new one."""
        with self.lock:
            known = self._fitting(size)
            if known is not None:
                return known
            block = self._new(size)
            total = self.total()
            self.most = max(self.most, total - self.held())
            while self.free and total > self.most + max(self.most // 8, SPARE):
                del self.free[:1]  # what has been free for longest
                total = self.total()
            return block

    def _fitting(self, size: int) -> mmap.mmap | None:
        """Take the free block that fits best, if one does."""
        fitting = [block for block in self.free if size <= len(block) <= size + size // 4]
        if not fitting:
            return None
        best = min(reversed(fitting), key=len)  # of equals the one used last: it may still be in the cache
        try:
            self.free.remove(best)
        except ValueError:  # a finalizer or signal handler took it since
            return None
        return best

    def _new(self, size: int) -> mmap.mmap:
        """Return a new block; if there is no memory left, what is kept is given up for it."""
        try:
            block = _fresh(size)
        except OSError:
            self.free.clear()
            try:
                block = _fresh(size)
            except OSError as error:
                raise MemoryError(f"empty: the system has no memory for an array of {size} bytes ({error})") from error
        self.blocks.append(weakref.ref(block, self.blocks.remove))
        return block

    def total(self) -> int:
        """Return the bytes of all blocks, in use or not."""
        return sum(len(block) for known in self.blocks if (block := known()) is not None)

    def held(self) -> int:
        """Return the bytes that are kept and not in use."""
        return sum(map(len, self.free))

    def used(self) -> int:
        """Return the bytes in use."""
        return self.total() - self.held()

    def renew_lock(self) -> None:
        """Forget who holds the lock: after a fork that may be a thread that only the parent has."""
        self.lock = threading.RLock()


def _fresh(size: int) -> mmap.mmap:
    """Return new memory, in large pages if the system has them; dropping it returns all of it to the system."""
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    block = mmap.mmap(-1, size, **private)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):
            block.madvise(mmap.MADV_HUGEPAGE)
    return block


_pool = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.renew_lock)


class _Lease:
    """What an array's memory belongs to: when the last array that uses it is gone, the block returns to the pool."""

    block: mmap.mmap | None = None  # until there is one; what `__del__` needs it finds without this module's names
    pool = _pool

    def __init__(self, size: int) -> None:
        self.block = self.pool.take(size)
        interface: dict[str, Any] = np.frombuffer(self.block, np.float32, size // 4).__array_interface__
        self.__array_interface__ = interface | {"data": (interface["data"][0], False)}

    def __del__(self) -> None:
        if self.block is not None:
            self.pool.free.append(self.block)  # one step, which no lock has to guard


def empty(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return an uninitialised float32 array that begins at a cache line, if it can be in memory that was used before.

    Parameters
    ----------
    shape : tuple of int
        Its shape.

    Returns
    -------
    ndarray of float32, C-contiguous

    Raises
    ------
    MemoryError
        If the system has no memory for it, even after all that is kept was given up.

    Notes
    -----
    The memory is used again once no array refers to it, a view counting as well as the array itself.

    Examples
    --------
    >>> empty((2, 3)).shape
    (2, 3)
    """
    size = 4 * math.prod(shape)
    if size < SMALLEST:
        memory = np.empty(size + LINE, np.uint8)
        start = -memory.__array_interface__["data"][0] % LINE
        return memory[start : start + size].view(np.float32).reshape(shape)
    return np.asarray(_Lease(size)).reshape(shape)


def held() -> int:
    """Return how many bytes are kept for arrays to come.

    Returns
    -------
    int

    Examples
    --------
    >>> release()
    >>> held()
    0
    """
    return _pool.held()


def release() -> None:
    """Return the memory that no array uses to the system, as after training.

    Users call it `bbdg_ref.nn.release_memory`.

    Examples
    --------
    >>> release()
    """
    with _pool.lock:
        _pool.free.clear()
        _pool.most = _pool.used()
