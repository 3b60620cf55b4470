"""Whole runs on a handful of images."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from training_checks import CLASSES, images

from bbdg_ref.datasets import Dataset
from bbdg_ref.training import Experiment, Trainer

#: 44 training images: 12 for validation, 28 of the other 32 for training: three batches of eight.
EXPERIMENT = Experiment(
    arch="resnet20", width=2, domain="general", prune="topk", density=0.1, gamma=None, init_density=None,
    epochs=2, batch_size=8, learning_rate=1e-2, crop=True, flip=True, mixup=False, seed=0, validation=12,
    limit_train=28,
)  # fmt: skip

#: Written the same by every run of the same experiment.
EXACT = ("checkpoint.h5", "log.jsonl", "model.h5", "results.json")


def dataset(*, seed: int = 0, label: str = "noise with a bright channel") -> Dataset:
    train, test = images(44, side=32, seed=seed), images(20, side=32, seed=seed + 100)
    return Dataset(
        name="synthetic", label=label, train_images=train.images, train_labels=train.labels,
        test_images=test.images, test_labels=test.labels, classes=tuple(f"class {i}" for i in range(CLASSES)),
        mean=train.mean, std=train.std,
    )  # fmt: skip


def experiment(**changes) -> Experiment:
    return replace(EXPERIMENT, **changes)


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in EXACT}


def log(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def act_at(patch, step: int, action) -> None:
    """Let something happen during a step of training, counted from 1 over the whole run."""
    train_batch = Trainer.train_batch

    def stepping(self: Trainer, indices: np.ndarray) -> float:
        loss = train_batch(self, indices)
        if self.optimizer.steps == step:
            action()
        return loss

    patch.setattr(Trainer, "train_batch", stepping)
