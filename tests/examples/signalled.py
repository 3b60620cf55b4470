"""Run a training script on a few built-in images, and send this process a signal after a step of training.

Usage: python signalled.py SCRIPT SIGNAL STEP [FLAG ...]   (STEP 0: never)
"""

import os
import runpy
import signal
import sys

from bbdg_ref import datasets
from bbdg_ref.training import Trainer, command


def main(script: str, name: str, step: int, flags: list[str]) -> None:
    train_batch = Trainer.train_batch

    def signalling(self, indices):
        loss = train_batch(self, indices)
        if self.optimizer.steps == step:
            os.kill(os.getpid(), getattr(signal, name))
        return loss

    Trainer.train_batch = signalling
    command.synthetic = lambda: datasets.synthetic(n_train=60, n_test=20)
    sys.argv = [script, *flags]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
