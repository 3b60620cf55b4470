"""Labelled image sets: CIFAR-10 and CIFAR-100 in their binary version, and a built-in synthetic set.

Reading order: `dataset` (the value type), `cifar_layout` (published facts), `cifar` (reading), `download`,
`synthetic`.
"""

from .cifar import data_folder, find_cifar, load_cifar, load_cifar10, load_cifar100
from .cifar_layout import CIFAR10, CIFAR100, MIRRORS, CifarFile, CifarLayout
from .dataset import Dataset, Split, split_validation
from .download import DownloadError, download_cifar
from .synthetic import SYNTHETIC_TEST, SYNTHETIC_TRAIN, synthetic

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "MIRRORS",
    "SYNTHETIC_TEST",
    "SYNTHETIC_TRAIN",
    "CifarFile",
    "CifarLayout",
    "Dataset",
    "DownloadError",
    "Split",
    "data_folder",
    "download_cifar",
    "find_cifar",
    "load_cifar",
    "load_cifar10",
    "load_cifar100",
    "split_validation",
    "synthetic",
]
