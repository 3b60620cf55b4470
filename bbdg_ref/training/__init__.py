"""Training: schedules, augmentation, optimiser, loop, checkpoint, and whole experiments."""

from .augmentation import Mixed, mixup, normalise, random_crop, random_flip, random_rotation
from .checkpoint import Best, Checkpoint, load_checkpoint, save_checkpoint
from .choice import density_warning
from .experiment import run
from .interrupts import Interrupted
from .loop import Evaluation, Images, Progress, Recipe, Teacher, Trainer, evaluate
from .optimizer import Adam
from .plots import plot_run
from .post_training import estimate_batch_norm, sparsify
from .report import LayerResult, Results, format_table, layer_results, training_seconds, write_results
from .schedules import SCHEDULES, constant, cosine, linear, step_decay
from .settings import Experiment

__all__ = [
    "SCHEDULES",
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
    "Teacher",
    "Trainer",
    "constant",
    "cosine",
    "density_warning",
    "estimate_batch_norm",
    "evaluate",
    "format_table",
    "layer_results",
    "linear",
    "load_checkpoint",
    "mixup",
    "normalise",
    "plot_run",
    "random_crop",
    "random_flip",
    "random_rotation",
    "run",
    "save_checkpoint",
    "sparsify",
    "step_decay",
    "training_seconds",
    "write_results",
]
