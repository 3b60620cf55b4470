import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from sweep_cases import GAMMA, exact, grid, job, source
from training_runs import act_at, dataset, experiment

from bbdg_ref.datasets import CIFAR10
from bbdg_ref.training import Interrupted
from bbdg_ref.training.sweep import (
    DOMAIN_ORDER,
    ROUTES,
    Job,
    Source,
    process,
    product_grid,
    read_finished,
    write_result,
)
from bbdg_ref.training.sweep.lock import only_here

RUN = grid()[0]


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    monkeypatch.setattr(process, "synthetic", dataset)


def test_a_job_survives_its_line_of_json(tmp_path):
    one = Job(RUN, Source("cifar10", "a folder", "CIFAR-10 (mine)", "0" * 64), str(tmp_path))
    assert Job.from_json(one.to_json()) == one and "\n" not in one.to_json()


def test_other_images_than_those_meant_are_refused(monkeypatch, tmp_path):
    images = source()
    assert images.load().label == dataset().label
    monkeypatch.setattr(process, "synthetic", lambda: dataset(seed=9))
    with pytest.raises(ValueError, match="Source: folder must hold the same images on every machine"):
        images.load()


def test_cifar_is_read_from_the_folder_under_its_label(monkeypatch):
    asked = []

    def load(layout, folder, *, label):
        asked.append((layout, folder, label))
        return dataset()

    monkeypatch.setattr(process, "load_cifar", load)
    Source("cifar10", "there", "CIFAR-10 (mine)", source().fingerprint).load()
    assert asked == [(CIFAR10, "there", "CIFAR-10 (mine)")]


@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAIN_ORDER)
@pytest.mark.parametrize("route", ROUTES)
def test_every_route_works_in_every_domain(tmp_path, route, domain):
    base = experiment(density=0.25, epochs=1, batch_size=14)
    (run,) = product_grid(base, densities=[0.25], domains=[domain], routes=[route], seeds=[3], gamma=GAMMA)
    result = process.perform(job(run, tmp_path / "scratch", source()))
    back = read_finished(write_result(tmp_path, result))
    assert back.run == run and back.result == result
    assert sum(layer["ones"] for layer in result["layers"]) == round(result["density"] * result["weights"])
    if route != "penalty":  # two steps are too few for it
        assert abs(result["density"] - 0.25) < 0.05
    for layer in result["layers"]:
        assert layer["phi"] - layer["tau"] == pytest.approx(layer["alpha"])
        assert layer["phi"] + layer["tau"] == pytest.approx(layer["beta"])
        assert layer["density"] == layer["ones"] / layer["weights"]


def test_a_result_names_no_folder_of_this_machine(tmp_path):
    text = json.dumps(process.perform(job(RUN, tmp_path, source())))
    assert str(tmp_path) not in text and os.getcwd() not in text and sys.prefix not in text
    result = json.loads(text)
    assert [line["epoch"] for line in result["log"]] == [1, 2]
    assert result["log"][-1].keys() == set(process.LOGGED)
    assert result["made"]["threads"] == 1 and result["made"]["seconds"] > 0


def test_a_stopped_run_goes_on_from_its_checkpoint_to_the_same_result(tmp_path):
    straight = process.perform(job(RUN, tmp_path / "straight", source()))
    with pytest.MonkeyPatch.context() as patch:
        act_at(patch, 4, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Interrupted):
            process.perform(job(RUN, tmp_path / "stopped", source()))
    steps = []
    with pytest.MonkeyPatch.context() as patch:
        act_at(patch, 1, lambda: steps.append(1))
        again = process.perform(job(RUN, tmp_path / "stopped", source()))
    assert exact(again) == exact(straight) and not steps


def test_runs_of_other_settings_or_images_have_other_scratch_folders(tmp_path):
    images = source()
    folders = {
        process.scratch_of(tmp_path, run, picture)
        for run in (RUN, *grid(seeds=[1]), *grid(base=experiment(density=0.05, epochs=7)))
        for picture in (images, Source("synthetic", None, None, "other"), Source("synthetic", None, "x", "other"))
    }
    assert len(folders) == 9 and all(folder.parent == tmp_path for folder in folders)
    metadata = process.importlib.metadata
    version = metadata.version
    for library in ("numpy", "numba", "scipy"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(metadata, "version", lambda name, new=library: "9" if name == new else version(name))
            folders.add(process.scratch_of(tmp_path, RUN, images))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "__version__", "9")
        folders.add(process.scratch_of(tmp_path, RUN, images))
    assert len(folders) == 13
    moved = Source("synthetic", "elsewhere", None, images.fingerprint)
    assert process.scratch_of(tmp_path, RUN, images) == process.scratch_of(tmp_path, RUN, moved)


# --- real processes ---


def test_an_error_in_the_process_comes_back_by_name(tmp_path):
    started = []
    lost = Source("cifar10", str(tmp_path), None, "")
    outcome = process.in_own_process(job(RUN, tmp_path, lost), started.append)
    assert outcome.name == RUN.name and outcome.result is None
    assert "cifar-10" in outcome.error and str(tmp_path) in outcome.error
    assert started[0].returncode == 0


def test_a_process_that_is_killed_is_told_by_its_signal(tmp_path):
    outcome = process.in_own_process(job(RUN, tmp_path, source()), lambda child: child.kill())
    assert outcome.result is None and outcome.error.startswith("its process ended with signal 9")
    outcome = process.in_own_process(job(RUN, tmp_path, source()), lambda child: (child.kill(), child.wait()))
    assert outcome.error == "its process ended with signal 9"


def test_a_run_that_another_process_is_at_is_left_to_it(tmp_path):
    one = job(RUN, tmp_path, source())
    with only_here(process.Path(one.scratch)):
        with pytest.raises(BlockingIOError, match="another sweep is at it"):
            process.perform(one)
        outcome = process.in_own_process(one, lambda child: None)
        with pytest.raises(BlockingIOError):
            (tmp_path / process.Path(one.scratch).name).mkdir()
            process.discard(process.Path(one.scratch))
    assert outcome.result is None and "another sweep is at it" in outcome.error and "--scratch" in outcome.error
    assert not os.listdir(one.scratch)
    assert [line["epoch"] for line in process.perform(one)["log"]] == [1, 2]


@pytest.mark.parametrize(
    "text", ["", "loading", "[]", "3", '{"result": 3}', '{"result": {}}', '{"result": null, "more": 1}', "\udcff",
             'a warning\n{"result": null}', '{"result": {"name": "another"}}'],
)  # fmt: skip
def test_an_answer_that_is_none_is_a_failed_run(tmp_path, monkeypatch, text):
    popen = subprocess.Popen
    command = [sys.executable, "-c", f"import os; os.write(1, {text.encode(errors='surrogateescape')})"]
    monkeypatch.setattr(process.subprocess, "Popen", lambda _, **options: popen(command, **options))
    outcome = process.in_own_process(job(RUN, tmp_path, source()), lambda child: None)
    assert (outcome.name, outcome.result) == (RUN.name, None)
    assert outcome.error.startswith("its process printed something else than a result: ")
    assert text[:7] in outcome.error or "\ufffd" in outcome.error


def test_a_run_whose_folder_is_discarded_is_run_again(tmp_path, monkeypatch):
    one, steps = job(RUN, tmp_path, source()), []
    process.discard(process.Path(one.scratch))
    assert not list(tmp_path.iterdir())
    act_at(monkeypatch, 1, lambda: steps.append(1))
    first = process.perform(one)
    process.perform(one)
    assert len(steps) == 1
    left = tmp_path / (process.Path(one.scratch).name + ".done")
    left.mkdir()
    (left / "log.jsonl").touch()
    process.discard(process.Path(one.scratch))
    assert not list(tmp_path.iterdir())
    assert exact(process.perform(one)) == exact(first) and len(steps) == 2


def test_the_libraries_of_the_process_get_one_thread_each(tmp_path, monkeypatch):
    seen = []
    popen = subprocess.Popen

    def look(*words, env, **options):
        seen.append({name: env.get(name) for name in process.THREAD_VARIABLES})
        return popen([sys.executable, "-c", "raise SystemExit('no such network')"], env=env, **options)

    monkeypatch.setattr(process.subprocess, "Popen", look)
    outcome = process.in_own_process(job(RUN, tmp_path, source()), lambda child: None)
    assert seen == [dict.fromkeys(process.THREAD_VARIABLES, "1")]
    assert outcome.error == "its process ended with exit status 1: no such network"


def test_a_process_ends_with_the_one_that_started_it(tmp_path):
    reading, writing = os.pipe()
    code = "from bbdg_ref.training.sweep.process import _stop_at_the_end_of_input as f; print(flush=True); f()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=reading, stdout=subprocess.PIPE) as child:
        os.close(reading)
        child.stdout.readline()
        assert child.poll() is None
        threading.Timer(0.1, os.close, [writing]).start()
        assert child.wait(timeout=60) == -signal.SIGTERM
