"""One training step against PyTorch: forward, loss, penalty, backward, Adam, clamp.

    python benchmarks/training.py --threads 1 --out benchmarks/results/training

The same network with the same weights on both sides: binary convolutions conv(sign(x), τ·sign(w) + φ),
EDE for weights and activations, the density penalty, Adam. PyTorch runs eagerly. Both take the same
batch; before anything is timed, their losses and gradients on it must agree. Compile time is reported
apart.
Without PyTorch the peer is skipped by name.
"""

import argparse
import statistics
import time
from pathlib import Path

from measuring import fix_threads, interleaved, machine, spread, write_tables

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--batch", type=int, default=128, help="images per step")
parser.add_argument("--repeats", type=int, default=7, help="timed steps of each side")
parser.add_argument("--arch", nargs="+", default=["resnet20", "resnet18"])
parser.add_argument("--density", type=float, nargs="+", default=[0.5, 0.05])
parser.add_argument("--out", type=Path, default=Path("benchmarks/results/training"))
arguments = parser.parse_args()
fix_threads(arguments.threads)

import numpy as np

from bbdg_ref import nn
from bbdg_ref.pruning import DensityPenalty
from bbdg_ref.training import Images, Recipe, Trainer, normalise

try:
    import torch
    from torch_peer import TorchTrainer
except ImportError:
    torch = None

LIMIT, GAMMA = 0.02, 0.08  # below both densities, so that the penalty is at work


def images(rng: np.random.Generator, count: int) -> Images:
    """Return random images: the time of a step does not depend on what they show."""
    pixels = rng.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    half = np.full(3, 0.5, np.float32)
    return Images(pixels, rng.integers(0, 10, count), 10, half, half)


def check_same(ours: float, theirs: float, network: nn.Network, peer: "TorchTrainer") -> None:
    """Stop unless loss and gradients of the first step agree.

    Later steps say nothing: one activation that rounds to the other sign changes all that follows.
    """
    if abs(ours - theirs) > 1e-5 * abs(theirs):
        raise SystemExit(f"the two networks differ: loss {ours} against {theirs}")
    others = peer.gradients(network)
    for name, parameter in network.parameters().items():
        scale, error = np.abs(others[name]).max(), np.abs(parameter.grad - others[name]).max()
        layer, domain, _ = name.partition(".domain.")
        if domain:
            # tau and phi sum up the gradient of all weights, whose terms nearly cancel before batch norm:
            # the error is to be seen against the size of the terms.
            scale = 0.1 * np.abs(others[f"{layer}.latent"]).sum()
        if error > 1e-3 * scale:
            raise SystemExit(f"the two networks differ: gradient of {name} by {error}, its scale is {scale}")


def measure(arch: str, density: float) -> dict[str, object]:
    """Time steps of both sides in turn on one batch."""
    rng = np.random.default_rng(0)
    data = images(rng, arguments.batch)
    network = nn.NETWORKS[arch](domain="general", rng=rng)
    nn.shift_latents(network, density)
    recipe = Recipe(1000, arguments.batch, 1e-3, crop=False, flip=False, mixup=False)
    trainer = Trainer(network, DensityPenalty(LIMIT, GAMMA), recipe, data, rng)
    indices = np.arange(arguments.batch)
    contenders = {"bbdg_ref": lambda: trainer.train_batch(indices)}
    if torch is not None:
        torch.set_num_threads(arguments.threads)
        x = torch.from_numpy(normalise(data.images, data.mean, data.std))
        peer = TorchTrainer(network, limit=LIMIT, gamma=GAMMA)
        labels = torch.from_numpy(data.labels)
        contenders["torch"] = lambda: peer.step(x, labels)
    start = time.perf_counter()
    ours = trainer.train_batch(indices)  # compiles
    first = time.perf_counter() - start
    if torch is not None:
        check_same(ours, peer.step(x, labels), network, peer)
    seconds = interleaved(contenders, arguments.repeats)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "network": arch,
        "density": density,
        "bbdg_ref, ms": spread(seconds["bbdg_ref"]),
        "torch eager, ms": spread(seconds["torch"]) if torch is not None else "missing",
        "bbdg_ref, samples/s": round(arguments.batch / middle["bbdg_ref"], 1),
        "torch, samples/s": round(arguments.batch / middle["torch"], 1) if torch is not None else "missing",
        "time / torch's": round(middle["bbdg_ref"] / middle["torch"], 2) if torch is not None else "missing",
        "first step, s": round(first, 2),
        "_seconds": seconds,
    }


rows = [measure(arch, density) for arch in arguments.arch for density in arguments.density]
about = machine(arguments.threads, ["bbdg_ref", "numpy", "numba", "scipy", "torch"])
about |= {"batch": arguments.batch, "repeats": arguments.repeats, "seed": 0, "data": "random images"}
print(write_tables(arguments.out, "Training step", about, rows))
