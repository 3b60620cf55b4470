"""Ctrl-C and SIGTERM as a request that the training loop answers between two steps."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Interrupted", "stop_requests"]


class Interrupted(Exception):
    """Training was asked to stop, and saved a checkpoint after the step under way."""


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """Turn Ctrl-C and SIGTERM into an event; a second one acts at once.

    Returns
    -------
    context manager of threading.Event
        Set by the first signal. The former handlers are back afterwards.
    """
    requested = threading.Event()
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        requested.set()
        restore()
        text = "\nstopping after this step; once more stops at once and loses the epoch under way\n"
        os.write(2, text.encode())  # safe in a handler, unlike print

    if threading.current_thread() is threading.main_thread():  # only it may set handlers
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requested
    finally:
        restore()
