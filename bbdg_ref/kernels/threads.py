"""Shares work out to as many threads as Numba is told to use (``NUMBA_NUM_THREADS``, ``numba.set_num_threads``).

The kernels release the interpreter lock, so plain threads run them side by side. With ``parallel=True`` they would
take more than twice as long to compile.
"""

import os
import queue
import threading
from collections.abc import Callable

import numba

_Task = tuple[Callable[[int, int], None], int, int, queue.SimpleQueue[BaseException | None]]


class _Workers:
    """Threads that wait for ranges of work. A pool of the standard library takes much longer to hand one over."""

    def __init__(self) -> None:
        self.tasks: queue.SimpleQueue[_Task] = queue.SimpleQueue()
        self.count = 0
        self.lock = threading.Lock()

    def at_least(self, count: int) -> None:
        """Start threads until there are so many."""
        with self.lock:
            while self.count < count:
                self.count += 1
                threading.Thread(target=self._serve, name=f"bbdg_ref-{self.count}", daemon=True).start()

    def _serve(self) -> None:
        while True:
            work, first, last, done = self.tasks.get()
            try:
                work(first, last)
            except BaseException as error:
                done.put(error)
            else:
                done.put(None)
            del work, done  # a waiting thread must not keep arrays alive


_workers = [_Workers()]
if hasattr(os, "register_at_fork"):  # threads do not survive a fork
    os.register_at_fork(after_in_child=lambda: _workers.__setitem__(0, _Workers()))


def share_out(work: Callable[[int, int], None], pieces: int) -> None:
    """Call ``work(first, last)`` for consecutive ranges that make up ``range(pieces)``, one range a thread.

    The caller's thread does the first. What the pieces compute must not depend on how they are shared out. All ranges
    have ended when it returns or raises; if several fail, one of the errors is raised.
    """
    threads = min(pieces, numba.get_num_threads()) if pieces > 1 else pieces
    if threads <= 1:
        work(0, pieces)
        return
    workers = _workers[0]
    workers.at_least(threads - 1)
    limits = [thread * pieces // threads for thread in range(threads + 1)]
    done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    for i in range(1, threads):
        workers.tasks.put((work, limits[i], limits[i + 1], done))
    try:
        work(0, limits[1])
    finally:
        errors = [done.get() for _ in range(1, threads)]
    for error in errors:
        if error is not None:
            raise error
