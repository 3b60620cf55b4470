"""The learning rate over training; EDE's t and k are in `bbdg_ref.spec.estimators`."""

import math

__all__ = ["cosine"]


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
