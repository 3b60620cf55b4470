"""Binary ResNet-18 for 32×32 images, from float32 images to logits, against float, int8 and binary networks of others.

    python benchmarks/network.py --threads 1 --out benchmarks/results/network

Ours: weights {α, β}, the density given by --density in every binary layer. The peers are given the cheapest form of
the network that they can run. PyTorch and ONNX Runtime: the float network of the same shape, hardtanh where ours takes
signs, batch norm folded. OpenVINO: the binary network with weights ±1 (no shared map), batch norm as scale and shift
after its binary convolutions. The peers' times do not depend on the bits; half of theirs are ones.

Logits are compared with a float64 evaluation of the same function (ours with the training network) before anything is
timed. A peer whose package is missing is left out.
"""

import argparse
import statistics
from pathlib import Path

from measuring import fix_threads, machine, write_tables

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--batch", type=int, nargs="+", default=[1, 32])
parser.add_argument("--density", type=float, default=0.05)
parser.add_argument("--repeats", type=int, default=15, help="timed turns of each contender")
parser.add_argument("--turn", type=float, default=0.02, help="least seconds of a turn; short calls are repeated")
parser.add_argument("--only-peers", action="store_true", help="leave bbdg_ref out")
parser.add_argument("--out", type=Path, default=Path("benchmarks/results/network"))
arguments = parser.parse_args()
fix_threads(arguments.threads)

import numpy as np
from first_call import first_calls
from inference_peers import PACKAGES, missing, network_peers, relative_error
from peers_cases import bipolar_case, settle
from turns import timed_in_turns

import bbdg_ref
from bbdg_ref import nn
from bbdg_ref.pruning import TopK

OURS = "bbdg_ref"
# In standard deviations of the logits. Eight bits are coarse; a sign that rounds the other way moves a binary
# network's logits by more than rounding does.
TOLERANCES = {
    OURS: 0.05,
    "PyTorch fp32": 1e-3,
    "PyTorch fp32, eager": 1e-3,
    "ONNX Runtime int8": 1,
    "OpenVINO binary": 0.05,
}


def settled(network: nn.Network, rng: np.random.Generator) -> nn.Network:
    """Return the network with batch-norm statistics that fit its weights."""
    settle(network, rng.standard_normal((8, 3, 32, 32), dtype=np.float32), rng)
    return network


def sparse_network(rng: np.random.Generator) -> nn.Network:
    """Return a ResNet-18 whose binary layers have the density asked for."""
    network = nn.resnet18(domain="general-closed", rng=rng)
    layers = list(network.binary_layers().values())
    selections = TopK(arguments.density).choose([layer.latent.value for layer in layers], step=0)
    for layer, selection in zip(layers, selections, strict=True):
        layer.choose(selection)
    return settled(network, rng)


def measure(batch: int) -> list[dict[str, object]]:
    """Time all contenders in turn on one batch; return a row for each."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((batch, 3, 32, 32), dtype=np.float32)
    case = bipolar_case(settled(nn.resnet18(domain="bipolar", rng=rng), rng), images)
    peers = network_peers(case, arguments.threads)
    calls = {name: call for name, (call, _) in peers.items()}
    errors = {name: error for name, (_, error) in peers.items()}
    if not arguments.only_peers:
        network = sparse_network(rng)
        packed = bbdg_ref.compile_network(network)
        calls[OURS] = lambda: packed(images)
        errors[OURS] = relative_error(packed(images), network.forward(images, training=False))
    for name, error in errors.items():
        if not error <= TOLERANCES[name]:
            raise SystemExit(f"the logits of {name} err by {error} standard deviations, more than {TOLERANCES[name]}")
    seconds = timed_in_turns(calls, arguments.repeats, arguments.turn)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    return [
        {
            "batch": batch,
            "network": name,
            "ms": f"{1000 * middle[name]:.2f} ({1000 * min(seconds[name]):.2f}-{1000 * max(seconds[name]):.2f})",
            "images/s": round(batch / middle[name]),
            "time / ours": f"{middle[name] / middle[OURS]:.2f}" if OURS in middle else "-",
            "logits' error, σ": f"{errors[name]:.1g}",
            "_seconds": seconds[name],
        }
        for name in calls
    ]


about = machine(arguments.threads, ["bbdg_ref", "numpy", "numba", *PACKAGES])
about |= {"density": arguments.density, "repeats": arguments.repeats, "seed": 0, "data": "random images"}
about["peers left out"] = ", ".join(missing()) or "none"
if not arguments.only_peers:
    about |= first_calls("network")
rows = [row for batch in arguments.batch for row in measure(batch)]
print(write_tables(arguments.out, "Binary ResNet-18, inference", about, rows))
