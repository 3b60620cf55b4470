import json
import os
import runpy
import sys
from pathlib import Path

import pytest
from training_runs import dataset, experiment

from bbdg_ref import datasets
from bbdg_ref.training import run

SCRIPT = Path(__file__).parents[2] / "examples" / "sparsify.py"

slow = pytest.mark.slow  # seven networks are trained first


#: Runs that trained sparse, and how they differ from the dense one but for the seed.
SPARSE = {
    "sparse": {},
    "sparse-again": {"seed": 1},
    "random": {"prune": "random"},
    "longer": {"epochs": 2},
    "wider": {"width": 3},
    "n-m": {"prune": "n-m", "density": None, "n_m": "1:8"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    run(experiment(prune="none", density=None, epochs=1), dataset(), folder / "dense", bar=False)
    for name, changes in SPARSE.items():
        run(experiment(**{"density": 0.1, "epochs": 1} | changes), dataset(), folder / name, bar=False)
    return folder


def start(monkeypatch, capsys, *words, status=0) -> tuple[str, str]:
    monkeypatch.setattr(datasets, "synthetic", dataset)
    monkeypatch.setattr(sys, "argv", ["sparsify.py", *map(str, words), "--data", "synthetic"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert end.value.code == status
    return capsys.readouterr()


def cells(text: str) -> list[list[str]]:
    return [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("|")]


def results(folder) -> dict:
    return json.loads((folder / "results.json").read_text())


@slow
def test_tables_of_sparsified_networks_and_of_those_trained_sparse(folder, tmp_path, monkeypatch, capsys):
    (folder / "begun").mkdir(exist_ok=True)
    words = [folder / "dense", "--images", 20, "--out", tmp_path, "--domains", "general"]
    sparse = ["--sparse", *(folder / name for name in SPARSE), folder / "begun"]
    out, err = start(monkeypatch, capsys, *words, "--densities", 0.25, 0.1, *sparse)
    assert "begun: no results.json" in err
    head, _, dense, quarter, tenth, second, _, *trained = cells(out)
    assert head[0] == "density" and dense[0] == "dense" and len(quarter) == len(tenth) == len(head)
    assert tenth[:2] == ["0.1", "general"] and float(tenth[2]) == pytest.approx(0.1, abs=0.01)
    assert float(dense[3]) == pytest.approx(100 * results(folder / "dense")["test_accuracy"], abs=0.005)
    assert second[0].startswith("trained sparse") and len(trained) == 5
    pair = [results(folder / name) for name in ("sparse", "sparse-again")]  # which differ in the seed alone
    means = [sum(each[name] for each in pair) / 2 for name in ("density", "test_accuracy")]
    assert trained[0] == ["prune topk, density 0.1", "2", f"{means[0]:.4f}", f"{100 * means[1]:.2f}"]
    assert [row[0] for row in trained[1:]] == [
        "prune random, density 0.1",
        "prune topk, density 0.1, epochs 2",
        "width 3, prune topk, density 0.1",
        "prune n-m, n_m 1:8",
    ]
    for row, name in zip(trained[1:], list(SPARSE)[2:], strict=True):
        one = results(folder / name)
        assert row[1:] == ["1", f"{one['density']:.4f}", f"{100 * one['test_accuracy']:.2f}"]
    assert cells((tmp_path / "sparsify.md").read_text()) == cells(out)
    _, err = start(monkeypatch, capsys, *words, "--densities", 0.25, 0.1, 0.5)
    assert "density 0.5" in err and "density 0.25" not in err and "density 0.1" not in err  # two are known


@slow
def test_data_that_the_run_was_not_trained_on_are_refused(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.modules[__name__], "dataset", lambda: dataset_named("another set"))
    _, err = start(monkeypatch, capsys, folder / "dense", "--out", tmp_path, status=1)
    assert "error: the dense run's data must be given; got 'another set', and it was trained on" in err


@slow
def test_a_run_that_is_not_dense_is_refused(folder, tmp_path, monkeypatch, capsys):
    out, err = start(monkeypatch, capsys, folder / "sparse", "--out", tmp_path, status=1)
    assert "error: dense must be the folder of a run with --prune none; " in err and "has --prune topk" in err
    assert not out and not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["{}", "[]", "no json", '{"experiment": {"arch": "vgg"}}'])
def test_what_is_no_folder_of_a_run_is_refused_in_a_line(tmp_path, monkeypatch, capsys, content):
    _, err = start(monkeypatch, capsys, tmp_path / "none", status=1)
    assert err == f"error: {tmp_path / 'none' / 'results.json'}: No such file or directory\n"
    (tmp_path / "results.json").write_text(content)
    _, err = start(monkeypatch, capsys, tmp_path, status=1)
    assert err.startswith(f"error: {tmp_path / 'results.json'} must hold the results of a run") and err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    ["--densities 1.5", "--densities 0", "--densities nan", "--images 0", "--images -5", "--images 1", "--images x"],
)
def test_a_number_out_of_its_range_is_refused(tmp_path, monkeypatch, capsys, words):
    _, err = start(monkeypatch, capsys, tmp_path / "dense", "--out", tmp_path, *words.split(), status=2)
    assert f"argument {words.split()[0]}: must be" in err


@slow
def test_more_images_than_there_are_are_refused(folder, tmp_path, monkeypatch, capsys):
    _, err = start(monkeypatch, capsys, folder / "dense", "--out", tmp_path, "--images", 45, status=1)
    assert err == "error: --images must be at most the 44 there are; got 45\n"


STATE = {"settings": {}, "rows": [], "test": 0.5, "density": 0.5, "domain": "general"}
ROW = {"density": 0.1, "domain": "bipolar", "reached": 0.1, "test": 0.4, "test_old_statistics": 0.1}
DAMAGED = {
    "empty": "",
    "cut off": json.dumps(STATE)[:-9],
    "no text": b"\xff\xfe",
    "a list": "[]",
    "a number": "1",
    "deep": "[" * 100_000,
    "without rows": json.dumps({name: value for name, value in STATE.items() if name != "rows"}),
    "with more": json.dumps(STATE | {"more": 1}),
    "rows of another kind": json.dumps(STATE | {"rows": 1}),
    "settings of another kind": json.dumps(STATE | {"settings": None}),
    "no domain": json.dumps(STATE | {"domain": ["general"]}),
    "no accuracy": json.dumps(STATE | {"test": float("nan")}),
    "a row of another kind": json.dumps(STATE | {"rows": [ROW, 0.1]}),
    "a row without its density": json.dumps(STATE | {"rows": [ROW | {"density": None}]}),
    "a row of no domain": json.dumps(STATE | {"rows": [ROW | {"domain": "none"}]}),
}


def known_state(path, settings):
    return runpy.run_path(str(SCRIPT))["known_state"](path, settings)


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_named_with_the_mend(tmp_path, content):
    path = tmp_path / "sparsify.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError) as caught:
        known_state(path, {})
    assert str(caught.value).startswith(f"{path} must be as this script wrote it; got another content: ")
    assert str(caught.value).endswith("; delete it")


def test_a_whole_file_is_taken_if_its_settings_are_the_same(tmp_path):
    path = tmp_path / "sparsify.json"
    assert known_state(path, {"images": 20}) == {"settings": {"images": 20}, "rows": []}
    whole = STATE | {"settings": {"images": 20}, "rows": [ROW]}
    path.write_text(json.dumps(whole))
    assert known_state(path, {"images": 20}) == whole
    assert known_state(path, {"images": 30}) == {"settings": {"images": 30}, "rows": []}


@slow
def test_a_damaged_file_ends_it_in_a_line_and_stays(folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "sparsify.json").write_text('{"rows": ')
    out, err = start(monkeypatch, capsys, folder / "dense", "--images", 20, "--out", tmp_path, status=1)
    assert err.startswith(f"error: {tmp_path / 'sparsify.json'} must be") and err.count("\n") == 1 and not out
    assert (tmp_path / "sparsify.json").read_text() == '{"rows": '


@slow
def test_results_are_replaced_in_one_step(folder, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device", "a file")

    words = [folder / "dense", "--images", 20, "--out", tmp_path, "--domains", "general"]
    start(monkeypatch, capsys, *words, "--densities", 0.25)
    before = (tmp_path / "sparsify.json").read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    _, err = start(monkeypatch, capsys, *words, "--densities", 0.5, status=1)
    assert err.endswith("error: a file: No space left on device\n")
    assert (tmp_path / "sparsify.json").read_bytes() == before and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("flag", ["--data-dir .", "--data-label mine"])
def test_flags_about_data_that_are_not_read_are_refused(tmp_path, monkeypatch, capsys, flag):
    _, err = start(monkeypatch, capsys, tmp_path, *flag.split(), status=2)
    assert "error: --data-dir and --data-label have no effect with --data synthetic: leave them out" in err


def test_a_file_for_a_folder_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("mine")
    _, err = start(monkeypatch, capsys, tmp_path, "--out", tmp_path / "file", status=2)
    assert f"error: --out must be a folder, and {tmp_path / 'file'} is a file" in err


def test_too_little_memory_is_told_in_a_line(tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise MemoryError("Unable to allocate 1 EiB")

    monkeypatch.setattr(json, "loads", fail)
    (tmp_path / "results.json").write_text("{}")
    assert start(monkeypatch, capsys, tmp_path, status=1)[1] == "error: out of memory; Unable to allocate 1 EiB\n"


def dataset_named(label):
    from training_runs import dataset

    return dataset(label=label)
