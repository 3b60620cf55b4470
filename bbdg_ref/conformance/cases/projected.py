"""The outputs of a projection, by the names of the stages."""

from typing import Any

from ...spec.projection import Projection

__all__ = ["outputs"]


def outputs(projection: Projection) -> dict[str, Any]:
    """Return the outputs of `project` and of its relatives.

    Parameters
    ----------
    projection : Projection
        Without channel axis.

    Returns
    -------
    dict
        alpha, beta, bits, threshold, error, n_ones, tied.
    """
    return {
        "alpha": projection.alpha,
        "beta": projection.beta,
        "bits": projection.bits,
        "threshold": float(projection.threshold),
        "error": projection.error,
        "n_ones": projection.n_ones,
        "tied": projection.tied,
    }
