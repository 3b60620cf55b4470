import dataclasses
import json
import os

import pytest
from sweep_cases import MADE, finished, grid
from training_runs import experiment

from bbdg_ref.training.sweep import read_finished, read_folder, results, write_result

RUN = grid()[0]


def write(folder, run=RUN, **changes):
    return write_result(folder, finished(run).result | changes)


def test_what_is_written_is_read_back(tmp_path):
    path = write(tmp_path / "new" / "folder")
    assert path.name == "general-0.05-topk-seed0.json"
    back = read_finished(path)
    assert back.run == RUN and back.result == finished(RUN).result


def test_a_result_of_before_the_later_settings_is_taken_with_what_was_the_rule(tmp_path):
    path = write(tmp_path)
    held = json.loads(path.read_text())
    for name in ("rotate", "schedule", "smoothing", "teacher", "temperature"):
        del held["experiment"][name]
    path.write_text(json.dumps(held))
    back = read_finished(path)
    assert back.run == RUN and back.result == finished(RUN).result


def test_a_result_is_kept_once(tmp_path):
    path = write(tmp_path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="must not hold another result"):
        write(tmp_path, test_accuracy=0.9)
    assert write(tmp_path, made=MADE | {"seconds": 99.0}) == path
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


def test_a_file_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    def full(_):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(results.os, "fsync", full)
        with pytest.raises(OSError, match="no space"):
            write(tmp_path)
    assert not os.listdir(tmp_path)
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(results.os, "fsync", lambda number: (order.append("to disk"), fsync(number)))
    monkeypatch.setattr(results.os, "replace", lambda a, b: (order.append("in place"), replace(a, b)))
    write(tmp_path)
    assert order == ["to disk", "in place"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda r: r.pop("test_accuracy"), lambda r: r.update(test_accuracy=1.5), lambda r: r.update(weights=0),
        lambda r: r.update(density="dense"), lambda r: r.update(layers=[]), lambda r: r["layers"][0].pop("tau"),
        lambda r: r["experiment"].update(epochs=0), lambda r: r["experiment"].pop("seed"),
        lambda r: r["experiment"].update(init_density=0.05),
        lambda r: r["log"].pop(), lambda r: r["log"].insert(0, {"epoch": 1}), lambda r: r["log"].reverse(),
        lambda r: r["log"].append({"epoch": 3}), lambda r: r["log"][0].pop("epoch"), lambda r: r.update(log=[1, 2]),
        lambda r: r.update(made={}), lambda r: r.update(log=None), lambda r: r.update(dataset=3),
    ],
)  # fmt: skip
def test_a_file_that_is_no_whole_result_is_refused_by_name(tmp_path, damage):
    result = json.loads(json.dumps(finished(RUN).result))
    damage(result)
    path = write_result(tmp_path, result)
    with pytest.raises(ValueError, match=r"general-0\.05-topk-seed0\.json must be a whole result"):
        read_finished(path)


@pytest.mark.parametrize("text", ["", "[]", "3", '{"name": 1}', "\udcff"])
def test_a_file_that_is_something_else_is_refused_by_name(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=r"a\.json must be a whole result"):
        read_finished(path)


def test_a_file_whose_name_is_not_that_of_its_settings_is_refused(tmp_path):
    path = write(tmp_path)
    other = path.rename(tmp_path / "bipolar-0.05-topk-seed0.json")
    with pytest.raises(ValueError, match=r"bipolar-0.*must be named .*general-0\.05-topk-seed0"):
        read_finished(other)


@pytest.mark.parametrize(
    ("changes", "label", "said"),
    [({}, "CIFAR-10", "dataset is 'CIFAR-10 .JPEG.' there, but 'CIFAR-10' in this sweep"),
     ({"epochs": 9}, None, "epochs is 2 there, but 9"), ({"learning_rate": 0.5}, None, "learning_rate is 0.01 there")],
)  # fmt: skip
def test_a_done_run_of_other_settings_is_refused_by_name(tmp_path, changes, label, said):
    write(tmp_path)
    wanted = grid(base=experiment(density=0.05, **changes))
    with pytest.raises(ValueError, match=rf"general-0\.05-topk-seed0\.json: {said}.*delete the file"):
        results.finished_runs(tmp_path, wanted, label)


def test_done_runs_are_found(tmp_path):
    runs = grid(seeds=[0, 1, 2])
    write(tmp_path, runs[1])
    assert list(results.finished_runs(tmp_path, runs, "CIFAR-10 (JPEG)")) == [runs[1].name]
    assert results.finished_runs(tmp_path / "nowhere", runs, None) == {}


@pytest.mark.parametrize(
    ("changes", "label", "said"),
    [({}, "CIFAR-10", "dataset is 'CIFAR-10 .JPEG.' there, but 'CIFAR-10' in this sweep"),
     ({"epochs": 9}, None, "epochs is 2 there, but 9"), ({"flip": False}, None, "flip is True there")],
)  # fmt: skip
def test_a_folder_of_other_settings_is_refused_whatever_its_runs(tmp_path, changes, label, said):
    write(tmp_path)
    (other,) = grid(domains=["bipolar"], densities=[0.5], seeds=[7], base=experiment(density=0.05, **changes))
    with pytest.raises(ValueError, match=rf"general-0\.05-topk-seed0\.json: {said}.*--out"):
        results.check_folder(tmp_path, other, label)


def test_a_folder_of_the_same_settings_takes_other_runs(tmp_path):
    results.check_folder(tmp_path / "nowhere", RUN, "CIFAR-10 (JPEG)")
    write(tmp_path)
    for other in grid(domains=["bipolar"], densities=[0.5], routes=["topk", "penalty", "start"], seeds=[7]):
        results.check_folder(tmp_path, other, "CIFAR-10 (JPEG)")


def test_a_folder_holds_one_sweep(tmp_path):
    assert read_folder(tmp_path / "nowhere") == []
    runs = grid(densities=[0.05, 0.5], routes=["topk", "start"], seeds=[0, 1])
    for run in runs:
        write(tmp_path, run)
    assert {one.run for one in read_folder(tmp_path)} == set(runs)
    (other,) = grid(seeds=[5], base=dataclasses.replace(RUN.experiment, batch_size=4))
    write(tmp_path, other)
    with pytest.raises(ValueError, match=r"general-0\.05-topk-seed5\.json: batch_size is 4 there, but 8"):
        read_folder(tmp_path)
