"""Many runs, each in a process of its own: on this machine, or on the workers of a Dask cluster."""

import subprocess
import threading
import uuid
from collections.abc import Generator, Mapping, Sequence
from concurrent import futures
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..._version import __version__
from .process import Job, Outcome, discard, in_own_process, scratch_of

if TYPE_CHECKING:
    from distributed import Future  # optional: only the extra `distributed` brings it

__all__ = ["on_cluster", "on_this_machine"]

POLL = 0.2  # seconds between two looks whether to stop


class _Processes:
    """The processes under way, so that they can be stopped from outside."""

    def __init__(self) -> None:
        self._lock, self._running, self._stopped = threading.Lock(), set[subprocess.Popen](), False

    def add(self, process: subprocess.Popen) -> None:
        with self._lock:
            self._running = {p for p in self._running if p.poll() is None} | {process}
            if self._stopped:
                process.terminate()

    def stop(self, *, at_once: bool = False) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.kill() if at_once else process.terminate()


def on_this_machine(jobs: Sequence[Job], workers: int, stop: threading.Event) -> Generator[Outcome, None, None]:
    """Run jobs, so many at a time, one process and one thread each.

    Parameters
    ----------
    jobs : sequence of Job
        Begun in this order.
    workers : int
        How many at a time.
    stop : threading.Event
        When it is set, the runs under way save their checkpoints and end, and the iteration with them.

    Returns
    -------
    generator of Outcome
        As the runs end.
    """
    processes = _Processes()
    pool = futures.ThreadPoolExecutor(workers)
    waiting: set[futures.Future[Outcome]] = set()
    try:
        for job in jobs:
            waiting.add(pool.submit(in_own_process, job, processes.add))
        while waiting and not stop.is_set():
            ended, waiting = futures.wait(waiting, timeout=POLL, return_when=futures.FIRST_COMPLETED)
            yield from (future.result() for future in ended)
    finally:  # also where the caller gives up
        try:
            for future in waiting:
                future.cancel()
            processes.stop()
            pool.shutdown()
        except BaseException:  # once more Ctrl-C
            processes.stop(at_once=True)
            raise


def on_cluster(jobs: Sequence[Job], address: str, stop: threading.Event) -> Generator[Outcome, None, None]:
    """Run jobs on a Dask cluster, one process and one thread each.

    The images are not sent: every worker reads them from the same folder. A worker needs no disk that it
    shares with others; the results come back to the caller. A run whose worker dies is begun again on
    another one, as often as Dask's ``distributed.scheduler.allowed-failures`` allows (3).

    Parameters
    ----------
    jobs : sequence of Job
        The first have priority. Their scratch folders are replaced by one in the worker's own folder.
    address : str
        The scheduler's, such as ``tcp://192.0.2.1:8786``.
    stop : threading.Event
        When it is set, runs that have not begun are cancelled and the iteration ends; runs under way end by
        themselves, and their results are dropped.

    Returns
    -------
    generator of Outcome
        As the runs end, each once.

    Raises
    ------
    ImportError
        If `distributed` is not installed.
    OSError
        If there is no scheduler.
    ValueError
        If there is no worker, or one that would run several at a time, or another version of the package.
    """
    try:
        from distributed import Client  # optional: only the extra `distributed` brings it
    except ImportError as error:
        mend = "python -m pip install 'bbdg_ref[distributed]'"
        raise ImportError(f"on_cluster: the package distributed is not installed; {mend}") from error
    with Client(address) as client:
        _check_workers(client.nthreads(), client.run(_version), address)
        waiting = {
            client.submit(_on_worker, job.to_json(), key=_key(job), pure=False, priority=-place): job.run.name
            for place, job in enumerate(jobs)
        }
        while waiting and not stop.wait(POLL):
            for future in [future for future in waiting if future.done()]:
                yield _outcome(waiting.pop(future), future)
        client.cancel(list(waiting))


def _key(job: Job) -> str:
    """Name a task as no other is named: another sweep may ask for a run of the same name, or of the same settings."""
    return f"bbdg_ref-{Path(job.scratch).name}-{uuid.uuid4().hex}"


def _outcome(name: str, future: "Future") -> Outcome:
    """Return what a future that is done holds, or why it holds nothing."""
    if future.status == "finished":
        return future.result()
    why = future.exception() if future.status == "error" else "the scheduler has lost it"
    return Outcome(name, None, f"{future.status} on the cluster: {why}")


def _check_workers(threads: Mapping[str, int], versions: Mapping[str, str], address: str) -> None:
    """Refuse a cluster on which a run would not have a process of its own, or other code would run."""
    mend = f"start workers with: dask worker {address} --nworkers auto --nthreads 1"
    if not threads:
        raise ValueError(f"on_cluster: address must be that of a scheduler with workers; {address} has none; {mend}")
    for worker, count in threads.items():
        if count != 1:
            raise ValueError(f"on_cluster: every worker must have one thread; {worker} has {count}; {mend}")
    for worker, version in versions.items():
        if version != __version__:
            raise ValueError(
                f"on_cluster: every worker must have bbdg_ref {__version__}; {worker} has {version}; install it there"
            )


def _version() -> str:
    return __version__


def _on_worker(text: str) -> Outcome:
    """Run a job on a worker of the cluster, below the worker's own folder."""
    from distributed import get_worker  # optional: it is there, for a worker of it calls this

    job = Job.from_json(text)
    scratch = scratch_of(Path(get_worker().local_directory) / "bbdg_ref", job.run, job.source)  # by the versions here
    outcome = in_own_process(replace(job, scratch=str(scratch)), lambda process: None)
    if outcome.result is not None:
        with suppress(OSError):  # what stays there is in nobody's way, and the result must not be lost for it
            discard(scratch)
    return outcome
