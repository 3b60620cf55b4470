"""The picture of a sweep: accuracy against density, one line per domain."""

import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from .grid import DOMAIN_ORDER
from .results import Finished
from .tables import cells

__all__ = ["plot_densities"]

MARKERS = dict(zip(DOMAIN_ORDER, "osD^", strict=True))


def plot_densities(path: str | os.PathLike[str], finished: Sequence[Finished]) -> None:
    """Draw test accuracy against density as an SVG: lines for top-k, single marks for other routes.

    Error bars are sample standard deviations over the seeds, where there are several.

    Parameters
    ----------
    path : str or path-like
        Where to.
    finished : sequence of Finished
        At least one.

    Raises
    ------
    ImportError
        If Matplotlib is not installed (the extra ``plot``).
    """
    from matplotlib import rc_context  # optional: only the extra `plot` brings it
    from matplotlib.figure import Figure  # optional, likewise

    table = cells(finished)
    # Text stays text, and nothing depends on the time or on chance.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "bbdg_ref"}):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.subplots()
        for domain in DOMAIN_ORDER:
            line = [cell for cell in table if (cell.domain, cell.route) == (domain, "topk")]
            if line:
                accuracies = [list(cell.accuracies().values()) for cell in line]
                axes.errorbar(
                    [cell.mean("density") for cell in line], [statistics.fmean(values) for values in accuracies],
                    yerr=[statistics.stdev(values) if len(values) > 1 else 0.0 for values in accuracies],
                    marker=MARKERS[domain], capsize=3, label=domain,
                )  # fmt: skip
        for cell in table:
            if cell.route != "topk":
                axes.plot(cell.mean("density"), 100 * cell.mean("test_accuracy"), "x" if cell.route == "penalty" else
                          "+" if cell.route == "start" else "*", linestyle="none", markersize=9,
                          label=f"{cell.domain}, {cell.route} ({cell.density})")  # fmt: skip
        e, dataset = finished[0].result["experiment"], finished[0].result["dataset"]
        axes.set_xscale("log")
        ticks = sorted({cell.density for cell in table})
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set(xlabel="density reached (ones / binary weights)", ylabel="test accuracy, %",
                 title=f"{dataset}: {e['arch']}, width {e['width']}, {e['epochs']} epochs")  # fmt: skip
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": "bbdg_ref"})
    text = Path(path).read_text(encoding="utf-8")
    Path(path).write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")
