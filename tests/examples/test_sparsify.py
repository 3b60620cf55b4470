import json
import runpy
import sys
from pathlib import Path

import pytest
from training_runs import dataset, experiment

from bbdg_ref import datasets
from bbdg_ref.training import run

SCRIPT = Path(__file__).parents[2] / "examples" / "sparsify.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    run(experiment(prune="none", density=None, epochs=1), dataset(), folder / "dense", bar=False)
    run(experiment(density=0.1, epochs=1), dataset(), folder / "sparse", bar=False)
    return folder


def start(monkeypatch, capsys, *words) -> tuple[str, str]:
    monkeypatch.setattr(datasets, "synthetic", dataset)
    monkeypatch.setattr(sys, "argv", ["sparsify.py", *map(str, words), "--data", "synthetic"])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    return capsys.readouterr()


def test_a_table_of_sparsified_networks_beside_those_trained_sparse(folder, tmp_path, monkeypatch, capsys):
    (folder / "begun").mkdir(exist_ok=True)
    words = [folder / "dense", "--images", 20, "--out", tmp_path, "--domains", "general"]
    out, err = start(
        monkeypatch, capsys, *words, "--densities", 0.25, 0.1, "--sparse", folder / "sparse", folder / "begun"
    )
    assert "begun: no results.json" in err
    lines = [line for line in out.splitlines() if line.startswith("|")]
    head, _, dense, quarter, tenth = (line.strip("| ").split(" | ") for line in lines)
    assert head[0] == "density" and dense[0] == "dense" and len(quarter) == len(tenth) == len(head)
    assert tenth[:2] == ["0.1", "general"] and quarter[-1] == "—"
    trained = json.loads((folder / "sparse" / "results.json").read_text())["test_accuracy"]
    assert float(tenth[-1]) == pytest.approx(100 * trained, abs=0.005)
    known = json.loads((folder / "dense" / "results.json").read_text())["test_accuracy"]
    assert float(dense[3]) == pytest.approx(100 * known, abs=0.005)
    assert (tmp_path / "sparsify.md").read_text().splitlines() == lines
    _, err = start(monkeypatch, capsys, *words, "--densities", 0.25, 0.1, 0.5)
    assert "density 0.5" in err and "density 0.25" not in err and "density 0.1" not in err  # two are known


def test_data_that_the_run_was_not_trained_on_are_refused(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.modules[__name__], "dataset", lambda: dataset_named("another set"))
    with pytest.raises(ValueError, match="must be given; got 'another set', and it was trained on"):
        start(monkeypatch, capsys, folder / "dense", "--out", tmp_path)


def dataset_named(label):
    from training_runs import dataset

    return dataset(label=label)
