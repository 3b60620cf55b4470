import json
import os
import shlex
import signal
import sys

import pytest
from training_runs import EXACT, EXPERIMENT, act_at, contents, dataset, experiment

from bbdg_ref.datasets import CIFAR10, DownloadError
from bbdg_ref.pruning import PAPER_GAMMA_CIFAR10
from bbdg_ref.training import command, plot_run
from bbdg_ref.training.arguments import Task

PAPER = experiment(prune="penalty", density=0.05, gamma=0.07)
TASK = Task("train.py", "cifar10", CIFAR10, {"small": EXPERIMENT, "paper": PAPER}, PAPER_GAMMA_CIFAR10)


def call(*words) -> int:
    return command.main(TASK, [str(word) for word in words])


def fail(*_, **__):
    raise AssertionError("data were read")


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """An empty folder to work in, the small set for the built-in one, no CIFAR and no network, no picture."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BBDG_DATA", raising=False)
    monkeypatch.setattr(command, "synthetic", dataset)
    monkeypatch.setattr(command, "download_cifar", fail)
    monkeypatch.setattr(command, "plot_run", lambda *_: None)


@pytest.fixture
def with_picture(alone, monkeypatch):
    monkeypatch.setattr(command, "plot_run", plot_run)


@pytest.fixture
def without_data(monkeypatch):
    for name in ("synthetic", "load_cifar", "download_cifar", "run"):
        monkeypatch.setattr(command, name, fail)


@pytest.mark.parametrize(
    "words",
    [
        "--prune none --density 0.1",
        "--gamma 0.1",
        "--prune penalty --density 0.07",
        "--prune penalty --density 1",
        "--prune penalty --density 0.5 --gamma 0.1",
        "--density 0",
        "--density 2",
        "--epochs 0",
        "--batch-size 1",
        "--limit-train 5 --batch-size 6",
        "--domain ternary",
        "--data synthetic --data-dir .",
        "--data synthetic --data-label x",
        "--data-dir nowhere",
        "--data-label x",
        "--teacher=",
        f"--out {__file__}",
        f"--resume --out {__file__}",
        "--resume",
        "--resume --out nowhere",
        "--frobnicate",
    ],
)
def test_a_bad_combination_ends_with_2_before_any_data_are_read(without_data, tmp_path, capsys, words):
    with pytest.raises(SystemExit) as error:
        call(*words.split())
    assert error.value.code == 2
    output = capsys.readouterr()
    assert "train.py: error: " in output.err and not output.out
    assert not list(tmp_path.iterdir())


def test_help_ends_with_0_and_reads_no_data(without_data, capsys):
    with pytest.raises(SystemExit) as error:
        call("--help")
    assert error.value.code == 0 and "--gamma" in capsys.readouterr().out


def test_a_run_ends_with_the_table_and_the_files(with_picture, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert call("--data", "synthetic", "--out", tmp_path / "out", "--quiet") == 0
    out = capsys.readouterr().out
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    for wanted in (
        "data set              noise with a bright channel", f"{results['validation_accuracy']:.2%}",
        f"{results['test_accuracy']:.2%}", "density reached", f"{results['density']:.4f}", "alpha", "beta", "ones",
        f"{results['float_bits']} bits", f"{results['packed_bits']} bits", "time",
    ):  # fmt: skip
        assert wanted in out
    for layer in results["layers"]:
        row = next(line.split() for line in out.splitlines() if line.startswith(layer["name"] + " "))
        assert row[1:3] == [str(layer["weights"]), str(layer["ones"])]
        assert row[4:] == [f"{layer['alpha']:.4f}", f"{layer['beta']:.4f}"]
    assert len(results["layers"]) == 18
    assert {p.name for p in (tmp_path / "out").iterdir()} == {*EXACT, "timing.jsonl", "curves.png"}


def test_a_run_without_out_gets_a_folder_of_its_own(tmp_path):
    for _ in range(2):
        assert call("--data", "synthetic", "--quiet", "--epochs", 1) == 0
    names = sorted(p.name for p in (tmp_path / "runs").iterdir())
    assert names == ["resnet20-general-topk-0.1-seed0", "resnet20-general-topk-0.1-seed0-2"]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"prune": "n-m", "density": None, "n_m": "1:16"}, "resnet20-general-n-m-1of16-seed0"),
        ({"prune": "subbit", "density": None, "subbit": 5}, "resnet20-general-subbit-5bits-seed0"),
        ({"prune": "subbit-topk", "subbit": 5}, "resnet20-general-subbit-topk-5bits-0.1-seed0"),
        ({"prune": "none", "density": None, "seed": 3}, "resnet20-general-none-seed3"),
    ],
)
def test_a_folders_name_tells_what_the_strategy_was_given(changes, name):
    assert command._new_folder(experiment(**changes)).name == name


def test_without_matplotlib_all_but_the_picture_is_there(with_picture, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert call("--data", "synthetic", "--out", "out", "--quiet", "--epochs", 1) == 0
    assert "Matplotlib is not installed" in capsys.readouterr().out
    assert {p.name for p in (tmp_path / "out").iterdir()} == {*EXACT, "timing.jsonl"}


def no_download(*_, **__):
    raise DownloadError("no mirror gave the file: no network")


def test_offline_it_says_so_and_trains_on_the_built_in_set(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "download_cifar", no_download)
    assert call("--out", "out", "--quiet", "--epochs", 1) == 0
    out = capsys.readouterr().out
    assert out.count("!" * 78) == 2
    for wanted in ("BUILT-IN SYNTHETIC SET", "no mirror gave the file", "--data-dir", "cifar10"):
        assert wanted in out
    assert json.loads((tmp_path / "out" / "results.json").read_text())["dataset"] == "noise with a bright channel"


def test_who_asks_for_cifar_gets_nothing_else(monkeypatch, capsys):
    monkeypatch.setattr(command, "download_cifar", no_download)
    monkeypatch.setattr(command, "synthetic", fail)
    assert call("--data", "cifar10", "--out", "out") == 1
    assert "no mirror gave the file" in capsys.readouterr().err


def test_a_folder_without_the_set_is_an_error_and_nothing_is_downloaded(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "synthetic", fail)
    (tmp_path / "empty").mkdir()
    assert call("--data-dir", "empty", "--out", "out") == 1
    assert "error: " in capsys.readouterr().err


def test_a_found_set_is_used_under_its_label(tmp_path, monkeypatch):
    asked = []

    def load(layout, folder, *, label):
        asked.append((layout.name, folder.name))
        return dataset(label=label)

    monkeypatch.setattr(command, "load_cifar", load)
    monkeypatch.setattr(command, "synthetic", fail)
    words = ("--data-dir", tmp_path, "--data-label", "CIFAR-10 (mine)", "--out", "out", "--quiet", "--epochs", 1)
    assert call(*words) == 0
    assert asked == [("cifar10", tmp_path.name)]
    assert json.loads((tmp_path / "out" / "results.json").read_text())["dataset"] == "CIFAR-10 (mine)"


def test_after_a_download_the_set_is_read(tmp_path, monkeypatch):
    there = []

    def load(layout, folder=None, *, label=None):
        if not there:
            raise FileNotFoundError("cifar-10-batches-bin")
        return dataset(label="CIFAR-10")

    monkeypatch.setattr(command, "load_cifar", load)
    monkeypatch.setattr(command, "download_cifar", lambda layout: there.append(layout.name))
    assert call("--out", "out", "--quiet", "--epochs", 1) == 0
    assert there == ["cifar10"]
    assert json.loads((tmp_path / "out" / "results.json").read_text())["dataset"] == "CIFAR-10"


def test_a_run_is_not_started_over_another(tmp_path, capsys, monkeypatch):
    words = ("--data", "synthetic", "--out", "out", "--quiet", "--epochs", 1)
    assert call(*words) == 0
    before = contents(tmp_path / "out")
    monkeypatch.setattr(command, "synthetic", fail)
    with pytest.raises(SystemExit) as error:
        call(*words)
    assert error.value.code == 2 and "add --resume" in capsys.readouterr().err
    assert contents(tmp_path / "out") == before


def test_ctrl_c_saves_and_the_command_that_it_names_goes_on_to_the_same_bytes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "download_cifar", no_download)
    assert call("--out", "straight", "--quiet") == 0
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        act_at(patch, 4, lambda: os.kill(os.getpid(), signal.SIGINT))
        assert call("--out", "it's broken", "--quiet") == 130
    last = capsys.readouterr().out.strip().splitlines()[-1]
    words = shlex.split(last)
    assert words[:2] == ["python", "train.py"] and "--resume" in words
    assert call(*words[2:], "--quiet") == 0
    assert contents(tmp_path / "it's broken") == contents(tmp_path / "straight")


def test_resuming_with_a_contradicting_flag_or_on_other_data_is_refused(tmp_path, monkeypatch, capsys):
    words = ("--data", "synthetic", "--out", "out", "--quiet")
    assert call(*words, "--epochs", 1) == 0
    before = contents(tmp_path / "out")
    with pytest.raises(SystemExit) as error:
        call(*words, "--resume", "--epochs", 2)
    assert error.value.code == 2 and "in the checkpoint" in capsys.readouterr().err
    monkeypatch.setattr(command, "synthetic", lambda: dataset(seed=9))
    assert call(*words, "--resume") == 1
    assert "run: dataset must be the one" in capsys.readouterr().err
    assert contents(tmp_path / "out") == before


def test_a_damaged_checkpoint_is_an_error_that_names_it(tmp_path, capsys):
    (tmp_path / "checkpoint.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000))
    assert call("--resume", "--out", tmp_path) == 1
    assert "checkpoint.h5" in capsys.readouterr().err


def test_a_diverging_training_ends_with_a_clear_error(capsys, monkeypatch):
    def diverge(*_, **__):
        raise FloatingPointError("training diverged: the loss is nan at step 3; lower the learning rate")

    monkeypatch.setattr(command, "run", diverge)
    assert call("--data", "synthetic", "--out", "out") == 1
    assert capsys.readouterr().err == "error: training diverged: the loss is nan at step 3; lower the learning rate\n"


def test_a_network_too_large_for_the_memory_ends_with_a_clear_error(capsys, monkeypatch):
    def fill(*_, **__):
        raise MemoryError("Unable to allocate 201. GiB for an array")

    monkeypatch.setattr(command, "run", fill)
    assert call("--data", "synthetic", "--out", "out", "--width", 999999999) == 1
    assert capsys.readouterr().err == "error: out of memory; Unable to allocate 201. GiB for an array\n"


def test_more_validation_images_than_the_built_in_set_has_are_told_by_the_flag(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "download_cifar", no_download)
    with pytest.raises(SystemExit) as error:
        call("--validation", 30000, "--out", "out", "--quiet")
    assert error.value.code == 2
    wanted = "together must be at most the 44 training images of noise with a bright channel; got 30000 and 28; lower"
    err = " ".join(capsys.readouterr().err.split())
    assert "train.py: error: --validation and --limit-train" in err and wanted in err and "with --data-dir" in err
    assert not (tmp_path / "out").exists()


def test_a_density_that_was_not_met_is_told_at_the_end(capsys):
    words = ("--data", "synthetic", "--quiet", "--epochs", 1)
    assert call(*words, "--out", "met") == 0
    assert capsys.readouterr().err == ""
    assert call(*words, "--out", "missed", "--prune", "penalty", "--density", 0.05, "--gamma", 0.01) == 0
    assert capsys.readouterr().err.startswith(
        "warning: no epoch met density 0.05 (within 0.001): model.h5 is the least"
    )
