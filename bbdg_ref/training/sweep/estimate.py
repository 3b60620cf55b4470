"""How long a run takes: what the finished ones took, else a guess."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from ...datasets import SYNTHETIC_TRAIN
from ...nn import NETWORKS, network_size
from ..arguments import Task
from ..flag_checks import SYNTHETIC
from ..settings import Experiment
from .results import Finished

__all__ = ["Known", "duration", "seconds_a_run"]

#: Seconds of one thread for one image of one epoch, per binary multiply-accumulate: ResNet-20 of width 16 (4.0e7)
#: took 464 s for five epochs of 45,000 images in docs/results/density. For a first guess only.
SECONDS_A_MAC = 464 / (5 * 45_000) / 4.0e7


@dataclass(frozen=True)
class Known:
    """How long a run takes.

    Attributes
    ----------
    seconds : float
        On one thread.
    text : str
        Where the number comes from.
    """

    seconds: float
    text: str


def seconds_a_run(task: Task, base: Experiment, finished: Iterable[Finished], data: str) -> Known:
    """Estimate the duration of a run.

    Parameters
    ----------
    task : Task
        Says how many training images there are.
    base : Experiment
        What the runs have in common.
    finished : iterable of Finished
        Runs of these settings.
    data : str
        The value of ``--data``.

    Returns
    -------
    Known
    """
    seconds = [one.result["made"]["seconds"] for one in finished]
    if seconds:
        return Known(fmean(seconds), f"a run took {duration(fmean(seconds))} on the mean of {len(seconds)}")
    total = SYNTHETIC_TRAIN if data == SYNTHETIC else sum(file.records for file in task.layout.train_files)
    images = base.limit_train or total - base.validation
    macs = network_size(NETWORKS[base.arch](width=base.width, rng=np.random.default_rng(0))).binary_macs
    guess = images * base.epochs * macs * SECONDS_A_MAC
    return Known(guess, f"a run may take {duration(guess)} (a guess: none has finished yet)")


def duration(seconds: float) -> str:
    """Return a time in words.

    Parameters
    ----------
    seconds : float
        From 0 on.

    Returns
    -------
    str

    Examples
    --------
    >>> duration(9), duration(600), duration(9000)
    ('9 s', '10 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
