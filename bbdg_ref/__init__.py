"""Reference implementation of sparse binary neural networks over the general binary domain {α, β}.

What it is: a framework-free, readable and tested statement of the method of arXiv 2306.13515 (weights
take two learned values α and β, so that the weights with bit 0 cost nothing but a term shared by all
output channels), with the exact least-squares solver, forward and backward passes, and training, on
NumPy, Numba, SciPy and h5py. What it is not: a deep-learning framework, or the paper's own code.

In the order of the data flow: `project` and its relatives turn real weights into α, β and bits;
`bbdg_ref.pruning` chooses bits during training; `bbdg_ref.nn` builds networks, `bbdg_ref.datasets` reads
images, `bbdg_ref.training` trains; `compile_network` packs a trained network for fast and exact inference,
`packed_conv2d` is one layer of it, `summary` counts what a network costs, `save_packed` writes it small.
`bbdg_ref.spec` is the definition of it all in plain NumPy: whoever ports the method reads that folder.
"""

from typing import TYPE_CHECKING, Any

from ._version import __version__
from .network_summary import Summary, summary
from .packed import PackedActivations, PackedConv, PackedLinear, packed_conv2d, packed_linear
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
from .projection_chunks import ChunkedProjection, project_chunks

__all__ = [
    "Domain",
    "Projection",
    "project",
    "project_chunks",
    "ChunkedProjection",
    "project_k",
    "project_symmetric",
    "project_zero",
    "fit_domain",
    "assign",
    "Explanation",
    "explain",
    "PackedActivations",
    "PackedConv",
    "PackedLinear",
    "packed_conv2d",
    "packed_linear",
    "PackedNetwork",
    "compile_network",
    "save_packed",
    "load_packed",
    "Summary",
    "summary",
    "__version__",
]

if TYPE_CHECKING:
    from .inference import PackedNetwork, compile_network, load_packed, save_packed

_ON_FIRST_USE = ("PackedNetwork", "compile_network", "save_packed", "load_packed")


def __getattr__(name: str) -> Any:
    """Load the names that need the networks and the file format when they are first used: importing stays instant."""
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module 'bbdg_ref' has no attribute {name!r}")
    from . import inference  # not at the top: it imports h5py

    return getattr(inference, name)
