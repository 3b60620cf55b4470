"""Reference implementation of sparse binary neural networks over the general binary domain {α, β}.

What it is: a framework-free, readable and tested statement of the method of arXiv 2306.13515 (weights
take two learned values α and β, so that the weights with bit 0 cost nothing but a term shared by all
output channels), with the exact least-squares solver, forward and backward passes, and training, on
NumPy, Numba, SciPy and h5py. What it is not: a deep-learning framework, or the paper's own code.

In the order of the data flow: `project` and its relatives turn real weights into α, β and bits;
`bbdg_ref.pruning` chooses bits during training; `bbdg_ref.nn` builds networks, `bbdg_ref.datasets` reads
images, `bbdg_ref.training` trains. `bbdg_ref.spec` is the definition of it all in plain NumPy: whoever
ports the method reads that folder.
"""

from ._version import __version__
from .projection import (
    Domain,
    Explanation,
    Projection,
    assign,
    explain,
    fit_domain,
    project,
    project_k,
    project_symmetric,
    project_zero,
)

__all__ = [
    "Domain",
    "Projection",
    "project",
    "project_k",
    "project_symmetric",
    "project_zero",
    "fit_domain",
    "assign",
    "Explanation",
    "explain",
    "__version__",
]
