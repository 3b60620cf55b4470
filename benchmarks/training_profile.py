"""Where the time of one training step goes, by kind of work.

    python benchmarks/training_profile.py --out benchmarks/results/training-profile

Python's profiler counts the time inside each function; the compiled kernels are functions like any other to it.
"""

import argparse
import cProfile
import pstats
import time
from pathlib import Path

from measuring import fix_threads, machine, write_tables

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--batch", type=int, default=128, help="images per step")
parser.add_argument("--steps", type=int, default=5, help="profiled steps")
parser.add_argument("--out", type=Path, default=Path("benchmarks/results/training-profile"))
arguments = parser.parse_args()
fix_threads(arguments.threads)

import numpy as np

from bbdg_ref import nn
from bbdg_ref.pruning import DensityPenalty
from bbdg_ref.training import Images, Recipe, Trainer

# Functions, or files with all their functions, of each kind of work; the first that fits counts.
KINDS = {
    "weight gradient": ["conv2d_weight.py"],
    "data gradient, over the ones": ["sparse_conv2d.py", "sparse_tiles.py"],
    "convolutions by multiplication": ["kernels/conv2d.py"],
    "binary convolutions by counts": ["packed_conv2d.py", "column_conv2d.py", "weight_lists.py", "packed_plan.py"],
    "batch norm, sums, hardtanh, sign, EDE": [
        "kernels/batchnorm.py", "elementwise.py", "nn/blocks.py", "nn/layers.py", "_clip",
    ],
    "Adam, latent weights, bits": ["adam.py", "weights.py", "nn/binary.py", "training/", "pruning"],
}  # fmt: skip


def kind_of(file: str, function: str) -> str:
    """Return the kind of work that a function does."""
    place = f"{file.replace(chr(92), '/')}:{function}"
    return next((kind for kind, parts in KINDS.items() if any(part in place for part in parts)), "the rest")


def measure(arch: str, density: float) -> dict[str, object]:
    """Profile steps on one batch of random images."""
    rng = np.random.default_rng(0)
    half = np.full(3, 0.5, np.float32)
    pixels = rng.integers(0, 256, (arguments.batch, 3, 32, 32), dtype=np.uint8)
    data = Images(pixels, rng.integers(0, 10, arguments.batch), 10, half, half)
    network = nn.NETWORKS[arch](domain="general", rng=rng)
    nn.shift_latents(network, density)
    recipe = Recipe(1000, arguments.batch, 1e-3, crop=False, flip=False, mixup=False)
    trainer = Trainer(network, DensityPenalty(0.02, 0.08), recipe, data, rng)
    indices = np.arange(arguments.batch)
    for _ in range(2):
        trainer.train_batch(indices)
    profile = cProfile.Profile()
    start = time.perf_counter()
    profile.enable()
    for _ in range(arguments.steps):
        trainer.train_batch(indices)
    profile.disable()
    whole = (time.perf_counter() - start) / arguments.steps
    found = dict.fromkeys([*KINDS, "the rest"], 0.0)
    for (file, _, function), (_, _, seconds, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        found[kind_of(file, function)] += seconds / arguments.steps
    row: dict[str, object] = {"network": arch, "density": density, "step, ms": round(1e3 * whole, 1)}
    return row | {f"{kind}, ms": round(1e3 * seconds, 1) for kind, seconds in found.items()}


rows = [measure(arch, density) for arch in ("resnet20", "resnet18") for density in (0.5, 0.05)]
about = machine(arguments.threads, ["bbdg_ref", "numpy", "numba", "scipy"])
about |= {"batch": arguments.batch, "steps": arguments.steps, "seed": 0, "data": "random images"}
print(write_tables(arguments.out, "Profile of a training step", about, rows))
