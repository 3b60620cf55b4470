"""Where the official code differs, both behaviours in numbers: one test for each row of docs/official-code.md.

What the official code does is written here in a few lines of our own. "How to get theirs" is run from the page.
"""

import copy
import dataclasses
import inspect
import itertools
import math
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_runs
from network_cases import rng, small
from scipy import ndimage
from scipy.special import logsumexp
from training_checks import images, recipe, restore, run_epochs, save, stop_after, trainer

from bbdg_ref import nn, ops, pruning, training
from bbdg_ref.datasets import CIFAR10
from bbdg_ref.nn.official import load_official, to_official
from bbdg_ref.pruning import DensityPenalty, EntropyPenalty, SignOfLatent, SubBit
from bbdg_ref.spec.pruning import Selection
from bbdg_ref.training import SCHEDULES, Adam, Evaluation, Experiment, Recipe, Trainer, evaluate, experiment, loop, run
from bbdg_ref.training.loop import LATENT_BOUND
from bbdg_ref.training.schedules import cosine

PAGE = Path(__file__).parents[1] / "docs" / "official-code.md"
WEIGHTS = {"resnet18": 10_985_472, "reactnet-a": 28_253_184}
ZEROS = np.array([0.5, 0.0, -0.0, -0.5], np.float32)


#: What the page says that its code may name; the rest is the reader's own.
NAMES = {
    "np": np, "math": math, "nn": nn, "ops": ops, "loop": loop, "logsumexp": logsumexp, "ndimage": ndimage,
    "replace": dataclasses.replace,
    **{name: getattr(module, name) for module in (pruning, training) for name in module.__all__},
}  # fmt: skip


def with_ones(ones: int, total: int) -> list[Selection]:
    return [Selection(np.arange(total) < ones, 0.0)]


# --- the page and the tests belong together ---


def tables() -> dict[str, list[str]]:
    """The cells of each row, by its name."""
    text = PAGE.read_text(encoding="utf-8").partition("\n## Weights")[0]
    lines = re.findall(r"^\| (`[a-z0-9-]+` \|.+) \|$", text, re.MULTILINE)
    cells = [[cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)] for line in lines]
    assert len(lines) == len({name for name, *_ in cells}) and all(len(row) == 5 for row in cells)
    return {name.strip("`"): rest for name, *rest in cells}


def told(row: str) -> list[str]:
    """All that is set as code in the last cell of a row, how to get theirs."""
    return re.findall(r"`([^`]+)`", tables()[row][-1])


def programs(row: str) -> list[str]:
    """What of it is to be run: all but names."""
    return [piece for piece in told(row) if not re.fullmatch(r"[A-Za-z_][\w.-]*", piece)]


def run_page(row: str, **given: Any) -> Any:
    """Run the code of a row's last cell, with the reader's own names; return the value of its last expression."""
    names, value = NAMES | given, None
    for piece in programs(row):
        try:
            program = compile(piece, row, "eval")
        except SyntaxError:  # a statement
            exec(piece, names)
        else:
            value = eval(program, names)
    return value


def untested() -> dict[str, str]:
    listed = PAGE.read_text(encoding="utf-8").partition("**Without a test**")[2].partition("\n## ")[0]
    return dict(re.findall(r"^- `([a-z0-9-]+)`: (.+)$", listed, re.MULTILINE))


def row_tests() -> dict[str, Any]:
    return {
        name.removeprefix("test_row_").replace("_", "-"): test
        for name, test in globals().items()
        if name.startswith("test_row_")
    }


def test_every_row_of_the_page_has_a_test_or_says_why_not():
    assert len(tables()) > 20
    assert set(tables()) == row_tests().keys() | untested().keys()
    assert not row_tests().keys() & untested().keys()
    assert all(len(why) > 10 for why in untested().values())


def test_what_the_page_gives_as_code_is_run_by_its_rows_test():
    with_code = [row for row in tables() if programs(row)]
    assert len(with_code) > 12
    for row in with_code:
        assert f'run_page("{row}"' in inspect.getsource(row_tests()[row]), row


def test_every_name_on_the_page_is_one():
    text = PAGE.read_text(encoding="utf-8")
    for module, found in ((nn, "nn"), (ops, "ops")):
        for name in re.findall(rf"`{found}\.([A-Za-z_0-9]+)", text):
            assert hasattr(module, name), name
    settings = {field.name for field in dataclasses.fields(Experiment)}
    for row in tables():
        for name in set(told(row)) - set(programs(row)):
            assert name in NAMES or name in tables() or name in settings or hasattr(nn, name), name


# --- the method ---


def test_row_zero_weight():
    theirs = run_page("zero-weight", latent=ZEROS, tau=2.0, phi=0.25)
    assert theirs.tolist() == [2.25, 0.25, 0.25, -1.75]  # three values
    assert np.count_nonzero(ZEROS > 0) == 1  # and their own count has no one there
    layer = nn.BinaryConv2d(4, 1, 1, domain=nn.General(), rng=rng())
    layer.domain.tau.value, layer.domain.phi.value = np.array([2.0, 0.25], np.float32)
    layer.latent.value = ZEROS.reshape(1, 4, 1, 1)
    layer.choose(SignOfLatent().choose([layer.latent.value], step=0)[0])
    assert layer.weights().ravel().tolist() == [2.25, -1.75, -1.75, -1.75]


def test_row_zero_activation():
    x, weights = ZEROS.reshape(1, 4, 1, 1), np.ones((1, 4, 1, 1), np.float32)
    assert run_page("zero-activation", x=x, weights=weights).item() == 0  # 1 + 0 + 0 - 1
    layer = nn.BinaryConv2d(4, 1, 1, domain=nn.Bipolar(), rng=rng())
    layer.choose(Selection(weights > 0, 0.0))
    for training_now in (False, True):
        assert layer.forward(x, training=training_now).item() == -2  # 1 - 1 - 1 - 1


def kernels(*seeds: int) -> list[np.ndarray]:
    return [rng(seed).standard_normal((16, 16, 3, 3)).astype(np.float32) for seed in seeds]


def test_row_zero_pattern():
    def remembered(pattern, memory):
        return np.where(np.abs(pattern) >= 1e-3, np.sign(pattern), memory)

    memory = remembered(np.array([0.5, -0.5]), np.zeros(2))
    small_now = np.array([-1e-4, 1e-4])
    assert remembered(small_now, memory).tolist() == [1, -1]  # neither sign(p) nor p > 0
    reloaded = np.array([-1.0, 1.0])  # the signs that a fresh random codebook happens to have
    assert remembered(small_now, reloaded).tolist() == [-1, 1]
    strategy, (one, other) = SubBit(4), kernels(0, 1)
    first, between, again = (strategy.choose([latent], step)[0].bits for step, latent in enumerate((one, other, one)))
    assert np.array_equal(first, again) and not np.array_equal(first, between)  # the latent weights alone say which
    assert np.array_equal(between, SubBit(4).choose([other], step=0)[0].bits)
    # the sums 1e-4, -1e-4 and 0 have the bits 1, 0 and 0
    latent = np.full((2, 1, 3, 3), -1.0)
    latent[:, 0, 0] = [[1e-4, -1e-4, 0.5], [0, 0, -0.5]]
    assert ops.pattern_bits(ops.learned_patterns(latent, np.array([0]), 0.0))[0, 0].tolist() == [True, False, False]


def test_row_dead_zone():
    limit = 0.05
    ours, theirs = DensityPenalty(limit, 0.07), run_page("dead-zone", limit=limit, gamma=0.07)
    assert (ours.dead_zone, theirs.dead_zone) == (1e-4, 1e-5)
    for name, allowed, strategy in (("resnet18", 1098, ours), ("reactnet-a", 282, theirs)):
        total = WEIGHTS[name]
        assert nn.network_size(nn.NETWORKS[name](rng=rng()), (3, 64, 64)).binary_weights == total
        bound = math.floor(limit * total)
        for extra, acts in ((allowed, False), (allowed + 2, True)):
            selections = with_ones(bound + extra, total)
            assert (strategy.penalty(selections, loss=1.0).push > 0) == acts


def test_row_half():
    selections = with_ones(60, 100)
    assert DensityPenalty(0.5, 0.2).penalty(selections, loss=2.0).value == 0
    theirs_on_imagenet = ops.density_penalty(60, 100, limit=0.5, gamma=0.2, loss=2.0, dead_zone=1e-5)
    assert theirs_on_imagenet.value == pytest.approx(0.5, rel=1e-12)
    got = run_page("half", gamma=0.2).penalty(selections, loss=2.0)
    assert got.value == pytest.approx(theirs_on_imagenet.value, rel=1e-12)
    assert got.push == pytest.approx(theirs_on_imagenet.multiplier / 2 / 100, rel=1e-12)


def test_row_slope():
    s, n, limit, gamma, loss = np.array([1.0, -1.0, -1.0]), 3, 0.1, 0.2, 2.0
    counts = {0.5: lambda s: (0.5 * (s + 1)).sum(), 1.0: lambda s: np.where(s > 0, s, s + 1).sum()}
    for slope, ones in counts.items():  # the same count, and how it grows with one sign
        assert ones(s) == 1 and ones(s + np.array([0, 2**-20, 0])) - ones(s) == slope * 2**-20
        multiplier = gamma * loss / ((1 / n - limit) * (1 - gamma))
        got = DensityPenalty(limit, gamma, slope=slope).penalty(with_ones(1, n), loss)
        assert got.push == pytest.approx(multiplier * slope / n, rel=1e-12)
        assert got.value == pytest.approx(multiplier * (ones(s) / n - limit), rel=1e-12)
    assert DensityPenalty(limit, gamma) == DensityPenalty(limit, gamma, slope=0.5)
    assert run_page("slope", limit=limit, gamma=gamma) == DensityPenalty(limit, gamma, slope=1.0)


def test_row_entropy():
    def h(p):
        return -p * math.log2(p) - (1 - p) * math.log2(1 - p)

    p, limit, gamma, loss, n = 0.25, 0.05, 0.2, 2.0, 1000
    bounded, entropic = (
        kind(limit, gamma).penalty(with_ones(250, n), loss=loss) for kind in (DensityPenalty, EntropyPenalty)
    )
    assert bounded.value == pytest.approx(entropic.value) == pytest.approx(gamma / (1 - gamma) * loss)
    assert bounded.push == pytest.approx(gamma * loss / ((p - limit) * (1 - gamma)) / 2 / n)
    slope = math.log2((1 - p) / p)
    assert entropic.push == pytest.approx(gamma * loss * slope / ((h(p) - h(limit)) * (1 - gamma)) / 2 / n)
    assert entropic.push < 0.7 * bounded.push


def test_row_data_parallel():
    class Layer:
        def __init__(self, weights):
            self.weights, self.ones = weights, len(weights) / 2

        def forward(self):
            self.ones = np.count_nonzero(self.weights > 0)

    layer, gamma, loss, n = Layer(rng().uniform(-9, 1, 1000)), 0.07, 2.0, 1000
    for _ in range(2):  # each GPU has a copy
        copy.copy(layer).forward()
    theirs = ops.density_penalty(int(layer.ones), n, limit=0.2, gamma=gamma, loss=loss)
    assert layer.ones == 500 and theirs.value == pytest.approx(gamma / (1 - gamma) * loss)  # shown, and a constant
    ones = np.count_nonzero(layer.weights > 0)  # as on ImageNet: of the weights themselves, after the forward pass
    assert 50 < ones < 150
    strategy = DensityPenalty(0.2, gamma)
    kept = strategy.penalty(strategy.choose([layer.weights], step=0), loss)
    assert (kept.value, kept.push) == (0, 0)  # the limit is met
    strategy = DensityPenalty(0.02, gamma)
    pushed = strategy.penalty(strategy.choose([layer.weights[:400], layer.weights[400:]], step=0), loss)
    assert pushed.value == pytest.approx(gamma / (1 - gamma) * loss)
    assert pushed.push == pytest.approx(gamma * loss / ((ones / n - 0.02) * (1 - gamma)) / 2 / n)


def test_row_reported_loss():
    gamma, loss = 0.07, 2.0
    for ones in (10, 50):
        penalty = DensityPenalty(0.05, gamma).penalty(with_ones(ones, 100), loss)
        assert loss + penalty.value == pytest.approx(loss / (1 - gamma))
    training = trainer(prune="penalty")
    training.train_epoch(lambda: None)
    assert training.progress.penalty == pytest.approx(0.2 / 0.8 * training.progress.loss)  # apart


def test_row_baseline():
    source = rng()
    latent, dw = source.standard_normal((2, 3, 3, 3)), source.standard_normal((2, 3, 3, 3))
    s = ops.sign(latent)
    ours = nn.DOMAINS["symmetric"]().weights_backward(dw, latent, s)
    scale = np.abs(latent).mean((1, 2, 3), keepdims=True)
    assert ours.latent is None and np.allclose(ours.s, scale * dw, rtol=1e-14, atol=0)
    through_the_mean = (dw * s).sum((1, 2, 3), keepdims=True) * s / 27  # d mean|w| / dw = s/n
    place, step = (1, 2, 0, 1), 2.0**-20
    ahead, behind = latent.copy(), latent.copy()
    ahead[place], behind[place] = ahead[place] + step, behind[place] - step
    difference = ((ops.symmetric_weights(ahead, s) - ops.symmetric_weights(behind, s)) * dw).sum() / (2 * step)
    assert difference == pytest.approx(through_the_mean[place], rel=1e-6) and abs(difference) > 0.01


def test_row_no_clamp():
    training = trainer(prune="none", learning_rate=1.0)
    training.train_epoch(lambda: None)
    ours = max(float(np.abs(layer.latent.value).max()) for layer in training.layers)
    assert ours == LATENT_BOUND == 1.5
    value, first, second = np.zeros((3, 1))
    for step in (1, 2, 3):  # Adam as there, at the rate 1, and no clamp
        update = ops.adam(value, np.ones(1), first, second, step, learning_rate=1.0)
        value, first, second = update.value, update.first_moment, update.second_moment
    assert value.item() == pytest.approx(-3, rel=1e-6)


def test_row_weight_ste():
    w, dy = np.array([0.0, 0.9, 1.0, 1.4]), np.ones(4)
    assert nn.Identity().backward(dy, w).tolist() == [1, 1, 1, 1]
    assert nn.ClippedSTE().backward(dy, w).tolist() == [1, 1, 1, 0]
    late = ops.ede_schedule(9, 10)
    assert nn.EDE(late.t, late.k).backward(dy, w)[3] < 1e-3
    for name, kind in (
        ("resnet18", nn.EDE),
        ("resnet20", nn.EDE),
        ("reactnet18", nn.Identity),
        ("reactnet-a", nn.Identity),
    ):
        network = small(name)
        assert all(type(layer.weight_estimator) is kind for layer in network.binary_layers().values())
        run_page("weight-ste", network=network)
        assert all(type(layer.weight_estimator) is nn.ClippedSTE for layer in network.binary_layers().values())


@pytest.mark.parametrize(("epochs", "last"), [(500, 9.91), (10, 6.31)])
def test_row_ede_end(epochs, last):
    ours = [ops.ede_schedule(epoch, epochs).t for epoch in range(epochs)]
    theirs = [math.pow(10, -1 + (1 - -1) / epochs * epoch) for epoch in range(epochs)]
    assert ours == pytest.approx(theirs, rel=1e-12)
    assert ours[-1] == pytest.approx(last, abs=0.005) and ops.ede_schedule(epochs, epochs).t == 10
    training = trainer(epochs=epochs)
    for epoch in (0, epochs - 1):
        training.progress = loop.Progress(epoch=epoch)
        training.train_epoch(lambda: None)
        assert {layer.weight_estimator.t for layer in training.layers} == {ours[epoch]}


def test_row_ede_cifar100():
    for name, moves in (("reactnet18", False), ("resnet18", True)):
        layer = next(iter(small(name).binary_layers().values()))
        before = layer.weight_estimator, layer.activation_estimator
        layer.anneal(nn.EDE(t=5.0, k=1.0))
        assert ((layer.weight_estimator, layer.activation_estimator) != before) == moves


def test_row_sub_bit_evaluation():
    def trained(theirs: bool, evaluations: int):
        """The network after two steps, evaluated in between; theirs counts every pass, and repairs at each 25th."""
        training = Trainer(small(width=3), SubBit(4), recipe(), images(28), rng())
        network, passes, begun = training.network, 0, [layer.bits.copy() for layer in training.layers]
        training.train_batch(np.arange(8))
        for _ in range(evaluations):
            network.forward(np.zeros((1, 3, 8, 8), np.float32), training=False)
            passes += 1
            if theirs and passes % 25 == 0:
                for layer in training.layers:
                    layer.choose(Selection(~layer.bits, 0.0))
        training.train_batch(np.arange(8, 16))
        latents = [layer.latent.value for layer in training.layers]
        for layer, start, wanted in zip(training.layers, begun, SubBit(4).choose(latents, step=0), strict=True):
            # ours follow the latent weights, whatever was evaluated; with them the patterns change
            assert np.array_equal(layer.bits, wanted.bits) and not np.array_equal(layer.bits, start)
        return network.state()

    def same(first, second):
        return all(np.array_equal(first[name], second[name]) for name in first)

    assert same(trained(theirs=False, evaluations=0), trained(theirs=False, evaluations=30))
    assert same(trained(theirs=True, evaluations=0), trained(theirs=True, evaluations=24))
    assert not same(trained(theirs=True, evaluations=0), trained(theirs=True, evaluations=30))


def test_row_sub_bit_gradient():
    class Layer:
        passes = 0

        def forward(self) -> bool:
            """Return whether this pass gives the codebook a gradient."""
            self.passes += 1
            return self.passes % 25 == 0

    def epoch(layers):
        """Passes with a gradient of the 98 steps of an epoch, which 20 passes of evaluation follow."""
        return sum([layer.forward() for _, layer in zip(range(118), layers, strict=False)][:98])

    layer = Layer()
    found = [epoch(itertools.repeat(layer)) for _ in range(50)]
    assert set(found) == {3, 4}
    assert epoch(copy.copy(each) for each in itertools.repeat(Layer())) == 0  # several GPUs: every pass is in a copy
    strategy, (latent, *moves) = SubBit(4), kernels(*range(11))
    codebooks = []
    for step, move in enumerate(moves):
        latent = latent + move / 4
        bits = strategy.choose([latent], step)[0].bits
        assert np.array_equal(bits, SubBit(4).choose([latent], step=0)[0].bits)
        codebooks.append(np.unique(bits.reshape(-1, 9), axis=0))
        assert len(codebooks[-1]) == 16
    assert not any(np.array_equal(one, after) for one, after in itertools.pairwise(codebooks))  # it moves at every step


def test_row_sub_bit_repeats():
    # Kernels of three patterns, in a codebook of four that holds one of them twice.
    patterns = np.array([7, 7, 56, 448])
    codes = np.repeat([7, 56, 448, 73], [8, 6, 4, 2])
    bits = ops.pattern_bits(codes).reshape(-1, 1, 3, 3)
    latent = np.where(bits, 1.0, -1.0)
    ours = ops.learned_patterns(latent, patterns, 0.0)
    assert sorted(ours.tolist()) == [7, 56, 73, 448]  # the most frequent missing one
    misses = 0
    for seed in range(50):
        drawn = rng(seed).permutation(512)
        missing = next(code for code in drawn if code not in patterns)
        misses += missing != 73
    assert misses >= 45


# --- the networks ---


def log_softmax(z):
    return z - z.max(1, keepdims=True) - np.log(np.exp(z - z.max(1, keepdims=True)).sum(1, keepdims=True))


def test_row_log_softmax():
    logits = 3 * rng().standard_normal((5, 10))
    once, targets = log_softmax(logits), ops.one_hot(np.arange(5), 10, np.float64)
    assert np.allclose(run_page("log-softmax", logits=logits), once, rtol=0, atol=1e-13)
    assert np.abs(once - logits).min() > 0.01  # other outputs
    assert np.allclose(log_softmax(once), once, rtol=0, atol=1e-14)
    assert ops.cross_entropy(once, targets) == pytest.approx(ops.cross_entropy(logits, targets), rel=1e-13)
    x = rng().standard_normal((4, 3, 8, 8)).astype(np.float32)
    ours = small("resnet18").forward(x, training=False)
    assert np.abs(logsumexp(ours, axis=1)).min() > 0.1  # 0 of a log-softmax


def test_row_classes():
    networks = nn.reactnet18(rng=rng()), run_page("classes", rng=rng())
    ours, theirs = (nn.network_size(network).parameters for network in networks)
    assert theirs - ours == 900 * (512 + 1) == 461_700
    for classes, start in ((100, 4.6), (1000, 6.9)):
        uniform, targets = np.zeros((4, classes)), ops.one_hot(np.arange(4), classes)
        assert ops.cross_entropy(uniform, targets) == pytest.approx(math.log(classes)) == pytest.approx(start, abs=0.01)


def test_row_all_ones():
    network = small("reactnet18", width=4)
    densities = [layer.bits.mean() for layer in network.binary_layers().values()]
    assert 0.45 < np.mean(densities) < 0.55
    for layer in network.binary_layers().values():
        run_page("all-ones", layer=layer, rng=rng())
        assert 0 <= layer.latent.value.min() and layer.latent.value.max() <= 1e-3
        assert layer.bits.mean() >= 1 - 1 / layer.bits.size  # but for a draw of exactly 0
    selections = [Selection(layer.bits, 0.0) for layer in network.binary_layers().values()]
    at_the_furthest = DensityPenalty(0.05, 0.05).penalty(selections, loss=1.0)
    assert at_the_furthest.value == pytest.approx(0.05 / 0.95)


def test_row_std():
    source = rng()
    level = source.uniform(0, 1, (200, 1))  # images are bright or dark as a whole
    pixels = level + source.normal(0, 0.2, (200, 1024))
    each, all_together = pixels.std(axis=1, ddof=1).mean(), pixels.std()
    assert each == pytest.approx(0.2, abs=0.01) and all_together > 1.5 * each
    assert CIFAR10.std == (0.2023, 0.1994, 0.2010)
    of_all_pixels = np.array([0.247, 0.2435, 0.2616])  # CIFAR-10's
    assert np.allclose(of_all_pixels / CIFAR10.std, [1.22, 1.22, 1.30], atol=0.005)


# --- training ---


def test_row_best_epoch(tmp_path, monkeypatch):
    # Twenty epochs of equal accuracy 0.7: what is found on 10,000 test images varies by 0.0046.
    source, error = rng(), math.sqrt(0.7 * 0.3 / 10_000)
    test = source.binomial(10_000, 0.7, (2000, 20)) / 10_000
    validation = source.binomial(5000, 0.7, (2000, 20)) / 5000
    theirs, ours = test.max(axis=1), test[np.arange(2000), validation.argmax(axis=1)]
    assert (theirs.mean() - 0.7) / error == pytest.approx(1.87, abs=0.1)  # the mean maximum of 20 standard normals
    assert (ours.mean() - 0.7) / error == pytest.approx(0, abs=0.1)
    # A run of three epochs, with accuracies of our own: the second is the best on validation, the third on test images.
    dataset, settings, states = training_runs.dataset(), training_runs.experiment(epochs=3), []
    accuracies = {"validation": (0.5, 0.75, 0.625), "test": (0.25, 0.5, 1.0)}

    def scripted(network, images, **options):
        state = b"".join(array.tobytes() for array in network.state().values())
        if state not in states:
            states.append(state)
        kind = "test" if np.array_equal(images.images, dataset.test_images) else "validation"
        return Evaluation(evaluate(network, images, **options).loss, accuracies[kind][states.index(state)])

    monkeypatch.setattr(experiment, "evaluate", scripted)
    results = run(settings, dataset, tmp_path, bar=False)
    assert len(states) == 3
    assert (results.best_epoch, results.validation_accuracy, results.test_accuracy) == (2, 0.75, 0.5)
    assert Experiment.validation == 5000  # the default
    with pytest.raises(ValueError, match="validation"):
        dataclasses.replace(settings, validation=0)


def test_row_resume(tmp_path):
    straight, stopped, resumed = (trainer(prune="penalty") for _ in range(3))
    run_epochs(straight)
    stop_after(stopped, 4)  # of six steps
    save(tmp_path / "checkpoint.h5", stopped)
    restore(tmp_path / "checkpoint.h5", resumed)
    # load_network and a new Trainer
    nn.save_network(tmp_path / "model.h5", stopped.network)
    network = nn.load_network(tmp_path / "model.h5")
    theirs = Trainer(network, DensityPenalty(0.1, 0.2), recipe(), images(28), rng())
    assert resumed.learning_rate() == stopped.learning_rate() < 0.3 * theirs.learning_rate()
    assert theirs.learning_rate() == recipe().learning_rate
    assert any(moment.any() for moment in resumed.optimizer.first.values())
    assert not any(moment.any() for moment in theirs.optimizer.first.values())
    for one in (resumed, theirs):
        run_epochs(one)
    assert [one.optimizer.steps for one in (straight, resumed, theirs)] == [6, 6, 6]  # theirs: from the start again
    ours, wanted, other = (one.network.state() for one in (resumed, straight, theirs))
    assert all(np.array_equal(ours[name], wanted[name]) for name in wanted)
    assert not np.array_equal(other["stem.0.weight"], wanted["stem.0.weight"])
    parameter = nn.Parameter(np.zeros(1, np.float32))
    optimizer, base = Adam({"w": parameter}), 1e-3
    for gradient in (1.0, -1.0) * 10:
        parameter.grad = np.array([gradient], np.float32)
        optimizer.step(base)
    before, fresh = parameter.value.copy(), nn.Parameter(parameter.value.copy())
    for one, adam in ((parameter, optimizer), (fresh, Adam({"w": fresh}))):
        one.grad = np.array([0.01], np.float32)
        adam.step(base)
    # with its moments Adam takes a small step; its first is as long whatever the gradient
    assert abs(parameter.value - before) < 0.1 * base and abs(fresh.value - before) > 0.9 * base


def test_row_seeds():
    ours = [nn.resnet20(width=2, rng=np.random.default_rng(3)).state() for _ in range(2)]
    assert all(np.array_equal(ours[0][name], ours[1][name]) for name in ours[0])
    theirs = [nn.resnet20(width=2, rng=run_page("seeds")).state() for _ in range(2)]
    assert not np.array_equal(theirs[0]["stem.0.weight"], theirs[1]["stem.0.weight"])


def rates(settings: Recipe) -> list[float]:
    """The learning rates of all steps of a training: four epochs of three steps."""
    training = Trainer(small(), SignOfLatent(), settings, images(28), rng())
    found = []
    for step in range(4 * training.batches):
        training.optimizer.steps = step
        found.append(training.learning_rate())
    return found


def test_row_cosine(monkeypatch):
    own = recipe(schedule="cosine", epochs=4)
    n, base = 3, own.learning_rate
    monkeypatch.setitem(SCHEDULES, "theirs", None)  # taken back at the end
    ours, theirs = rates(own), rates(run_page("cosine", n=n, recipe=own))
    assert ours == [cosine(step, 12, base) for step in range(12)] and len(set(ours)) == 12
    by_epoch = [base / 2 * (1 + math.cos(math.pi * epoch / 4)) for epoch in range(4)]
    assert theirs == pytest.approx(np.repeat(by_epoch, n), rel=1e-12)
    assert theirs[-1] > 8 * ours[-1]


def test_row_linear(monkeypatch):
    own = recipe(schedule="linear", epochs=4)
    n, base = 3, own.learning_rate
    monkeypatch.setitem(SCHEDULES, "theirs", None)  # taken back at the end
    ours, theirs = rates(own), rates(run_page("linear", n=n, recipe=own))
    assert ours == pytest.approx([base * (1 - step / 12) for step in range(12)], rel=1e-12)
    assert theirs == pytest.approx(np.repeat([base * (1 - (epoch + 1) / 4) for epoch in range(4)], n), abs=1e-15)
    assert ours[0] == base and ours[-1] > 0 and theirs[0] == 0.75 * base and theirs[-1] == 0


def test_row_rotation(monkeypatch):
    def turned(pixels: np.ndarray) -> np.ndarray:
        """Images as a training that rotates them hands them to the network, in bytes again."""
        data = loop.Images(pixels, np.zeros(len(pixels), np.int64), 3, np.zeros(3, np.float32), np.ones(3, np.float32))
        settings = recipe(crop=False, flip=False, mixup=False, rotate=True)
        x, _ = Trainer(small(), SignOfLatent(), settings, data, rng(5))._batch(np.arange(len(pixels)))
        return np.rint(255 * x).astype(np.uint8)

    def nearest(image: np.ndarray, angle: float) -> np.ndarray:
        """Each pixel from the one that lies nearest where it comes from; black outside."""
        middle, (rows, columns) = (np.array(image.shape) - 1) / 2, np.indices(image.shape)
        y, x, a = rows - middle[0], columns - middle[1], math.radians(angle)
        y, x = middle[0] + math.cos(a) * y + math.sin(a) * x, middle[1] - math.sin(a) * y + math.cos(a) * x
        i, j = np.floor(y + 0.5).astype(int), np.floor(x + 0.5).astype(int)
        inside = (0 <= i) & (i < len(image)) & (0 <= j) & (j < image.shape[1])
        return np.where(inside, np.pad(image, 99)[i + 99, j + 99], 0)

    pixels = rng().choice(np.array([0, 200], np.uint8), (8, 3, 32, 32))
    angles = rng(5).uniform(-15, 15, 8)
    wanted = np.stack([[nearest(c, angle) for c in image] for image, angle in zip(pixels, angles, strict=True)])
    ours = turned(pixels)
    monkeypatch.setattr(loop, "random_rotation", loop.random_rotation)  # taken back at the end
    run_page("rotation")
    theirs = turned(pixels)
    assert np.array_equal(theirs, wanted) and set(theirs.ravel().tolist()) == {0, 200}
    between = (ours > 0) & (ours < 200)
    assert between.mean() > 0.4 and len(np.unique(ours)) > 100
    assert np.abs(ours.astype(float) - theirs).mean() < 80  # the same angles: of other images it would be 100
    script = Path(__file__).parents[1] / "examples" / "train_cifar100.py"
    assert runpy.run_path(str(script))["PAPER"].recipe().rotate


def test_row_last_batch(monkeypatch):
    training, seen = trainer(n=28), []
    train_batch = Trainer.train_batch
    monkeypatch.setattr(Trainer, "train_batch", lambda self, i: (seen.append(i.tolist()), train_batch(self, i))[1])
    left_out = []
    for _ in range(2):
        seen.clear()
        training.train_epoch(lambda: None)
        assert [len(batch) for batch in seen] == [8, 8, 8]  # theirs: and a step with the other four
        left_out.append(set(range(28)) - {index for batch in seen for index in batch})
        training.next_epoch()
    assert [len(each) for each in left_out] == [4, 4] and left_out[0] != left_out[1]
    cifar = Trainer(small(), SignOfLatent(), recipe(batch_size=512), images(50_000, side=1), rng())
    rest = 50_000 - 512 * cifar.batches
    assert rest == 336 and 512 / rest == pytest.approx(1.5, abs=0.03)  # an image's weight there over that of another


@pytest.mark.parametrize(
    ("amiss", "message"),
    [
        (lambda arrays: {name: a for name, a in arrays.items() if name != "linear.weight"}, r"no 'linear\.weight'"),
        (
            lambda arrays: {name.replace("linear.weight", "linear.wieght"): a for name, a in arrays.items()},
            r"only entries of the layout; got 'linear\.wieght' as well",
        ),
        (
            lambda arrays: {f"module.{name}": a for name, a in arrays.items() if name != "linear.weight"},
            r"no 'linear\.weight'",
        ),
        (
            lambda arrays: {f"{'module.' * (name == 'conv1.weight')}{name}": a for name, a in arrays.items()},
            r"named with 'module\.' all or not at all",
        ),
    ],
    ids=["missing", "misnamed", "prefix", "prefix-of-some"],
)
def test_row_strict(amiss, message):
    network, trained = (nn.resnet20(width=2, rng=rng(seed)) for seed in (0, 1))
    arrays = amiss(to_official(trained))
    before, wanted = copy.deepcopy(network.state()), trained.state()
    with pytest.raises(ValueError, match=message):
        load_official(network, arrays)
    assert all(np.array_equal(array, before[name]) for name, array in network.state().items())
    run_page("strict", network=network, arrays=arrays)
    for name, array in network.state().items():
        start = name == "head.2.weight" and "linear.weight" not in arrays  # as it started, without a word
        assert np.array_equal(array, (before if start else wanted)[name]), name
    assert not np.array_equal(before["head.2.weight"], wanted["head.2.weight"])


def without_terminal(code: str, folder: Path) -> tuple[int, bool]:
    """Run a program with no terminal; return its exit status, and whether it asked for a terminal's width."""
    asked, stty = folder / "asked", folder / "stty"
    asked.unlink(missing_ok=True)
    stty.write_text(f'#!/bin/sh\ntouch "{asked}"\nexit 1\n')
    stty.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, env=os.environ | {"PATH": path}
    )
    return run.returncode, asked.exists()


@pytest.mark.skipif(os.name != "posix", reason="there is no stty")
def test_row_terminal(tmp_path):
    theirs = "import subprocess; _, width = subprocess.run(['stty', 'size'], stdout=-1, text=True).stdout.split()"
    assert without_terminal(theirs, tmp_path) == (1, True)
    ours = "import bbdg_ref.training, bbdg_ref.nn, bbdg_ref.datasets, bbdg_ref.training.command"
    assert without_terminal(ours, tmp_path) == (0, False)
