"""``bench``: how long inference takes, packed, as trained, and as defined."""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._terminal import number_table
from ..inference import evaluate
from .arguments import Command, add_image_size, at_least
from .models import Model, read_model
from .output import progress

__all__ = ["COMMAND"]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
PACKED, TRAINED, DEFINED = "packed", "as trained, unfolded", "the definition"
FEW = 3  # timed calls of the definition, which is there to be read


def _add(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="model file, as training or pack wrote it")
    add("--batch", type=at_least(1), nargs="+", default=[1, 32], metavar="N", help="images a call (default: 1 32)")
    add_image_size(parser)
    text = "threads of the kernels and of BLAS (default: as many as the libraries take)"
    add("--threads", type=at_least(1), default=None, metavar="N", help=text)
    text = f"timed calls of each (default: 15); of the definition at most {FEW}"
    add("--repeats", type=at_least(1), default=15, metavar="N", help=text)


def _run(args: argparse.Namespace) -> int:
    if args.threads is not None and any(os.environ.get(name) != str(args.threads) for name in THREAD_VARIABLES):
        return _again(args.words, args.threads)
    model = read_model(args.model)
    shape = model.image_shape(args.image_size)
    print(f"model: {model}\n{_machine(args.threads)}\nimages: random, {' x '.join(map(str, shape))}", flush=True)
    rows, notes = [], []
    for batch in args.batch:
        images = np.random.default_rng(0).standard_normal((batch, *shape), dtype=np.float32)
        start = time.perf_counter()
        logits = model.packed(images)
        first = time.perf_counter() - start
        notes += [f"batch {batch}: first call {first:.2f} s; {_comparison(model, images, logits)}"]
        rows += _rows(batch, _timed(_contenders(model, images), args.repeats, f"batch {batch}"))
    header = ["batch, network", "calls", "median, ms", "min, ms", "max, ms", "images/s", "time / packed"]
    print("\n" + number_table(header, rows) + "\n\n" + "\n".join(notes))
    print("the first call of a process loads the kernels from Numba's cache, or compiles them")
    return 0


def _again(words: list[str], threads: int) -> int:
    """Run the same command in a process of its own: libraries read the number of threads once, when they load."""
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
    try:
        status = subprocess.run([sys.executable, "-m", "bbdg_ref", *words], env=environment, check=False).returncode
    except KeyboardInterrupt:  # it got the signal as well, and has said so
        return 130
    return status if status >= 0 else 128 - status


def _contenders(model: Model, images: NDArray[np.float32]) -> dict[str, Callable[[], object]]:
    network = model.network
    calls: dict[str, Callable[[], object]] = {PACKED: lambda: model.packed(images)}
    if network is not None:
        calls[TRAINED] = lambda: network.forward(images, training=False)
    return calls | {DEFINED: lambda: evaluate(model.packed.folded, images)}


def _timed(calls: dict[str, Callable[[], object]], repeats: int, text: str) -> dict[str, list[float]]:
    """Time the contenders in turn, A B C A B C ..., after a call each that does not count; return seconds by name."""
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    with progress(repeats, text, "round") as bar:
        for number in range(repeats):
            for name, call in calls.items():
                if name == DEFINED and number >= FEW:
                    continue
                start = time.perf_counter()
                call()
                seconds[name].append(time.perf_counter() - start)
            bar.update()
    return seconds


def _rows(batch: int, seconds: dict[str, list[float]]) -> list[list[str]]:
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    return [
        [f"{batch}, {name}", str(len(values))]
        + [f"{1000 * value:.2f}" for value in (middle[name], min(values), max(values))]
        + [f"{batch / middle[name]:,.0f}", f"{middle[name] / middle[PACKED]:.2f}"]
        for name, values in seconds.items()
    ]


def _comparison(model: Model, images: NDArray[np.float32], logits: NDArray[np.float32]) -> str:
    """Say how the logits compare with the definition's and with those of the network as it was trained."""
    defined = evaluate(model.packed.folded, images).logits
    equal = "equal to the definition in every bit" if np.array_equal(logits, defined) else "NOT EQUAL TO THE DEFINITION"
    if model.network is None:
        return equal
    error = np.abs(logits - model.network.forward(images, training=False)).max()
    return f"{equal}; at most {error:.1g} from the network as trained"


def _machine(threads: int | None) -> str:
    versions = ", ".join(f"{name} {_version(name)}" for name in ("bbdg_ref", "numpy", "numba", "scipy"))
    asked = os.environ.get("NUMBA_NUM_THREADS", "as many as the libraries take") if threads is None else threads
    return (
        f"machine: {_processor()}, {os.cpu_count()} processors, {platform.system()}\n"
        f"threads: {asked}\nversions: Python {platform.python_version()}, {versions}"
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


COMMAND = Command(
    "Time the packed network on random images against the network as it was trained and against the definition, in "
    "turn, in one process, after checking that the logits agree.",
    "  python -m bbdg_ref bench model.h5 --threads 1\n"
    "  python -m bbdg_ref bench model.h5 --image-size 48 32 --batch 1\n"
    "  python -m bbdg_ref bench packed.h5 --batch 1 8 64 --threads 2 --repeats 5\n",
    _add,
    _run,
)
