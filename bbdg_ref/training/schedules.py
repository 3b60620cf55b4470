"""The learning rate over training; EDE's t and k are in `bbdg_ref.spec.estimators`."""

import math
from collections.abc import Callable, Sequence

__all__ = ["SCHEDULES", "constant", "cosine", "linear", "step_decay"]


def cosine(step: int, steps: int, base: float) -> float:
    """Return the learning rate base/2·(1 + cos(π·step/steps)): ``base`` at step 0, 0 at ``steps``.

    Parameters
    ----------
    step : int
        Steps taken so far, 0 … steps − 1.
    steps : int
        Steps of the whole training.
    base : float
        Learning rate at the start.

    Returns
    -------
    float

    Notes
    -----
    SGDR without restarts (arXiv 1608.03983, equation 5), moved at every step, not once an epoch: with
    few epochs the difference matters.

    Examples
    --------
    >>> [round(cosine(step, 4, 1.0), 3) for step in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    return base / 2 * (1 + math.cos(math.pi * step / steps))


def linear(step: int, steps: int, base: float) -> float:
    """Return the learning rate base·(1 − step/steps): ``base`` at step 0, 0 at ``steps``.

    Parameters
    ----------
    step, steps, base : int, int, float
        As for `cosine`.

    Returns
    -------
    float

    Notes
    -----
    ReActNet's on ImageNet (arXiv 2003.03488, section 5.1), there moved once an epoch.

    Examples
    --------
    >>> [linear(step, 4, 1.0) for step in range(5)]
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    return base * (1 - step / steps)


def step_decay(
    step: int, steps: int, base: float, *, milestones: Sequence[float] = (0.5, 0.75), factor: float = 0.1
) -> float:
    """Return the learning rate base·factorᵐ, where m milestones are reached.

    Parameters
    ----------
    step, steps, base : int, int, float
        As for `cosine`.
    milestones : sequence of float
        As fractions of the whole training; one is reached at the first step with step ≥ milestone·steps.
    factor : float
        By which the rate is multiplied at each.

    Returns
    -------
    float

    Notes
    -----
    A tenth after one half and after three quarters is the usual recipe of ResNet on CIFAR (arXiv 1512.03385,
    section 4.2: after 32,000 and 48,000 of 64,000 steps).

    Examples
    --------
    >>> [round(step_decay(step, 4, 1.0), 3) for step in range(5)]
    [1.0, 1.0, 0.1, 0.01, 0.01]
    """
    return base * factor ** sum(step >= milestone * steps for milestone in milestones)


def constant(step: int, steps: int, base: float) -> float:
    """Return ``base`` at every step.

    Parameters
    ----------
    step, steps, base : int, int, float
        As for `cosine`.

    Returns
    -------
    float

    Examples
    --------
    >>> constant(3, 4, 0.25)
    0.25
    """
    return base


#: The schedules by the names that the command line and the files use.
SCHEDULES: dict[str, Callable[[int, int, float], float]] = {
    "cosine": cosine,
    "linear": linear,
    "step": step_decay,
    "constant": constant,
}
