"""The strategies by the names that the command line and the files use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .combined import Within, WithPenalty
from .density_penalty import DensityPenalty, EntropyPenalty
from .magnitude import GlobalTopK, TopK
from .n_m import NofM
from .protocol import Pruning
from .random import RandomBits
from .sign import SignOfLatent
from .structured import Filters, Kernels
from .subbit import SubBit

__all__ = ["STRATEGIES", "Strategy"]


@dataclass(frozen=True)
class Strategy:
    """A row of `STRATEGIES`.

    Attributes
    ----------
    text : str
        How it chooses the ones, in a few words.
    takes : tuple of str
        The settings that it needs, of "density", "gamma", "n_m" (text such as "2:4"), "subbit" (bits of a pattern's
        number) and "seed".
    make : callable
        Returns the strategy from the values of those settings, in that order.
    scheduled : bool
        Whether its density may be a `Schedule`.
    relative : bool
        Whether a layer's bits stay as they are when all of its latent weights move by the same amount.
    """

    text: str
    takes: tuple[str, ...]
    make: Callable[..., Pruning]
    scheduled: bool = False
    relative: bool = False


def _twice(density: float) -> float:
    """Return the fraction of blocks to keep, of whose weights half are then ones."""
    return min(1.0, 2 * density)


STRATEGIES: Mapping[str, Strategy] = {
    "none": Strategy("the positive latent weights", (), SignOfLatent),
    "penalty": Strategy(
        "the positive ones, with the paper's penalty on the density of all layers together",
        ("density", "gamma"), DensityPenalty,
    ),
    "penalty-entropy": Strategy(
        "the positive ones, with the same bound as one on the entropy", ("density", "gamma"), EntropyPenalty
    ),
    "topk": Strategy("the largest of each layer", ("density",), TopK, scheduled=True, relative=True),
    "topk-global": Strategy("the largest of all layers together", ("density",), GlobalTopK, scheduled=True),
    "random": Strategy(
        "random ones that never change", ("density", "seed"), RandomBits, scheduled=True, relative=True
    ),
    "filters": Strategy(
        "the largest in the filters of the largest sums, of whose weights half are ones", ("density",),
        lambda density: Within(Filters(_twice(density)), TopK(density)), relative=True,
    ),
    "kernels": Strategy(
        "the same with kernels for filters", ("density",),
        lambda density: Within(Kernels(_twice(density)), TopK(density)), relative=True,
    ),
    "n-m": Strategy("the N largest of every M along the input channels", ("n_m",), NofM.from_text, relative=True),
    "subbit": Strategy("for each 3x3 kernel the nearest of few patterns", ("subbit",), SubBit),
    "subbit-topk": Strategy(
        "such patterns, with the density given for each layer", ("subbit", "density"), SubBit,
        scheduled=True, relative=True,
    ),
    "subbit-penalty": Strategy(
        "such patterns, with the paper's penalty", ("subbit", "density", "gamma"),
        lambda subbit, density, gamma: WithPenalty(SubBit(subbit), DensityPenalty(density, gamma)),
    ),
}  # fmt: skip
