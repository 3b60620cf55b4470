import os
import signal
import sys
import threading
import time
from dataclasses import replace

import pytest
from sweep_cases import exact, grid
from training_runs import experiment

from bbdg_ref.datasets import synthetic
from bbdg_ref.training.experiment import fingerprint
from bbdg_ref.training.sweep import Job, Outcome, Source, on_cluster, on_this_machine, process, runners

BASE = experiment(width=4, density=0.05, epochs=3, batch_size=16, limit_train=304, validation=100, crop=False)
RUNS = grid(base=BASE, domains=["bipolar", "general"]) + grid(base=BASE, seeds=[1])


def jobs(scratch, runs=RUNS) -> list[Job]:
    images = Source("synthetic", None, None, fingerprint(synthetic()))
    return [Job(run, images, str(process.scratch_of(scratch, run, images))) for run in runs]


def fakes(count: int) -> list[Job]:
    return [Job(run, Source("synthetic", None, None, ""), "") for run in grid(seeds=range(count))]


# --- who runs when, without training ---


def test_jobs_begin_in_order_so_many_at_a_time_and_each_ends_once(monkeypatch):
    lock, running, most, begun = threading.Lock(), [0], [0], []

    def fake(job, started):
        with lock:
            begun.append(job.run.name)
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1
        return Outcome(job.run.name, {"name": job.run.name})

    monkeypatch.setattr(runners, "in_own_process", fake)
    names = [job.run.name for job in fakes(9)]
    outcomes = list(on_this_machine(fakes(9), 3, threading.Event()))
    assert sorted(outcome.name for outcome in outcomes) == sorted(names)
    assert most[0] == 3 and sorted(begun[:3]) == sorted(names[:3])


class Process:
    """Stands in for a process: ends when it is told to."""

    def __init__(self):
        self.told, self.ended = [], threading.Event()

    def poll(self):
        return 0 if self.ended.is_set() else None

    def terminate(self):
        self.told.append("terminate")
        self.ended.set()


@pytest.fixture
def begun(monkeypatch) -> list[Process]:
    """The processes that have begun; each is at work until it is ended."""
    children = []

    def fake(job, started):
        child = Process()
        children.append(child)
        started(child)
        assert child.ended.wait(30)
        return Outcome(job.run.name, None, "stopped")

    monkeypatch.setattr(runners, "in_own_process", fake)
    return children


@pytest.mark.parametrize("how", ["stop", "give up"])
def test_a_stop_ends_the_runs_under_way_and_begins_no_other(begun, how):
    stop = threading.Event()
    outcomes = on_this_machine(fakes(6), 2, stop)
    threading.Timer(0.3, stop.set).start()
    if how == "give up":
        stop = None  # the caller has an error of its own, while a first run has ended
        threading.Timer(0.1, lambda: begun[0].ended.set()).start()
        next(outcomes)
        outcomes.close()
    else:
        assert list(outcomes) == []
    assert len(begun) <= 3 and all(child.ended.is_set() for child in begun)
    assert sum(child.told == ["terminate"] for child in begun) >= 1


def test_an_error_while_runs_are_handed_out_ends_those_begun_and_is_told(begun, monkeypatch):
    submit = runners.futures.ThreadPoolExecutor.submit

    def no_thread_left(self, work, job, started):
        if job.run.experiment.seed == 1:
            while not begun:
                time.sleep(0.01)
            raise RuntimeError("can't start new thread")
        return submit(self, work, job, started)

    monkeypatch.setattr(runners.futures.ThreadPoolExecutor, "submit", no_thread_left)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        next(on_this_machine(fakes(3), 2, threading.Event()))
    assert [child.told for child in begun] == [["terminate"]]


@pytest.mark.slow  # loads Dask
def test_no_two_tasks_on_a_cluster_have_one_name(tmp_path):
    one, other = jobs(tmp_path, [RUNS[0], RUNS[1]])
    keys = [runners._key(job) for job in (one, one, other)]
    assert len(set(keys)) == 3
    for key, job in zip(keys, (one, one, other), strict=True):
        assert key.startswith(f"bbdg_ref-{os.path.basename(job.scratch)}-") and str(tmp_path) not in key


def test_without_distributed_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"python -m pip install 'bbdg_ref\[distributed\]'"):
        next(on_cluster(fakes(1), "tcp://127.0.0.1:1", threading.Event()))


@pytest.mark.parametrize(
    ("threads", "versions", "message"),
    [
        ({}, {}, "has none; start workers with: dask worker tcp://a:1 --nworkers auto --nthreads 1"),
        ({"w1": 1, "w2": 4}, {}, "w2 has 4; start workers with"),
        ({"w1": 1}, {"w1": "0.0.1"}, "w1 has 0.0.1; install it there"),
    ],
)
def test_workers_that_would_not_run_one_run_in_one_thread_are_refused(threads, versions, message):
    with pytest.raises(ValueError, match=message):
        runners._check_workers(threads, versions, "tcp://a:1")


# --- real runs ---


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The results of two processes on this machine, by name."""
    scratch = tmp_path_factory.mktemp("local")
    outcomes = list(on_this_machine(jobs(scratch), 2, threading.Event()))
    assert [outcome.error for outcome in outcomes] == [""] * len(RUNS)
    return {outcome.name: outcome.result for outcome in outcomes}


@pytest.mark.slow
def test_two_processes_run_a_grid(local):
    assert local.keys() == {run.name for run in RUNS}
    assert all(result["train_images"] == 304 and len(result["log"]) == 3 for result in local.values())


@pytest.mark.slow
def test_killed_runs_are_told_and_go_on_to_the_same_results(local, tmp_path):
    """One run is killed, the other told to stop, after their first epoch; both go on from where they stood."""
    two = jobs(tmp_path, RUNS[:2])
    stop, children = threading.Event(), []
    add = runners._Processes.add
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runners._Processes, "add", lambda self, child: (children.append(child), add(self, child))[0])

        def when_both_have_a_checkpoint():
            while not all(os.path.exists(os.path.join(job.scratch, "checkpoint.h5")) for job in two):
                time.sleep(0.01)
            children[0].kill()
            time.sleep(0.5)
            stop.set()

        threading.Thread(target=when_both_have_a_checkpoint, daemon=True).start()
        first = list(on_this_machine(two, 2, stop))
    assert [outcome.error for outcome in first] == ["its process ended with signal 9"]
    second = list(on_this_machine(two, 2, threading.Event()))
    assert {outcome.name: exact(outcome.result) for outcome in second} == {
        job.run.name: exact(local[job.run.name]) for job in two
    }


def _kill_a_worker_that_runs(folder, over: threading.Event, killed: list[int]) -> None:
    """Wait until a run on some worker has a checkpoint, and kill that worker's process."""
    while not over.wait(0.01):
        for checkpoint in folder.rglob("checkpoint.h5"):
            for mark in checkpoint.parents[2].glob("pid"):  # WORKER/bbdg_ref/RUN/checkpoint.h5
                killed.append(int(mark.read_text()))
                os.kill(killed[0], signal.SIGKILL)
                return


def _note_pid(dask_worker) -> None:
    with open(os.path.join(dask_worker.local_directory, "pid"), "w") as file:
        file.write(str(os.getpid()))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Dask's own, about ports and processes that are gone
def test_a_cluster_of_which_a_worker_is_killed_gives_every_result_once_and_the_same(local, tmp_path):
    distributed = pytest.importorskip("distributed")
    killed, over = [], threading.Event()
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=str(tmp_path),
        silence_logs=50,
    ) as cluster:  # fmt: skip
        with distributed.Client(cluster) as client:
            client.run(_note_pid)
        killer = threading.Thread(target=_kill_a_worker_that_runs, args=(tmp_path, over, killed), daemon=True)
        killer.start()
        outcomes = list(on_cluster(jobs(tmp_path / "unused"), cluster.scheduler_address, threading.Event()))
        over.set()
        killer.join()
    assert len(killed) == 1
    assert sorted(outcome.name for outcome in outcomes) == sorted(run.name for run in RUNS)
    assert [outcome.error for outcome in outcomes] == [""] * len(RUNS)
    assert {outcome.name: exact(outcome.result) for outcome in outcomes} == {
        name: exact(result) for name, result in local.items()
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_on_a_cluster_a_failed_run_is_told_and_threads_are_refused(tmp_path):
    distributed = pytest.importorskip("distributed")
    lost = [replace(job, source=Source("cifar10", str(tmp_path), None, "")) for job in jobs(tmp_path, RUNS[:1])]
    options = {"processes": True, "dashboard_address": None, "local_directory": str(tmp_path), "silence_logs": 50}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, **options) as cluster:
        (outcome,) = on_cluster(lost, cluster.scheduler_address, threading.Event())
    assert outcome.result is None and "cifar-10" in outcome.error
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, **options) as cluster:
        with pytest.raises(ValueError, match=r"every worker must have one thread; .* has 2"):
            next(on_cluster(lost, cluster.scheduler_address, threading.Event()))
