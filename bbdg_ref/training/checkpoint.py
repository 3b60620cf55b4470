"""A checkpoint: everything that makes resuming exact, in one file."""

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks, storage
from ..nn import Network
from ..nn.files import build, check_size, describe
from .loop import Progress, Trainer
from .settings import Experiment

__all__ = ["Best", "Checkpoint", "load_checkpoint", "save_checkpoint"]

FORMAT = "checkpoint"

#: What a header with other types or values than `save_checkpoint` writes can raise.
_WRONG = (KeyError, TypeError, ValueError, OverflowError, RecursionError)


@dataclass(frozen=True, eq=False)
class Best:
    """The best epoch so far, by `bbdg_ref.training.choice.rank`.

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

    @property
    def density(self) -> float:
        """Ones / weights over all binary layers."""
        bits = [array for name, array in self.state.items() if name.endswith(".bits")]
        return sum(int(np.count_nonzero(each)) for each in bits) / sum(each.size for each in bits)


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
    start_density : float or None
        Density of the network that the run started from; None if it started from none, and in the checkpoints of
        earlier versions, whose cubic schedules began at one half all the same.
    """

    experiment: dict[str, Any]
    label: str
    fingerprint: str
    log: list[dict[str, Any]]
    best: Best | None
    start_density: float | None
    _path: str | os.PathLike[str]
    _header: dict[str, Any]
    _arrays: dict[str, NDArray[Any]]

    def network(self) -> Network:
        """Return the network as it stood.

        Raises
        ------
        ValueError
            If the arrays are not those of the network that the header names.
        """
        try:
            network = build(self._header["network"], rng=np.random.default_rng(0))
            network.load_state(_below("network", self._arrays))
        except _WRONG as error:
            raise ValueError(f"network: {self._path} must hold a whole network; {error}") from error
        return network

    def restore(self, trainer: Trainer) -> None:
        """Put a trainer of the same experiment where the saved one stood.

        Raises
        ------
        ValueError
            If the checkpoint is not one of this trainer's network, or its position is not one of its data.
            The trainer is not changed then.
        """
        header = self._header
        network, adam = _below("network", self._arrays), _below("adam", self._arrays)
        try:
            progress = Progress(order=self._arrays["order"], **header["progress"])
            _check_position(progress, header["steps"], trainer)
            if header["network"] != describe(trainer.network):
                raise ValueError(f"the network {header['network']}")
            _check_arrays("network", network, trainer.network.state())
            _check_arrays("adam", adam, trainer.optimizer.state())
            if self.best:
                _check_arrays("best", self.best.state, trainer.network.state())
            type(trainer.rng.bit_generator)(0).state = header["rng"]  # raises if it is none
        except _WRONG as error:
            raise ValueError(
                f"restore: checkpoint must fit the trainer; got {error} in {self._path}; start afresh"
            ) from error
        trainer.network.load_state(network)
        trainer.optimizer.load_state(adam, header["steps"])
        trainer.rng.bit_generator.state = header["rng"]
        trainer.progress = progress
        trainer.choose_bits()


def save_checkpoint(
    path: str | os.PathLike[str], trainer: Trainer, *, experiment: dict[str, Any], label: str, fingerprint: str,
    log: list[dict[str, Any]], best: Best | None, start_density: float | None = None,
) -> None:  # fmt: skip
    """Write network, Adam's moments, random state, position in the epoch, log and best network.

    Parameters
    ----------
    path : str or path-like
        Where to; replaced in one step.
    trainer : Trainer
        Between two steps.
    experiment, label, fingerprint, log, best, start_density
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
        "network": describe(trainer.network), "experiment": experiment, "label": label, "fingerprint": fingerprint,
        "steps": trainer.optimizer.steps, "rng": trainer.rng.bit_generator.state,
        "progress": {"epoch": progress.epoch, "batch": progress.batch, "loss": progress.loss,
                     "penalty": progress.penalty, "correct": progress.correct},
        "best": {"epoch": best.epoch, "accuracy": best.accuracy} if best else None,
        "start_density": start_density,
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
        settings = dataclasses.asdict(_check_settings(header, arrays))
        _check_counts(header)
        for name in ("label", "fingerprint"):
            if not isinstance(header[name], str):
                raise TypeError(f"{name} {header[name]!r}")
        log = json.loads(arrays["log"].tobytes())
        if not isinstance(log, list) or not all(isinstance(line, dict) for line in log):
            raise TypeError("a log that is not a list of objects")
        best, start_density = _best(header, arrays), header.get("start_density")
        if start_density is not None:
            _checks.fraction("start", "density", start_density, zero=True, one=True)
    except _WRONG as error:
        raise ValueError(
            f"load_checkpoint: {path} must hold a whole checkpoint; got {error!r}; start afresh"
        ) from error
    data = header["label"], header["fingerprint"]
    return Checkpoint(settings, *data, log, best, start_density, path, header, arrays)


def _check_settings(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Experiment:
    """Refuse what is no experiment, or an experiment whose network the arrays cannot fill; return the experiment.

    Settings that an earlier version did not have are missing in its files: those have defaults, which were the rule.
    """
    experiment, network = header["experiment"], header["network"]
    if not isinstance(experiment, dict):
        raise ValueError(f"experiment {experiment!r}")
    settings = Experiment(**experiment)
    classes = network["arguments"]["classes"]
    _checks.integer("network", "classes", classes, 2)
    arguments = {"domain": settings.domain, "width": settings.width, "classes": classes}
    if (network["network"], network["arguments"]) != (settings.arch, arguments):
        raise ValueError(f"network {network!r}, which is not the experiment's")
    check_size(network, _below("network", arrays))
    return settings


def _check_counts(header: dict[str, Any]) -> None:
    progress = header["progress"]
    for name, value in (("steps", header["steps"]), ("epoch", progress["epoch"]), ("batch", progress["batch"])):
        _checks.integer("progress", name, value, 0)
    for name in ("loss", "penalty", "correct"):
        _checks.real_number("progress", name, progress[name])


def _best(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Best | None:
    """Return the best of the finished epochs; None only if none is finished."""
    epoch, found = header["progress"]["epoch"], header["best"]
    if found is None and epoch == 0:
        return None
    best = Best(**found, state=_below("best", arrays))
    _checks.integer("best", "epoch", best.epoch, 1, epoch)
    _checks.fraction("best", "accuracy", best.accuracy, zero=True, one=True)
    return best


def _check_position(progress: Progress, steps: int, trainer: Trainer) -> None:
    """Refuse a position that this trainer cannot reach."""
    batches, images = trainer.batches, len(trainer.data)
    taken = progress.epoch * batches + progress.batch
    if not (progress.batch <= batches and steps == taken <= trainer.recipe.epochs * batches):
        raise ValueError(f"{steps} steps at epoch {progress.epoch}, batch {progress.batch} of {batches}")
    if not _is_order(progress, images):
        raise ValueError(f"no order of {images} images")


def _check_arrays(part: str, arrays: Mapping[str, NDArray[Any]], own: Mapping[str, NDArray[Any]]) -> None:
    """Refuse other names, shapes or dtypes than the trainer's own."""
    for name in sorted(own.keys() | arrays.keys()):
        found, wanted = (
            f"{held[name].dtype} of shape {held[name].shape}" if name in held else "nothing" for held in (arrays, own)
        )
        if found != wanted:
            raise ValueError(f"{found} for {part}.{name}, which is {wanted} here,")


def _is_order(progress: Progress, images: int) -> bool:
    """Tell whether the order is a permutation of 0 … images − 1, or none before the first batch."""
    order = progress.order
    if order.size == 0 and progress.batch == 0:
        return True
    return order.dtype == np.int64 and order.ndim == 1 and np.array_equal(np.sort(order), np.arange(images))


def _below(prefix: str, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the arrays whose names begin with the prefix and a dot, without them."""
    start = prefix + "."
    return {name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}
