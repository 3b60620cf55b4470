"""Training: schedules, augmentation, optimiser, loop, checkpoint, and whole experiments."""

from .augmentation import Mixed, mixup, normalise, random_crop, random_flip
from .checkpoint import Best, Checkpoint, load_checkpoint, save_checkpoint
from .experiment import run
from .interrupts import Interrupted
from .loop import Evaluation, Images, Progress, Recipe, Trainer, evaluate
from .optimizer import Adam
from .plots import plot_run
from .report import LayerResult, Results, format_table, layer_results, training_seconds, write_results
from .schedules import cosine
from .settings import Experiment

__all__ = [
    "Adam",
    "Best",
    "Checkpoint",
    "Evaluation",
    "Experiment",
    "Images",
    "Interrupted",
    "LayerResult",
    "Mixed",
    "Progress",
    "Recipe",
    "Results",
    "Trainer",
    "cosine",
    "evaluate",
    "format_table",
    "layer_results",
    "load_checkpoint",
    "mixup",
    "normalise",
    "plot_run",
    "random_crop",
    "random_flip",
    "run",
    "save_checkpoint",
    "training_seconds",
    "write_results",
]
