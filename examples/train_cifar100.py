"""Train a sparse binary network on CIFAR-100, or offline on the built-in set (of 10 classes).

python examples/train_cifar100.py
python examples/train_cifar100.py --density 0.02 --domain bipolar --schedule linear --smoothing 0.1
python examples/train_cifar100.py --preset paper --data-dir DIR
python examples/train_cifar100.py --help
"""

import sys
from dataclasses import replace

from bbdg_ref.datasets import CIFAR100
from bbdg_ref.pruning import PAPER_GAMMA_CIFAR100
from bbdg_ref.training import Experiment
from bbdg_ref.training.arguments import Task
from bbdg_ref.training.command import main

#: Some minutes on two cores: ReActNet-18 at half the width, the ones chosen as the largest 5 % of each layer's latents.
QUICK = Experiment(
    arch="reactnet18", width=32, domain="general", prune="topk", density=0.05, gamma=None, init_density=None,
    epochs=4, batch_size=64, learning_rate=3e-3, crop=False, flip=True, mixup=False, seed=0, limit_train=15000,
)  # fmt: skip

#: The paper's settings: the density penalty with EC 0.05, 300 epochs, rotated images. Days on a CPU.
PAPER = replace(
    QUICK, width=64, prune="penalty", gamma=PAPER_GAMMA_CIFAR100[0.05], epochs=300, batch_size=512,
    learning_rate=1e-3, crop=True, rotate=True, mixup=True, limit_train=None,
)  # fmt: skip

TASK = Task(
    program="examples/train_cifar100.py",
    data="cifar100",
    layout=CIFAR100,
    presets={"quick": QUICK, "paper": PAPER},
    paper_gamma=PAPER_GAMMA_CIFAR100,
)

if __name__ == "__main__":
    sys.exit(main(TASK))
