"""Where the official code differs, both behaviours in numbers: one test for each row of docs/official-code.md.

What the official code does is written here in a few lines of our own.
"""

import copy
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from network_cases import rng, small
from training_checks import images, recipe, trainer

from bbdg_ref import nn, ops
from bbdg_ref.datasets import CIFAR10
from bbdg_ref.nn.official import load_official, to_official
from bbdg_ref.pruning import DensityPenalty, EntropyPenalty, SignOfLatent, SubBit
from bbdg_ref.spec.pruning import Selection
from bbdg_ref.training import SCHEDULES, Adam, Experiment, Trainer
from bbdg_ref.training.loop import LATENT_BOUND
from bbdg_ref.training.schedules import cosine, linear

PAGE = Path(__file__).parents[1] / "docs" / "official-code.md"
WEIGHTS = {"resnet18": 10_985_472, "reactnet-a": 28_253_184}
ZEROS = np.array([0.5, 0.0, -0.0, -0.5], np.float32)


def with_ones(ones: int, total: int) -> list[Selection]:
    return [Selection(np.arange(total) < ones, 0.0)]


# --- the page and the tests belong together ---


def rows() -> list[str]:
    return re.findall(
        r"^\| `([a-z0-9-]+)` \|", PAGE.read_text(encoding="utf-8").partition("\n## Weights")[0], re.MULTILINE
    )


def untested() -> dict[str, str]:
    listed = PAGE.read_text(encoding="utf-8").partition("**Without a test**")[2].partition("\n## ")[0]
    return dict(re.findall(r"^- `([a-z0-9-]+)`: (.+)$", listed, re.MULTILINE))


def test_every_row_of_the_page_has_a_test_or_says_why_not():
    names = rows()
    tested = {name.removeprefix("test_row_").replace("_", "-") for name in globals() if name.startswith("test_row_")}
    assert len(names) > 20 and len(set(names)) == len(names)
    assert set(names) == tested | untested().keys()
    assert not tested & untested().keys()
    assert all(len(why) > 10 for why in untested().values())


def test_every_name_of_the_package_on_the_page_is_one():
    text = PAGE.read_text(encoding="utf-8")
    for module, found in ((nn, "nn"), (ops, "ops")):
        for name in re.findall(rf"`{found}\.([A-Za-z_0-9]+)\(", text):
            assert hasattr(module, name), name


# --- the method ---


def test_row_zero_weight():
    tau, phi = 2.0, 0.25
    theirs = tau * np.sign(ZEROS) + phi
    assert theirs.tolist() == [2.25, 0.25, 0.25, -1.75]  # three values
    assert np.count_nonzero(ZEROS > 0) == 1  # and their own count has no one there
    ours = ops.general_weights(ops.sign(ZEROS), tau, phi)
    assert ours.tolist() == [2.25, -1.75, -1.75, -1.75]


def test_row_zero_activation():
    x, weights = ZEROS.reshape(1, 4, 1, 1), np.ones((1, 4, 1, 1), np.float32)
    assert ops.conv2d(np.sign(x), weights).item() == 0  # 1 + 0 + 0 - 1
    assert ops.conv2d(ops.sign(x), weights).item() == -2  # 1 - 1 - 1 - 1


def test_row_zero_pattern():
    def remembered(pattern, memory):
        return np.where(np.abs(pattern) >= 1e-3, np.sign(pattern), memory)

    memory = remembered(np.array([0.5, -0.5]), np.zeros(2))
    small_now = np.array([-1e-4, 1e-4])
    assert remembered(small_now, memory).tolist() == [1, -1]  # neither sign(p) nor p > 0
    reloaded = np.array([-1.0, 1.0])  # the signs that a fresh random codebook happens to have
    assert remembered(small_now, reloaded).tolist() == [-1, 1]
    latent = rng().standard_normal((4, 4, 3, 3)).astype(np.float32)
    first, again = (SubBit(4).choose([latent], step=step)[0].bits for step in (0, 99))
    assert np.array_equal(first, again)  # the latent weights alone say which


def test_row_dead_zone():
    limit = 0.05
    for name, allowed, dead_zone in (("resnet18", 1098, 1e-4), ("reactnet-a", 282, 1e-5)):
        total = WEIGHTS[name]
        assert nn.network_size(nn.NETWORKS[name](rng=rng()), (3, 64, 64)).binary_weights == total
        strategy = DensityPenalty(limit, 0.07, dead_zone=dead_zone)
        bound = math.floor(limit * total)
        for extra, acts in ((allowed, False), (allowed + 2, True)):
            selections = with_ones(bound + extra, total)
            assert (strategy.penalty(selections, loss=1.0).push > 0) == acts
    assert DensityPenalty(limit, 0.07).dead_zone == 1e-4


def test_row_half():
    selections = with_ones(60, 100)
    assert DensityPenalty(0.5, 0.2).penalty(selections, loss=2.0).value == 0
    theirs_on_imagenet = ops.density_penalty(60, 100, limit=0.5, gamma=0.2, loss=2.0, dead_zone=1e-5)
    assert theirs_on_imagenet.value == pytest.approx(0.5, rel=1e-12)
    got = DensityPenalty(math.nextafter(0.5, 0), 0.2, dead_zone=1e-5).penalty(selections, loss=2.0)
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
    ours = DensityPenalty(limit, gamma).penalty(with_ones(1, n), loss)
    assert ours == DensityPenalty(limit, gamma, slope=0.5).penalty(with_ones(1, n), loss)


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

    layer, gamma, loss = Layer(rng().uniform(-9, 1, 1000)), 0.07, 2.0
    for _ in range(2):  # each GPU has a copy
        copy.copy(layer).forward()
    theirs = ops.density_penalty(int(layer.ones), 1000, limit=0.2, gamma=gamma, loss=loss)
    assert layer.ones == 500 and theirs.value == pytest.approx(gamma / (1 - gamma) * loss)  # shown, and a constant
    layer.forward()
    ours = ops.density_penalty(layer.ones, 1000, limit=0.2, gamma=gamma, loss=loss)
    assert layer.ones < 150 and ours.value == 0


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
    detached = ops.symmetric_weights_backward(dw, latent, s)
    assert detached.latent is None
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
        assert all(type(layer.weight_estimator) is kind for layer in small(name).binary_layers().values())


@pytest.mark.parametrize(("epochs", "last"), [(500, 9.91), (10, 6.31)])
def test_row_ede_end(epochs, last):
    ours = [ops.ede_schedule(epoch, epochs).t for epoch in range(epochs)]
    theirs = [math.pow(10, -1 + (1 - -1) / epochs * epoch) for epoch in range(epochs)]
    assert ours == pytest.approx(theirs, rel=1e-12)
    assert ours[-1] == pytest.approx(last, abs=0.005) and ops.ede_schedule(epochs, epochs).t == 10


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
        network, passes = training.network, 0
        training.train_batch(np.arange(8))
        for _ in range(evaluations):
            network.forward(np.zeros((1, 3, 8, 8), np.float32), training=False)
            passes += 1
            if theirs and passes % 25 == 0:
                for layer in training.layers:
                    layer.choose(Selection(~layer.bits, 0.0))
        training.train_batch(np.arange(8, 16))
        return network.state()

    def same(first, second):
        return all(np.array_equal(first[name], second[name]) for name in first)

    assert same(trained(theirs=False, evaluations=0), trained(theirs=False, evaluations=30))
    assert same(trained(theirs=True, evaluations=0), trained(theirs=True, evaluations=24))
    assert not same(trained(theirs=True, evaluations=0), trained(theirs=True, evaluations=30))


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
    assert np.abs(once - logits).min() > 0.01  # other outputs
    assert np.allclose(log_softmax(once), once, rtol=0, atol=1e-14)
    assert ops.cross_entropy(once, targets) == pytest.approx(ops.cross_entropy(logits, targets), rel=1e-13)


def test_row_classes():
    ours, theirs = (nn.network_size(nn.reactnet18(classes=count, rng=rng())).parameters for count in (100, 1000))
    assert theirs - ours == 900 * (512 + 1) == 461_700
    for classes, start in ((100, 4.6), (1000, 6.9)):
        uniform, targets = np.zeros((4, classes)), ops.one_hot(np.arange(4), classes)
        assert ops.cross_entropy(uniform, targets) == pytest.approx(math.log(classes)) == pytest.approx(start, abs=0.01)


def test_row_all_ones():
    network = small("reactnet18", width=4)
    densities = [layer.bits.mean() for layer in network.binary_layers().values()]
    assert 0.45 < np.mean(densities) < 0.55
    for layer in network.binary_layers().values():
        layer.latent.value = rng().uniform(0, 1e-3, layer.latent.value.shape).astype(np.float32)
        layer.choose(ops.select_positive(layer.latent.value))
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


def test_row_best_epoch():
    # Twenty epochs of equal accuracy 0.7: what is found on 10,000 test images varies by 0.0046.
    source, error = rng(), math.sqrt(0.7 * 0.3 / 10_000)
    test = source.binomial(10_000, 0.7, (2000, 20)) / 10_000
    validation = source.binomial(5000, 0.7, (2000, 20)) / 5000
    theirs, ours = test.max(axis=1), test[np.arange(2000), validation.argmax(axis=1)]
    assert (theirs.mean() - 0.7) / error == pytest.approx(1.87, abs=0.1)  # the mean maximum of 20 standard normals
    assert (ours.mean() - 0.7) / error == pytest.approx(0, abs=0.1)
    settings = {
        "arch": "resnet20", "width": 2, "domain": "general", "prune": "none", "density": None, "gamma": None,
        "init_density": None, "epochs": 1, "batch_size": 8, "learning_rate": 1e-3, "crop": False, "flip": False,
        "mixup": False, "seed": 0,
    }  # fmt: skip
    assert Experiment(**settings).validation == 5000
    with pytest.raises(ValueError, match="validation"):
        Experiment(**settings, validation=0)


def test_row_resume():
    epochs, saved, base = 10, 6, 1e-3
    going_on = [cosine(epoch, epochs, base) for epoch in range(saved, epochs)]
    resumed = [cosine(epoch - saved, epochs, base) for epoch in range(saved, epochs)]
    assert resumed[0] == base > 2.8 * going_on[0]
    parameter = nn.Parameter(np.zeros(1, np.float32))
    optimizer = Adam({"w": parameter})
    for gradient in (1.0, -1.0) * 10:
        parameter.grad = np.array([gradient], np.float32)
        optimizer.step(base)
    fresh, restored = nn.Parameter(parameter.value.copy()), nn.Parameter(parameter.value.copy())
    theirs, ours = Adam({"w": fresh}), Adam({"w": restored})
    ours.load_state(optimizer.state(), optimizer.steps)
    for one, other in ((parameter, optimizer), (fresh, theirs), (restored, ours)):
        one.grad = np.array([0.01], np.float32)
        other.step(base)
    assert restored.value == parameter.value
    assert abs(fresh.value - parameter.value) > 0.9 * base  # a first step is as long whatever the gradient


def test_row_seeds():
    ours = [nn.resnet20(width=2, rng=np.random.default_rng(3)).state() for _ in range(2)]
    assert all(np.array_equal(ours[0][name], ours[1][name]) for name in ours[0])
    theirs = [nn.resnet20(width=2, rng=np.random.default_rng()).state() for _ in range(2)]
    assert not np.array_equal(theirs[0]["stem.0.weight"], theirs[1]["stem.0.weight"])


def rates(schedule: str, **changes) -> list[float]:
    """The learning rates of all steps of a training: four epochs of three steps."""
    training = trainer(schedule=schedule, epochs=4, **changes)
    found = []
    for step in range(4 * training.batches):
        training.optimizer.steps = step
        found.append(training.learning_rate())
    return found


def test_row_cosine(monkeypatch):
    n, base = 3, recipe().learning_rate
    monkeypatch.setitem(SCHEDULES, "theirs", lambda step, steps, base: cosine(step // n, steps // n, base))
    ours, theirs = rates("cosine"), rates("theirs")
    assert ours == [cosine(step, 12, base) for step in range(12)] and len(set(ours)) == 12
    by_epoch = [base / 2 * (1 + math.cos(math.pi * epoch / 4)) for epoch in range(4)]
    assert theirs == pytest.approx(np.repeat(by_epoch, n), rel=1e-12)
    assert theirs[-1] > 8 * ours[-1]


def test_row_linear(monkeypatch):
    n, base = 3, recipe().learning_rate
    monkeypatch.setitem(SCHEDULES, "theirs", lambda step, steps, base: linear(step // n + 1, steps // n, base))
    ours, theirs = rates("linear"), rates("theirs")
    assert ours == pytest.approx([base * (1 - step / 12) for step in range(12)], rel=1e-12)
    assert theirs == pytest.approx(np.repeat([base * (1 - (epoch + 1) / 4) for epoch in range(4)], n), abs=1e-15)
    assert ours[0] == base and ours[-1] > 0 and theirs[0] == 0.75 * base and theirs[-1] == 0


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


def test_row_strict():
    network, trained = (nn.resnet20(width=2, rng=rng(seed)) for seed in (0, 1))
    arrays = to_official(trained)
    del arrays["linear.weight"]
    with pytest.raises(ValueError, match=r"no 'linear\.weight'"):
        load_official(network, arrays)
    before = network.parameters()["head.2.weight"].value.copy()
    load_official(network, to_official(network) | arrays)
    assert np.array_equal(network.parameters()["head.2.weight"].value, before)  # as it started
    assert np.array_equal(network.parameters()["stem.0.weight"].value, arrays["conv1.weight"])


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
