"""Sweeps of handmade results, and of runs on a handful of images."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from training_runs import dataset, experiment

from bbdg_ref.datasets import CIFAR10
from bbdg_ref.pruning import PAPER_GAMMA_CIFAR10
from bbdg_ref.training.arguments import Task
from bbdg_ref.training.experiment import fingerprint
from bbdg_ref.training.sweep import Finished, Job, Run, Source, product_grid
from bbdg_ref.training.sweep.process import scratch_of

GAMMA = {"penalty": 0.2, "start": 0.01}
BASE = experiment(density=0.05)
TASK = Task("sweep.py", "cifar10", CIFAR10, {"small": BASE}, PAPER_GAMMA_CIFAR10)
MADE = {
    "seconds": 12.5, "processor": "Abacus", "processors": 2, "system": "Linux", "threads": 1, "python": "3.11.7",
    "bbdg_ref": "0.1.0", "numpy": "2.1.0", "numba": "0.61.0", "scipy": "1.14.0",
}  # fmt: skip


def grid(*, densities=(0.05,), domains=("general",), routes=("topk",), seeds=(0,), base=BASE) -> list[Run]:
    return product_grid(base, densities=densities, domains=domains, routes=routes, seeds=seeds, gamma=GAMMA)


def layer(name: str, weights: int, ones: int, tau: float, phi: float) -> dict[str, Any]:
    return {"name": name, "weights": weights, "ones": ones, "alpha": phi - tau, "beta": phi + tau,
            "density": ones / weights, "tau": tau, "phi": phi}  # fmt: skip


def finished(run: Run, accuracy: float = 0.5, *, seconds: float = 12.5, density: float | None = None) -> Finished:
    """A result with the numbers that a test wants in it."""
    result = {
        "name": run.name, "dataset": "CIFAR-10 (JPEG)", "experiment": dataclasses.asdict(run.experiment),
        "train_images": 28, "validation_images": 12, "test_images": 10000, "best_epoch": 2,
        "validation_accuracy": accuracy, "test_accuracy": accuracy, "test_loss": 1.0,
        "layers": [layer("stage1.0", 64, 4, 1.25, 0.5), layer("stage1.1", 36, 1, 0.75, -0.25)],
        "real_parameters": 10, "weights": 100, "density": run.density if density is None else density,
        "log": [{"epoch": n + 1} for n in range(run.experiment.epochs)], "made": MADE | {"seconds": seconds},
    }  # fmt: skip
    return Finished(run, result)


def source() -> Source:
    """The handful of images, where `bbdg_ref.training.sweep.process.synthetic` is `dataset`."""
    return Source("synthetic", None, None, fingerprint(dataset()))


def job(run: Run, scratch: Path, images: Source) -> Job:
    return Job(run, images, str(scratch_of(scratch, run, images)))


def exact(result: dict[str, Any]) -> str:
    """What every machine makes the same."""
    return json.dumps({name: value for name, value in result.items() if name != "made"})
