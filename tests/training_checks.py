"""What pruning and training must satisfy, as functions that take the implementation.

The same checks run on the package and on deliberately wrong implementations, which they must refuse (tests/meta).
"""

import dataclasses
import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from network_cases import small
from oracles import adam as adam_oracle
from oracles import density as density_oracle
from oracles import pruning as pruning_oracle

from bbdg_ref import nn, ops
from bbdg_ref.pruning import DensityPenalty, SignOfLatent, TopK
from bbdg_ref.spec.pruning import Selection
from bbdg_ref.training import (
    Adam,
    Best,
    Experiment,
    Images,
    Recipe,
    Trainer,
    load_checkpoint,
    normalise,
    save_checkpoint,
)

# --------------------------------------------------------------------------------------------------------- cases

CLASSES = 3


def images(n: int, *, side: int = 8, seed: int = 0) -> Images:
    """Noise with one bright channel, which is the class: learnable in a few steps."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(n) % CLASSES
    pixels = rng.integers(0, 120, (n, 3, side, side))
    pixels[np.arange(n), labels] += 120
    half = np.full(3, 0.5, np.float32)
    return Images(pixels.astype(np.uint8), labels.astype(np.int64), CLASSES, half, half / 2)


def recipe(**changes) -> Recipe:
    settings = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2, "crop": True, "flip": True, "mixup": True}
    return Recipe(**settings | changes)


STRATEGIES = {"none": SignOfLatent(), "topk": TopK(0.1), "penalty": DensityPenalty(0.1, 0.2)}


def trainer(
    kind: type[Trainer] = Trainer, *, arch="resnet20", domain="general", prune="topk", n=28, seed=0, **changes
) -> Trainer:
    """Three batches of eight images an epoch, four images left out."""
    network = small(arch, domain=domain, seed=seed)
    return kind(network, STRATEGIES[prune], recipe(**changes), images(n), np.random.default_rng(seed))


def run_epochs(trainer: Trainer, after_batch: Callable[[], None] = lambda: None) -> list[tuple[float, ...]]:
    """Train to the end; return each epoch's sums: loss, penalty, share of right answers."""
    sums = []
    while trainer.progress.epoch < trainer.recipe.epochs:
        trainer.train_epoch(after_batch)
        sums.append((trainer.progress.loss, trainer.progress.penalty, trainer.progress.correct))
        trainer.next_epoch()
    return sums


class Stopped(Exception):
    pass


def stop_after(trainer: Trainer, steps: int) -> None:
    """Train, and stop right after so many steps."""

    def count() -> None:
        if trainer.optimizer.steps == steps:
            raise Stopped

    try:
        run_epochs(trainer, count)
    except Stopped:
        return
    assert trainer.optimizer.steps == steps


def settings(trainer: Trainer) -> dict:
    """The settings of an experiment with this trainer's network and recipe."""
    own = {"arch": trainer.network.name, **trainer.network.arguments, **dataclasses.asdict(trainer.recipe)}
    del own["classes"]
    pruning = {"prune": "none", "density": None, "gamma": None, "init_density": None}
    return dataclasses.asdict(Experiment(**own, **pruning, seed=0))


def save(path: Path, trainer: Trainer) -> bytes:
    best = Best(1, 0.5, trainer.network.state()) if trainer.progress.epoch else None
    save_checkpoint(path, trainer, experiment=settings(trainer), label="noise", fingerprint="", log=[], best=best)
    return path.read_bytes()


def restore(path: Path, trainer: Trainer) -> None:
    load_checkpoint(path).restore(trainer)


# ------------------------------------------------------------------------------------------------------- pruning


def check_top_k(strategy: Callable[[float], TopK], density: float, latents: list[np.ndarray]) -> None:
    """k = round(density n) ones, at least one, in every layer: the largest, ties by index; centred on the midpoint."""
    selections = strategy(density).choose(latents, step=0)
    assert len(selections) == len(latents)
    for latent, selection in zip(latents, selections, strict=True):
        k = max(1, round(density * latent.size))
        bits, threshold = pruning_oracle.top_k(latent.ravel().tolist(), k)
        assert selection.bits.shape == latent.shape and selection.bits.dtype == bool
        assert selection.bits.ravel().tolist() == bits
        assert abs(selection.threshold - threshold) <= np.finfo(float).eps * np.abs(latent).max()


def check_penalty(
    strategy: Callable[..., DensityPenalty], sizes: list[tuple[int, int]], limit: float, gamma: float, loss: float,
    slope: float = 0.5, dead_zone: float = 1e-4,
) -> None:  # fmt: skip
    """Value and push are the formula's over all layers together; `sizes` holds each layer's (ones, weights)."""
    selections = [Selection(np.arange(n) < ones, 0.0) for ones, n in sizes]
    got = strategy(limit=limit, gamma=gamma, slope=slope, dead_zone=dead_zone).penalty(selections, loss)
    ones, total = sum(a for a, _ in sizes), sum(n for _, n in sizes)
    value, push = density_oracle.penalty(ones, total, limit, gamma, loss, slope, dead_zone)
    if limit == 0.5:
        value = push = 0.0
    # ones/total is rounded before the limit is taken from it: relative error eps/excess of lambda
    excess = max(ones / total - limit, dead_zone)
    bound = 8 * np.finfo(float).eps / excess
    assert abs(got.value - value) <= bound * abs(value) and abs(got.push - push) <= bound * abs(push)


# -------------------------------------------------------------------------------------------------------- optimizer


def check_adam(optimizer: Callable[..., Adam], seed: int = 0) -> None:
    """Several steps of several parameters, a scalar among them, against the paper's algorithm number by number."""
    rng = np.random.default_rng(seed)
    shapes = {"a": (3, 2), "b": (), "c": (4,)}
    parameters = {name: nn.Parameter(rng.standard_normal(shape)) for name, shape in shapes.items()}
    starts = {name: p.value.copy() for name, p in parameters.items()}
    adam, rate = optimizer(parameters), 0.01
    grads: dict[str, list[np.ndarray]] = {name: [] for name in shapes}
    for _ in range(5):
        for name, p in parameters.items():
            p.grad = rng.standard_normal(shapes[name]) * 10.0 ** rng.integers(-9, 2)
            grads[name].append(p.grad.copy())
        adam.step(rate)
    assert adam.steps == 5
    for name, p in parameters.items():
        assert isinstance(p.value, np.ndarray) and p.value.shape == shapes[name] and p.value.dtype == np.float64
        for index in np.ndindex(*shapes[name]):
            series = [float(g[index]) for g in grads[name]]
            want = adam_oracle.run(float(starts[name][index]), series, rate, 0.9, 0.999, 1e-8)
            got = p.value[index], adam.first[name][index], adam.second[name][index]
            assert np.allclose(got, want, rtol=1e-13, atol=0), f"{name}{index}: {got}, expected {want}"


# ------------------------------------------------------------------------------------------------------------- loop


def check_evaluate(evaluate: Callable, network: nn.Network, data: Images) -> None:
    """Loss and accuracy from the running statistics; nothing in the network changes."""
    before = {name: array.copy() for name, array in network.state().items()}
    got = evaluate(network, data, batch_size=5)
    for name, array in network.state().items():
        assert np.array_equal(before[name], array), f"{name} changed"
    logits = network.forward(normalise(data.images, data.mean, data.std), training=False).astype(float)
    assert np.ptp(np.sort(logits, axis=1)[:, -2:], axis=1).min() > 1e-4, "the case is too close to call"
    losses = [np.logaddexp.reduce(row) - row[label] for row, label in zip(logits, data.labels, strict=True)]
    assert got.accuracy == np.mean([row.argmax() == label for row, label in zip(logits, data.labels, strict=True)])
    # float32 logits of a batch of another size differ by their rounding
    assert abs(got.loss - np.mean(losses)) <= 1e3 * np.finfo(np.float32).eps * (1 + np.abs(logits).max())


def check_clamp(kind: type[Trainer]) -> None:
    """Latent weights stay within +-1.5 after every step, at a rate that drives them out; others are not clamped."""
    subject = trainer(kind, learning_rate=1.0, mixup=False, epochs=2)
    largest = 0.0

    def look() -> None:
        nonlocal largest
        for layer in subject.layers:
            assert np.abs(layer.latent.value).max() <= 1.5
        largest = max(largest, np.abs(subject.network.parameters()["head.2.weight"].value).max())

    run_epochs(subject, look)
    assert largest > 1.5 and any(np.abs(layer.latent.value).max() == 1.5 for layer in subject.layers)


def check_density_is_met(kind: type[Trainer], prune: str) -> None:
    """The bits belong to the latents as they stand before the first and after every step."""
    subject = trainer(kind, prune=prune)

    def look() -> None:
        wanted = STRATEGIES[prune].choose([layer.latent.value for layer in subject.layers], 0)
        for layer, selection in zip(subject.layers, wanted, strict=True):
            assert np.array_equal(layer.bits, selection.bits)
            assert layer.threshold == np.float32(selection.threshold)
        ones, weights = (sum(v) for v in zip(*((w.bits.sum(), w.bits.size) for w in subject.layers), strict=True))
        assert subject.density() == ones / weights

    look()
    run_epochs(subject, look)


def check_step(kind: type[Trainer], prune: str) -> None:
    """One step is: forward, loss, backward, penalty's push on every latent, Adam at the cosine's rate, clamp."""
    subject, twin = (trainer(k, prune=prune, mixup=False, crop=False, flip=False) for k in (kind, Trainer))
    adam = Adam(twin.network.parameters())
    steps = 2 * subject.batches
    for step in range(2):
        indices = np.arange(8) + 8 * step
        selections = STRATEGIES[prune].choose([layer.latent.value for layer in twin.layers], step)
        x = normalise(twin.data.images[indices], twin.data.mean, twin.data.std)
        targets = np.eye(CLASSES, dtype=np.float32)[twin.data.labels[indices]]
        logits = twin.network.forward(x, training=True)
        loss = ops.cross_entropy(logits, targets)
        twin.network.backward(ops.cross_entropy_backward(logits, targets))
        sizes = [(int(s.bits.sum()), s.bits.size) for s in selections]
        push = 0.0
        if prune == "penalty":
            ones, total = (sum(v) for v in zip(*sizes, strict=True))
            _, push = density_oracle.penalty(ones, total, 0.1, 0.2, loss, 0.5, 1e-4)
            assert push > 0
        for layer in twin.layers:
            layer.latent.grad = layer.latent.grad + np.float32(push)
        adam.step(1e-2 / 2 * (1 + math.cos(math.pi * step / steps)))
        for layer in twin.layers:
            layer.latent.value = np.clip(layer.latent.value, -1.5, 1.5)
        twin.choose_bits()
        subject.train_batch(indices)
        for name, parameter in subject.network.parameters().items():
            want = twin.network.parameters()[name]
            assert np.allclose(parameter.grad, want.grad, rtol=1e-5, atol=1e-9), f"gradient of {name}"
            assert np.allclose(parameter.value, want.value, rtol=0, atol=2e-6), name


def seen_and_lost(subject: Trainer, indices: np.ndarray) -> tuple[dict[str, np.ndarray], float]:
    """What one step hands the network, forward and backward, and its loss."""
    network, seen = subject.network, {}
    forward, backward = network.forward, network.backward

    def forth(x, *, training):
        seen.update(x=x, logits=forward(x, training=training))
        return seen["logits"]

    network.forward, network.backward = forth, lambda dy: backward(seen.setdefault("dlogits", dy))
    return seen, subject.train_batch(indices)


def check_smoothing(kind: type[Trainer]) -> None:
    """Labels are smoothed for loss and gradient; right answers are counted by the labels as they are."""
    subject, indices = trainer(kind, smoothing=0.25, mixup=False, crop=False, flip=False), np.arange(8)
    seen, loss = seen_and_lost(subject, indices)
    labels, logits = subject.data.labels[indices], seen["logits"].astype(float)
    logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    wanted = 0.75 * np.eye(CLASSES)[labels] + 0.25 / CLASSES
    assert abs(loss + (wanted * logs).sum(axis=1).mean()) < 1e-5
    assert np.allclose(seen["dlogits"], (np.exp(logs) - wanted) / 8, rtol=0, atol=1e-6)
    assert subject.progress.correct == (logits.argmax(axis=1) == labels).mean()


def check_teacher(kind: type[Trainer], temperature: float) -> None:
    """The teacher gets what the network gets, once; the loss is the divergence from it; labels count right answers."""
    teacher, asked = small(seed=9), []

    def teach(x: np.ndarray) -> np.ndarray:
        asked.append(x)
        return 3 * teacher.forward(x, training=False)

    subject, twin = (trainer(k, temperature=temperature) for k in (kind, Trainer))
    subject.teacher = teach
    _, targets = twin._batch(np.arange(8))
    seen, loss = seen_and_lost(subject, np.arange(8))
    assert len(asked) == 1 and np.array_equal(asked[0], seen["x"])
    p, q = (z.astype(float) / temperature for z in (3 * teacher.forward(seen["x"], training=False), seen["logits"]))
    p, q = (z - np.logaddexp.reduce(z, axis=1, keepdims=True) for z in (p, q))
    assert abs(loss - temperature**2 * (np.exp(p) * (p - q)).sum(axis=1).mean()) < 1e-5 * temperature**2
    assert np.allclose(seen["dlogits"], temperature * (np.exp(q) - np.exp(p)) / 8, rtol=0, atol=1e-6)
    assert subject.progress.correct == float(targets[np.arange(8), seen["logits"].argmax(axis=1)].mean())


def check_order(kind: type[Trainer]) -> None:
    """Every epoch takes the images in a new order, each at most once, in whole batches."""
    subject, taken = trainer(kind), []
    step = subject.train_batch
    subject.train_batch = lambda indices: (taken.append(indices.copy()), step(indices))[1]
    run_epochs(subject)
    assert [len(indices) for indices in taken] == [8] * 6
    first, second = np.concatenate(taken[:3]), np.concatenate(taken[3:])
    assert len(set(first.tolist())) == len(set(second.tolist())) == 24
    assert not np.array_equal(first, second)


def check_resume(kind: type[Trainer], save: Callable, restore: Callable, folder: Path, steps: int, **case) -> None:
    """Stop after `steps` steps, save, build anew, restore, finish: the same sums, the same last checkpoint."""
    straight = trainer(kind, **case)
    sums = run_epochs(straight)
    wanted = save(folder / "straight.h5", straight)
    first = trainer(kind, **case)
    stop_after(first, steps)
    save(folder / "stopped.h5", first)
    second = trainer(kind, **case)
    second.rng = np.random.default_rng(12345)  # what a checkpoint does not bring back must show
    restore(folder / "stopped.h5", second)
    again = run_epochs(second)
    assert again == sums[len(sums) - len(again) :], f"sums over the epochs: {again}, expected {sums}"
    for name, array in straight.network.state().items():
        assert np.array_equal(second.network.state()[name], array), f"{name} differs"
    assert save(folder / "resumed.h5", second) == wanted
    assert straight.optimizer.steps == straight.recipe.epochs * straight.batches


#: (domain, pruning, architecture) so that every value occurs, and where to stop: of 6 steps, 3 an epoch.
RESUMED = [
    *itertools.product([("general", "topk", "resnet20")], (1, 3, 5, 6)),
    (("bipolar", "penalty", "resnet20"), 2),
    (("symmetric", "none", "resnet18"), 4),
    (("general-closed", "topk", "resnet18"), 3),
]
