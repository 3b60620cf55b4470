"""Which weights become ones during training: strategies as small objects with one protocol."""

from .density_penalty import PAPER_GAMMA_CIFAR10, DensityPenalty
from .magnitude import GlobalTopK, TopK
from .protocol import Penalty, Pruning
from .sign import SignOfLatent

__all__ = ["PAPER_GAMMA_CIFAR10", "DensityPenalty", "GlobalTopK", "Penalty", "Pruning", "SignOfLatent", "TopK"]
