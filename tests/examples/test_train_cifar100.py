"""CIFAR-100 on files of the real layout: a byte for the superclass, one for the class, 3072 for the pixels."""

import dataclasses
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training_runs import EXACT, act_at, contents

from bbdg_ref import nn
from bbdg_ref.datasets import CIFAR100
from bbdg_ref.pruning import PAPER_GAMMA_CIFAR100, STRATEGIES
from bbdg_ref.training import Images, command, evaluate
from bbdg_ref.training.arguments import make_experiment, make_parser

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "train_cifar100.py"
TASKS = {name: runpy.run_path(str(ROOT / "examples" / f"train_{name}.py"))["TASK"] for name in ("cifar10", "cifar100")}
TASK = TASKS["cifar100"]
RECORD = np.dtype([("superclass", "u1"), ("class", "u1"), ("pixels", "u1", (3, 32, 32))])


def records(n: int, seed: int) -> np.ndarray:
    """Noise of every class in turn; the superclass is another number than the class, and another order."""
    made = np.empty(n, RECORD)
    made["class"] = np.arange(n) * 37 % 100
    made["superclass"] = 19 - made["class"] // 5
    made["pixels"] = np.frombuffer(np.random.default_rng(seed).bytes(n * 3072), np.uint8).reshape(n, 3, 32, 32)
    return made


def write(folder: Path, n_train: int, n_test: int) -> np.ndarray:
    """Write the two files of the set; return the test set."""
    folder = folder / "cifar-100-binary"
    folder.mkdir(parents=True)
    records(n_train, 1).tofile(folder / "train.bin")
    test = records(n_test, 2)
    test.tofile(folder / "test.bin")
    return test


def check_model(path: Path, test: np.ndarray, results: dict) -> None:
    """The saved network has 100 classes and, on the test set as the file has it, the results that are told."""
    network = nn.load_network(path)
    assert (network.name, network.arguments["classes"]) == ("reactnet18", 100)
    # the usual statistics of CIFAR-100
    mean, std = np.float32([0.5071, 0.4867, 0.4408]), np.float32([0.2675, 0.2565, 0.2761])
    found = evaluate(network, Images(test["pixels"], test["class"].astype(np.int64), 100, mean, std))
    assert (found.accuracy, found.loss) == (results["test_accuracy"], results["test_loss"])


@pytest.fixture
def whole(tmp_path):
    """A folder with files of the full size, which are not left behind, and its test set."""
    yield tmp_path / "data", write(tmp_path / "data", 50_000, 10_000)
    shutil.rmtree(tmp_path / "data")


@pytest.mark.slow
def test_a_run_on_the_whole_set(whole, tmp_path):
    folder, test = whole
    flags = ["--data-dir", folder, "--width", "2", "--epochs", "1", "--limit-train", "128", "--validation", "50",
             "--batch-size", "32", "--rotate", "--out", tmp_path / "out", "--quiet"]  # fmt: skip
    words = [sys.executable, SCRIPT, *map(str, flags)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "data set: CIFAR-100 (unverified), 50000 training and 10000 test images" in done.stdout
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (results["train_images"], results["validation_images"], results["test_images"]) == (128, 50, 10_000)
    assert len(results["layers"]) == 16 and abs(results["density"] - 0.05) < 0.02
    check_model(tmp_path / "out" / "model.h5", test, results)


# ------------------------------------------------------------------------- the same layout with files of a few records

FLAGS = ("--width", "2", "--epochs", "2", "--limit-train", "24", "--validation", "20", "--batch-size", "8", "--quiet")


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A folder with 60 training and 30 test images, and the task with a layout of so many."""
    folder = tmp_path_factory.mktemp("few")
    write(folder, 60, 30)
    layout = dataclasses.replace(
        CIFAR100,
        train_files=(dataclasses.replace(CIFAR100.train_files[0], records=60),),
        test_file=dataclasses.replace(CIFAR100.test_file, records=30),
    )
    return folder, dataclasses.replace(TASK, layout=layout)


@pytest.fixture
def call(few, monkeypatch):
    """Call the script's main function on the few images, without a picture."""
    folder, task = few
    monkeypatch.setattr(command, "plot_run", lambda *_: None)
    return lambda *words: command.main(task, ["--data-dir", str(folder), *map(str, words)])


@pytest.mark.slow
def test_ctrl_c_and_resuming_give_the_same_files(call, tmp_path):
    words = (*FLAGS, "--rotate", "--schedule", "linear", "--smoothing", "0.1")
    assert call(*words, "--out", tmp_path / "straight") == 0
    with pytest.MonkeyPatch.context() as patch:
        act_at(patch, 4, lambda: os.kill(os.getpid(), signal.SIGINT))
        assert call(*words, "--out", tmp_path / "stopped") == 130
    assert call("--resume", "--quiet", "--out", tmp_path / "stopped") == 0
    assert contents(tmp_path / "stopped") == contents(tmp_path / "straight")


@pytest.mark.parametrize("domain", nn.DOMAINS)
def test_every_domain_trains(call, tmp_path, domain):
    assert call(*FLAGS, "--epochs", 1, "--domain", domain, "--out", tmp_path) == 0
    check_model(tmp_path / "model.h5", records(30, 2), json.loads((tmp_path / "results.json").read_text()))


def flags_of(prune: str) -> list[str]:
    """The flags that a strategy needs besides the preset's."""
    given = {"n_m": ["--n-m", "1:2"], "subbit": ["--subbit", "4"]}
    start = ["--init-density", "0.25"] if prune == "penalty-entropy" else []
    return ["--prune", prune, *start, *(word for name in STRATEGIES[prune].takes for word in given.get(name, []))]


@pytest.mark.slow
@pytest.mark.parametrize("prune", STRATEGIES)
def test_every_strategy_trains(call, tmp_path, prune):
    assert call(*FLAGS, "--epochs", 1, *flags_of(prune), "--out", tmp_path) == 0
    assert {path.name for path in tmp_path.iterdir()} >= set(EXACT)
    assert json.loads((tmp_path / "results.json").read_text())["experiment"]["prune"] == prune


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("prune", STRATEGIES)
@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_both_scripts_take_every_strategy_and_domain(name, prune, preset):
    task = TASKS[name]
    for domain in nn.DOMAINS:
        words = ["--preset", preset, "--domain", domain, *flags_of(prune)]
        made = make_experiment(task, make_parser(task).parse_args(words))
        assert (made.prune, made.domain, made.arch) == (prune, domain, task.presets[preset].arch)


# ---------------------------------------------------------------------------------------------------------- settings


def test_help_names_the_papers_pairs_and_the_script():
    done = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True, timeout=60, check=True)
    text = " ".join(done.stdout.split())
    assert all(f"({density}, {gamma})" in text for density, gamma in PAPER_GAMMA_CIFAR100.items())
    assert "examples/train_cifar100.py" in text and "cifar100" in text and "(default: quick)" in text


def test_the_papers_pairs():
    pairs = {0.5: 0.0, 0.05: 0.05, 0.04: 0.05, 0.03: 0.05, 0.02: 0.06, 0.01: 0.07}
    assert pairs == PAPER_GAMMA_CIFAR100
    for density, gamma in pairs.items():
        words = ["--preset", "paper", "--density", str(density)]
        assert make_experiment(TASK, make_parser(TASK).parse_args(words)).gamma == gamma


def test_the_presets_are_those_that_were_asked_for():
    quick, paper = TASK.presets["quick"], TASK.presets["paper"]
    assert next(iter(TASK.presets)) == "quick"
    assert (quick.arch, quick.domain, quick.prune, quick.density) == ("reactnet18", "general", "topk", 0.05)
    assert (paper.arch, paper.width, paper.epochs, paper.batch_size) == ("reactnet18", 64, 300, 512)
    assert (paper.prune, paper.density, paper.gamma) == ("penalty", 0.05, 0.05)
    assert (paper.learning_rate, paper.mixup, paper.crop, paper.flip, paper.rotate) == (1e-3, True, True, True, True)
    assert paper.limit_train is None and paper.init_density is None and paper.schedule == "cosine"
    assert quick.validation == paper.validation == 5000
