"""Densities that fall while training goes on."""

from dataclasses import dataclass
from typing import Protocol

from .. import _checks

__all__ = ["Cubic", "Schedule", "check_density", "count", "density_at"]


class Schedule(Protocol):
    """A density for every step."""

    def at(self, step: int) -> float:
        """Return the density after so many training steps."""
        ...


@dataclass(frozen=True)
class Cubic:
    """From one density to another along a cubic: fast at first, slower as fewer ones remain (arXiv 1710.01878, Eq. 1).

    With x = (step − begin)/steps, kept within [0, 1]::

        density = (1 − x)³·start + (1 − (1 − x)³)·end

    Parameters
    ----------
    start, end : float
        The densities until step ``begin`` and from step ``begin + steps`` on, each in (0, 1].
    begin : int
        The step at which it starts to move.
    steps : int
        How many steps it takes, at least 1.

    Examples
    --------
    >>> schedule = Cubic(start=0.5, end=0.1, begin=10, steps=100)
    >>> [round(schedule.at(step), 4) for step in (0, 10, 60, 110, 500)]
    [0.5, 0.5, 0.15, 0.1, 0.1]
    """

    start: float
    end: float
    begin: int
    steps: int

    def __post_init__(self) -> None:
        """Refuse numbers outside their ranges."""
        _checks.fraction("Cubic", "start", self.start, one=True)
        _checks.fraction("Cubic", "end", self.end, one=True)
        _checks.integer("Cubic", "begin", self.begin, 0)
        _checks.integer("Cubic", "steps", self.steps, 1)

    def at(self, step: int) -> float:
        """Return the density after so many training steps."""
        left = (1 - min(max((step - self.begin) / self.steps, 0.0), 1.0)) ** 3
        return left * self.start + (1 - left) * self.end  # exact at both ends


def check_density(strategy: str, name: str, density: float | Schedule) -> None:
    """Refuse what is neither a fraction nor a schedule.

    Parameters
    ----------
    strategy, name : str
        Whose argument it is, for the message.
    density : float or Schedule
        What was given.

    Raises
    ------
    TypeError, ValueError
        If it is neither.
    """
    if isinstance(density, type):
        got, mend = f"the class {density.__name__}", "make one, such as Cubic(0.5, 0.05, begin=0, steps=1000)"
        raise TypeError(_checks.message(strategy, name, "a fraction or a schedule", got, mend))
    if not callable(getattr(density, "at", None)):
        _checks.fraction(strategy, name, density, one=True)


def density_at(density: float | Schedule, step: int) -> float:
    """Return the density of a step.

    Parameters
    ----------
    density : float or Schedule
        The same at every step, or one that moves.
    step : int
        Training steps taken so far.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If the schedule returns what is no fraction in (0, 1].
    """
    if not hasattr(density, "at"):
        return density
    return _checks.fraction(f"{type(density).__name__}.at({step})", "density", density.at(step), one=True)


def count(density: float | Schedule, step: int, of: int) -> int:
    """Return how many of so many there are at a density: ``round(density · of)``, at least one.

    Parameters
    ----------
    density : float or Schedule
        As for `density_at`.
    step : int
        Training steps taken so far.
    of : int
        How many there are in all.

    Returns
    -------
    int
    """
    return max(1, round(density_at(density, step) * of))
