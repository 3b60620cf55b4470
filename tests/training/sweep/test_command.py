import json
import os
import signal
import threading

import pytest
from sweep_cases import GAMMA, TASK, exact, finished, grid
from training_runs import act_at, dataset, experiment

from bbdg_ref.training import Interrupted
from bbdg_ref.training import command as training_command
from bbdg_ref.training.sweep import Outcome, command, process, read_finished, update_page, write_result

WORDS = ("--data", "synthetic", "--densities", "0.1", "--domains", "general", "bipolar", "--epochs", "1")
NAMES = ["general-0.1-topk-seed0", "bipolar-0.1-topk-seed0"]


def call(*words) -> int:
    return command.main(TASK, GAMMA, [str(word) for word in words])


def in_this_process(jobs, workers, stop):
    """Stands in for processes of their own."""
    for job in jobs:
        try:
            yield Outcome(job.run.name, process.perform(job))
        except (ValueError, FloatingPointError) as error:
            yield Outcome(job.run.name, None, str(error))
        except Interrupted:
            stop.set()
            return


def fail(*_, **__):
    raise AssertionError("a run was begun, or data were read")


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BBDG_DATA", raising=False)
    for module in (training_command, process):
        monkeypatch.setattr(module, "synthetic", dataset)
    monkeypatch.setattr(training_command, "download_cifar", fail)
    monkeypatch.setattr(command, "on_this_machine", in_this_process)


def files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_sweep_writes_a_file_a_run_and_the_page_and_skips_what_is_done(tmp_path, monkeypatch, capsys):
    assert call(*WORDS, "--out", "results/density") == 0
    out = capsys.readouterr().out
    assert "0 of 2 runs are done" in out and "1 left, about" in out and "none left" in out
    folder = tmp_path / "results" / "density"
    assert sorted(files(folder)) == sorted(f"{name}.json" for name in NAMES)
    page = (tmp_path / "results" / "density.md").read_text(encoding="utf-8")
    assert "| 0.1 | general | topk |" in page and "general − bipolar is" in page and "python sweep.py --data" in page
    assert not list((tmp_path / "runs" / "sweep").iterdir())
    before = files(folder)
    monkeypatch.setattr(command, "on_this_machine", fail)
    assert call(*WORDS, "--out", "results/density") == 0
    assert files(folder) == before and "2 of 2 runs are done" in capsys.readouterr().out


def test_only_what_is_missing_is_run(tmp_path, monkeypatch):
    assert call(*WORDS, "--out", "out") == 0
    whole = files(tmp_path / "out")
    (tmp_path / "out" / f"{NAMES[1]}.json").unlink()
    asked = []
    monkeypatch.setattr(
        command, "on_this_machine", lambda jobs, *rest: (asked.extend(jobs), in_this_process(jobs, *rest))[1]
    )
    assert call(*WORDS, "--out", "out", "--scratch", "elsewhere") == 0
    assert [job.run.name for job in asked] == [NAMES[1]]
    for name, content in files(tmp_path / "out").items():
        assert exact(json.loads(content)) == exact(json.loads(whole[name]))


def test_a_file_of_other_settings_is_refused_by_name_and_nothing_is_run(tmp_path, monkeypatch, capsys):
    (run,) = grid(densities=[0.1])
    path = write_result(tmp_path / "out", finished(run).result)
    before = path.read_bytes()
    monkeypatch.setattr(command, "on_this_machine", fail)
    for words in ((), ("--list",)):
        assert call(*WORDS, "--out", "out", *words) == 1
        assert f"{NAMES[0]}.json: epochs is 2 there, but 1 in this sweep" in capsys.readouterr().err
    assert call(*WORDS, "--epochs", 2, "--out", "out") == 1
    assert "dataset is 'CIFAR-10 (JPEG)' there, but 'noise with a bright channel'" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_result_that_is_deleted_is_made_again_by_training(tmp_path, monkeypatch):
    assert call(*WORDS, "--out", "out") == 0
    path = tmp_path / "out" / f"{NAMES[0]}.json"
    before = exact(read_finished(path).result)
    path.unlink()
    steps = []
    act_at(monkeypatch, 1, lambda: steps.append(1))
    assert call(*WORDS, "--out", "out") == 0
    assert steps == [1] and exact(read_finished(path).result) == before


def test_a_folder_of_other_settings_is_refused_before_anything_begins(tmp_path, monkeypatch, capsys):
    """Though none of its runs is one of this sweep."""
    (other,) = grid(densities=[0.3], seeds=[7], base=experiment(density=0.05, epochs=1, learning_rate=0.5))
    write_result(tmp_path / "out", finished(other).result)
    monkeypatch.setattr(command, "on_this_machine", fail)
    monkeypatch.setattr(command, "find_dataset", fail)
    for words in ((), ("--list",)):
        assert call(*WORDS, "--out", "out", *words) == 1
        error = capsys.readouterr().err
        assert f"{other.name}.json: learning_rate is 0.5 there, but 0.01 in this sweep" in error and "--out" in error
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_other_images_than_those_of_the_folder_are_refused_before_anything_begins(tmp_path, monkeypatch, capsys):
    (other,) = grid(densities=[0.3], base=experiment(density=0.05, epochs=1))
    write_result(tmp_path / "out", finished(other).result)
    monkeypatch.setattr(command, "on_this_machine", fail)
    assert call(*WORDS, "--out", "out") == 1
    assert f"{other.name}.json: dataset is 'CIFAR-10 (JPEG)' there, but" in capsys.readouterr().err


def test_more_validation_images_than_there_are_are_told_by_the_flag_before_a_run(monkeypatch, capsys):
    monkeypatch.setattr(command, "on_this_machine", fail)
    with pytest.raises(SystemExit) as error:
        call(*WORDS, "--out", "out", "--validation", 17)
    err = " ".join(capsys.readouterr().err.split())
    assert error.value.code == 2 and "--validation and --limit-train" in err
    assert "at most the 44 training images of noise with a bright channel; got 17 and 28; lower one of them" in err


@pytest.mark.parametrize("same", [True, False])
def test_a_file_that_another_sweep_has_written_meanwhile_is_kept(tmp_path, monkeypatch, capsys, same):
    def with_another(jobs, workers, stop):
        for place, outcome in enumerate(in_this_process(jobs, workers, stop)):
            if place == 0:
                changes = {"made": outcome.result["made"] | {"processor": "another"}}
                changes |= {} if same else {"test_accuracy": 1.0}
                write_result(tmp_path / "out", outcome.result | changes)
            yield outcome

    monkeypatch.setattr(command, "on_this_machine", with_another)
    assert call(*WORDS, "--out", "out") == (0 if same else 1)
    output = capsys.readouterr()
    assert (f"{NAMES[0]}: FAILED: write_result: folder must not hold another result" in output.out) != same
    assert read_finished(tmp_path / "out" / f"{NAMES[0]}.json").result["made"]["processor"] == "another"
    assert len(files(tmp_path / "out")) == 2
    assert len(list((tmp_path / "runs" / "sweep").iterdir())) == (0 if same else 1)


def test_a_scratch_folder_that_cannot_be_removed_is_told(tmp_path, monkeypatch, capsys):
    def busy(_):
        raise OSError("device busy")

    monkeypatch.setattr(command, "discard", busy)
    assert call(*WORDS, "--out", "out") == 0
    assert f"{NAMES[1]}: its scratch folder stays: device busy" in capsys.readouterr().out
    assert len(files(tmp_path / "out")) == 2


def test_a_failed_run_is_named_at_the_end_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    perform = process.perform

    def failing(job):
        if job.run.name == NAMES[0]:
            raise FloatingPointError("training diverged: the loss is nan at step 3")
        return perform(job)

    with monkeypatch.context() as patch:
        patch.setattr(process, "perform", failing)
        assert call(*WORDS, "--out", "out") == 1
    output = capsys.readouterr()
    assert f"{NAMES[0]}: FAILED" in output.out
    assert output.err.splitlines()[-1].strip() == f"{NAMES[0]}: training diverged: the loss is nan at step 3"
    assert list(files(tmp_path / "out")) == [f"{NAMES[1]}.json"]
    assert call(*WORDS, "--out", "out") == 0
    assert len(files(tmp_path / "out")) == 2


def test_ctrl_c_says_what_is_done_and_the_same_command_goes_on_to_the_same_results(tmp_path, capsys):
    assert call(*WORDS, "--out", "straight") == 0
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:  # three steps a run: the second of the second run
        steps = []
        act_at(patch, 2, lambda: steps.append(1) or (len(steps) == 2 and os.kill(os.getpid(), signal.SIGINT)))
        assert call(*WORDS, "--out", "stopped", "--scratch", "scratch") == 130
    assert "stopped: 1 of 2 runs are done. Go on with the same command" in capsys.readouterr().out
    assert list(files(tmp_path / "stopped")) == [f"{NAMES[0]}.json"]
    assert call(*WORDS, "--out", "stopped", "--scratch", "scratch") == 0
    for name in NAMES:
        a, b = (read_finished(tmp_path / folder / f"{name}.json").result for folder in ("straight", "stopped"))
        assert exact(a) == exact(b)


def test_list_runs_nothing_and_reads_no_data(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "find_dataset", fail)
    monkeypatch.setattr(command, "on_this_machine", fail)
    (run,) = grid(densities=[0.1])
    write_result(tmp_path / "out", finished(run, 0.5, seconds=600).result)
    words = ("--densities", 0.1, "--domains", "general", "bipolar", "--out", "out", "--list", "--jobs", 1)
    assert call(*words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [NAMES[0], "done:", "test", "50.00%,", "density", "0.1000,", "600", "s"]
    assert lines[1].split() == [NAMES[1], "missing"]
    assert lines[2].startswith("1 of 2 runs are done; a run took 10 min") and "about 10 min, 1 at a time" in lines[2]


def test_report_makes_the_page_of_what_is_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "find_dataset", fail)
    assert call("--report", "--out", "out") == 1
    assert "no results in out" in capsys.readouterr().err
    for run in grid(domains=["general", "bipolar"], seeds=[0, 1]):
        write_result(tmp_path / "out", finished(run).result)
    assert call("--report", "--out", "out") == 0
    assert "4 results in out; page: out.md" in capsys.readouterr().out
    text = (tmp_path / "out.md").read_text(encoding="utf-8")
    assert "50.00 ± 0.00" in text
    update_page(tmp_path / "out", [finished(grid()[0])], "x")
    assert (tmp_path / "out.md").read_text(encoding="utf-8") != text


def test_a_cluster_is_asked_where_an_address_is_given(monkeypatch, tmp_path):
    asked = []

    def cluster(jobs, address, stop):
        asked.append((address, isinstance(stop, threading.Event)))
        yield from in_this_process(jobs, 1, stop)

    monkeypatch.setattr(command, "on_this_machine", fail)
    monkeypatch.setattr(command, "on_cluster", cluster)
    assert call(*WORDS, "--out", "out", "--scheduler", "tcp://192.0.2.1:8786") == 0
    assert asked == [("tcp://192.0.2.1:8786", True)] and len(files(tmp_path / "out")) == 2


def test_an_unreachable_cluster_is_an_error(monkeypatch, capsys):
    def cluster(jobs, address, stop):
        raise OSError(f"Timed out trying to connect to {address}")
        yield

    monkeypatch.setattr(command, "on_cluster", cluster)
    assert call(*WORDS, "--out", "out", "--scheduler", "tcp://192.0.2.1:8786") == 1
    assert "error: Timed out trying to connect to tcp://192.0.2.1:8786" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["--grid claim --seeds 1", "--data synthetic --data-dir .", "--data-dir nowhere"])
def test_a_bad_combination_ends_with_2_before_any_data_are_read(monkeypatch, capsys, tmp_path, words):
    monkeypatch.setattr(command, "find_dataset", fail)
    with pytest.raises(SystemExit) as error:
        call(*words.split())
    assert error.value.code == 2 and "sweep.py: error: " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
