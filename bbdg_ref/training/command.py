"""The command line of the training examples: flags, data, run, table, picture."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from .._terminal import end_well
from ..datasets import Dataset, download_cifar, load_cifar, synthetic
from ..nn import load_network
from .arguments import Task, make_experiment, make_parser, resumed_experiment
from .choice import density_warning
from .experiment import holds_a_run, run
from .flag_checks import SYNTHETIC, Refused, check_data_flags, check_images, check_out
from .interrupts import Interrupted
from .plots import plot_run
from .report import Results, format_table, training_seconds
from .settings import Experiment, describe

__all__ = ["find_dataset", "main"]


def main(task: Task, argv: Sequence[str] | None = None) -> int:
    """Run a training script.

    Parameters
    ----------
    task : Task
        What the script is about.
    argv : sequence of str, optional
        Command-line arguments; the process's by default.

    Returns
    -------
    int
        Exit status: 0, 1 after an error, 130 when interrupted, 141 when the reader of the output went away. Refused
        flags end the process with 2.
    """
    parser = make_parser(task)
    args = parser.parse_args(argv)

    def work() -> int:
        try:
            return _train(task, args)
        except Refused as refusal:
            parser.error(str(refusal))

    stopped = "\nstopped at once; a checkpoint, if there is one, is of the last whole epoch"
    return end_well(work, failures=(MemoryError, ValueError, FloatingPointError), status=1, interrupted=stopped)


def _train(task: Task, args: argparse.Namespace) -> int:
    check_data_flags(args)
    check_out(args)
    experiment = resumed_experiment(args) if args.resume else make_experiment(task, args)
    out = args.out or _new_folder(experiment)
    if not args.resume and holds_a_run(out):
        raise Refused(f"--out {out} holds a run already: add --resume to go on with it, or choose another folder")
    print(f"run: {describe(experiment)}, seed {experiment.seed}\nresults go to {out}", flush=True)
    dataset = find_dataset(task, args)
    sizes = f"{len(dataset.train_labels)} training and {len(dataset.test_labels)} test images"
    print(f"data set: {dataset.label}, {sizes}", flush=True)
    mend = "give the data that the run began with" if args.resume else f"lower one of them, or give {task.data}"
    what = f"training images of {dataset.label}"
    check_images(experiment, len(dataset.train_labels), what, f"{mend} with --data-dir")
    try:
        results = run(experiment, dataset, out, resume=args.resume, bar=not args.quiet)
    except Interrupted as stop:
        print(f"\n{stop}; saved. Go on with:\n  {_resume_command(task, args, dataset, out)}", flush=True)
        return 130
    _report(results, out)
    return 0


def _new_folder(experiment: Experiment) -> Path:
    """Return the first free folder of the experiment's name below runs/."""
    e = experiment
    pattern = None if e.n_m is None else e.n_m.replace(":", "of")
    settings = (pattern, None if e.subbit is None else f"{e.subbit}bits", e.density)
    taken = "".join(f"-{value}" for value in settings if value is not None)
    name = f"{e.arch}-{e.domain}-{e.prune}{taken}-seed{e.seed}"
    number = 1
    while (out := Path("runs") / (name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return out


def find_dataset(task: Task, args: argparse.Namespace) -> Dataset:
    """Find the data set, else download it, else fall back to the built-in one and say so.

    Parameters
    ----------
    task : Task
        Which data set.
    args : argparse.Namespace
        With ``data``, ``data_dir`` and ``data_label``.

    Returns
    -------
    Dataset

    Raises
    ------
    OSError, ValueError
        If the data set was asked for, and is not there or damaged.
    """
    if args.data == SYNTHETIC:
        return synthetic()
    try:
        return load_cifar(task.layout, args.data_dir, label=args.data_label)
    except FileNotFoundError:
        if args.data_dir is not None:
            raise
    print(f"{task.data} is not in $BBDG_DATA or data/: trying to download it", flush=True)
    try:
        download_cifar(task.layout)
    except OSError as error:
        if args.data != "auto":
            raise
        print(_banner(task, str(error)), flush=True)
        return synthetic()
    return load_cifar(task.layout)


def _banner(task: Task, reason: str) -> str:
    line, reason = "!" * 78, reason.replace("\n", "\n!!    ")
    return (
        f"{line}\n!!  {task.data} was not found and could not be downloaded:\n!!    {reason}\n"
        f"!!  Training on the BUILT-IN SYNTHETIC SET instead. Its accuracies say nothing\n"
        f"!!  about {task.data}. To train on {task.data}, give its folder with --data-dir.\n{line}"
    )


def _resume_command(task: Task, args: argparse.Namespace, dataset: Dataset, out: Path) -> str:
    """Return the command line that goes on where this one stopped, on the same data."""
    words = ["python", task.program, "--resume", "--out", str(out)]
    if dataset.name == SYNTHETIC or args.data != "auto":
        words += ["--data", dataset.name]
    for flag, value in (("--data-dir", args.data_dir), ("--data-label", args.data_label)):
        words += [flag, str(value)] if value is not None else []
    return shlex.join(words)


def _report(results: Results, out: Path) -> None:
    """Print the table; draw the picture if Matplotlib is there; tell if the density was not met."""
    print("\n" + format_table(results, training_seconds(out)) + "\n")
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    try:
        plot_run(out / "curves.png", log, load_network(out / "model.h5"), results)
    except ImportError:
        print("no picture: Matplotlib is not installed (python -m pip install 'bbdg_ref[plot]')")
    print(f"written to {out}: " + ", ".join(sorted(p.name for p in out.iterdir() if not p.name.startswith("."))))
    if (warning := density_warning(results, log)) is not None:
        print(f"warning: {warning}", file=sys.stderr)
