"""The command line of a sweep: which runs, where, and what is there already."""

import argparse
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from ..._terminal import end_well
from ...datasets import Dataset, data_folder
from ..arguments import Task
from ..command import find_dataset
from ..experiment import fingerprint
from ..flag_checks import SYNTHETIC, Refused, check_data_flags, check_images
from ..interrupts import stop_requests
from .estimate import duration, seconds_a_run
from .flags import base_of, make_parser, planned_runs
from .grid import Run
from .plot import plot_densities
from .process import Job, Outcome, Source, discard, scratch_of
from .remake import remaking_command
from .report import page_of, update_page
from .results import check_folder, finished_runs, read_folder, write_result
from .runners import on_cluster, on_this_machine

__all__ = ["main"]


def main(task: Task, gamma: Mapping[str, float], argv: Sequence[str] | None = None) -> int:
    """Run a sweep: the runs that have no result file yet, then the page and the picture.

    Parameters
    ----------
    task : Task
        What the script is about; its first preset is what all runs have in common.
    gamma : mapping of str to float
        The penalty's γ of the routes "penalty" and "start".
    argv : sequence of str, optional
        Command-line arguments; the process's by default.

    Returns
    -------
    int
        Exit status: 0, 1 after an error or if a run failed, 130 when interrupted, 141 when the reader of the output
        went away. Refused flags end the process with 2.
    """
    parser = make_parser(task, gamma)
    args = parser.parse_args(argv)

    def work() -> int:
        try:
            return _do(task, gamma, args)
        except Refused as refusal:
            parser.error(str(refusal))

    stopped = "\nstopped at once; the runs go on from their last whole epochs with the same command"
    return end_well(work, failures=(ValueError, ImportError), status=1, interrupted=stopped)


def _do(task: Task, gamma: Mapping[str, float], args: argparse.Namespace) -> int:
    runs = planned_runs(task, gamma, args)
    check_data_flags(args)
    if args.report:
        return _report(task, gamma, args.out)
    if args.list:
        return _list(task, runs, args)
    return _Sweep(task, gamma, runs, args).run()


def _list(task: Task, runs: Sequence[Run], args: argparse.Namespace) -> int:
    """Print every run with what is known of it."""
    check_folder(args.out, runs[0], args.data_label)
    done = finished_runs(args.out, runs, args.data_label)
    known = seconds_a_run(task, base_of(task, args), done.values(), args.data)
    for run in runs:
        state = "missing"
        if run.name in done:
            result = done[run.name].result
            state = (
                f"done: test {result['test_accuracy']:.2%}, density {result['density']:.4f}, "
                f"{result['made']['seconds']:.0f} s"
            )
        print(f"{run.name:<36} {state}")
    missing = len(runs) - len(done)
    print(f"{len(done)} of {len(runs)} runs are done; {known.text}; {_left(known.seconds, missing, args.jobs)}")
    return 0


def _left(seconds: float, missing: int, jobs: int) -> str:
    rounds = -(-missing // jobs)
    return f"the {missing} missing ones take about {duration(seconds * rounds)}, {jobs} at a time"


def _report(task: Task, gamma: Mapping[str, float], out: Path) -> int:
    """Make page and picture of all results in a folder."""
    finished = read_folder(out)
    if not finished:
        print(f"no results in {out}: no page", file=sys.stderr)
        return 1
    page = update_page(out, finished, remaking_command(task, gamma, finished, out))
    picture = page_of(out, ".svg")
    try:
        plot_densities(picture, finished)
    except ImportError:
        print("no picture: Matplotlib is not installed (python -m pip install 'bbdg_ref[plot]')")
    print(f"{len(finished)} results in {out}; page: {page}" + (f", picture: {picture}" if picture.exists() else ""))
    return 0


@dataclass(eq=False)
class _Sweep:
    """The runs that have no file yet, and how they go."""

    task: Task
    gamma: Mapping[str, float]
    runs: Sequence[Run]
    args: argparse.Namespace

    def run(self) -> int:
        check_folder(self.args.out, self.runs[0], None)  # before data are sought, which may be a download
        dataset = find_dataset(self.task, self.args)
        check_folder(self.args.out, self.runs[0], dataset.label)
        mend = f"lower one of them, or give {self.task.data} with --data-dir"
        check_images(self.runs[0].experiment, len(dataset.train_labels), f"training images of {dataset.label}", mend)
        done = finished_runs(self.args.out, self.runs, dataset.label)
        missing = [run for run in self.runs if run.name not in done]
        print(f"{dataset.label}: {len(done)} of {len(self.runs)} runs are done; results in {self.args.out}", flush=True)
        failed: list[Outcome] = []
        stopped = False
        if missing:
            self.known = seconds_a_run(self.task, base_of(self.task, self.args), done.values(), self.args.data)
            jobs = self._jobs(missing, dataset)
            self.scratch = {job.run.name: Path(job.scratch) for job in jobs}
            del dataset  # every run reads the images itself
            with stop_requests() as stop, closing(self._outcomes(jobs, stop)) as outcomes:
                for outcome in outcomes:
                    self._keep(outcome, failed)
                stopped = stop.is_set()
        if finished_runs(self.args.out, self.runs, None):
            _report(self.task, self.gamma, self.args.out)
        return self._conclude(failed, stopped)

    def _jobs(self, missing: Sequence[Run], dataset: Dataset) -> list[Job]:
        folder = None if dataset.name == SYNTHETIC else str(data_folder(self.args.data_dir).absolute())
        source = Source(dataset.name, folder, self.args.data_label, fingerprint(dataset))
        return [Job(run, source, str(scratch_of(self.args.scratch, run, source))) for run in missing]

    def _outcomes(self, jobs: Sequence[Job], stop: threading.Event) -> Generator[Outcome, None, None]:
        self.left, self.began, self.ended = len(jobs), time.monotonic(), 0
        if self.args.scheduler is not None:
            return on_cluster(jobs, self.args.scheduler, stop)
        text = _left(self.known.seconds, len(jobs), self.args.jobs)
        print(f"{self.known.text}; {text}; work in progress in {self.args.scratch}", flush=True)
        return on_this_machine(jobs, self.args.jobs, stop)

    def _keep(self, outcome: Outcome, failed: list[Outcome]) -> None:
        """Write a run's file as it ends, remove its scratch folder, and say how long the others will take."""
        self.left, self.ended = self.left - 1, self.ended + 1
        spent = time.monotonic() - self.began
        left = f"{self.left} left, about {duration(spent / self.ended * self.left)}" if self.left else "none left"
        try:
            if outcome.result is not None:
                write_result(self.args.out, outcome.result)
        except (FileExistsError, ValueError) as error:  # somebody else's file, made meanwhile: the others go on
            outcome = replace(outcome, result=None, error=str(error))
        if outcome.result is None:
            failed.append(outcome)
            print(f"{outcome.name}: FAILED: {outcome.error}; {left}", flush=True)
            return
        try:
            discard(self.scratch[outcome.name])
        except OSError as error:
            print(f"{outcome.name}: its scratch folder stays: {error}", flush=True)
        result = outcome.result
        print(
            f"{outcome.name}: test {result['test_accuracy']:.2%}, density {result['density']:.4f}, "
            f"{result['made']['seconds']:.0f} s; {left}",
            flush=True,
        )

    def _conclude(self, failed: Sequence[Outcome], stopped: bool) -> int:
        done = len(finished_runs(self.args.out, self.runs, None))
        if stopped:
            print(f"stopped: {done} of {len(self.runs)} runs are done. Go on with the same command", flush=True)
            return 130
        if failed:
            print(f"{len(failed)} runs failed; the same command tries them again:", file=sys.stderr)
            for outcome in failed:
                print(f"  {outcome.name}: {outcome.error}", file=sys.stderr)
        return 1 if failed else 0
