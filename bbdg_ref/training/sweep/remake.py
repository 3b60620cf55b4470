"""The commands that make results again, from the results alone."""

import dataclasses
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..arguments import Task
from ..flag_checks import SYNTHETIC
from .flags import DEFAULT_OUT
from .grid import DOMAIN_ORDER, ROUTES, Run, claim_grid, full_grid, product_grid
from .results import Finished

__all__ = ["remaking_command"]

_FLAGS = {"arch": "--arch", "width": "--width", "epochs": "--epochs", "batch_size": "--batch-size",
          "learning_rate": "--lr", "validation": "--validation", "limit_train": "--limit-train"}  # fmt: skip


def remaking_command(
    task: Task, gamma: Mapping[str, float], finished: Sequence[Finished], out: Path = DEFAULT_OUT
) -> str:
    """Return the command line that makes these results, and perhaps more, again.

    Parameters
    ----------
    task : Task
        The script; its first preset is what runs have in common if no flag says otherwise.
    gamma : mapping of str to float
        The default γ by route.
    finished : sequence of Finished
        Of one sweep, at least one.
    out : pathlib.Path
        The folder of results, as it was given.

    Returns
    -------
    str
        With DIR for the folder of the images, and OUT for a folder of results that was given as an absolute
        path. Several lines, each a command, where the runs have several γ that are not the defaults: a
        command has one ``--gamma``.
    """
    base = dataclasses.asdict(next(iter(task.presets.values())))
    first = finished[0].result
    words = ["python", task.program]
    if first["dataset"].startswith("built-in"):
        words += ["--data", SYNTHETIC]
    else:
        words += ["--data-dir", "DIR", "--data-label", first["dataset"]]
    held = first["experiment"]
    for name, flag in _FLAGS.items():
        words += [flag, str(held[name])] if held[name] != base[name] else []
    for name in ("crop", "flip", "mixup"):
        words += [f"--{name}" if held[name] else f"--no-{name}"] if held[name] != base[name] else []
    if out != DEFAULT_OUT:
        words += ["--out", "OUT" if out.is_absolute() else out.as_posix()]
    return "\n".join(shlex.join(words + grid) for grid in _grids([one.run for one in finished], gamma))


def _grids(runs: Sequence[Run], gamma: Mapping[str, float]) -> list[list[str]]:
    """Return the flags of the grid that holds all runs; of several, if no one value of ``--gamma`` is that of all."""
    used = {run.experiment.gamma for run in runs if run.route in gamma}
    if all(run.experiment.gamma == gamma.get(run.route) for run in runs):
        return [_grid(runs, gamma)]
    if len(used) == 1:
        value = used.pop()
        assert value is not None  # the routes of `gamma` have one
        return [[*_grid(runs, dict.fromkeys(gamma, value)), "--gamma", str(value)]]
    groups: dict[tuple[str, float | None], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.route, run.experiment.gamma), []).append(run)
    found = []
    for (route, value), group in sorted(
        groups.items(), key=lambda item: (list(ROUTES).index(item[0][0]), item[0][1] or 0)
    ):
        given = [] if value == gamma.get(route) else ["--gamma", str(value)]
        others = {run.name for run in runs} - {run.name for run in group}
        alone = others.isdisjoint(run.name for run in _product(group))
        found += [_axes(part) + given for part in ([group] if alone else [[run] for run in group])]
    return found


def _grid(runs: Sequence[Run], gamma: Mapping[str, float]) -> list[str]:
    """Return the flags of the smallest grid that holds all runs: a known one, or a product."""
    base = runs[0].experiment
    seeds = sorted({run.experiment.seed for run in runs})
    product = len(seeds)
    for axis in ({run.density for run in runs}, {run.experiment.domain for run in runs}, {run.route for run in runs}):
        product *= len(axis)
    known = [([], claim_grid(base, gamma)),
             (["--grid", "full", "--seeds", *map(str, seeds)], full_grid(base, seeds=seeds))]  # fmt: skip
    fitting = [(len(grid), words) for words, grid in known if _within(runs, grid) and len(grid) <= product]
    return min(fitting)[1] if fitting else _axes(runs)


def _axes(runs: Sequence[Run]) -> list[str]:
    """Return the flags of the product that holds all runs."""
    words = ["--densities", *(str(density) for density in sorted({run.density for run in runs}, reverse=True))]
    words += ["--domains", *(name for name in DOMAIN_ORDER if any(run.experiment.domain == name for run in runs))]
    words += ["--routes", *(name for name in ROUTES if any(run.route == name for run in runs))]
    return [*words, "--seeds", *map(str, sorted({run.experiment.seed for run in runs}))]


def _product(runs: Sequence[Run]) -> list[Run]:
    """Return what these flags plan, for runs of one route and one γ."""
    base, route = runs[0].experiment, runs[0].route
    return product_grid(
        base, densities=sorted({run.density for run in runs}), domains=sorted({run.experiment.domain for run in runs}),
        routes=[route], seeds=sorted({run.experiment.seed for run in runs}),
        gamma={} if base.gamma is None else {route: base.gamma},
    )  # fmt: skip


def _within(runs: Iterable[Run], grid: Iterable[Run]) -> bool:
    return set(runs) <= set(grid)
