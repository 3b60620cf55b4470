"""Train a sparse binary network on CIFAR-10, or offline on the built-in set.

python examples/train_cifar10.py
python examples/train_cifar10.py --density 0.02 --domain bipolar --epochs 20
python examples/train_cifar10.py --preset paper --data-dir DIR
python examples/train_cifar10.py --help
"""

import sys
from dataclasses import replace

from bbdg_ref.datasets import CIFAR10
from bbdg_ref.pruning import PAPER_GAMMA_CIFAR10
from bbdg_ref.training import Experiment
from bbdg_ref.training.arguments import Task
from bbdg_ref.training.command import main

#: A few minutes on two cores: ResNet-20, the ones chosen as the largest 5 % of each layer's latents.
QUICK = Experiment(
    arch="resnet20", width=16, domain="general", prune="topk", density=0.05, gamma=None, init_density=None,
    epochs=4, batch_size=64, learning_rate=3e-3, crop=False, flip=True, mixup=False, seed=0, limit_train=15000,
)  # fmt: skip

#: The paper's settings: ResNet-18, the density penalty with EC 0.05, 500 epochs. Days on a CPU.
PAPER = replace(
    QUICK, arch="resnet18", width=64, prune="penalty", gamma=PAPER_GAMMA_CIFAR10[0.05], epochs=500,
    batch_size=512, learning_rate=1e-3, crop=True, mixup=True, limit_train=None,
)  # fmt: skip

TASK = Task(
    program="examples/train_cifar10.py",
    data="cifar10",
    layout=CIFAR10,
    presets={"quick": QUICK, "paper": PAPER},
    paper_gamma=PAPER_GAMMA_CIFAR10,
)

if __name__ == "__main__":
    sys.exit(main(TASK))
