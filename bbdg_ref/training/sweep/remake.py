"""The command that makes results again, from the results alone."""

import dataclasses
import shlex
from collections.abc import Iterable, Mapping, Sequence

from ..arguments import SYNTHETIC, Task
from .grid import DOMAIN_ORDER, ROUTES, Run, claim_grid, full_grid
from .results import Finished

__all__ = ["remaking_command"]

_FLAGS = {"arch": "--arch", "width": "--width", "epochs": "--epochs", "batch_size": "--batch-size",
          "learning_rate": "--lr", "validation": "--validation", "limit_train": "--limit-train"}  # fmt: skip


def remaking_command(task: Task, gamma: Mapping[str, float], finished: Sequence[Finished]) -> str:
    """Return the command line that makes these results, and perhaps more, again.

    Parameters
    ----------
    task : Task
        The script; its first preset is what runs have in common if no flag says otherwise.
    gamma : mapping of str to float
        The default γ by route.
    finished : sequence of Finished
        Of one sweep, at least one.

    Returns
    -------
    str
        With DIR for the folder of the images.
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
    return shlex.join(words + _grid(finished, gamma))


def _grid(finished: Sequence[Finished], gamma: Mapping[str, float]) -> list[str]:
    """Return the flags of the smallest of the known grids that holds all runs, else of a product."""
    runs = [one.run for one in finished]
    base = runs[0].experiment
    seeds = sorted({run.experiment.seed for run in runs})
    if _within(runs, claim_grid(base, gamma)):
        return []
    if _within(runs, full_grid(base, seeds=seeds)):
        return ["--grid", "full", "--seeds", *map(str, seeds)]
    words = ["--densities", *(str(density) for density in sorted({run.density for run in runs}, reverse=True))]
    words += ["--domains", *(name for name in DOMAIN_ORDER if any(run.experiment.domain == name for run in runs))]
    words += ["--routes", *(name for name in ROUTES if any(run.route == name for run in runs))]
    words += ["--seeds", *map(str, seeds)]
    used = {run.experiment.gamma for run in runs if gamma.get(run.route, None) != run.experiment.gamma}
    return words + (["--gamma", str(used.pop())] if len(used) == 1 else [])


def _within(runs: Iterable[Run], grid: Iterable[Run]) -> bool:
    return set(runs) <= set(grid)
