"""The two kernels of the packed convolution against each other, and what the plan makes of it.

    python benchmarks/crossover.py --threads 1 --out benchmarks/results/crossover

3×3 layers, stride 1, zero padding 1, float32 to float32, binarising and packing included. Adding planes costs the less
the rarer the ones; counting along the channels costs the same at every density. Both kernels are forced in turn, found
to give the same floats, and timed; the crossover is the density where their least times meet, interpolated between the
densities measured. (The least of many short turns: what else runs on the machine only ever adds to a time.)
`bbdg_ref.ops.packed_plan.columns_are_faster` predicts it from shape and bits alone.
"""

import argparse
import itertools
import statistics
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from measuring import fix_threads, machine, write_tables

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--batch", type=int, nargs="+", default=[1, 4, 32])
parser.add_argument("--repeats", type=int, default=60, help="timed turns of each contender")
parser.add_argument("--turn", type=float, default=0.003, help="least seconds of a turn; short calls are repeated")
parser.add_argument("--out", type=Path, default=Path("benchmarks/results/crossover"))
arguments = parser.parse_args()
fix_threads(arguments.threads)

import numpy as np
from turns import timed_in_turns

from bbdg_ref._memory import empty
from bbdg_ref.ops import packed_conv2d, packed_plan

SHAPES = {"64→64 32×32": (64, 32), "128→128 16×16": (128, 16), "256→256 8×8": (256, 8), "512→512 4×4": (512, 4)}
DENSITIES = [0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5]
SHOWN = [0.01, 0.05, 0.1, 0.25, 0.5]
COLUMNS = "columns"
STEPS = 12  # halvings of the interval in which the prediction changes


def forced(x: np.ndarray, bits: np.ndarray, columns: bool) -> Callable[[], np.ndarray]:
    """Return the convolution by one of the two kernels, whatever the plan would say."""
    weights = packed_conv2d.PackedWeights(bits, np.full(len(bits), -0.25), np.full(len(bits), 0.75))
    with mock.patch.object(packed_conv2d, "columns_are_faster", lambda *_: columns):
        prepared = weights.prepared(len(x), x.shape[2:], (1, 1), (1, 1))
    if isinstance(prepared, packed_conv2d.PreparedColumns) != columns:
        raise SystemExit("the plan did not take the kernel that it was told to take")
    y = empty(prepared.shape)
    no_words = np.empty(0, np.uint64)

    def call() -> np.ndarray:
        packed_conv2d.packed_affine(x, no_words, False, weights, prepared, y)
        return y

    return call


def measure(channels: int, size: int, batch: int) -> dict[str | float, list[float]]:
    """Return the seconds of a call, turn by turn: by columns, and by planes at every density."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, channels, size, size), dtype=np.float32)
    order = rng.random((channels, channels, 3, 3))
    calls: dict[str | float, Callable[[], np.ndarray]] = {COLUMNS: forced(x, order < SHOWN[-1], True)}
    for density in DENSITIES:
        calls[density] = forced(x, order < density, False)
        if not np.array_equal(calls[density](), forced(x, order < density, True)()):
            raise SystemExit(f"the two kernels differ for shape {x.shape} at density {density}")
    return timed_in_turns(calls, arguments.repeats, arguments.turn)


def measured_crossover(seconds: dict[str | float, float]) -> float | None:
    """Return the density where adding planes begins to take longer than counting along the channels, if it does."""
    slower = [seconds[density] - seconds[COLUMNS] for density in DENSITIES]
    for (low, before), (high, after) in itertools.pairwise(zip(DENSITIES, slower, strict=True)):
        if before <= 0 < after:
            return low + (high - low) * before / (before - after)
    return None


def predicted_crossover(channels: int, size: int, batch: int) -> tuple[float | None, list[bool]]:
    """Return the density from which on the plan takes columns, and whether it does so at the measured densities."""
    order = np.random.default_rng(0).random((channels, channels, 3, 3))
    plan = packed_plan.geometry(batch, (size, size), (3, 3), (1, 1), (1, 1))
    chosen = [packed_plan.columns_are_faster(order < density, plan) for density in DENSITIES]
    low, high = 0.0, DENSITIES[-1]
    if not chosen[-1] or packed_plan.columns_are_faster(order < low, plan):
        return None, chosen
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if packed_plan.columns_are_faster(order < middle, plan) else (middle, high)
    return (low + high) / 2, chosen


def told(crossover: float | None, always: str) -> str:
    """Return a crossover as text."""
    return always if crossover is None else f"{crossover:.2f}"


def row(name: str, batch: int) -> dict[str, object]:
    """Return what was measured and predicted for one shape and batch size."""
    times = measure(*SHAPES[name], batch)
    seconds = {key: min(values) for key, values in times.items()}
    predicted, chosen = predicted_crossover(*SHAPES[name], batch)
    measured = measured_crossover(seconds)
    fastest_at = {d: COLUMNS if seconds[d] > seconds[COLUMNS] else "planes" for d in DENSITIES}
    lost = [
        (seconds[COLUMNS] if columns else seconds[d]) / min(seconds[COLUMNS], seconds[d]) - 1
        for d, columns in zip(DENSITIES, chosen, strict=True)
    ]
    return (
        {"shape": name, "batch": batch, "columns, µs": f"{1e6 * seconds[COLUMNS]:.0f}"}
        | {f"planes at {density:g}": f"{1e6 * seconds[density]:.0f}" for density in SHOWN}
        | {
            "crossover measured": told(measured, f"{fastest_at[DENSITIES[-1]]} always"),
            "predicted": told(predicted, f"{COLUMNS if chosen[-1] else 'planes'} always"),
            "plan loses at most, %": f"{100 * max(lost):.0f}",
            "_measured": measured, "_predicted": predicted, "_chosen": chosen,
            "_seconds": [[key, [min(v), statistics.median(v), max(v)]] for key, v in times.items()],
        }
    )  # fmt: skip


about = machine(arguments.threads, ["bbdg_ref", "numpy", "numba"])
about |= {
    "repeats": arguments.repeats, "seed": 0, "densities": ", ".join(f"{density:g}" for density in DENSITIES),
    "the plan loses": "the chosen kernel's time over the faster one's, less 1, the largest of these densities",
    "cost model": ", ".join(f"{k} {v:g}" for k, v in vars(packed_plan).items() if k.isupper() and type(v) is float),
}  # fmt: skip
rows = [row(name, batch) for batch in arguments.batch for name in SHAPES]
print(write_tables(arguments.out, "Adding planes against counting along the channels", about, rows))
