"""Memory of large arrays, used again instead of being returned to the system.

A training step makes and drops the same large arrays over and over. Memory that comes fresh from the system has to be
filled with zeros page by page on first use, which takes as long as computing what goes in. So what a large array leaves
behind is kept for the next one of about its size.
"""

import contextlib
import math
import mmap
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["empty", "held", "release"]

SMALLEST = 1 << 18  # bytes: below, NumPy's own allocator is as good
LINE = 64  # bytes of a cache line


class _Pool:
    """Blocks of memory that no array uses. In use and unused, at most a sixteenth more than was once in use at once."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # a block may be given back while the holder of the lock allocates
        self.free: list[mmap.mmap] = []  # the one given back last stands last
        self.used = self.most = 0

    def take(self, size: int) -> mmap.mmap:
        """Return the free block that fits best and is not a quarter larger than needed, else a new one."""
        with self.lock:
            fitting = [block for block in self.free if size <= len(block) <= size + size // 4]
            if fitting:
                best = min(reversed(fitting), key=len)  # of equals the one used last: it may still be in the cache
                self.free = [block for block in self.free if block is not best]
            else:
                best = _fresh(size)
            self.used += len(best)
            self.most = max(self.most, self.used)
            self._trim()
            return best

    def give_back(self, block: mmap.mmap) -> None:
        """Keep a block that no array uses any more."""
        with self.lock:
            self.used -= len(block)
            self.free.append(block)
            self._trim()

    def _trim(self) -> None:
        """Drop what has been free for longest as long as a sixteenth more is held than was ever in use."""
        while self.free and self.used + self.held() > self.most + self.most // 16:
            del self.free[0]

    def held(self) -> int:
        """Return the bytes that are kept and not in use."""
        return sum(map(len, self.free))


def _fresh(size: int) -> mmap.mmap:
    """Return new memory, in large pages if the system has them; dropping it returns all of it to the system."""
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    block = mmap.mmap(-1, size, **private)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):
            block.madvise(mmap.MADV_HUGEPAGE)
    return block


_pool = _Pool()


class _Lease:
    """What an array's memory belongs to: when the last array that uses it is gone, the block returns to the pool."""

    def __init__(self, size: int) -> None:
        self.block, self.pool = _pool.take(size), _pool
        interface: dict[str, Any] = np.frombuffer(self.block, np.float32, size // 4).__array_interface__
        self.__array_interface__ = interface | {"data": (interface["data"][0], False)}

    def __del__(self) -> None:
        self.pool.give_back(self.block)


def empty(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return an uninitialised float32 array that begins at a cache line, if it can be in memory that was used before.

    Parameters
    ----------
    shape : tuple of int
        Its shape.

    Returns
    -------
    ndarray of float32, C-contiguous

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
    """Return the memory that no array uses to the system.

    Examples
    --------
    >>> release()
    """
    with _pool.lock:
        _pool.free.clear()
        _pool.most = _pool.used
