"""Which weights become ones during training: strategies as small objects with one protocol."""

from .combined import Within, WithPenalty
from .density_penalty import PAPER_GAMMA_CIFAR10, PAPER_GAMMA_CIFAR100, DensityPenalty, EntropyPenalty
from .magnitude import GlobalTopK, TopK
from .n_m import NofM
from .protocol import Penalty, Pruning
from .random import RandomBits
from .schedule import Cubic, Schedule
from .sign import SignOfLatent
from .structured import Filters, Kernels
from .subbit import SubBit
from .table import STRATEGIES, Strategy

__all__ = [
    "PAPER_GAMMA_CIFAR10",
    "PAPER_GAMMA_CIFAR100",
    "STRATEGIES",
    "Cubic",
    "DensityPenalty",
    "EntropyPenalty",
    "Filters",
    "GlobalTopK",
    "Kernels",
    "NofM",
    "Penalty",
    "Pruning",
    "RandomBits",
    "Schedule",
    "SignOfLatent",
    "Strategy",
    "SubBit",
    "TopK",
    "WithPenalty",
    "Within",
]
