"""Peak memory of training steps, one side alone in this process; `training.py` runs it once for each side.

    python benchmarks/training_memory.py --side bbdg_ref --arch resnet20

Prints JSON with the process's peak resident memory in MB before the first step (interpreter, libraries,
network, batch) and after three steps. Before the first step Numba is loaded too, on bbdg_ref's side; on PyTorch's
side the modules of bbdg_ref that build the network's weights are part of it.
"""

import argparse
import json
import resource
import sys

from measuring import fix_threads

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--side", choices=["bbdg_ref", "torch"], required=True)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--batch", type=int, default=128, help="images per step")
parser.add_argument("--steps", type=int, default=3)
parser.add_argument("--arch", default="resnet20")
parser.add_argument("--density", type=float, default=0.05)
arguments = parser.parse_args()
fix_threads(arguments.threads)

import numpy as np

from bbdg_ref import nn

if arguments.side == "torch":
    import torch
    from torch_peer import TorchTrainer, memory_format
else:
    import numba  # noqa: F401 - else it is loaded in the first step

    from bbdg_ref.pruning import DensityPenalty
    from bbdg_ref.training import Images, Recipe, Trainer


def peak() -> float:
    """Return the largest resident memory so far, in MB (10⁶ bytes)."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


rng = np.random.default_rng(0)
images = rng.integers(0, 256, (arguments.batch, 3, 32, 32), dtype=np.uint8)
labels = rng.integers(0, 10, arguments.batch)
network = nn.NETWORKS[arguments.arch](domain="general", rng=rng)
nn.shift_latents(network, arguments.density)
if arguments.side == "torch":
    torch.set_num_threads(arguments.threads)
    x, y = torch.from_numpy(images.astype(np.float32) / 127.5 - 1), torch.from_numpy(labels)
    peer = TorchTrainer(network, limit=0.02, gamma=0.08, layout=memory_format(arguments.arch))
    del network
    before = peak()
    for _ in range(arguments.steps):
        peer.step(x, y)
else:
    half = np.full(3, 0.5, np.float32)
    recipe = Recipe(1000, arguments.batch, 1e-3, crop=False, flip=False, mixup=False)
    trainer = Trainer(network, DensityPenalty(0.02, 0.08), recipe, Images(images, labels, 10, half, half), rng)
    before = peak()
    for _ in range(arguments.steps):
        trainer.train_batch(np.arange(arguments.batch))
print(json.dumps({"before": before, "peak": peak()}))
