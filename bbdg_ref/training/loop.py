"""The training loop: one step, one epoch, an evaluation."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from ..nn import EDE, Network
from ..pruning import Pruning
from .augmentation import mixup, normalise, random_crop, random_flip, random_rotation
from .optimizer import Adam
from .schedules import SCHEDULES

__all__ = ["Evaluation", "Images", "Progress", "Recipe", "Teacher", "Trainer", "evaluate"]

LATENT_BOUND = np.float32(1.5)
CROP_PADDING = 4
ROTATION_DEGREES = 15.0

#: Normalised images (batch, 3, height, width) to logits (batch, classes), both float32.
Teacher = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    epochs : int
        Passes over the training images.
    batch_size : int
        Images a step; an incomplete last batch is left out.
    learning_rate : float
        Adam's, at the start.
    crop, flip, mixup : bool
        Random crop of 32 with padding 4, random mirror, mixup with Beta(1, 1).
    rotate : bool
        Random rotation by up to 15 degrees each way.
    schedule : str
        A name of `bbdg_ref.training.SCHEDULES`: how the learning rate goes on.
    smoothing : float
        Share of the uniform distribution in the targets.
    temperature : float
        Of the distillation loss, where there is a teacher.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    crop: bool
    flip: bool
    mixup: bool
    rotate: bool = False
    schedule: str = "cosine"
    smoothing: float = 0.0
    temperature: float = 1.0


@dataclass(frozen=True, eq=False)
class Images:
    """Images with labels, as a dataset holds them, and how to normalise them.

    Attributes
    ----------
    images : ndarray of uint8, (images, 3, height, width)
    labels : ndarray of int64, (images,)
    classes : int
    mean, std : ndarray of float32, (3,)
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: int
    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Evaluation:
    """How well a network does on a set of images.

    Attributes
    ----------
    loss : float
        Mean cross-entropy in nats.
    accuracy : float
        Fraction of right answers.
    """

    loss: float
    accuracy: float


def evaluate(network: Network, data: Images, *, batch_size: int = 250) -> Evaluation:
    """Evaluate with the running batch-norm statistics.

    Parameters
    ----------
    network : Network
        Not changed.
    data : Images
        The images; not augmented.
    batch_size : int
        Images at a time; does not change the result but for rounding.

    Returns
    -------
    Evaluation
    """
    loss, correct = 0.0, 0
    for start in range(0, len(data), batch_size):
        labels = data.labels[start : start + batch_size]
        images = normalise(data.images[start : start + batch_size], data.mean, data.std)
        logits = network.forward(images, training=False)
        loss += ops.cross_entropy(logits, ops.one_hot(labels, data.classes)) * len(labels)
        correct += int(np.count_nonzero(logits.argmax(axis=1) == labels))
    return Evaluation(loss / len(data), correct / len(data))


@dataclass(frozen=True, eq=False)
class _Loss:
    """A loss and its gradient with respect to the logits."""

    value: float
    gradient: NDArray[np.float32]


@dataclass(eq=False)
class Progress:
    """Where training stands; with the arrays and the random state, all that resuming needs.

    Attributes
    ----------
    epoch : int
        The epoch under way, from 0.
    batch : int
        Batches of it that are done.
    order : ndarray of int64, (images,)
        The epoch's order of the images; empty before its first batch.
    loss, penalty, correct : float
        Sums over the epoch's batches: task loss, penalty, and share of right answers.
    """

    epoch: int = 0
    batch: int = 0
    order: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    loss: float = 0.0
    penalty: float = 0.0
    correct: float = 0.0


class Trainer:
    """Trains a network step by step: forward, loss, penalty, backward, Adam, clamp, new bits.

    Parameters
    ----------
    network : Network
        Trained in place.
    pruning : Pruning
        Chooses the ones before every forward pass, and adds to the loss.
    recipe : Recipe
        Epochs, batches, learning rate, augmentation.
    data : Images
        The training images.
    rng : numpy.random.Generator
        Order of the images, augmentation.
    teacher : callable, optional
        Logits of the images that the network sees, augmented and mixed. With a teacher the loss is the
        distillation loss alone, and the labels serve to count right answers; without one it is the cross-entropy
        with the labels. For a network: ``functools.partial(network.forward, training=False)``.
    """

    def __init__(
        self, network: Network, pruning: Pruning, recipe: Recipe, data: Images, rng: np.random.Generator,
        teacher: Teacher | None = None,
    ) -> None:  # fmt: skip
        self.network, self.pruning, self.recipe, self.data, self.rng = network, pruning, recipe, data, rng
        self.teacher = teacher
        self.layers = list(network.binary_layers().values())
        self.optimizer = Adam(network.parameters())
        self.progress = Progress()
        if not 2 <= recipe.batch_size <= len(data):  # batch norm needs two images
            raise ValueError(
                f"Trainer: batch_size must be from 2 to the number of training images, {len(data)}; "
                f"got {recipe.batch_size}; use smaller batches or more images"
            )
        self.batches = len(data) // recipe.batch_size
        self.choose_bits()

    def choose_bits(self) -> None:
        """Let the pruning strategy choose every layer's bits from the latent weights as they stand."""
        self.selections = self.pruning.choose([layer.latent.value for layer in self.layers], self.optimizer.steps)
        for layer, selection in zip(self.layers, self.selections, strict=True):
            layer.choose(selection)

    def density(self) -> float:
        """Return ones / weights over all binary layers."""
        return sum(int(layer.bits.sum()) for layer in self.layers) / sum(layer.bits.size for layer in self.layers)

    def train_epoch(self, after_batch: Callable[[], None]) -> None:
        """Finish the epoch under way from wherever it stands; ``after_batch`` runs after every step.

        When ``after_batch`` raises, the state is that of a finished step, and calling `train_epoch`
        again continues with the next one.
        """
        progress = self.progress
        ede = ops.ede_schedule(progress.epoch, self.recipe.epochs)
        for layer in self.layers:
            layer.anneal(EDE(t=ede.t, k=ede.k))
        if progress.order.size == 0:
            progress.order = self.rng.permutation(len(self.data)).astype(np.int64)
        while progress.batch < self.batches:
            start = progress.batch * self.recipe.batch_size
            self.train_batch(progress.order[start : start + self.recipe.batch_size])
            progress.batch += 1
            after_batch()

    def next_epoch(self) -> None:
        """Reset the epoch's counters."""
        self.progress = Progress(epoch=self.progress.epoch + 1)

    def learning_rate(self) -> float:
        """Return the learning rate of the next step."""
        schedule = SCHEDULES[self.recipe.schedule]
        return schedule(self.optimizer.steps, self.recipe.epochs * self.batches, self.recipe.learning_rate)

    def _batch(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Return the augmented images and their target distributions."""
        images, recipe = self.data.images[indices], self.recipe
        if recipe.crop:
            images = random_crop(images, padding=CROP_PADDING, rng=self.rng)
        if recipe.flip:
            images = random_flip(images, rng=self.rng)
        if recipe.rotate:
            images = random_rotation(images, degrees=ROTATION_DEGREES, rng=self.rng)
        x = normalise(images, self.data.mean, self.data.std)
        targets = ops.one_hot(self.data.labels[indices], self.data.classes)
        if recipe.mixup:
            mixed = mixup(x, targets, rng=self.rng)
            return mixed.images, mixed.targets
        return x, targets

    def _loss(self, x: NDArray[np.float32], logits: NDArray[Any], targets: NDArray[Any]) -> _Loss:
        """Return the task loss: to the teacher's logits if there is a teacher, else to the smoothed targets."""
        if self.teacher is None:
            wanted = ops.smooth_targets(targets, self.recipe.smoothing)
            return _Loss(ops.cross_entropy(logits, wanted), ops.cross_entropy_backward(logits, wanted))
        taught, t = self.teacher(x), self.recipe.temperature
        return _Loss(ops.distillation(logits, taught, t), ops.distillation_backward(logits, taught, t))

    def train_batch(self, indices: NDArray[np.int64]) -> float:
        """Take one step on these training images; return the task loss before it."""
        x, targets = self._batch(indices)
        logits = self.network.forward(x, training=True)
        loss = self._loss(x, logits, targets)
        if not np.isfinite(loss.value):
            raise FloatingPointError(
                f"training diverged: the loss is {loss.value} at step {self.optimizer.steps}; lower the learning rate"
            )
        penalty = self.pruning.penalty(self.selections, loss.value)
        self.network.backward(loss.gradient)
        for layer in self.layers:
            assert layer.latent.grad is not None
            if penalty.push != 0:
                layer.latent.grad += np.float32(penalty.push)
        self.optimizer.step(self.learning_rate())
        for layer in self.layers:
            np.clip(layer.latent.value, -LATENT_BOUND, LATENT_BOUND, out=layer.latent.value)
        self.choose_bits()
        self.progress.loss += loss.value
        self.progress.penalty += penalty.value
        # With mixup the right answer is shared: the predicted class counts with its share of the target.
        self.progress.correct += float(targets[np.arange(len(targets)), logits.argmax(axis=1)].mean())
        return loss.value
