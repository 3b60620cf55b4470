import subprocess
import sys

import pytest

from bbdg_ref.cli import bench


@pytest.mark.parametrize(("model", "contenders"), [("model.h5", 3), ("packed.h5", 2)])
def test_all_are_timed_for_every_batch(run, model, contenders):
    result = run("bench", model, "--batch", 1, 3, "--repeats", 4)
    assert result.status == 0
    rows = [line for line in result.out.splitlines() if line.startswith(("1, ", "3, "))]
    assert len(rows) == 2 * contenders
    assert sum(bench.DEFINED in row for row in rows) == 2
    packed = next(row for row in rows if row.startswith("3, packed")).split()
    calls, middle, low, high, rate, times = packed[2:]
    assert (calls, times) == ("4", "1.00") and float(low) <= float(middle) <= float(high)
    assert float(rate.replace(",", "")) == pytest.approx(3000 / float(middle), rel=0.5)  # printed to 0.01 ms
    defined = next(row for row in rows if row.startswith("3, the definition")).split()
    assert int(defined[3]) == bench.FEW
    assert result.out.count("equal to the definition in every bit") == 2
    assert result.out.count("from the network as trained") == (2 if model == "model.h5" else 0)
    for told in ("first call", "machine:", "threads:", "versions:", "numba"):
        assert told in result.out


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        pytest.param("reactnet-a-packed.h5", "3 x 224 x 224", marks=pytest.mark.slow),
        ("reactnet-a.h5 --image-size 64 32", "3 x 64 x 32"),
        ("model.h5 --image-size 16", "3 x 16 x 16"),
        ("bound.h5", "3 x 16 x 24"),
    ],
)
def test_images_are_of_the_network_s_own_size_or_another(run, words, shape):
    result = run("bench", *words.split(), "--batch", 1, "--repeats", 1)
    assert result.status == 0 and f"images: random, {shape}\n" in result.out
    assert "equal to the definition in every bit" in result.out


def test_a_network_that_differs_from_its_definition_is_called_so(run, monkeypatch):
    evaluate = bench.evaluate

    def wrong(*arguments):
        result = evaluate(*arguments)
        result.logits[0, 0] += 1
        return result

    monkeypatch.setattr(bench, "evaluate", wrong)
    assert "NOT EQUAL" in run("bench", "packed.h5", "--batch", 1, "--repeats", 1).out


def test_threads_are_set_in_a_process_of_its_own(run, monkeypatch):
    for name in bench.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    started = []
    real = subprocess.run

    def noting(words, **options):
        started.append((words, options["env"]))
        return real(words, **options)

    monkeypatch.setattr(subprocess, "run", noting)
    assert run("bench", "nowhere.h5", "--threads", 2).status == 1
    ((words, environment),) = started
    assert words == [sys.executable, "-m", "bbdg_ref", "bench", "nowhere.h5", "--threads", "2"]
    assert {environment[name] for name in bench.THREAD_VARIABLES} == {"2"}


def test_no_process_is_started_where_the_threads_are_right(run, monkeypatch):
    for name in bench.THREAD_VARIABLES:
        monkeypatch.setenv(name, "2")

    def fail(*_, **__):
        raise AssertionError("a process was started")

    monkeypatch.setattr(bench, "_again", fail)
    monkeypatch.setattr(bench, "read_model", lambda path: (_ for _ in ()).throw(ValueError("read")))
    assert run("bench", "model.h5", "--threads", 2).err == "error: read\n"


@pytest.mark.parametrize(("returned", "status"), [(0, 0), (1, 1), (-9, 137)])
def test_its_status_is_handed_on(run, monkeypatch, returned, status):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], returned))
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    assert run("bench", "model.h5", "--threads", 2).status == status


def test_ctrl_c_in_its_process_is_not_told_twice(run, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", stop)
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    result = run("bench", "model.h5", "--threads", 2)
    assert (result.status, result.err) == (130, "")
