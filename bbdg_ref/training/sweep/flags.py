"""The flags of a sweep: what each means, and which runs they make."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...nn import DOMAINS, NETWORKS
from ..arguments import (
    WIDTHS,
    Refused,
    Task,
    a_count,
    a_density,
    a_gamma,
    a_seed,
    add_data_flags,
    add_training_flags,
    given_settings,
    merged_settings,
)
from ..settings import Experiment
from .grid import ROUTES, Run, claim_grid, full_grid, product_grid

__all__ = ["DEFAULT_OUT", "base_of", "make_parser", "planned_runs"]

DEFAULT_OUT = Path("docs/results/density")
AXES: dict[str, list[Any]] = {
    "densities": [0.5, 0.05, 0.02],
    "domains": ["bipolar", "general", "general-closed"],
    "routes": ["topk"],
    "seeds": [0],
}
_DIFFERING = {"domain", "prune", "density", "gamma", "seed"}  # what the runs of a sweep differ in


def make_parser(task: Task, gamma: Mapping[str, float]) -> argparse.ArgumentParser:
    """Return the parser of a sweep.

    Parameters
    ----------
    task : Task
        The script; its first preset is what all runs have in common.
    gamma : mapping of str to float
        The default γ by route.

    Returns
    -------
    argparse.ArgumentParser
    """
    base = next(iter(task.presets.values()))
    parser = argparse.ArgumentParser(
        prog=task.program,
        description="Train one network at several densities, in several weight domains, by several routes to the "
        "density, with several seeds; keep one result file a run; make a page and a picture of them. What is done "
        "already is skipped: after a stop, the same command goes on.",
        epilog="All runs have in common, unless a flag says otherwise: "
        f"{base.arch}, width {base.width}, {base.epochs} epochs, batch {base.batch_size}, lr {base.learning_rate}. "
        "Ctrl-C lets each run save where it stands.",
        argument_default=argparse.SUPPRESS,
    )
    _add_grid(parser.add_argument_group("grid"), gamma)
    group = parser.add_argument_group("what all runs have in common")
    group.add_argument("--arch", choices=list(NETWORKS), help="which network")
    group.add_argument("--width", type=a_count, help=WIDTHS)
    add_training_flags(group)
    add_data_flags(parser.add_argument_group("data (read by every run itself, not sent to it)"), task.data)
    _add_running(parser.add_argument_group("running"))
    return parser


def _add_grid(group: argparse._ArgumentGroup, gamma: Mapping[str, float]) -> None:
    add = group.add_argument
    text = (
        "claim: 0.5, 0.05 and 0.02 in the domains bipolar, general and general-closed, at 0.05 three seeds of the "
        "first two, the symmetric domain, and all routes of the general one; full: 0.5 to 0.01 in four domains, for "
        "every seed of --seeds (default: claim)"
    )
    add("--grid", choices=["claim", "full"], default=None, help=text)
    several = "; with it the grid is the product of the axes (default of this one: %s)"

    def default(axis: str) -> str:
        return several % " ".join(map(str, AXES[axis]))

    text = "fractions of ones"
    add("--densities", type=a_density, nargs="+", metavar="P", default=None, help=text + default("densities"))
    text = "weight domains: " + ", ".join(DOMAINS)
    add("--domains", choices=list(DOMAINS), nargs="+", metavar="DOMAIN", default=None, help=text + default("domains"))
    text = "ways to the density. " + "; ".join(f"{name}: {what}" for name, what in ROUTES.items())
    add("--routes", choices=list(ROUTES), nargs="+", metavar="ROUTE", default=None, help=text + default("routes"))
    text = "seeds of the split, the initial weights and the training"
    add("--seeds", type=a_seed, nargs="+", metavar="N", default=None, help=text + default("seeds"))
    text = "the penalty's gamma of the routes that have it (default: " + ", ".join(
        f"{route} {value}" for route, value in gamma.items()
    )
    add("--gamma", type=a_gamma, default=None, help=text + ")")


def _add_running(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    text = f"runs at a time, each a process with one thread (default: one per processor, here {_processors()})"
    add("--jobs", type=a_count, metavar="N", default=None, help=text)
    text = (
        "run on the Dask cluster of this scheduler instead, such as tcp://HOST:8786; its workers need bbdg_ref, one "
        "thread each, and the images in the folder that is used here"
    )
    add("--scheduler", metavar="ADDRESS", default=None, help=text)
    text = f"folder of the result files; page and picture go beside it (default: {DEFAULT_OUT.as_posix()})"
    add("--out", type=Path, metavar="DIR", default=DEFAULT_OUT, help=text)
    text = "folder for checkpoints and logs of runs under way (default: runs/sweep)"
    add("--scratch", type=Path, metavar="DIR", default=Path("runs/sweep"), help=text)
    instead = group.add_mutually_exclusive_group()
    text = "only name the runs, done or missing, and how long they may take"
    instead.add_argument("--list", action="store_true", default=False, help=text)
    text = "only make page and picture, of all results in --out"
    instead.add_argument("--report", action="store_true", default=False, help=text)


def _processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def base_of(task: Task, args: argparse.Namespace) -> Experiment:
    """Return what all runs have in common: the first preset and the flags.

    Parameters
    ----------
    task : Task
        The script.
    args : argparse.Namespace
        From the parser.

    Returns
    -------
    Experiment

    Raises
    ------
    Refused
        If the flags are no experiment.
    """
    common = {name: value for name, value in given_settings(args).items() if name not in _DIFFERING}
    merged = merged_settings(next(iter(task.presets.values())), common)
    return Experiment(**merged)


def planned_runs(task: Task, gamma: Mapping[str, float], args: argparse.Namespace) -> list[Run]:
    """Return the runs that the flags ask for, the most telling first.

    Parameters
    ----------
    task : Task
        The script.
    gamma : mapping of str to float
        The default γ by route.
    args : argparse.Namespace
        From the parser; ``jobs`` is filled in.

    Returns
    -------
    list of Run

    Raises
    ------
    Refused
        If flags contradict each other or would have no effect.
    """
    base = base_of(task, args)
    if args.scheduler is not None and args.jobs is not None:
        raise Refused("--jobs has no effect with --scheduler, which has a run on each worker: leave it out")
    args.jobs = args.jobs or _processors()
    given = {axis: getattr(args, axis) for axis in AXES if getattr(args, axis) is not None}
    if args.gamma is not None:
        gamma = dict.fromkeys(gamma, args.gamma)
    if args.grid == "full" and given.keys() <= {"seeds"}:
        runs = full_grid(base, seeds=given.get("seeds", AXES["seeds"]))
    elif args.grid is not None and given:
        raise Refused(f"--{min(given)} has no effect with --grid {args.grid}: leave one of them out")
    elif given:
        axes = AXES | given
        try:
            runs = product_grid(base, **axes, gamma=gamma)
        except ValueError as error:
            raise Refused(f"these axes have a combination that is no experiment: {error}") from error
    else:
        runs = claim_grid(base, gamma)
    if args.gamma is not None and not any(run.route in gamma for run in runs):
        raise Refused("--gamma has no effect without the route penalty or start: leave it out")
    return runs
