"""A grid of training runs: densities x domains x routes x seeds, one result file a run, and the page made of them.

Reading order: `grid` (which runs), `results` (the file of a run), `process` (one run in a process of its own),
`runners` (many, here or on a cluster), `tables` and `report` (the page), `plot`, `remake`, `estimate`, `flags`,
`command`.
"""

from .command import main
from .grid import DOMAIN_ORDER, ROUTES, Run, claim_grid, full_grid, most_telling_first, product_grid
from .plot import plot_densities
from .process import Job, Outcome, Source
from .report import update_page
from .results import Finished, read_finished, read_folder, write_result
from .runners import on_cluster, on_this_machine

__all__ = [
    "DOMAIN_ORDER",
    "Finished",
    "Job",
    "Outcome",
    "ROUTES",
    "Run",
    "Source",
    "claim_grid",
    "full_grid",
    "main",
    "most_telling_first",
    "on_cluster",
    "on_this_machine",
    "plot_densities",
    "product_grid",
    "read_finished",
    "read_folder",
    "update_page",
    "write_result",
]
