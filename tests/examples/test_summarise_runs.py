import json
import runpy
import sys
from pathlib import Path

import pytest
from training_runs import dataset, experiment

from bbdg_ref.training import run

SCRIPT = Path(__file__).parents[2] / "examples" / "summarise_runs.py"


def test_a_finished_run_is_a_line_and_an_unfinished_one_is_named(tmp_path, monkeypatch, capsys):
    run(experiment(epochs=1), dataset(), tmp_path / "done", bar=False)
    (tmp_path / "begun").mkdir()
    monkeypatch.setattr(sys, "argv", ["summarise_runs.py", str(tmp_path / "done"), str(tmp_path / "begun")])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    out, err = capsys.readouterr()
    head, rule, line = (text.strip("| ").split(" | ") for text in out.splitlines())
    cells = dict(zip(head, line, strict=True))
    results = json.loads((tmp_path / "done" / "results.json").read_text())
    assert len(rule) == len(head)
    assert cells["run"] == "done" and cells["data set"] == results["dataset"]
    assert float(cells["test, %"]) == pytest.approx(100 * results["test_accuracy"], abs=0.005)
    assert "begun" in err and "begun" not in out
