import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from bbdg_ref.pruning import STRATEGIES

SCRIPT = Path(__file__).parents[2] / "examples" / "compare_strategies.py"
SMALL = "--data synthetic --epochs 1 --limit-train 256 --validation 300 --only general-kernels bipolar-topk".split()


def call(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    where = ["--runs", str(folder / "runs"), "--out", str(folder / "strategies")]
    command = [sys.executable, str(SCRIPT), *SMALL, *where, *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=os.environ)


def test_every_strategy_is_compared():
    runs = runpy.run_path(str(SCRIPT))["RUNS"]
    compared = {flags.split("--prune ")[1].split()[0] for flags in runs.values()}
    assert compared == set(STRATEGIES)
    assert all(("--domain bipolar" in flags) == name.startswith("bipolar") for name, flags in runs.items())


def test_without_results_there_is_nothing_to_report(tmp_path):
    result = call(tmp_path, "--report")
    assert result.returncode != 0
    assert "train first" in result.stderr


RESULTS = Path(__file__).parents[2] / "docs" / "results" / "strategies"


@pytest.mark.parametrize("flags", [["--list"], ["--jobs", "1"], ["--report"]])
def test_a_result_of_other_settings_is_refused(tmp_path, flags):
    (tmp_path / "strategies").mkdir()
    for name in ("general-kernels", "bipolar-topk"):
        result = json.loads((RESULTS / f"{name}.json").read_text())
        if name == "bipolar-topk":
            result["results"]["experiment"]["learning_rate"] = 0.25
        (tmp_path / "strategies" / f"{name}.json").write_text(json.dumps(result))
    done = call(tmp_path, *flags, "--epochs", "5", "--limit-train", "45000", "--validation", "5000")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "bipolar-topk.json is of a run with other settings: learning_rate 0.25 where it is now 0.003;" in done.stderr
    assert not (tmp_path / "strategies.md").exists()


@pytest.mark.slow
def test_runs_are_made_once_measured_and_reported(tmp_path):
    made = call(tmp_path, "--jobs", "2")
    assert made.returncode == 0, made.stderr
    path = tmp_path / "strategies" / "general-kernels.json"
    result = json.loads(path.read_text())
    assert result["cost"]["ones"] / result["cost"]["weights"] == pytest.approx(0.05, abs=1e-3)
    assert result["cost"]["zero_kernels"] >= 0.89 * result["cost"]["kernels"]
    page = tmp_path / "strategies.md"
    page.write_text("Words before.\n" + page.read_text() + "Words after.\n")
    listed = call(tmp_path, "--list")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["done", "done"]
    again = call(tmp_path)
    assert again.returncode == 0, again.stderr
    assert json.loads(path.read_text()) == result
    measured = call(tmp_path, "--measure")
    assert measured.returncode == 0, measured.stderr
    assert 0 < json.loads(path.read_text())["packed"]["seconds_per_image"] < 0.1
    text = page.read_text()
    assert text.startswith("Words before.") and text.endswith("Words after.\n")
    rows = [line for line in text.splitlines() if line.startswith(("| kernels | general", "| topk | bipolar"))]
    assert len(rows) == 2
