import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "sweep_density.py"


def start(*words, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, SCRIPT, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def test_help_names_grids_routes_and_the_default():
    done = start("--help")
    text = " ".join(done.stdout.split())
    assert done.returncode == 0 and "examples/sweep_density.py" in text
    for wanted in ("--grid {claim,full}", "topk-global", "--scheduler ADDRESS", "general-closed", "width 16, 5 epochs"):
        assert wanted in text


def test_list_names_the_runs_of_the_claim(tmp_path):
    done = start("--list", "--out", "none", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 18 and lines[-1].startswith("0 of 17 runs are done")
    assert [line.split()[0] for line in lines[:2]] == ["general-0.05-topk-seed0", "bipolar-0.05-topk-seed0"]
    assert not list(tmp_path.iterdir())


def test_an_error_ends_with_2(tmp_path):
    done = start("--densities", "2", cwd=tmp_path)
    assert done.returncode == 2 and "must be a fraction" in done.stderr


def test_the_claim_is_measured_on_resnet20_with_all_images():
    names = runpy.run_path(str(SCRIPT))
    base = names["BASE"]
    assert (base.arch, base.width, base.epochs, base.batch_size, base.learning_rate) == ("resnet20", 16, 5, 64, 3e-3)
    assert (base.crop, base.flip, base.mixup, base.limit_train, base.validation) == (False, True, False, None, 5000)
    assert names["GAMMA"].keys() == {"penalty", "start"}


@pytest.mark.slow
def test_ctrl_c_stops_the_processes_and_the_same_command_goes_on(tmp_path):
    words = (
        "--data synthetic --limit-train 304 --validation 100 --width 4 --batch-size 16 --epochs 3 --densities 0.05 "
        "--domains bipolar general --jobs 2 --out out"
    ).split()
    command = [sys.executable, SCRIPT, *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, **pipes) as sweep:
        while not list(tmp_path.glob("runs/sweep/*/checkpoint.h5")):
            assert sweep.poll() is None, sweep.stderr.read()
            time.sleep(0.01)
        sweep.send_signal(signal.SIGINT)
        out, err = sweep.communicate(timeout=120)
    assert sweep.returncode == 130, err
    assert "of 2 runs are done. Go on with the same command" in out and "Traceback" not in err
    assert not list(tmp_path.rglob("*.part"))
    done = start(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = ["bipolar-0.05-topk-seed0.json", "general-0.05-topk-seed0.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert "general − bipolar is" in (tmp_path / "out.md").read_text(encoding="utf-8")
