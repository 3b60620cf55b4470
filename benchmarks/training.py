"""One training step against PyTorch: forward, loss, penalty, backward, Adam, clamp; time and peak memory.

    python benchmarks/training.py --out benchmarks/results/training
    python benchmarks/training.py --threads 2 --out benchmarks/results/training-2-threads

The same network with the same weights on both sides: binary convolutions conv(sign(x), τ·sign(w) + φ),
EDE for weights and activations, the density penalty, Adam. PyTorch runs eagerly, and with more than one
thread also through `torch.compile` (`--compile`, `--no-compile`). All take the same batch; before anything is
timed, their losses and gradients on it must agree. Compiling is timed apart, cold for a network's first row.
The sides take turns; memory is that of each side alone in a process of its own (`training_memory.py`).
Without PyTorch or a C++ compiler the peer is skipped by name.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import fix_threads, interleaved, machine, write_tables

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--batch", type=int, default=128, help="images per step")
parser.add_argument("--repeats", type=int, default=7, help="timed steps of each side")
parser.add_argument("--arch", nargs="+", default=["resnet20", "resnet18"])
parser.add_argument("--density", type=float, nargs="+", default=[0.5, 0.05])
parser.add_argument("--compile", action=argparse.BooleanOptionalAction, help="default: with more than one thread")
parser.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True)
parser.add_argument("--out", type=Path, default=Path("benchmarks/results/training"))
arguments = parser.parse_args()
compiling = arguments.threads > 1 if arguments.compile is None else arguments.compile


def peak_memory(side: str, arch: str, density: float) -> dict[str, float] | None:
    """Return MB before the first step and at most, of one side alone; None if it cannot run."""
    command = [sys.executable, str(Path(__file__).with_name("training_memory.py")), "--side", side]
    command += ["--arch", arch, "--density", str(density)]
    command += ["--batch", str(arguments.batch), "--threads", str(arguments.threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else None


# Before anything large is loaded here: where a process is started by fork, its peak begins at its parent's size.
peaks = {
    (arch, density): {side: peak_memory(side, arch, density) for side in ("bbdg_ref", "torch")}
    for arch in arguments.arch
    for density in arguments.density
    if arguments.memory
}
fix_threads(arguments.threads)
compiled_code = tempfile.TemporaryDirectory()  # empty: nothing compiled in earlier runs; removed at exit
os.environ["TORCHINDUCTOR_CACHE_DIR"] = compiled_code.name

import numpy as np

from bbdg_ref import nn, ops
from bbdg_ref.pruning import DensityPenalty
from bbdg_ref.training import Images, Recipe, Trainer, normalise

try:
    import torch
    from torch_peer import Sign, TorchTrainer, TwoValuedSign, memory_format
except ImportError:
    torch = None

PENALTY = DensityPenalty(limit=0.02, gamma=0.08)  # below both densities, so that the penalty is at work


def images(rng: np.random.Generator, count: int) -> Images:
    """Return random images: the time of a step does not depend on what they show."""
    pixels = rng.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    half = np.full(3, 0.5, np.float32)
    return Images(pixels, rng.integers(0, 10, count), 10, half, half)


def gradients(network: nn.Network, x: np.ndarray, labels: np.ndarray) -> tuple[float, dict[str, np.ndarray], float]:
    """Return the task loss, its gradients by name, and the penalty's push on a latent weight."""
    targets = ops.one_hot(labels, 10)
    logits = network.forward(x, training=True)
    network.backward(ops.cross_entropy_backward(logits, targets))
    found = {name: parameter.grad.copy() for name, parameter in network.parameters().items()}
    loss = ops.cross_entropy(logits, targets)
    chosen = PENALTY.choose([layer.latent.value for layer in network.binary_layers().values()], step=0)
    return loss, found, PENALTY.penalty(chosen, loss).push


def check_same(name: str, ours: tuple, theirs: tuple, nudged: tuple) -> None:
    """Stop unless loss, gradients and the penalty's push agree.

    Only before the first step: one activation that rounds to the other sign changes all that follows. Where one does so
    in this step, a gradient may be off by as much as a nudge of the pixels, as in `check_near`, moves it.
    """
    for what, mine, other in (("loss", ours[0], theirs[0]), ("push", ours[2], theirs[2])):
        if abs(mine - other) > 1e-5 * abs(other):
            raise SystemExit(f"{name} differs: {what} {mine} against {other}")
    others = theirs[1]
    for parameter, mine in ours[1].items():
        scale, error = np.abs(others[parameter]).max(), np.abs(mine - others[parameter]).max()
        layer, domain, _ = parameter.partition(".domain.")
        if domain:
            # tau and phi sum up the gradient of all weights, whose terms nearly cancel before batch norm:
            # the error is to be seen against the size of the terms.
            scale = 0.1 * np.abs(others[f"{layer}.latent"]).sum()
        if error > max(1e-3 * scale, np.abs(nudged[1][parameter] - others[parameter]).max()):
            raise SystemExit(f"{name} differs: gradient of {parameter} by {error}, its scale is {scale}")


def difference(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> float:
    """Return the largest ‖a − b‖ / ‖b‖ of a parameter's gradients; τ and φ are left out, sums that nearly cancel."""
    norm = np.linalg.norm
    return max(norm(first[name] - b) / norm(b) for name, b in second.items() if ".domain." not in name)


def check_near(name: str, theirs: tuple, plain: tuple, nudged: tuple) -> None:
    """Stop unless gradients are as near the ``plain`` ones as those are to themselves after a nudge of the pixels.

    What is timed takes torch.sign, which leaves 0 at 0, and compiled graphs sum otherwise. So some activations change,
    batch norm of integers carries it to whole channels, and no fixed small bound holds. ``plain`` are PyTorch's in the
    same memory format, for another one sums otherwise too, ``nudged`` those for pixels moved by up to 1e-5.
    """
    if abs(theirs[0] - plain[0]) > max(3 * abs(nudged[0] - plain[0]), 1e-4 * plain[0]):
        raise SystemExit(f"{name} differs: loss {theirs[0]} against {plain[0]}, nudged {nudged[0]}")
    push, other = theirs[2] / theirs[0], plain[2] / plain[0]  # λ is proportional to the loss
    if abs(push - other) > 1e-5 * abs(other):
        raise SystemExit(f"{name} differs: push / loss {push} against {other}")
    seen, usual = difference(theirs[1], plain[1]), difference(nudged[1], plain[1])
    if seen > max(3 * usual, 1e-3):
        raise SystemExit(f"{name} differs: gradients by {seen}, a nudge of the pixels by {usual}")


def peer_steps(network: nn.Network, data: Images, ours: tuple) -> tuple[dict, dict[str, object]]:
    """Return PyTorch's steps by name, checked against ``ours``, and what is to be said of them."""
    if torch is None:
        return {}, {"torch eager": "missing"} | ({"torch.compile": "missing"} if compiling else {})
    torch.set_num_threads(arguments.threads)
    labels = torch.from_numpy(data.labels)
    x = torch.from_numpy(normalise(data.images, data.mean, data.std))

    def made(layout: "torch.memory_format", sign: type = Sign) -> TorchTrainer:
        return TorchTrainer(network, limit=PENALTY.limit, gamma=PENALTY.gamma, layout=layout, sign=sign)

    noise = 1e-5 * (2 * torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) - 1)

    def plain_and_nudged(layout: "torch.memory_format") -> list[tuple]:
        pixels = (x, x * (1 + noise))
        return [made(layout, TwoValuedSign).gradients(network, each, labels) for each in pixels]

    check_same("PyTorch", ours, *plain_and_nudged(torch.contiguous_format))
    plain, nudged = plain_and_nudged(memory_format(network.name))
    steps, notes = {}, {}
    for name in ["torch eager", "torch.compile"][: 2 if compiling else 1]:
        peer = made(memory_format(network.name))
        if name == "torch.compile":
            torch.compiler.reset()
            peer.compile()
        start = time.perf_counter()
        try:
            theirs = peer.gradients(network, x, labels)
        except Exception as error:  # whatever stops torch.compile stops only this peer
            if name == "torch eager":
                raise
            notes[name] = f"skipped: {type(error).__name__}: {error}".splitlines()[0].replace("|", "/")[:100]
            continue
        peer.step(x, labels)
        notes[name] = time.perf_counter() - start
        check_near(name, theirs, plain, nudged)
        steps[name] = lambda peer=peer: peer.step(x, labels)
        for _ in range(3):
            peer.step(x, labels)
    return steps, notes


def per_second(seconds: list[float]) -> str:
    """Return samples per second: of the median step, and of the slowest and the fastest."""
    middle, low, high = (arguments.batch / f(seconds) for f in (statistics.median, max, min))
    return f"{middle:.1f} ({low:.1f}-{high:.1f})"


def memory_columns(arch: str, density: float) -> dict[str, object]:
    """Return peak memory of both sides: of the process, and of it what the steps added."""
    found = peaks[arch, density]
    columns: dict[str, object] = {}
    for what, size in {
        "peak": lambda side: side["peak"],
        "steps' share of peak": lambda side: side["peak"] - side["before"],
    }.items():
        for side in found:
            columns[f"{what}, {side}, MB"] = round(size(found[side])) if found[side] else "missing"
        if all(found.values()):
            columns[f"{what}, bbdg_ref / torch"] = round(size(found["bbdg_ref"]) / size(found["torch"]), 2)
        else:
            columns[f"{what}, bbdg_ref / torch"] = "missing"
    return columns


def measure(arch: str, density: float) -> dict[str, object]:
    """Check the sides against each other, then time their steps in turn on one batch."""
    rng = np.random.default_rng(0)
    data = images(rng, arguments.batch)
    network = nn.NETWORKS[arch](domain="general", rng=rng)
    nn.shift_latents(network, density)
    recipe = Recipe(1000, arguments.batch, 1e-3, crop=False, flip=False, mixup=False)
    indices = np.arange(arguments.batch)
    start = time.perf_counter()
    ours = gradients(network, normalise(data.images, data.mean, data.std), data.labels)
    first = time.perf_counter() - start
    steps, notes = peer_steps(network, data, ours)
    start = time.perf_counter()
    trainer = Trainer(network, PENALTY, recipe, data, rng)
    trainer.train_batch(indices)
    first += time.perf_counter() - start
    seconds = interleaved({"bbdg_ref": lambda: trainer.train_batch(indices)} | steps, arguments.repeats)
    row = {"network": arch, "density": density, "bbdg_ref, samples/s": per_second(seconds["bbdg_ref"])}
    for name, note in notes.items():
        row[f"{name}, samples/s"] = per_second(seconds[name]) if name in seconds else note
    for name, note in notes.items():
        ratio = statistics.median(seconds[name]) / statistics.median(seconds["bbdg_ref"]) if name in seconds else note
        row[f"bbdg_ref / {name}, speed"] = round(ratio, 2) if name in seconds else note
    row["bbdg_ref, first pass and step, s"] = round(first, 1)
    if compiling:
        note = notes["torch.compile"]
        row["torch.compile, first pass and step, s"] = note if isinstance(note, str) else round(note, 1)
    return row | (memory_columns(arch, density) if arguments.memory else {}) | {"_seconds": seconds}


rows = [measure(arch, density) for arch in arguments.arch for density in arguments.density]
about = machine(arguments.threads, ["bbdg_ref", "numpy", "numba", "scipy", "torch"])
about |= {"batch": arguments.batch, "repeats": arguments.repeats, "seed": 0, "data": "random images"}
about["torch"] = "torch.sign, fused Adam; channels last for resnet18" if torch is not None else "missing"
print(write_tables(arguments.out, "Training step", about, rows))
