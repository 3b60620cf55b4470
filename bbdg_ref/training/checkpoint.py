"""A checkpoint: everything that makes resuming exact, in one file."""

import json
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import storage
from .loop import Progress, Trainer

__all__ = ["Best", "Checkpoint", "load_checkpoint", "save_checkpoint"]

FORMAT = "checkpoint"


@dataclass(frozen=True, eq=False)
class Best:
    """The epoch with the best validation accuracy so far.

    Attributes
    ----------
    epoch : int
        From 1; the earliest of equals.
    accuracy : float
        On the validation images.
    state : dict of str to ndarray
        The network's arrays after that epoch.
    """

    epoch: int
    accuracy: float
    state: dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What `load_checkpoint` read.

    Attributes
    ----------
    experiment : dict
        The experiment's settings.
    label, fingerprint : str
        The data set's label and the SHA-256 of its arrays.
    log : list of dict
        One entry a finished epoch.
    best : Best or None
        None before the first epoch is finished.
    """

    experiment: dict[str, Any]
    label: str
    fingerprint: str
    log: list[dict[str, Any]]
    best: Best | None
    _header: dict[str, Any]
    _arrays: dict[str, NDArray[Any]]

    def restore(self, trainer: Trainer) -> None:
        """Put a trainer of the same experiment where the saved one stood.

        Raises
        ------
        ValueError
            If the checkpoint is not one of this trainer's network, or its position is not one of its data.
        """
        header, images = self._header, len(trainer.data)
        try:
            progress = Progress(order=self._arrays["order"], **header["progress"])
            if not (0 <= progress.batch <= trainer.batches and _is_order(progress, images)):
                raise ValueError(f"no position in an epoch of {images} images")
            trainer.network.load_state(_below("network", self._arrays))
            trainer.optimizer.load_state(_below("adam", self._arrays), header["steps"])
            trainer.rng.bit_generator.state = header["rng"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"restore: checkpoint must fit the trainer; got {error}; start afresh") from error
        trainer.progress = progress
        trainer.choose_bits()


def save_checkpoint(
    path: str | os.PathLike[str], trainer: Trainer, *, experiment: dict[str, Any], label: str, fingerprint: str,
    log: list[dict[str, Any]], best: Best | None,
) -> None:  # fmt: skip
    """Write network, Adam's moments, random state, position in the epoch, log and best network.

    Parameters
    ----------
    path : str or path-like
        Where to; replaced in one step.
    trainer : Trainer
        Between two steps.
    experiment, label, fingerprint, log, best
        As in `Checkpoint`.

    Raises
    ------
    OSError
        If the file cannot be written; the old one is then still whole.
    """
    progress = trainer.progress
    arrays = {f"network.{name}": array for name, array in trainer.network.state().items()}
    arrays |= {f"adam.{name}": array for name, array in trainer.optimizer.state().items()}
    arrays |= {f"best.{name}": array for name, array in (best.state if best else {}).items()}
    arrays["order"] = progress.order
    arrays["log"] = np.frombuffer(json.dumps(log).encode(), np.uint8)
    header = {
        "experiment": experiment, "label": label, "fingerprint": fingerprint, "steps": trainer.optimizer.steps,
        "rng": trainer.rng.bit_generator.state,
        "progress": {"epoch": progress.epoch, "batch": progress.batch, "loss": progress.loss,
                     "penalty": progress.penalty, "correct": progress.correct},
        "best": {"epoch": best.epoch, "accuracy": best.accuracy} if best else None,
    }  # fmt: skip
    storage.save(path, FORMAT, arrays, header)


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint of `save_checkpoint`.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    Checkpoint

    Raises
    ------
    ValueError
        If the file is not a checkpoint, or damaged.
    OSError
        If it cannot be opened.
    """
    stored = storage.load(path, FORMAT)
    header, arrays = stored.header, stored.arrays
    try:
        best = header["best"] and Best(**header["best"], state=_below("best", arrays))
        log = json.loads(arrays["log"].tobytes())
        return Checkpoint(header["experiment"], header["label"], header["fingerprint"], log, best, header, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"load_checkpoint: {path} must hold a whole checkpoint; got {error!r}; start afresh"
        ) from error


def _is_order(progress: Progress, images: int) -> bool:
    """Tell whether the order is a permutation of 0 … images − 1, or none before the first batch."""
    order = progress.order
    if order.size == 0 and progress.batch == 0:
        return True
    return order.dtype == np.int64 and np.array_equal(np.sort(order, axis=None), np.arange(images))


def _below(prefix: str, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the arrays whose names begin with the prefix and a dot, without them."""
    start = prefix + "."
    return {name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}
