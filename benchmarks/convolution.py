"""One binary 3×3 convolution at several densities against float, int8 and binary convolutions of others.

    python benchmarks/convolution.py --threads 1 --out benchmarks/results/convolution

The four layer shapes of ResNet-18, stride 1, zero padding 1, batch 1 and 32. Ours takes float32 activations and makes
float32, binarising and packing included. So does OpenVINO's; PyTorch's and ONNX Runtime's activations are signs
already. The peers do the same work at every density, so they are measured once a shape, in the same turns as ours.
Every result is compared with the exact one before anything is timed. A peer whose package is missing is left out.

GMAC/s count the dense multiply-accumulates, whatever the density. The adder bound is one full adder of 512 bits a
cycle: ones · pixels / 512 cycles, the ones being the rarer of the two weight values.
"""

import argparse
import itertools
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from measuring import fix_threads, machine, write_tables

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--batch", type=int, nargs="+", default=[1, 32])
parser.add_argument("--density", type=float, nargs="+", default=[0.5, 0.25, 0.1, 0.05, 0.01])
parser.add_argument("--repeats", type=int, default=15, help="timed turns of each contender")
parser.add_argument("--turn", type=float, default=0.005, help="least seconds of a turn; short calls are repeated")
parser.add_argument("--only-peers", action="store_true", help="leave bbdg_ref out")
parser.add_argument("--out", type=Path, default=Path("benchmarks/results/convolution"))
parser.add_argument("--plot", type=Path, default=Path("docs/images/packed-density.svg"))
arguments = parser.parse_args()
fix_threads(arguments.threads)

import numba
import numpy as np
from first_call import first_calls
from inference_peers import PACKAGES, layer_peers, missing
from peers_cases import Layer, binary_counts
from turns import timed_in_turns

import bbdg_ref

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None

SHAPES = {"64→64 32×32": (64, 32), "128→128 16×16": (128, 16), "256→256 8×8": (256, 8), "512→512 4×4": (512, 4)}
ALPHA, BETA = -0.25, 0.75


def bits_of_density(rng: np.random.Generator, channels: int, density: float) -> np.ndarray:
    """Return weights of which exactly the fraction ``density`` is one."""
    bits = np.zeros(channels * channels * 9, bool)
    bits[: round(density * bits.size)] = True
    return rng.permutation(bits).reshape(channels, channels, 3, 3)


def ours(x: np.ndarray, bits: np.ndarray) -> Callable[[], np.ndarray]:
    """Return our convolution, found to be within one unit in the last place of the affine of the exact counts."""
    weight = bbdg_ref.PackedConv.from_bits(bits, bbdg_ref.Domain(ALPHA, BETA))

    out = bbdg_ref.packed_conv2d(x, weight, stride=1, padding=1)  # written to again and again, as OpenVINO does

    def call() -> np.ndarray:
        return bbdg_ref.packed_conv2d(x, weight, stride=1, padding=1, out=out)

    ones, total = (count.astype(np.float64) for count in binary_counts(x > 0, bits))
    exact = (BETA - ALPHA) * ones + ALPHA * total
    if not (np.abs(call() - exact) <= np.spacing(np.abs(exact).astype(np.float32))).all():
        raise SystemExit(f"packed_conv2d is not within one ulp for shape {x.shape}, {bits.sum()} ones")
    return call


Measured = dict[str, dict[str | float, list[float]]]  # shape, contender (ours by its density) -> seconds of a call


def measure(channels: int, size: int, batch: int) -> dict[str | float, list[float]]:
    """Return the seconds of a call, turn by turn: the peers' by name, ours by density."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, channels, size, size), dtype=np.float32)
    calls = dict(layer_peers(Layer(x, bits_of_density(rng, channels, 0.5)), arguments.threads))
    if not arguments.only_peers:
        calls |= {density: ours(x, bits_of_density(rng, channels, density)) for density in arguments.density}
    return timed_in_turns(calls, arguments.repeats, arguments.turn)


@numba.njit
def dependent_additions(count: int, x: int, y: int) -> int:
    """Do 2 · count operations that wait for each other, one cycle each."""
    for _ in range(count):
        x = (x + y) ^ count
    return x


def clock() -> float:
    """Return cycles per second: the best of several runs of dependent additions."""
    count = 10_000_000
    best = math.inf
    for seed in range(20):
        start = time.perf_counter()
        dependent_additions(count, seed, 3)
        best = min(best, time.perf_counter() - start)
    return 2 * count / best


def bound_seconds(channels: int, size: int, batch: int, density: float, hertz: float) -> float:
    """Return the time of the additions at one full adder of 512 bits a cycle."""
    ones = round(min(density, 1 - density) * channels * channels * 9)
    return ones * batch * size * size / 512 / hertz


def table(batch: int, seconds: Measured, hertz: float) -> list[dict[str, object]]:
    """Return a row for each contender at one batch size."""
    middle = {s: {name: statistics.median(v) for name, v in times.items()} for s, times in seconds.items()}
    contenders = list(middle[next(iter(SHAPES))])
    speed = {
        name: {s: batch * c * c * 9 * size**2 / middle[s][name] / 1e9 for s, (c, size) in SHAPES.items()}
        for name in contenders
    }
    mean = {name: statistics.geometric_mean(speeds.values()) for name, speeds in speed.items()}
    rows = []
    for name in contenders:
        density = name if isinstance(name, float) else None
        row: dict[str, object] = {"batch": batch, "GMAC/s of": name if density is None else f"bbdg_ref, {density:g}"}
        row |= {s: f"{speed[name][s]:.0f}" for s in SHAPES} | {"geometric mean": f"{mean[name]:.0f}"}
        row |= {f"÷ {peer}": f"{mean[name] / mean[peer]:.2f}" for peer in contenders if not isinstance(peer, float)}
        bounds = [] if density is None else [bound_seconds(*SHAPES[s], batch, density, hertz) for s in SHAPES]
        parts = [100 * b / middle[s][name] for s, b in zip(SHAPES, bounds, strict=False)]
        row["of the adder bound, %"] = ", ".join(f"{part:.0f}" for part in parts) or "-"
        row |= {"_density": density, "_seconds": {s: seconds[s][name] for s in SHAPES}}
        row["_ns per 512 ones"] = {s: 1e9 * middle[s][name] / (b * hertz) for s, b in zip(SHAPES, bounds, strict=False)}
        rows.append(row)
    return rows


def draw(rows: list[dict[str, object]], path: Path) -> None:
    """Draw time against density, a panel for each shape and batch size, with the peers as level lines."""
    plt.rcParams |= {"svg.hashsalt": "packed-density", "font.size": 9}
    batches = sorted({row["batch"] for row in rows})
    figure, panels = plt.subplots(
        len(batches), len(SHAPES), figsize=(11, 2.7 * len(batches)), sharex=True, squeeze=False, layout="constrained"
    )
    for (line, batch), (column, shape) in itertools.product(enumerate(batches), enumerate(SHAPES)):
        panel = panels[line, column]
        times = {
            row["_density"] or row["GMAC/s of"]: 1000 * statistics.median(row["_seconds"][shape])
            for row in rows
            if row["batch"] == batch
        }
        for index, name in enumerate(name for name in times if isinstance(name, str)):
            panel.axhline(times[name], color=f"C{index + 1}", linestyle="--", linewidth=1, label=name)
        densities = sorted(name for name in times if isinstance(name, float))
        panel.plot(densities, [times[d] for d in densities], "o-", color="C0", label="bbdg_ref")
        panel.set(xscale="log", yscale="log", title=f"{shape}, batch {batch}")
        panel.set_xticks(densities, [f"{density:g}" for density in densities])
        panel.set_xticks([], minor=True)
        panel.grid(alpha=0.3)
        if column == 0:
            panel.set_ylabel("milliseconds")
        if line == len(batches) - 1:
            panel.set_xlabel("density of the ones")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


about = machine(arguments.threads, ["bbdg_ref", "numpy", "numba", *PACKAGES])
about |= {"repeats": arguments.repeats, "seed": 0, "peers left out": ", ".join(missing()) or "none"}
if not arguments.only_peers:
    about |= first_calls("convolutions")
dependent_additions(1, 0, 0)  # compiles
before = clock()
measured = {batch: {name: measure(*shape, batch) for name, shape in SHAPES.items()} for batch in arguments.batch}
clocks = before, clock()
about["clock, GHz (dependent additions, before and after)"] = ", ".join(f"{hertz / 1e9:.2f}" for hertz in clocks)
rows = [row for batch in arguments.batch for row in table(batch, measured[batch], max(clocks))]
print(write_tables(arguments.out, "Binary convolution at several densities", about, rows))
if plt is not None and not arguments.only_peers:
    draw(rows, arguments.plot)
