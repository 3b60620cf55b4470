import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from training_runs import contents

from bbdg_ref.pruning import PAPER_GAMMA_CIFAR10

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "train_cifar10.py"
# 40 training images, five batches an epoch, three epochs
FLAGS = ("--data", "synthetic", "--width", "2", "--validation", "20", "--limit-train", "40", "--batch-size", "8",
         "--epochs", "3", "--quiet")  # fmt: skip


def start(out: Path, *flags: str, signal: str = "SIGINT", step: int = 0) -> subprocess.CompletedProcess:
    driver = Path(__file__).with_name("signalled.py")
    command = [sys.executable, driver, SCRIPT, signal, str(step), "--out", out, *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    out = tmp_path_factory.mktemp("example") / "straight"
    done = start(out, *FLAGS)
    assert done.returncode == 0, done.stderr
    assert "test accuracy" in done.stdout and "built-in synthetic set" in done.stdout
    return out


@pytest.mark.slow
@pytest.mark.parametrize("step", [3, 10])
def test_ctrl_c_in_an_epoch_and_resuming_gives_the_same_files(straight, tmp_path, step):
    stopped = start(tmp_path, *FLAGS, signal="SIGINT", step=step)
    assert stopped.returncode == 130, stopped.stderr
    assert f"stopped in epoch {(step + 4) // 5}, after batch {(step - 1) % 5 + 1}; saved. Go on with:" in stopped.stdout
    assert "--resume" in stopped.stdout.splitlines()[-1]
    resumed = start(tmp_path, "--resume", "--quiet", "--data", "synthetic")
    assert resumed.returncode == 0, resumed.stderr
    assert contents(tmp_path) == contents(straight)


@pytest.mark.slow
def test_a_killed_run_goes_on_from_the_last_epoch_to_the_same_files(straight, tmp_path):
    killed = start(tmp_path, *FLAGS, signal="SIGKILL", step=8)
    assert killed.returncode == -9
    resumed = start(tmp_path, "--resume", "--quiet", "--data", "synthetic")
    assert resumed.returncode == 0, resumed.stderr
    assert contents(tmp_path) == contents(straight)


def test_help_names_every_flag_and_the_papers_pairs():
    done = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True, timeout=60, check=True)
    text = " ".join(done.stdout.split())
    assert all(f"({density}, {gamma})" in text for density, gamma in PAPER_GAMMA_CIFAR10.items())
    assert "examples/train_cifar10.py" in text
    assert "(default: quick)" in text


def test_the_presets_are_those_that_were_asked_for():
    task = runpy.run_path(str(SCRIPT))["TASK"]
    quick, paper = task.presets["quick"], task.presets["paper"]
    assert next(iter(task.presets)) == "quick"
    assert (quick.domain, quick.prune, quick.density) == ("general", "topk", 0.05)
    assert (paper.arch, paper.width, paper.epochs, paper.batch_size) == ("resnet18", 64, 500, 512)
    assert (paper.prune, paper.density, paper.gamma) == ("penalty", 0.05, 0.07)
    assert (paper.learning_rate, paper.mixup, paper.crop, paper.flip) == (1e-3, True, True, True)
    assert paper.limit_train is None and paper.init_density is None
    assert quick.validation == paper.validation == 5000
