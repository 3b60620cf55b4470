"""Shares work out to as many threads as Numba is told to use (``NUMBA_NUM_THREADS``, ``numba.set_num_threads``).

The kernels release the interpreter lock, so plain threads run them side by side. With ``parallel=True`` they would
take more than twice as long to compile.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba

_pools: list[ThreadPoolExecutor] = []  # at most one; made on first use
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)  # threads do not survive a fork


def share_out(work: Callable[[int, int], None], pieces: int) -> None:
    """Call ``work(first, last)`` for consecutive ranges that make up ``range(pieces)``, one range a thread.

    The caller's thread does the first. What the pieces compute must not depend on how they are shared out.
    """
    threads = min(pieces, numba.get_num_threads()) if pieces > 1 else pieces
    limits = [thread * pieces // threads for thread in range(threads + 1)]
    if threads > 1 and not _pools:
        most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
        _pools.append(ThreadPoolExecutor(most - 1, thread_name_prefix="bbdg_ref"))
    others = [_pools[0].submit(work, limits[i], limits[i + 1]) for i in range(1, threads)]
    work(0, limits[1])
    for other in others:
        other.result()
