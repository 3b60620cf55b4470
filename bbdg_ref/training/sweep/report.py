"""The page of a sweep: the generated part between two marks; what stands outside them is kept."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .estimate import duration
from .grid import ROUTES
from .results import Finished, replace_text
from .tables import (
    Cell,
    cells,
    compare_domains,
    layer_table,
    main_table,
    markdown,
    route_tables,
    sampling_error,
    spread,
)

__all__ = ["generated", "page_of", "put_generated", "update_page"]

BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"


def page_of(folder: Path, ending: str = ".md") -> Path:
    """Return where the page, or the picture, of a folder of results is: beside it.

    Parameters
    ----------
    folder : pathlib.Path
        The results'.
    ending : str
        ".md" or ".svg".

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> page_of(Path("docs/results/density")).as_posix()
    'docs/results/density.md'
    """
    return folder.parent / (folder.name + ending)


def update_page(folder: Path, finished: Sequence[Finished], command: str) -> Path:
    """Put the generated part into the page of a folder of results; make the page if there is none.

    Parameters
    ----------
    folder : pathlib.Path
        The results'.
    finished : sequence of Finished
        What to report, at least one.
    command : str
        What makes these results again.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    ValueError
        If there is a page without the two marks: nothing of it is overwritten.
    """
    page = page_of(folder)
    put_generated(page, "Accuracy against density", generated(folder.name, finished, command))
    return page


def put_generated(page: Path, title: str, body: str) -> None:
    """Put generated text between the two marks of a page; make the page if there is none.

    Parameters
    ----------
    page : pathlib.Path
        A Markdown file.
    title : str
        Of a new page.
    body : str
        Whole lines.

    Raises
    ------
    ValueError
        If there is a page without the two marks: nothing of it is overwritten.
    """
    text = page.read_text(encoding="utf-8") if page.exists() else f"# {title}\n\n{BEGIN}\n{END}\n"
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(
            f"put_generated: page must have the lines {BEGIN} and {END}; {page} has not; put them in, and the "
            "generated part goes between them"
        )
    replace_text(page, f"{before}{BEGIN}\n{body}{END}{after}")


def generated(name: str, finished: Sequence[Finished], command: str) -> str:
    """Return the generated part of the page; the same for the same results, in whatever order they come.

    Parameters
    ----------
    name : str
        Of the folder of results, for links.
    finished : sequence of Finished
        At least one.
    command : str
        What makes these results again.

    Returns
    -------
    str
        Markdown.
    """
    table = cells(finished)
    parts = [
        "## All runs", main_table(table), *_spread_note(table),
        f"![Test accuracy against density, one line per domain]({name}.svg)",
        *_section("## The domains compared", _bullets(compare_domains(table)), sampling_error(table)),
        *_section("## The routes to a density", "\n\n".join(route_tables(table)), _routes()),
        *_section("## What the general domain learned", layer_table(table), _learned(table)),
        "## How these numbers were made", _made(finished), f"```bash\n{command}\n```",
        f"Each run's settings, its log epoch by epoch and all its layers' values are in its file in [{name}]({name}).",
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _section(title: str, body: str, note: str) -> list[str]:
    return [title, body, note] if body else []


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _spread_note(table: Sequence[Cell]) -> list[str]:
    several = any(len(cell.runs) > 1 for cell in table)
    text = "Test accuracy is that of the epoch with the best validation accuracy"
    return [text + ("; ± is the sample standard deviation over the seeds." if several else ".")]


def _routes() -> str:
    note = "The penalty only approaches its density; below it, it does not act."
    return note + "\n\n" + markdown(["route", "the ones are"], ROUTES.items())


def _learned(table: Sequence[Cell]) -> str:
    """Say how the ratio φ/τ moved over the layers: α/β = (φ/τ − 1)/(φ/τ + 1)."""
    lines = ["W = τ·s + φ, so that α = φ − τ and β = φ + τ; all layers start at τ = 1, φ = 0, which is {−1, +1}."]
    for cell in table:
        if (cell.domain, cell.route) == ("general", "topk"):
            layers = [layer for run in cell.runs for layer in run.result["layers"]]
            ratios = sorted(layer["phi"] / layer["tau"] for layer in layers if layer["tau"])
            taus = [layer["tau"] for layer in layers]
            lines.append(
                f"At density {cell.density}, over layers and seeds: τ {spread(taus)}, φ/τ {spread(ratios)}, from "
                f"{ratios[0]:+.2f} to {ratios[-1]:+.2f}."
            )
    return _bullets(lines)


def _made(finished: Sequence[Finished]) -> str:
    """Say on which data, with which settings and on which machines."""
    first = finished[0].result
    e = first["experiment"]
    augmented = ", ".join(name for name in ("crop", "flip", "mixup") if e[name]) or "none"

    def told(values: Callable[[dict[str, Any]], str]) -> str:
        return "; ".join(sorted({values(one.result["made"]) for one in finished}))

    machines = told(lambda m: f"{m['processor']}, {m['processors']} processors, {m['system']}")
    versions = told(
        lambda m: (
            f"bbdg_ref {m['bbdg_ref']}, Python {m['python']}, NumPy {m['numpy']}, Numba {m['numba']}, "
            f"SciPy {m['scipy']}"
        )
    )
    total = sum(one.result["made"]["seconds"] for one in finished)
    return _bullets([
        f"Data: {first['dataset']}; {first['train_images']} training, {first['validation_images']} validation (drawn "
        f"by the seed) and {first['test_images']} test images; the test images are read once, at the end.",
        f"Network: {e['arch']}, width {e['width']}, {first['weights']} binary weights. Training: {e['epochs']} epochs, "
        f"batch {e['batch_size']}, Adam at {e['learning_rate']} with a cosine to 0; augmentation: {augmented}.",
        f"Machine: {machines}. One process and one thread a run, {len(finished)} runs, {duration(total)} of one core "
        "in all. Seconds are those of training and validation, with whatever else the machine did beside it.",
        f"Versions: {versions}.",
    ])  # fmt: skip
