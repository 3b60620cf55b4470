"""Every network of the package, from float32 images to logits: packed, layer by layer, and the same in PyTorch.

    python benchmarks/networks.py --out benchmarks/results/networks

`packed` is `bbdg_ref.compile_network`; `forward` the evaluation pass of the network that was trained, in which only
the binary convolutions are packed; `PyTorch fp32` the same function in floating point, batch norm folded, weights
prepacked. Weights are {α, β}, of the density given by --density in every binary layer; batch norms fit the weights.

Before anything is timed, all logits are compared with float64 (PyTorch's; without PyTorch, the evaluation pass), and
their errors stand in the table. They are rounding, but where a sum before a sign is that near zero, the sign turns, and
what follows differs: in the 31 layers of ReActNet-A on most images. Without PyTorch the peer is left out.
"""

import argparse
import statistics
from pathlib import Path

from measuring import fix_threads, machine, write_tables

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--density", type=float, default=0.05)
parser.add_argument("--repeats", type=int, default=15, help="timed turns of each contender")
parser.add_argument("--turn", type=float, default=0.02, help="least seconds of a turn; short calls are repeated")
parser.add_argument("--arch", nargs="+", help="default: all")
parser.add_argument("--out", type=Path, default=Path("benchmarks/results/networks"))
arguments = parser.parse_args()
fix_threads(arguments.threads)

import numpy as np
from inference_peers import relative_error
from peers_cases import settle
from turns import timed_in_turns

import bbdg_ref
from bbdg_ref import nn
from bbdg_ref.pruning import TopK

try:
    import torch
    from torch_networks import torch_network
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    torch_network = None

PACKED, FORWARD, TORCH = "packed", "forward", "PyTorch fp32"
#: Sides of the images and batches, where they are not 32 and (1, 32).
SIZES = {"reactnet-a": (224, (1, 8))}
TOLERANCE = 1.0  # standard deviations of the logits; those of two networks that differ are further apart


def sparse_network(arch: str, side: int) -> nn.Network:
    """Return the network with the density asked for in every binary layer, batch norms that fit, slopes and biases."""
    rng = np.random.default_rng(0)
    network = nn.NETWORKS[arch](domain="general", rng=rng)
    layers = list(network.binary_layers().values())
    selections = TopK(arguments.density).choose([layer.latent.value for layer in layers], step=0)
    for layer, selection in zip(layers, selections, strict=True):
        layer.choose(selection)
    for _, module in network.modules():
        if isinstance(module, nn.ChannelBias):
            module.bias.value[...] = rng.normal(0, 0.2, module.bias.value.shape)
    settle(network, rng.standard_normal((8, 3, side, side), dtype=np.float32), rng)
    return network


def measure(arch: str) -> list[dict[str, object]]:
    """Time the contenders in turn on each batch; return a row for each batch."""
    side, batches = SIZES.get(arch, (32, (1, 32)))
    network = sparse_network(arch, side)
    packed = bbdg_ref.compile_network(network)
    return [_measure(arch, network, packed, side, batch) for batch in batches]


def _measure(arch: str, network: nn.Network, packed: object, side: int, batch: int) -> dict[str, object]:
    images = np.random.default_rng(1).standard_normal((batch, 3, side, side), dtype=np.float32)
    calls = {PACKED: lambda: packed(images), FORWARD: lambda: network.forward(images, training=False)}
    reference = calls[FORWARD]()
    if torch_network is not None:
        reference = torch_network(network, images, arguments.threads, dtype=torch.float64)()
        calls[TORCH] = torch_network(network, images, arguments.threads)
    errors = {name: relative_error(call(), reference) for name, call in calls.items()}
    for name, error in errors.items():
        if not error <= TOLERANCE:
            raise SystemExit(f"{arch}: the logits of {name} err by {error} standard deviations")
    seconds = timed_in_turns(calls, arguments.repeats, arguments.turn)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    row: dict[str, object] = {"network": arch, "images": f"{batch} × {side}×{side}"}
    for name in (PACKED, FORWARD, TORCH):
        times = seconds.get(name)
        spread = f"{1e3 * middle[name]:.2f} ({1e3 * min(times):.2f}-{1e3 * max(times):.2f})" if times else "-"
        row[f"{name}, ms"] = spread
    for name in (FORWARD, TORCH):
        row[f"{name} / packed"] = f"{middle[name] / middle[PACKED]:.1f}" if name in middle else "-"
    for name in (PACKED, FORWARD, TORCH):
        row[f"logits' error, {name}, σ"] = f"{errors[name]:.1g}" if name in errors else "-"
    return row | {"_seconds": seconds}


about = machine(arguments.threads, ["bbdg_ref", "numpy", "numba", "torch"])
about |= {"density": arguments.density, "repeats": arguments.repeats, "seed": 0, "data": "random images"}
rows = [row for arch in arguments.arch or list(nn.NETWORKS) for row in measure(arch)]
print(write_tables(arguments.out, "The networks, inference", about, rows))
