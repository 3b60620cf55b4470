"""Short calls, timed in turns long enough for the clock and for the caches to hold what the contender needs."""

import math
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from measuring import interleaved

__all__ = ["timed_in_turns"]

Name = TypeVar("Name", bound=Hashable)


def timed_in_turns(calls: Mapping[Name, Callable[[], object]], repeats: int, least: float) -> dict[Name, list[float]]:
    """Return the seconds of a call, one value for each turn, by name.

    The contenders take turns, A B A B …; in its turn each is called as often as fills about ``least`` seconds.
    """
    counts = {name: _count(call, least) for name, call in calls.items()}
    seconds = interleaved({name: _repeat(call, counts[name]) for name, call in calls.items()}, repeats)
    return {name: [value / counts[name] for value in values] for name, values in seconds.items()}


def _count(call: Callable[[], object], least: float) -> int:
    call()
    start = time.perf_counter()
    call()
    return math.ceil(least / (time.perf_counter() - start))


def _repeat(call: Callable[[], object], count: int) -> Callable[[], None]:
    def turn() -> None:
        for _ in range(count):
            call()

    return turn
