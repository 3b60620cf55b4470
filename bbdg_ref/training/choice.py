"""Which epoch's network a run keeps: the most accurate of those that are as sparse as was asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..pruning.density_penalty import OFF
from .report import Results
from .settings import Experiment

__all__ = ["TOLERANCE", "asked_density", "density_warning", "rank"]

#: A network meets the density that was asked for if its own is at most so much higher.
TOLERANCE = 1e-3


def asked_density(experiment: Experiment) -> float | None:
    """Return the density that a run is to reach, over all binary layers.

    Parameters
    ----------
    experiment : Experiment
        The settings.

    Returns
    -------
    float or None
        None where every density will do: the strategy takes none, or its penalty is off (EC 0.5, or γ = 0).
    """
    if experiment.gamma is not None and (experiment.gamma == 0 or experiment.density == OFF):
        return None
    return experiment.density


def rank(accuracy: float, density: float, asked: float | None) -> tuple[float, ...]:
    """Return what orders the epochs: that of the greatest is the best one, of equals the earliest.

    An epoch that meets the density, ``density <= asked + TOLERANCE``, is ranked by its accuracy, above all that do not;
    these are ranked by their density, the lowest first, and by their accuracy where they have the same.

    Parameters
    ----------
    accuracy : float
        On the validation images.
    density : float
        Ones / weights over all binary layers, after the epoch.
    asked : float or None
        From `asked_density`; None is always met.

    Returns
    -------
    tuple of float
        (1, accuracy) or (0, −density, accuracy).

    Examples
    --------
    >>> epochs = [(0.9, 0.4), (0.7, 0.05), (0.8, 0.051), (0.8, 0.03)]  # the first is accurate, but dense
    >>> [rank(accuracy, density, 0.05) for accuracy, density in epochs]
    [(0.0, -0.4, 0.9), (1.0, 0.7), (1.0, 0.8), (1.0, 0.8)]
    """
    if asked is None or density <= asked + TOLERANCE:
        return 1.0, accuracy
    return 0.0, -density, accuracy


def density_warning(results: Results, log: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what is to be said of the density of the network that a run has kept.

    Parameters
    ----------
    results : Results
        What the run found.
    log : sequence of mapping
        The lines of its ``log.jsonl``.

    Returns
    -------
    str or None
        None if the network is that of the best epoch (`rank`) and meets the density.
    """
    experiment = Experiment(**results.experiment)
    asked = asked_density(experiment)

    def ranked(line: Mapping[str, Any]) -> tuple[float, ...]:
        return rank(line["validation_accuracy"], line["density"], asked)

    best = max(log, key=ranked)
    if ranked(best) > rank(results.validation_accuracy, results.density, asked):
        return (
            f"model.h5 is the network of epoch {results.best_epoch}, with density {results.density:.4g}; epoch "
            f"{best['epoch']}, with {best['density']:.4g}, is the better choice, but the version that began this run "
            "did not keep its network; start afresh to get it"
        )
    if asked is None or results.density <= asked + TOLERANCE:
        return None
    mend = "ask for a lower density, or a wider network: every layer has a whole number of ones, at least one"
    if experiment.gamma is not None:
        mend = "a larger gamma or more epochs bring it down"
    return (
        f"no epoch met density {asked:.4g} (within {TOLERANCE}): model.h5 is the least dense network, that of epoch "
        f"{results.best_epoch}, with density {results.density:.4g}; {mend}"
    )
