"""The file of a finished run: written whole or not at all, and checked when it is read."""

import dataclasses
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import _checks
from ..settings import Experiment
from .grid import Run

__all__ = ["Finished", "check_folder", "check_same", "read_finished", "read_folder", "write_result"]

_NUMBERS = ("train_images", "validation_images", "test_images", "best_epoch", "weights")
_FRACTIONS = ("validation_accuracy", "test_accuracy", "density")
_OWN = {"domain", "density", "prune", "gamma", "init_density", "seed"}  #: Settings in which runs of a sweep differ.
_LAYER = {"name", "weights", "ones", "density", "alpha", "beta", "tau", "phi"}


@dataclass(frozen=True, eq=False)
class Finished:
    """A finished run.

    Attributes
    ----------
    run : Run
        Which.
    result : dict
        What its file holds: ``name``, ``dataset``, ``experiment``, the numbers of images, ``best_epoch``,
        the accuracies and ``density`` there, ``layers``, ``log``; and ``made``, the only part that differs
        from machine to machine: seconds, processor, versions.
    """

    run: Run
    result: dict[str, Any]


def write_result(folder: Path, result: dict[str, Any]) -> Path:
    """Write the file of a run, flushed to the disk and put in place in one step.

    A file that is there already and holds the same but for ``made`` is left as it is.

    Parameters
    ----------
    folder : pathlib.Path
        Made if it is not there.
    result : dict
        With a ``name``.

    Returns
    -------
    pathlib.Path
        ``folder/NAME.json``.

    Raises
    ------
    FileExistsError
        If the run has a file of other content already: a result is kept once.
    ValueError
        If it has a file that is no result.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['name']}.json"
    if path.exists():
        if _exact(read_finished(path).result) == _exact(result):
            return path
        raise FileExistsError(f"write_result: folder must not hold another result; {path} is one; delete it first")
    replace_text(path, json.dumps(result, indent=1) + "\n")
    return path


def _exact(result: dict[str, Any]) -> str:
    """Return as text what is the same whenever a run is made again: all but ``made``."""
    return json.dumps({name: value for name, value in result.items() if name != "made"}, sort_keys=True)


def replace_text(path: Path, text: str) -> None:
    """Write a file whole or not at all: to a temporary one beside it, to the disk, then in place."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read_finished(path: Path) -> Finished:
    """Read the file of a run and check that it is whole and that its name is that of its settings.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    Finished

    Raises
    ------
    ValueError
        If it is not such a file.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        run = Run(Experiment(**result["experiment"]))
        result["experiment"] = dataclasses.asdict(run.experiment)  # files of earlier versions lack the later settings
        _check(result)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"read_finished: {path} must be a whole result of a run; got {error!r}; delete it to run it again"
        ) from error
    if not run.name == result["name"] == path.stem:
        raise ValueError(
            f"read_finished: {path} must be named as its settings are; they are those of {run.name}; delete it"
        )
    return Finished(run, result)


def _check(result: dict[str, Any]) -> None:
    """Refuse a result that lacks what the page shows."""
    for name in _NUMBERS:
        _checks.integer("result", name, result[name], 1)
    for name in _FRACTIONS:
        _checks.fraction("result", name, result[name], zero=True, one=True)
    _checks.real_number("result", "seconds", result["made"]["seconds"])
    if not (isinstance(result["dataset"], str) and isinstance(result["log"], list) and result["layers"]):
        raise TypeError("a dataset, a log or layers of another type")
    if [line["epoch"] for line in result["log"]] != list(range(1, result["experiment"]["epochs"] + 1)):
        raise ValueError("a log whose epochs are not 1, 2, ... to the last")
    for layer in result["layers"]:
        if layer.keys() != _LAYER:
            raise ValueError(f"a layer with {sorted(layer)}")


def read_folder(folder: Path) -> list[Finished]:
    """Read every result of a folder.

    Parameters
    ----------
    folder : pathlib.Path
        It need not be there.

    Returns
    -------
    list of Finished
        By file name.

    Raises
    ------
    ValueError
        If a file is no result, or not one of the same sweep as the others: they may differ in domain,
        density, route and seed only.
    """
    found = [read_finished(path) for path in sorted(folder.glob("*.json"))]
    for other in found[1:]:
        check_same(folder / f"{other.run.name}.json", other, _common(found[0]), f"{found[0].run.name}.json")
    return found


def check_same(path: Path, finished: Finished, wanted: dict[str, Any], where: str) -> None:
    """Refuse a finished run whose settings or data are not the wanted ones.

    Parameters
    ----------
    path : pathlib.Path
        Its file, for the message.
    finished : Finished
        The run.
    wanted : dict
        Settings, and ``dataset``, by name; what is not named may be anything.
    where : str
        Where the wanted ones come from, for the message.

    Raises
    ------
    ValueError
        That names the file and the first setting that differs.
    """
    held = finished.result["experiment"] | {"dataset": finished.result["dataset"]}
    for name, value in wanted.items():
        if held[name] != value:
            raise ValueError(
                f"{path}: {name} is {held[name]!r} there, but {value!r} in {where}; delete the file, or choose "
                "another folder with --out"
            )


def _common(finished: Finished) -> dict[str, Any]:
    """Return what all runs of a sweep share."""
    settings = finished.result["experiment"] | {"dataset": finished.result["dataset"]}
    return {name: value for name, value in settings.items() if name not in _OWN}


def check_folder(folder: Path, run: Run, label: str | None) -> None:
    """Refuse a folder that holds a result which cannot be on one page with a run.

    Parameters
    ----------
    folder : pathlib.Path
        It need not be there.
    run : Run
        Any of the sweep that is to be.
    label : str or None
        Of its data; without one any data set will do.

    Raises
    ------
    ValueError
        That names a file which is no result, or the first setting that differs.
    """
    wanted = {name: value for name, value in wanted_settings(run, label).items() if name not in _OWN}
    for one in read_folder(folder):
        check_same(folder / f"{one.run.name}.json", one, wanted, "this sweep")


def wanted_settings(run: Run, label: str | None) -> dict[str, Any]:
    """Return what a run's file must hold; without a label any data set will do."""
    return dataclasses.asdict(run.experiment) | ({} if label is None else {"dataset": label})


def finished_runs(folder: Path, runs: Iterable[Run], label: str | None) -> dict[str, Finished]:
    """Return those of the runs that have a file, by name; refuse a file of other settings."""
    found = {}
    for run in runs:
        path = folder / f"{run.name}.json"
        if path.exists():
            found[run.name] = read_finished(path)
            check_same(path, found[run.name], wanted_settings(run, label), "this sweep")
    return found
