"""One experiment from its description to its results: train, choose the best epoch, test once, save."""

import dataclasses
import hashlib
import json
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from .. import _checks
from ..datasets import Dataset, split_validation
from ..nn import NETWORKS, Network, save_network, shift_latents
from ..nn.files import describe
from ..pruning import STRATEGIES
from .checkpoint import Best, Checkpoint, load_checkpoint, save_checkpoint
from .choice import asked_density, rank
from .interrupts import Interrupted, stop_requests
from .loop import Evaluation, Images, Trainer, evaluate
from .report import Results, layer_results, real_parameters, write_results
from .settings import Experiment
from .start import carry_bits, read_start

__all__ = ["holds_a_run", "run"]


@dataclass(frozen=True, eq=False)
class _Parts:
    """The three parts of a dataset."""

    train: Images
    validation: Images
    test: Images


def _split(experiment: Experiment, dataset: Dataset, rng: np.random.Generator) -> _Parts:
    if not 0 < experiment.validation < len(dataset.train_labels):
        raise ValueError(
            f"run: validation must leave training images of {len(dataset.train_labels)}; got {experiment.validation}; "
            "hold out fewer, or pass the whole data set"
        )
    split = split_validation(len(dataset.train_labels), experiment.validation, rng)
    train = split.train
    if experiment.limit_train is not None:
        if experiment.limit_train > len(train):
            raise ValueError(
                f"run: limit_train must be at most {len(train)}; got {experiment.limit_train}; lower it, or pass the "
                "whole data set"
            )
        train = np.sort(rng.permutation(train)[: experiment.limit_train])
    common = len(dataset.classes), dataset.mean, dataset.std

    def of_training(indices: np.ndarray) -> Images:
        return Images(dataset.train_images[indices], dataset.train_labels[indices], *common)

    return _Parts(
        of_training(train),
        of_training(split.validation),
        Images(dataset.test_images, dataset.test_labels, *common),
    )


def fingerprint(dataset: Dataset, teacher: Network | None = None) -> str:
    """Return a SHA-256 over all images, labels and the teacher: a checkpoint continues with the same ones only."""
    digest = hashlib.sha256()
    for array in (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels):
        digest.update(np.ascontiguousarray(array).data)
    for name, array in {} if teacher is None else sorted(teacher.state().items()):
        digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _read(setting: str, path: str) -> Network:
    """Read the network that a setting names; a file that is not there is told by the setting."""
    try:
        return read_start(path)
    except FileNotFoundError as error:
        expected, got = "the file of a network", f"{path}, which is not there"
        mend = "choose another; to resume, put the same file back, or go to the folder that its path counts from"
        raise FileNotFoundError(_checks.message("run", setting, expected, got, mend)) from error


def _teacher(experiment: Experiment, dataset: Dataset) -> Network | None:
    """Read the network to learn from; refuse one of other classes."""
    if experiment.teacher is None:
        return None
    teacher, classes = _read("teacher", experiment.teacher), len(dataset.classes)
    if teacher.arguments["classes"] != classes:
        raise ValueError(
            f"run: teacher must be a network of {classes} classes, as the data set has; got one of "
            f"{teacher.arguments['classes']} in {experiment.teacher}; choose one that was trained on the same classes"
        )
    return teacher


def _named(header: dict[str, Any]) -> str:
    structure = f" of structure {header['structure']}" if "structure" in header else ""
    return f"{header['network']}{structure} with {header['arguments']}"


def holds_a_run(out: Path) -> bool:
    """Return whether a folder holds what a new run would replace: a checkpoint, a model or results.

    Parameters
    ----------
    out : pathlib.Path
        The folder; it need not be there.

    Returns
    -------
    bool
    """
    return any((out / name).exists() for name in ("checkpoint.h5", "model.h5", "results.json"))


def run(experiment: Experiment, dataset: Dataset, out: Path, *, resume: bool = False, bar: bool = True) -> Results:
    """Train, choose the best epoch on the validation images, test it once, write everything to ``out``.

    The best epoch is the one with the best validation accuracy among those after which the density of all binary
    layers is at most ``experiment.density`` + 0.001; the earliest of equals. Where no epoch meets it, it is the least
    dense one, and `density_warning` tells so. With a strategy that takes no density, or whose penalty is off, every
    epoch meets it.

    Written: ``checkpoint.h5`` after every epoch, ``model.h5`` (the best epoch), ``log.jsonl`` (one line an
    epoch), ``results.json`` and ``timing.jsonl``. All but the last are byte for byte the same for the
    same experiment, data, machine, libraries and settings of their threads, interrupted or not.

    Parameters
    ----------
    experiment : Experiment
        What to train and how.
    dataset : Dataset
        The data.
    out : pathlib.Path
        Folder for the files; made if it is not there.
    resume : bool
        Continue from ``out/checkpoint.h5``; otherwise there must be no run.
    bar : bool
        Show a progress bar.

    Returns
    -------
    Results

    Raises
    ------
    Interrupted
        After Ctrl-C or SIGTERM, when the checkpoint is saved.
    FileExistsError
        If ``out`` holds a run and ``resume`` is False.
    ValueError
        If the checkpoint is of another experiment or other data.
    """
    session = _Session(experiment, dataset, out, bar)
    if resume:
        session.restore(load_checkpoint(out / "checkpoint.h5"))
    elif holds_a_run(out):
        raise FileExistsError(f"run: out must be a folder without a run; {out} has one; resume it or choose another")
    else:
        session.begin()
        for name in ("log.jsonl", "timing.jsonl"):  # of a run that was killed before its first checkpoint
            (out / name).unlink(missing_ok=True)
    with stop_requests() as stop:
        while session.trainer.progress.epoch < experiment.epochs:
            session.epoch(stop)
    return session.finish()


class _Session:
    """The state of `run`: the trainer, the log so far, the best epoch so far."""

    def __init__(self, experiment: Experiment, dataset: Dataset, out: Path, bar: bool) -> None:
        split_rng, init_rng, train_rng = np.random.default_rng(experiment.seed).spawn(3)
        self.experiment, self.dataset, self.out, self.bar = experiment, dataset, out, bar
        self.parts = _split(experiment, dataset, split_rng)
        self.network: Network = NETWORKS[experiment.arch](
            domain=experiment.domain, width=experiment.width, classes=len(dataset.classes), rng=init_rng
        )
        if experiment.init_density is not None:
            shift_latents(self.network, experiment.init_density)
        teacher = _teacher(experiment, dataset)
        self.steps = experiment.epochs * (len(self.parts.train) // experiment.batch_size)
        self.start_density: float | None = None
        self.trainer = Trainer(
            self.network, experiment.pruning(self.steps), experiment.recipe(), self.parts.train, train_rng,
            None if teacher is None else partial(teacher.forward, training=False),
        )  # fmt: skip
        self.fingerprint = fingerprint(dataset, teacher)
        self.log: list[dict[str, Any]] = []
        self.best: Best | None = None
        out.mkdir(parents=True, exist_ok=True)

    def begin(self) -> None:
        """Take the weights and statistics of the network to start from, if there is one.

        A strategy that compares latent weights with zero, or those of several layers, gets them with the signs of the
        bits that the other run ended with.
        """
        if self.experiment.start is None:
            return
        start = _read("start", self.experiment.start)
        wanted, found = describe(self.network), describe(start)
        if found != wanted:
            raise ValueError(
                f"run: start must hold a {_named(wanted)}; got a {_named(found)} in {self.experiment.start}; "
                "choose another file"
            )
        self.network.load_state(start.state())
        self._prune_from(self.trainer.density())
        if not STRATEGIES[self.experiment.prune].relative:
            carry_bits(self.network, self.trainer.pruning)
        self.trainer.choose_bits()

    def _prune_from(self, density: float | None) -> None:
        """Let a schedule of the density begin at that of the network to start from."""
        self.start_density = density
        self.trainer.pruning = self.experiment.pruning(self.steps, density)

    def restore(self, checkpoint: Checkpoint) -> None:
        if checkpoint.experiment != dataclasses.asdict(self.experiment):
            raise ValueError("run: experiment must be the checkpoint's own; resume with the settings it was begun with")
        if (checkpoint.fingerprint, checkpoint.label) != (self.fingerprint, self.dataset.label):
            raise ValueError(
                f"run: dataset must be the one that the checkpoint was made on ({checkpoint.label}); "
                f"got other images, another name ({self.dataset.label}) or another teacher; pass the same data, named "
                "the same, and the same teacher"
            )
        self._prune_from(checkpoint.start_density)
        checkpoint.restore(self.trainer)
        self.log, self.best = checkpoint.log, checkpoint.best
        (self.out / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in self.log))

    def save(self) -> None:
        save_checkpoint(
            self.out / "checkpoint.h5", self.trainer, experiment=dataclasses.asdict(self.experiment),
            label=self.dataset.label, fingerprint=self.fingerprint, log=self.log, best=self.best,
            start_density=self.start_density,
        )  # fmt: skip

    def epoch(self, stop: threading.Event) -> None:
        """Finish the epoch under way, evaluate it, log it, save the checkpoint."""
        trainer, progress, started = self.trainer, self.trainer.progress, time.perf_counter()
        first = progress.batch
        title = f"epoch {progress.epoch + 1}/{self.experiment.epochs}"
        with tqdm(total=trainer.batches, initial=first, desc=title, unit="batch", disable=not self.bar) as bar:

            def after_batch() -> None:
                done = progress.batch
                bar.update(1)
                bar.set_postfix(
                    loss=f"{progress.loss / done:.3f}", accuracy=f"{progress.correct / done:.1%}",
                    density=f"{trainer.density():.3f}", refresh=False,
                )  # fmt: skip
                if stop.is_set():
                    raise Interrupted

            try:
                trainer.train_epoch(after_batch)
            except Interrupted:
                self.save()
                self._time(progress.epoch, first, progress.batch, time.perf_counter() - started)
                raise Interrupted(f"stopped in epoch {progress.epoch + 1}, after batch {progress.batch}") from None
        trained = time.perf_counter()
        validation = evaluate(self.network, self.parts.validation)
        self._note(validation)
        self._time(progress.epoch, first, progress.batch, trained - started, time.perf_counter() - trained)
        trainer.next_epoch()
        self.save()
        if stop.is_set() and trainer.progress.epoch < self.experiment.epochs:
            raise Interrupted(f"stopped after epoch {trainer.progress.epoch}")

    def _note(self, validation: Evaluation) -> None:
        """Log the finished epoch, and keep its network if it is the best so far."""
        progress, trainer = self.trainer.progress, self.trainer
        line = {
            "epoch": progress.epoch + 1,
            "dataset": self.dataset.label,
            "experiment": dataclasses.asdict(self.experiment),
            "learning_rate": trainer.learning_rate(),
            "train_loss": progress.loss / trainer.batches,
            "penalty": progress.penalty / trainer.batches,
            "train_accuracy": progress.correct / trainer.batches,
            "validation_loss": validation.loss,
            "validation_accuracy": validation.accuracy,
            "density": trainer.density(),
            "layers": [dataclasses.asdict(layer) for layer in layer_results(self.network)],
        }
        self.log.append(line)
        with open(self.out / "log.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")
        asked, best = asked_density(self.experiment), self.best
        own = rank(validation.accuracy, trainer.density(), asked)
        if best is None or own > rank(best.accuracy, best.density, asked):
            state = {name: array.copy() for name, array in self.network.state().items()}
            self.best = Best(progress.epoch + 1, validation.accuracy, state)
        if self.bar:
            tqdm.write(
                f"  validation accuracy {validation.accuracy:.2%}, loss {validation.loss:.4f}; "
                f"training accuracy {line['train_accuracy']:.2%}; density {line['density']:.4f}"
            )

    def _time(self, epoch: int, first: int, last: int, training: float, validating: float = 0.0) -> None:
        """Keep times apart from the log, which is the same in every run."""
        line = {"epoch": epoch + 1, "batches": [first, last], "train_seconds": round(training, 3),
                "validation_seconds": round(validating, 3)}  # fmt: skip
        with open(self.out / "timing.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")

    def finish(self) -> Results:
        """Test the best epoch's network, the only time that the test images are read, and write it all."""
        assert self.best is not None
        self.network.load_state(self.best.state)
        test = evaluate(self.network, self.parts.test)
        results = Results(
            dataset=self.dataset.label,
            experiment=dataclasses.asdict(self.experiment),
            train_images=len(self.parts.train), validation_images=len(self.parts.validation),
            test_images=len(self.parts.test), best_epoch=self.best.epoch, validation_accuracy=self.best.accuracy,
            test_accuracy=test.accuracy, test_loss=test.loss, layers=layer_results(self.network),
            real_parameters=real_parameters(self.network),
        )  # fmt: skip
        noted = ("dataset", "experiment", "best_epoch", "validation_accuracy", "test_accuracy")
        notes = {name: getattr(results, name) for name in noted}
        save_network(self.out / "model.h5", self.network, notes=notes)
        write_results(self.out / "results.json", results)
        return results
