"""One run in a process of its own, on one thread: what is sent to it, what comes back, and the process itself.

The libraries read their numbers of threads when they load, so a process that is running already cannot be
trusted to have one thread only; a new one can. It is given the job as a line of JSON and answers with one.
It stops, and saves where it stands, when the process that started it ends: however that ends, its end of
the pipe is closed.
"""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..._version import __version__
from ...datasets import CIFAR10, CIFAR100, Dataset, load_cifar, synthetic
from ..experiment import fingerprint, run
from ..interrupts import Interrupted
from ..report import training_seconds
from ..settings import Experiment
from .grid import Run
from .lock import only_here

__all__ = ["Job", "Outcome", "Source", "in_own_process"]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
                    "VECLIB_MAXIMUM_THREADS")  # fmt: skip
#: Of an epoch's log line; the others repeat the experiment, or the layers, of which the best epoch's are kept.
LOGGED = ("epoch", "learning_rate", "train_loss", "penalty", "train_accuracy", "validation_loss",
          "validation_accuracy", "density")  # fmt: skip


@dataclass(frozen=True)
class Source:
    """Where a run finds its images: every process reads them itself.

    Attributes
    ----------
    name : str
        "cifar10", "cifar100" or "synthetic".
    folder : str or None
        Where CIFAR lies, on every machine that runs.
    label : str or None
        What data of unverified origin are to be called.
    fingerprint : str
        SHA-256 of the images: other files under the same name are refused.
    """

    name: str
    folder: str | None
    label: str | None
    fingerprint: str

    def load(self) -> Dataset:
        """Read the images and check that they are those that were meant."""
        layouts = {layout.name: layout for layout in (CIFAR10, CIFAR100)}
        layout = layouts.get(self.name)
        dataset = synthetic() if layout is None else load_cifar(layout, self.folder, label=self.label)
        if fingerprint(dataset) != self.fingerprint:
            raise ValueError(
                f"Source: folder must hold the same images on every machine; {self.folder} holds others here; copy "
                "the files of the machine that started the sweep"
            )
        return dataset


@dataclass(frozen=True)
class Job:
    """One run and where it works.

    Attributes
    ----------
    run : Run
        What to train.
    source : Source
        On which images.
    scratch : str
        Folder for its checkpoint and log; if there is a checkpoint, the run goes on from it. One process at a
        time works there.
    """

    run: Run
    source: Source
    scratch: str

    def to_json(self) -> str:
        """Return a line that `from_json` reads."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """Return the job of a line."""
        parts = json.loads(text)
        return cls(Run(Experiment(**parts["run"]["experiment"])), Source(**parts["source"]), parts["scratch"])


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    name : str
        The run's.
    result : dict or None
        What its file is to hold, if it finished.
    error : str
        Why it did not finish; empty if it did.
    """

    name: str
    result: dict[str, Any] | None
    error: str = ""


def scratch_of(folder: Path, run: Run, source: Source) -> Path:
    """Return where a run keeps its checkpoint: never that of other settings, images, or versions of the libraries."""
    parts = [dataclasses.asdict(run), dataclasses.asdict(replace(source, folder=None)), _versions()]
    text = json.dumps(parts, sort_keys=True)
    return folder / f"{run.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def discard(scratch: Path) -> None:
    """Remove the folder of a run whose result is kept; refuse while another process works there.

    It is renamed first, so that it is never there in part: that would be neither a run to go on with nor none.
    """
    if not scratch.exists():
        return
    with only_here(scratch):
        done = scratch.with_name(scratch.name + ".done")
        shutil.rmtree(done, ignore_errors=True)  # left by a process that was killed here
        if scratch.exists():
            os.replace(scratch, done)
            shutil.rmtree(done)


def in_own_process(job: Job, started: Callable[[subprocess.Popen], None]) -> Outcome:
    """Run a job in a new process on one thread, and wait for its end.

    Parameters
    ----------
    job : Job
        The run.
    started : callable
        Is given the process; a SIGTERM lets it save a checkpoint and end.

    Returns
    -------
    Outcome
    """
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")
    command = [sys.executable, "-c", f"import sys; from {__name__} import serve; sys.exit(serve())"]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            encoding="utf-8", errors="replace", start_new_session=True,  # Ctrl-C is for the process that started it
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        with process:
            started(process)
            try:
                # Past the buffer, which a process that has ended leaves full. Not closed: the end tells it to stop.
                os.write(process.stdin.fileno(), f"{job.to_json()}\n".encode())
            except BrokenPipeError:  # it ended at once; its exit status says how
                pass
            answer = process.stdout.read()
            status = process.wait()
        if status == 0:
            return _answered(job.run.name, answer)
        errors.seek(0)
        last = (errors.read().strip().splitlines() or [""])[-1]
    ended = f"signal {-status}" if status < 0 else f"exit status {status}"
    return Outcome(job.run.name, None, f"its process ended with {ended}" + (f": {last}" if last else ""))


def _answered(name: str, text: str) -> Outcome:
    """Return the outcome that a process has printed; whatever else it may have printed is a failure."""
    try:
        answer = json.loads(text)
        if answer["result"] is None or answer["result"]["name"] == name:
            return Outcome(name, **answer)
    except (ValueError, TypeError, KeyError):
        pass
    return Outcome(name, None, f"its process printed something else than a result: {text.strip()[-200:]!r}")


def perform(job: Job) -> dict[str, Any]:
    """Train from scratch or from the checkpoint, alone in the folder; return what the run's file is to hold."""
    scratch = Path(job.scratch)
    with only_here(scratch):
        return _trained(job, scratch)


def _trained(job: Job, scratch: Path) -> dict[str, Any]:
    dataset = job.source.load()
    found = run(job.run.experiment, dataset, scratch, resume=(scratch / "checkpoint.h5").exists(), bar=False)
    log = [json.loads(line) for line in (scratch / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    layers = [
        dataclasses.asdict(layer) | {
            "density": layer.ones / layer.weights, "tau": (layer.beta - layer.alpha) / 2,
            "phi": (layer.alpha + layer.beta) / 2,
        } for layer in found.layers
    ]  # fmt: skip
    return {
        "name": job.run.name, **dataclasses.asdict(found), "weights": found.weights, "density": found.density,
        "layers": layers, "log": [{name: line[name] for name in LOGGED} for line in log],
        "made": {"seconds": round(training_seconds(scratch), 1), **_machine()},
    }  # fmt: skip


def _machine() -> dict[str, Any]:
    """Describe processor and versions; nothing that names the machine."""
    return {
        "processor": _processor(), "processors": os.cpu_count(), "system": platform.system(), "threads": 1,
        "python": platform.python_version(), **_versions(),
    }  # fmt: skip


def _versions() -> dict[str, str]:
    """Return the versions of what a run's numbers depend on."""
    libraries = {name: importlib.metadata.version(name) for name in ("numpy", "numba", "scipy")}
    return {"bbdg_ref": __version__} | libraries


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return facts.get("model name") or platform.processor() or platform.machine()


def _first_line() -> str:
    """Read a line from standard input; not through a buffer, whose lock the reader of the rest would keep."""
    return b"".join(iter(partial(os.read, 0, 1), b"\n")).decode()


def _stop_at_the_end_of_input() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)  # during training: saves a checkpoint


def serve() -> int:
    """Be the new process of `in_own_process`; return its exit status."""
    job = Job.from_json(_first_line())
    threading.Thread(target=_stop_at_the_end_of_input, daemon=True).start()
    try:
        answer: dict[str, Any] = {"result": perform(job)}
    except Interrupted as stop:
        answer = {"result": None, "error": str(stop)}
    except (ValueError, OSError, FloatingPointError) as error:
        answer = {"result": None, "error": f"{error} (its files are in {job.scratch})"}
    print(json.dumps(answer), flush=True)
    return 0
