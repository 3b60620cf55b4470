"""Pruning and training that are wrong on purpose: every fault must be found by a check that the suite runs."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import training_checks as checks
from network_cases import (
    check_gradients,
    check_input_gradient,
    in_float64,
    randomise,
    rng,
    set_estimators,
    small,
    soft_signs,
)

from bbdg_ref import nn, ops
from bbdg_ref.pruning import DensityPenalty, Penalty, TopK
from bbdg_ref.spec.adam import AdamUpdate
from bbdg_ref.spec.pruning import Selection
from bbdg_ref.training import Adam, Evaluation, Progress, Trainer, checkpoint, cosine, evaluate, loop

pytestmark = pytest.mark.slow  # tests of the tests

Plant = Callable[[pytest.MonkeyPatch], None]

# ------------------------------------------------------------------------------------------------------- the checks

TIES = [np.array([0.5, -2.0, 0.5, 0.5, 0.25, -3.0]), np.array([[-1.0, -0.5], [-0.25, -4.0]])]
LAYERS = [(30, 100), (10, 300)]


def top_k(folder: Path) -> None:
    for density in (0.001, 0.25, 0.4, 0.5, 0.7):
        checks.check_top_k(TopK, density, TIES)


def penalty(folder: Path) -> None:
    for limit, loss, slope in ((0.05, 2.0, 0.5), (0.01, 0.5, 1.0), (0.5, 1.0, 0.5), (0.09995, 1.0, 0.5)):
        checks.check_penalty(DensityPenalty, LAYERS, limit, 0.2, loss, slope)
    checks.check_penalty(DensityPenalty, [(90, 100)], 0.5, 0.2, 1.0)


def adam(folder: Path) -> None:
    checks.check_adam(Adam)


def evaluation(folder: Path) -> None:
    subject = checks.trainer()
    checks.run_epochs(subject)
    checks.check_evaluate(loop.evaluate, subject.network, checks.images(17, seed=1))


def clamp(folder: Path) -> None:
    checks.check_clamp(Trainer)


def bits(folder: Path) -> None:
    checks.check_density_is_met(Trainer, "topk")


def step(folder: Path) -> None:
    checks.check_step(Trainer, "penalty")


def smoothing(folder: Path) -> None:
    checks.check_smoothing(Trainer)


def teacher(folder: Path) -> None:
    checks.check_teacher(Trainer, 4.0)


def order(folder: Path) -> None:
    checks.check_order(Trainer)


def resume(folder: Path) -> None:
    checks.check_resume(Trainer, checks.save, checks.restore, folder, 2, prune="penalty")


def resume_at_the_end_of_an_epoch(folder: Path) -> None:
    checks.check_resume(Trainer, checks.save, checks.restore, folder, 3)


def backward(folder: Path) -> None:
    network = small("resnet18")
    in_float64(network)
    randomise(network)
    set_estimators(network, 0.8, 1.0)
    with soft_signs(0.8, 1.0):
        x = rng(1).standard_normal((6, 3, 8, 8))
        check_gradients(network, x, list(network.parameters()))
        check_input_gradient(network, x)


# ------------------------------------------------------------------------------------------------------ the mutants


def of_selection(wrong: Callable[[np.ndarray, int], Selection]) -> Plant:
    return lambda patch: patch.setattr(ops, "select_top_k", wrong)


RIGHT_TOP_K = ops.select_top_k


def later_ties(latent: np.ndarray, k: int) -> Selection:
    found = RIGHT_TOP_K(latent.ravel()[::-1], k)
    return Selection(found.bits[::-1].reshape(latent.shape), found.threshold)


def choosing(k: Callable[[float, int], int]) -> Plant:
    def choose(self, latents, step):
        return [ops.select_top_k(latent, k(self.density, latent.size)) for latent in latents]

    return lambda patch: patch.setattr(TopK, "choose", choose)


def over_all_layers(self, latents, step):
    flat = np.concatenate([latent.ravel() for latent in latents])
    threshold = RIGHT_TOP_K(flat, max(1, round(self.density * flat.size))).threshold
    return [Selection(latent > threshold, threshold) for latent in latents]


def of_penalty(change: Callable[[Penalty, int], Penalty]) -> Plant:
    right = DensityPenalty.penalty

    def wrong(self, selections, loss):
        return change(right(self, selections, loss), len(selections))

    return lambda patch: patch.setattr(DensityPenalty, "penalty", wrong)


def penalty_layer_by_layer(self, selections, loss):
    each = [RIGHT_PENALTY(self, [selection], loss) for selection in selections]
    return Penalty(sum(p.value for p in each), sum(p.push for p in each))


RIGHT_PENALTY = DensityPenalty.penalty


def with_other_numbers(change: Callable[[DensityPenalty], dict]) -> Plant:
    def wrong(self, selections, loss):
        return RIGHT_PENALTY(replace(self, **change(self)), selections, loss)

    return lambda patch: patch.setattr(DensityPenalty, "penalty", wrong)


def of_adam(wrong: Callable) -> Plant:
    return lambda patch: patch.setattr(ops, "adam", wrong)


def moments(grad, first, second):
    return 0.9 * first + 0.1 * grad, 0.999 * second + 0.001 * grad**2


def without_bias_correction(value, grad, first, second, step, *, learning_rate):
    m, v = moments(grad, first, second)
    return AdamUpdate(value - learning_rate * m / (np.sqrt(v) + 1e-8), m, v)


def eps_before_the_correction(value, grad, first, second, step, *, learning_rate):
    m, v = moments(grad, first, second)
    rate = learning_rate * math.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    return AdamUpdate(value - rate * m / (np.sqrt(v) + 1e-8), m, v)


def eps_under_the_root(value, grad, first, second, step, *, learning_rate):
    m, v = moments(grad, first, second)
    root = np.sqrt(v / (1 - 0.999**step) + 1e-16)
    return AdamUpdate(value - learning_rate / (1 - 0.9**step) * m / root, m, v)


RIGHT_ADAM = ops.adam


def one_step_late(value, grad, first, second, step, *, learning_rate):
    return RIGHT_ADAM(value, grad, first, second, step + 1, learning_rate=learning_rate)


def with_weight_decay(value, grad, first, second, step, *, learning_rate):
    return RIGHT_ADAM(value, grad + 1e-4 * value, first, second, step, learning_rate=learning_rate)


def evaluating(wrong: Callable) -> Plant:
    return lambda patch: patch.setattr(loop, "evaluate", wrong)


def in_training_mode(network, data, *, batch_size=250):
    forward = network.forward
    network.forward = lambda x, *, training: forward(x, training=True)
    try:
        return evaluate(network, data, batch_size=batch_size)
    finally:
        del network.forward


def mean_of_batch_means(network, data, *, batch_size=250):
    results = [
        evaluate(network, replace(data, images=data.images[i : i + batch_size], labels=data.labels[i : i + batch_size]))
        for i in range(0, len(data), batch_size)
    ]
    return Evaluation(np.mean([r.loss for r in results]), np.mean([r.accuracy for r in results]))


def without_the_last_batch(network, data, *, batch_size=250):
    kept = len(data) // batch_size * batch_size
    return evaluate(network, replace(data, images=data.images[:kept], labels=data.labels[:kept]))


def of_trainer(name: str, wrong: Callable) -> Plant:
    return lambda patch: patch.setattr(Trainer, name, wrong)


RIGHT_CHOICE, RIGHT_EPOCH = Trainer.choose_bits, Trainer.train_epoch


def bits_of_the_step_before(self):
    if self.optimizer.steps == 0 or not hasattr(self, "selections"):
        RIGHT_CHOICE(self)


def clamped_to_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loop, "LATENT_BOUND", np.float32(1.0))


def not_clamped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loop, "LATENT_BOUND", np.float32(np.inf))


def sorted_order(self, after_batch):
    if self.progress.order.size == 0:
        self.progress.order = np.arange(len(self.data))
    RIGHT_EPOCH(self, after_batch)


def same_order_every_epoch(self, after_batch):
    if self.progress.order.size == 0:
        self.progress.order = np.random.default_rng(0).permutation(len(self.data))
    RIGHT_EPOCH(self, after_batch)


def rate_of_the_epoch(self):
    return cosine(self.progress.epoch, self.recipe.epochs, self.recipe.learning_rate)


RIGHT_BATCH, RIGHT_LOSS = Trainer._batch, Trainer._loss


def smoothed_from_the_start(self, indices):
    x, targets = RIGHT_BATCH(self, indices)
    self.recipe = replace(self.recipe, smoothing=0.0)
    return x, ops.smooth_targets(targets, 0.25)


def smoothed_in_the_value_only(self, x, logits, targets):
    return replace(RIGHT_LOSS(self, x, logits, targets), gradient=ops.cross_entropy_backward(logits, targets))


def without_smoothing(self, x, logits, targets):
    self.recipe = replace(self.recipe, smoothing=0.0)
    return RIGHT_LOSS(self, x, logits, targets)


def without_temperature(self, x, logits, targets):
    self.recipe = replace(self.recipe, temperature=1.0)
    return RIGHT_LOSS(self, x, logits, targets)


def teacher_of_other_images(self, x, logits, targets):
    return RIGHT_LOSS(self, x[::-1], logits, targets)


def labels_beside_the_teacher(self, x, logits, targets):
    right = RIGHT_LOSS(self, x, logits, targets)
    return replace(right, value=right.value + ops.cross_entropy(logits, targets))


RIGHT_RESTORE = checkpoint.Checkpoint.restore


def forgetting(forget: Callable[[Trainer, dict], None]) -> Plant:
    """A checkpoint that leaves one part of the trainer as it was before; `forget` gets what was there."""

    def restore(self, trainer):
        before = {
            "first": trainer.optimizer.first, "second": trainer.optimizer.second,
            "rng": trainer.rng.bit_generator.state, "state": trainer.network.state(),
        }  # fmt: skip
        RIGHT_RESTORE(self, trainer)
        forget(trainer, before)

    return lambda patch: patch.setattr(checkpoint.Checkpoint, "restore", restore)


def forget_first(trainer, before):
    trainer.optimizer.first = before["first"]


def forget_second(trainer, before):
    trainer.optimizer.second = before["second"]


def forget_steps(trainer, before):
    trainer.optimizer.steps = 0


def forget_rng(trainer, before):
    trainer.rng.bit_generator.state = before["rng"]


def forget_position(trainer, before):
    trainer.progress = replace(trainer.progress, batch=0)


def forget_order(trainer, before):
    trainer.progress = replace(trainer.progress, order=np.empty(0, np.int64))


def forget_sums(trainer, before):
    trainer.progress = replace(trainer.progress, loss=0.0)


def start_the_epoch_again(trainer, before):
    trainer.progress = Progress(epoch=trainer.progress.epoch)


def forget_running_statistics(trainer, before):
    statistics = {name: array for name, array in before["state"].items() if "running" in name}
    trainer.network.load_state(trainer.network.state() | statistics)


def forget_tau(trainer, before):
    scalars = {name: array for name, array in before["state"].items() if name.endswith("tau")}
    trainer.network.load_state(trainer.network.state() | scalars)


def forget_epoch(trainer, before):
    trainer.progress = replace(trainer.progress, epoch=0, batch=0)


RIGHT_RESIDUAL = nn.Residual.backward


def residual_without_shortcut(self, dy):
    body, norm = self._split()
    gradients = norm.backward_clipped(dy)
    return body.backward(gradients.x) + 0 * self.shortcut.backward(gradients.added)


def residual_before_hardtanh(self, dy):
    body, norm = self._split()
    x, mean, var, _ = norm.take_saved()
    norm._saved = x, mean, var, None
    return body.backward(norm.backward(dy)) + self.shortcut.backward(dy)


def uncentred(self, dy):
    x, values, bits, threshold = self.take_saved()
    self._saved = x, values, bits, np.zeros_like(threshold)
    return RIGHT_BINARY(self, dy)


RIGHT_BINARY = nn.BinaryConv2d.backward


def tau_without_signs(self, dw, latent, s):
    gradients = RIGHT_GENERAL(self, dw, latent, s)
    self.tau.grad = self.phi.grad
    return gradients


def tau_left_out_of_the_signs(self, dw, latent, s):
    return replace(RIGHT_GENERAL(self, dw, latent, s), s=dw)


RIGHT_GENERAL = nn.General.weights_backward


def centred(folder: Path) -> None:
    network = small("resnet18")
    in_float64(network)
    randomise(network)
    set_estimators(network, 0.8, 1.0)
    for layer in network.binary_layers().values():
        layer.choose(ops.select_top_k(layer.latent.value, layer.bits.size // 10))
    with soft_signs(0.8, 1.0):
        names = [f"{name}.latent" for name in network.binary_layers()]
        check_gradients(network, rng(1).standard_normal((6, 3, 8, 8)), names)


def of(kind: type, name: str, wrong: Callable) -> Plant:
    return lambda patch: patch.setattr(kind, name, wrong)


MUTANTS: dict[str, tuple[Plant, Callable[[Path], None]]] = {
    "top-k of |latent|": (of_selection(lambda w, k: RIGHT_TOP_K(np.abs(w), k)), top_k),
    "the k smallest": (of_selection(lambda w, k: RIGHT_TOP_K(-w, k)), top_k),
    "the later of equals": (of_selection(later_ties), top_k),
    "not centred": (of_selection(lambda w, k: replace(RIGHT_TOP_K(w, k), threshold=0.0)), top_k),
    "k rounded down": (choosing(lambda p, n: max(1, math.floor(p * n))), top_k),
    "k rounded up": (choosing(lambda p, n: math.ceil(p * n)), top_k),
    "no weight at all": (choosing(lambda p, n: round(p * n)), top_k),
    "top-k over all layers": (of(TopK, "choose", over_all_layers), top_k),
    "push doubled": (of_penalty(lambda p, n: replace(p, push=2 * p.push)), penalty),
    "push to the other side": (of_penalty(lambda p, n: replace(p, push=-p.push)), penalty),
    "mean over the layers": (of_penalty(lambda p, n: Penalty(p.value / n, p.push / n)), penalty),
    "penalty without push": (of_penalty(lambda p, n: replace(p, push=0.0)), penalty),
    "push without penalty": (of_penalty(lambda p, n: replace(p, value=0.0)), penalty),
    "penalty layer by layer": (of(DensityPenalty, "penalty", penalty_layer_by_layer), penalty),
    "not off at one half": (with_other_numbers(lambda p: {"limit": p.limit - 1e-12}), penalty),
    "no dead zone": (with_other_numbers(lambda p: {"dead_zone": 0.0}), penalty),
    "slope of the other network": (with_other_numbers(lambda p: {"slope": 1.5 - p.slope}), penalty),
    "Adam without bias correction": (of_adam(without_bias_correction), adam),
    "Adam, eps before the correction": (of_adam(eps_before_the_correction), adam),
    "Adam, eps under the root": (of_adam(eps_under_the_root), adam),
    "Adam, counting from two": (of_adam(one_step_late), adam),
    "Adam with weight decay": (of_adam(with_weight_decay), adam),
    "evaluation in training mode": (evaluating(in_training_mode), evaluation),
    "evaluation, mean of batch means": (evaluating(mean_of_batch_means), evaluation),
    "evaluation without the last batch": (evaluating(without_the_last_batch), evaluation),
    "no clamp": (not_clamped, clamp),
    "clamp to one": (clamped_to_one, clamp),
    "bits of the step before": (of_trainer("choose_bits", bits_of_the_step_before), bits),
    "trainer doubles the push": (of_penalty(lambda p, n: replace(p, push=2 * p.push)), step),
    "trainer forgets the push": (of_penalty(lambda p, n: replace(p, push=0.0)), step),
    "rate falls once an epoch": (of_trainer("learning_rate", rate_of_the_epoch), step),
    "rate does not fall": (of_trainer("learning_rate", lambda self: self.recipe.learning_rate), step),
    "right answers by smoothed labels": (of_trainer("_batch", smoothed_from_the_start), smoothing),
    "gradient of hard labels": (of_trainer("_loss", smoothed_in_the_value_only), smoothing),
    "labels not smoothed": (of_trainer("_loss", without_smoothing), smoothing),
    "no temperature": (of_trainer("_loss", without_temperature), teacher),
    "the teacher sees other images": (of_trainer("_loss", teacher_of_other_images), teacher),
    "labels beside the teacher": (of_trainer("_loss", labels_beside_the_teacher), teacher),
    "images in their order": (of_trainer("train_epoch", sorted_order), order),
    "the same order every epoch": (of_trainer("train_epoch", same_order_every_epoch), order),
    "resume without first moments": (forgetting(forget_first), resume),
    "resume without second moments": (forgetting(forget_second), resume),
    "resume without the step count": (forgetting(forget_steps), resume),
    "resume without the random state": (forgetting(forget_rng), resume),
    "resume without the position": (forgetting(forget_position), resume),
    "resume without the order": (forgetting(forget_order), resume),
    "resume without the sums": (forgetting(forget_sums), resume),
    "resume with the epoch's start": (forgetting(start_the_epoch_again), resume),
    "resume without running statistics": (forgetting(forget_running_statistics), resume),
    "resume without tau": (forgetting(forget_tau), resume),
    "resume in the first epoch": (forgetting(forget_epoch), resume_at_the_end_of_an_epoch),
    "residual without its shortcut": (of(nn.Residual, "backward", residual_without_shortcut), backward),
    "residual past hardtanh": (of(nn.Residual, "backward", residual_before_hardtanh), backward),
    "tau's gradient without signs": (of(nn.General, "weights_backward", tau_without_signs), backward),
    "latents' gradient without tau": (of(nn.General, "weights_backward", tau_left_out_of_the_signs), backward),
    "estimator about zero": (of(nn.BinaryConv2d, "backward", uncentred), centred),
}


@pytest.mark.parametrize("check", sorted({check for _, check in MUTANTS.values()}, key=lambda check: check.__name__))
def test_the_right_implementation_passes(check, tmp_path):
    check(tmp_path)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name, tmp_path):
    plant, check = MUTANTS[name]
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        with pytest.raises(AssertionError):
            check(tmp_path)
