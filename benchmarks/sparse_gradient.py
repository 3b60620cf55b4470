"""The gradient with respect to a binary convolution's input: sums over the ones against multiplication, by density.

    python benchmarks/sparse_gradient.py --out benchmarks/results/sparse-gradient

Both kernels are forced in turn, on the layers of ResNet-18 and ResNet-20 (3x3, padding 1). The plan changes from the
one to the other at one density for all (`bbdg_ref.ops.sparse_conv2d.DENSEST`).
"""

import argparse
import statistics
from pathlib import Path
from unittest import mock

from measuring import fix_threads, interleaved, machine, write_tables

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--batch", type=int, default=128, help="images")
parser.add_argument("--repeats", type=int, default=7, help="timed calls of each kernel")
parser.add_argument("--density", type=float, nargs="+", default=[0.02, 0.05, 0.1, 0.2, 0.3, 0.4])
parser.add_argument("--out", type=Path, default=Path("benchmarks/results/sparse-gradient"))
arguments = parser.parse_args()
fix_threads(arguments.threads)

import numpy as np

from bbdg_ref.ops import sparse_conv2d
from bbdg_ref.ops.sparse_conv2d import two_valued_grad_input

# Input channels, output channels, input height and width, stride.
LAYERS = [
    (64, 64, 32, 1), (64, 128, 32, 2), (128, 128, 16, 1), (128, 256, 16, 2), (256, 256, 8, 1), (256, 512, 8, 2),
    (512, 512, 4, 1), (16, 16, 32, 1), (16, 32, 32, 2), (32, 32, 16, 1), (32, 64, 16, 2), (64, 64, 8, 1),
]  # fmt: skip


def measure(layer: tuple[int, int, int, int]) -> dict[str, object]:
    """Time both kernels at each density; the one that multiplies takes the same time at all, so the last is given."""
    channels, outputs, side, stride = layer
    rng = np.random.default_rng(0)
    dy = rng.standard_normal((arguments.batch, outputs, side // stride, side // stride), dtype=np.float32)
    row: dict[str, object] = {"layer": f"{channels}→{outputs} {side}×{side}" + (" / 2" if stride == 2 else "")}
    dense = 0.0
    for density in arguments.density:
        bits = rng.random((outputs, channels, 3, 3)) < density
        results = {}

        def run(densest: float, bits: np.ndarray = bits, results: dict[float, np.ndarray] = results) -> None:
            with mock.patch.object(sparse_conv2d, "DENSEST", densest):
                where = {"input_size": (side, side), "stride": stride, "padding": 1}
                results[densest] = two_valued_grad_input(dy, bits, -0.25, 1.0, **where)

        seconds = interleaved({"ones": lambda run=run: run(1.0), "dense": lambda run=run: run(-1.0)}, arguments.repeats)
        if np.abs(results[1.0] - results[-1.0]).max() > 1e-4 * np.abs(results[-1.0]).max():
            raise SystemExit(f"the kernels differ at {row['layer']}, density {density}")
        ones, dense = (statistics.median(seconds[name]) for name in ("ones", "dense"))
        row[f"density {density}, ms (times faster)"] = f"{1e3 * ones:.1f} ({dense / ones:.1f})"
    return row | {"multiplication, ms": round(1e3 * dense, 1)}


rows = [measure(layer) for layer in LAYERS]
about = machine(arguments.threads, ["bbdg_ref", "numpy", "numba"])
about |= {"batch": arguments.batch, "repeats": arguments.repeats, "seed": 0}
print(write_tables(arguments.out, "Gradient with respect to the input of a binary convolution", about, rows))
