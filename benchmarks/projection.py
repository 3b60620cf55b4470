"""`bbdg_ref.project` against everything else that finds the two best values of an array.

    python benchmarks/projection.py --out benchmarks/results/projection
    python benchmarks/projection.py --channels --curve --memory

The first times float32 weights of several lengths, standard normal and a skewed mixture: ours against NumPy's sort,
prefix sums and argmax, flash1dkmeans, ckwrap, kmeans1d (two clusters each), and scikit-image's threshold_otsu, which
is approximate (256 bins) and gives no bits. Of each the squared error of its groups is compared with the exact least
error before anything is timed: an exact one must reach it to 1e-9; of the others the table says by how much they miss
it. The contenders take turns. Slow ones stop at `--limit`. A peer whose package is missing is left out by name.

`--channels`: one domain per row of (512, 4608), against a Python loop of NumPy's sort route over the rows.
`--curve`: ours alone up to 1e8 weights, nanoseconds per weight, and a plot.
`--memory`: peak memory beyond input and result. Each writes a table of its own, named after `--out`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from measuring import fix_threads, machine, write_tables

KINDS = ("normal", "skewed")
MIXTURE = "skewed: one in ten 3 + Exp(1), the others N(0, 1)"


def whole(text: str) -> int:
    """Read a number such as 1e7."""
    return int(float(text))


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--n", type=whole, nargs="+", default=[10**4, 10**5, 10**6, 10**7], help="lengths of the table")
parser.add_argument("--repeats", type=int, default=15, help="timed turns of each contender")
parser.add_argument("--turn", type=float, default=0.02, help="least seconds of a turn; short calls are repeated")
parser.add_argument("--limit", type=whole, default=10**6, help="largest n of ckwrap and kmeans1d")
parser.add_argument("--channels", action="store_true", help="instead: one domain per row")
parser.add_argument("--rows", type=int, nargs=2, default=[512, 4608], help="shape of --channels")
parser.add_argument("--curve", action="store_true", help="instead: time per weight against n")
parser.add_argument("--curve-to", type=whole, default=10**8)
parser.add_argument("--memory", action="store_true", help="instead: peak memory")
parser.add_argument("--memory-n", type=whole, nargs="+", default=[10**7, 10**8])
parser.add_argument("--out", type=Path, default=Path("benchmarks/results/projection"))
parser.add_argument("--plot", type=Path, default=Path("docs/images/projection-curve.svg"))
arguments = parser.parse_args()


def alone(*options: str, cache: str | None = None) -> str:
    """Run `projection_memory.py` and return what it prints."""
    command = [sys.executable, str(Path(__file__).with_name("projection_memory.py")), *options]
    command += ["--threads", str(arguments.threads)]
    environment = os.environ | ({} if cache is None else {"NUMBA_CACHE_DIR": cache})
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


# Before anything large is loaded here: where a process is started by fork, its peak begins at its parent's size.
peaks = [
    (kind, n, json.loads(alone("--weights", kind, "--n", str(n))))
    for kind in KINDS
    for n in arguments.memory_n
    if arguments.memory
]
fix_threads(arguments.threads)

import numpy as np
from projection_peers import OURS, PACKAGES, SORT, contenders, missing, sort_route, squared_error, weights
from turns import timed_in_turns

import bbdg_ref

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None


def short(n: int) -> str:
    """Return n as 1e7 where it is a power of ten times one digit."""
    text = f"{n:.0e}".replace("e+0", "e").replace("e+", "e")
    return text if int(float(text)) == n else str(n)


def spread(seconds: Sequence[float]) -> str:
    """Return median and range in milliseconds, three digits of each or all before the point."""
    middle, low, high = (1000 * f(seconds) for f in (statistics.median, min, max))
    shown = [f"{value:.0f}" if value >= 100 else f"{value:.3g}" for value in (middle, low, high)]
    return "{} ({}-{})".format(*shown)


def above_least(w: np.ndarray, bits: np.ndarray, least: float) -> float:
    """Return by how much the error of a peer's groups exceeds the least one, relative to it."""
    return squared_error(w, bits) / least - 1


def measure(kind: str, n: int) -> dict[str, object]:
    """Check every contender's groups, then time them in turns."""
    w = weights(kind, n)
    least = bbdg_ref.project(w).error
    calls: dict[str, Callable[[], object]] = {}
    excess: dict[str, float] = {}
    peers = contenders(arguments.limit)
    for name, peer in peers.items():
        if n > peer.largest:
            continue
        excess[name] = above_least(w, peer.bits(w, peer.call(w)), least)
        if peer.exact and abs(excess[name]) > 1e-9:
            raise SystemExit(f"{name} errs by {excess[name]:.1e} of the least error, {kind}, n = {n}")
        calls[name] = lambda peer=peer: peer.call(w)
    seconds = timed_in_turns(calls, arguments.repeats, arguments.turn)
    ours = statistics.median(seconds[OURS])
    row: dict[str, object] = {"weights": kind, "n": short(n), f"{OURS}, ms": spread(seconds[OURS])}
    for name in peers:
        if name in seconds and name != OURS:
            row[f"{name}, ms"] = f"{spread(seconds[name])}, {statistics.median(seconds[name]) / ours:.1f}×"
        elif name != OURS:
            row[f"{name}, ms"] = f"left out above {short(peers[name].largest)}"
    for name, peer in peers.items():
        if not peer.exact:
            missed = excess[name] if excess[name] > 1e-12 else 0  # below is the rounding of the sums
            row[f"error of {name} above the least"] = f"{100 * missed:.2g} %"
    return row | {"_n": n, "_least_error": least, "_excess": excess, "_seconds": seconds}


def measure_rows(kind: str) -> dict[str, object]:
    """Check and time one domain per row against a loop over the rows."""
    rows, columns = arguments.rows
    w = weights(kind, rows * columns).reshape(rows, columns)

    def loop() -> list[tuple[float, float, np.ndarray]]:
        return [sort_route(row) for row in w]

    p = bbdg_ref.project(w, channel_axis=0)
    for row, least, (_, _, bits) in zip(w, p.error, loop(), strict=True):
        if abs(above_least(row, bits, least)) > 1e-9:
            raise SystemExit(f"the sort route errs by {above_least(row, bits, least):.1e} of the least error")
    calls = {OURS: lambda: bbdg_ref.project(w, channel_axis=0), SORT: loop}
    seconds = timed_in_turns(calls, arguments.repeats, arguments.turn)
    ours, theirs = (statistics.median(seconds[name]) for name in (OURS, SORT))
    return {
        "weights": kind,
        "shape": f"({rows}, {columns}), channel_axis=0",
        f"{OURS}, ms": spread(seconds[OURS]),
        f"{SORT}, loop over the rows, ms": spread(seconds[SORT]),
        f"÷ {OURS}": f"{theirs / ours:.1f}",
        "_seconds": seconds,
    }


def curve_lengths(end: int) -> list[int]:
    """Return 1e4, 3e4, 1e5, ... up to the end."""
    steps = [digit * 10**power for power in range(4, 10) for digit in (1, 3)]
    return [n for n in steps if n < end] + [end]


def measure_curve(n: int) -> dict[str, object]:
    """Time ours alone for one n, for both kinds of weights in turns."""
    arrays = {kind: weights(kind, n) for kind in KINDS}
    calls = {kind: (lambda w=w: bbdg_ref.project(w)) for kind, w in arrays.items()}
    repeats = arguments.repeats if n <= 10**7 else min(arguments.repeats, 5)
    seconds = timed_in_turns(calls, repeats, arguments.turn)
    row: dict[str, object] = {"n": short(n)}
    for kind in KINDS:
        row[f"{kind}, ms"] = spread(seconds[kind])
        row[f"{kind}, ns per weight"] = f"{1e9 * statistics.median(seconds[kind]) / n:.2f}"
    return row | {"_n": n, "_seconds": seconds}


def draw(rows: list[dict[str, object]], path: Path) -> None:
    """Draw nanoseconds per weight against n, a line for each kind of weights."""
    plt.rcParams |= {"svg.hashsalt": "projection-curve", "font.size": 9}
    figure, panel = plt.subplots(figsize=(5.5, 3.2), layout="constrained")
    for kind in KINDS:
        each = [1e9 * statistics.median(row["_seconds"][kind]) / row["_n"] for row in rows]
        panel.plot([row["_n"] for row in rows], each, "o-", label=kind)
    panel.set(xscale="log", xlabel="weights, n", ylabel="ns per weight", title=f"{OURS}, float32, one thread")
    panel.set_ylim(bottom=0)
    panel.grid(alpha=0.3)
    panel.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def memory_row(kind: str, n: int, peak: dict[str, int]) -> dict[str, object]:
    """Return a line of the table of peaks."""
    added = peak["after"] - peak["before"]
    return {
        "weights": kind,
        "n": short(n),
        "input, MB": f"{peak['input'] / 1e6:.0f}",
        "result, MB": f"{peak['result'] / 1e6:.1f}",
        "resident before, MB": f"{peak['before'] / 1e6:.0f}",
        "peak after, MB": f"{peak['after'] / 1e6:.0f}",
        "beyond input and result, MB": f"{(added - peak['result']) / 1e6:.1f}",
        "_bytes": peak,
    }


def first_calls() -> dict[str, float]:
    """Return the seconds that the first result of a process takes, compiling and from the cache."""
    found = {}
    for name in [OURS, "flash1dkmeans"][: 1 if "flash1dkmeans" in missing() else 2]:
        with tempfile.TemporaryDirectory() as folder:
            for what in ("compiling", "from the cache"):
                found[f"first {name} of a process (1e6 weights, import included), {what}, s"] = float(
                    alone("--first-call", name, cache=folder)
                )
    return found


def write(name: str, title: str, about: dict[str, object], rows: list[dict[str, object]]) -> None:
    """Write one table, and print it."""
    stem = arguments.out.with_name(arguments.out.name + name)
    print(write_tables(stem, title, common | about, rows))


common = machine(arguments.threads, ["bbdg_ref", "numpy", "numba"])
common |= {"weights": f"float32, seed 0; {MIXTURE}", "repeats": arguments.repeats}
if peaks:
    measured = (
        "peak resident memory (ru_maxrss) of a fresh process after one call, less that before it and the result; "
    )
    measured += "before the call are the interpreter, libraries, kernels compiled on short arrays, and the weights"
    write("-memory", "Memory of the projection", {"measured": measured}, [memory_row(*peak) for peak in peaks])
if arguments.channels:
    write("-channels", "Projection by channel", {}, [measure_rows(kind) for kind in KINDS])
if arguments.curve:
    curve = [measure_curve(n) for n in curve_lengths(arguments.curve_to)]
    write("-curve", "Time of the projection per weight", {}, curve)
    if plt is not None:
        draw(curve, arguments.plot)
if not (arguments.memory or arguments.channels or arguments.curve):
    about = machine(arguments.threads, PACKAGES)["versions"]
    table = [measure(kind, n) for kind in KINDS for n in arguments.n]
    notes = {"times": f"median (least-most) of the turns, and × the median of {OURS}"}
    notes |= {"versions of the peers": about, "peers left out": ", ".join(missing()) or "none"} | first_calls()
    write("", "Projection of one array", notes, table)
