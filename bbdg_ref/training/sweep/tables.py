"""The tables and sentences of the page, from finished runs."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .grid import DOMAIN_ORDER, ROUTES
from .results import Finished

__all__ = ["Cell", "cells", "compare_domains", "layer_table", "main_table", "markdown", "route_tables"]

BASELINE = "bipolar"
LEARNED = "general"


@dataclass(frozen=True, eq=False)
class Cell:
    """The runs that differ in their seed only.

    Attributes
    ----------
    domain : str
        Of `DOMAIN_ORDER`.
    density : float
        The density aimed at.
    route : str
        Of `ROUTES`.
    runs : sequence of Finished
        By seed.
    """

    domain: str
    density: float
    route: str
    runs: Sequence[Finished]

    def mean(self, name: str) -> float:
        """Return the mean of a number of the results over the seeds."""
        return statistics.fmean(run.result[name] for run in self.runs)

    @property
    def seconds(self) -> float:
        """Mean duration."""
        return statistics.fmean(run.result["made"]["seconds"] for run in self.runs)

    def accuracies(self) -> dict[int, float]:
        """Return test accuracy in percent by seed."""
        return {run.run.experiment.seed: 100 * run.result["test_accuracy"] for run in self.runs}


def cells(finished: Iterable[Finished]) -> list[Cell]:
    """Group runs that differ in their seed only.

    Parameters
    ----------
    finished : iterable of Finished
        In any order.

    Returns
    -------
    list of Cell
        By falling density, then route, then domain.
    """
    groups: dict[tuple[float, str, str], list[Finished]] = {}
    for one in sorted(finished, key=lambda f: f.run.experiment.seed):
        groups.setdefault((one.run.density, one.run.route, one.run.experiment.domain), []).append(one)
    found = [Cell(domain, density, route, runs) for (density, route, domain), runs in groups.items()]
    routes = list(ROUTES)
    return sorted(found, key=lambda c: (-c.density, routes.index(c.route), DOMAIN_ORDER.index(c.domain)))


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table.

    Parameters
    ----------
    head : sequence of str
        The columns' names.
    rows : iterable of sequence of str
        As many cells each.

    Returns
    -------
    str
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def spread(values: Sequence[float]) -> str:
    """Return "mean ± sample standard deviation", or the one value alone."""
    mean = f"{statistics.fmean(values):.2f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.2f}"


def main_table(table: Sequence[Cell]) -> str:
    """Return all results, a line a cell.

    Parameters
    ----------
    table : sequence of Cell
        From `cells`.

    Returns
    -------
    str
        A Markdown table.
    """
    head = ["density", "domain", "route", "test accuracy, %", "seeds", "density reached", "epochs", "seconds"]
    return markdown(head, (
        [str(c.density), c.domain, c.route, spread(list(c.accuracies().values())), str(len(c.runs)),
         f"{c.mean('density'):.4f}", str(c.runs[0].run.experiment.epochs), f"{c.seconds:.0f}"]
        for c in table
    ))  # fmt: skip


def compare_domains(table: Sequence[Cell]) -> list[str]:
    """Say by how much every domain beats {−1, +1} at each density, by top-k.

    Parameters
    ----------
    table : sequence of Cell
        From `cells`.

    Returns
    -------
    list of str
        Sentences: the differences of equal seeds in percentage points, with their spread where there are
        several; none where there is nothing to compare.
    """
    by_topk = {(c.density, c.domain): c.accuracies() for c in table if c.route == "topk"}
    found = []
    for density in sorted({c.density for c in table}, reverse=True):
        base = by_topk.get((density, BASELINE), {})
        for domain in DOMAIN_ORDER:
            other = by_topk.get((density, domain), {}) if domain != BASELINE else {}
            gains = {seed: other[seed] - base[seed] for seed in other if seed in base}
            if gains:
                found.append(_sentence(density, domain, gains))
    return found


def _sentence(density: float, domain: str, gains: dict[int, float]) -> str:
    values = list(gains.values())
    start = f"At density {density}, {domain} − {BASELINE} is "
    if len(gains) == 1:
        return start + f"{values[0]:+.2f} points (seed {next(iter(gains))}; one seed, so no spread)."
    each = ", ".join(f"{value:+.2f}" for value in values)
    mean, deviation = statistics.fmean(values), statistics.stdev(values)
    seeds = ", ".join(map(str, gains))
    return start + f"{mean:+.2f} ± {deviation:.2f} points (mean and sample standard deviation; seeds {seeds}: {each})."


def sampling_error(table: Sequence[Cell]) -> str:
    """Say how far the finite test set alone lets an accuracy stray: √(p·(1−p)/n)."""
    p = statistics.fmean(c.mean("test_accuracy") for c in table)
    n = table[0].runs[0].result["test_images"]
    error = 100 * math.sqrt(p * (1 - p) / n)
    return f"An accuracy near {100 * p:.0f} % of {n} test images has by itself a standard error of {error:.2f} points."


def route_tables(table: Sequence[Cell]) -> list[str]:
    """Compare the routes where a domain has several at one density.

    Parameters
    ----------
    table : sequence of Cell
        From `cells`.

    Returns
    -------
    list of str
        A paragraph and a Markdown table for each such domain and density.
    """
    found = []
    for density, domain in dict.fromkeys((c.density, c.domain) for c in table):
        rows = [c for c in table if (c.density, c.domain) == (density, domain)]
        if len(rows) > 1:
            head = ["route", "gamma", "test accuracy, %", "seeds", "density reached", "layers' densities", "epochs"]
            lines = markdown(head, (_route_row(c) for c in rows))
            found.append(f"Density {density}, {domain} domain:\n\n{lines}")
    return found


def _route_row(cell: Cell) -> list[str]:
    gamma = cell.runs[0].run.experiment.gamma
    layers = [layer["density"] for run in cell.runs for layer in run.result["layers"]]
    return [
        cell.route, "" if gamma is None else str(gamma), spread(list(cell.accuracies().values())),
        str(len(cell.runs)), f"{cell.mean('density'):.4f}", f"{min(layers):.4f} to {max(layers):.4f}",
        str(cell.runs[0].run.experiment.epochs),
    ]  # fmt: skip


def layer_table(table: Sequence[Cell]) -> str:
    """Return what the layers of the general domain learned, a column a density, by top-k, lowest seed.

    Parameters
    ----------
    table : sequence of Cell
        From `cells`.

    Returns
    -------
    str
        A Markdown table; empty if there is no such run.
    """
    shown = [c for c in table if (c.domain, c.route) == (LEARNED, "topk")]
    if not shown:
        return ""
    columns = [c.runs[0].result["layers"] for c in shown]
    seeds = [c.runs[0].run.experiment.seed for c in shown]
    head = ["layer", "weights"] + [f"density {c.density}, seed {s}: τ" for c, s in zip(shown, seeds, strict=True)]
    head += [f"{c.density}: φ" for c in shown] + [f"{c.density}: φ/τ" for c in shown]
    rows = []
    for layers in zip(*columns, strict=True):
        first = layers[0]
        numbers = [f"{layer['tau']:.3f}" for layer in layers] + [f"{layer['phi']:+.3f}" for layer in layers]
        rows.append([first["name"], str(first["weights"]), *numbers, *(_ratio(layer) for layer in layers)])
    return markdown(head, rows)


def _ratio(layer: dict[str, float]) -> str:
    return f"{layer['phi'] / layer['tau']:+.2f}" if layer["tau"] else "-"
