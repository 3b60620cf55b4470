"""A folder for one process at a time: a lock that ends with the process, however that ends."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["only_here"]


@contextmanager
def only_here(folder: Path) -> Iterator[None]:
    """Keep a folder for the caller while a ``with`` block lasts.

    The lock is the operating system's, on the file ``FOLDER.lock`` beside the folder: a process that is
    killed leaves the file, but no lock. It holds between all that ask for it, in one process too.

    Parameters
    ----------
    folder : pathlib.Path
        It need not be there.

    Returns
    -------
    context manager

    Raises
    ------
    BlockingIOError
        If somebody has it.
    """
    path = folder.with_name(folder.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    number = _take(path)
    try:
        yield
    finally:
        try:
            path.unlink(missing_ok=True)
        except PermissionError:  # Windows keeps a file that is open; it does no harm
            pass
        os.close(number)


def _take(path: Path) -> int:
    """Return the descriptor of a locked file that is still the one of this name."""
    while True:
        number = os.open(path, os.O_RDWR | os.O_CREAT)
        try:
            _lock(number)
            if os.path.samestat(os.fstat(number), os.stat(path)):
                return number
        except FileNotFoundError:  # who had it has removed it, between our opening and our locking it: once more
            pass
        except BlockingIOError:
            os.close(number)
            raise BlockingIOError(
                f"only_here: folder must be free; another sweep is at it, in {path.with_suffix('')}; let it end, or "
                "choose other folders with --out and --scratch"
            ) from None
        except BaseException:
            os.close(number)
            raise
        os.close(number)


def _lock(number: int) -> None:
    if sys.platform == "win32":
        try:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError from error
    else:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
