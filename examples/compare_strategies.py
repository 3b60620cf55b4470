"""Train ResNet-20 by every pruning strategy at one budget; make a page of what each reaches and what it costs.

python examples/compare_strategies.py --list
python examples/compare_strategies.py --data-dir DIR --data-label "CIFAR-10 (JPEG)"
python examples/compare_strategies.py --measure
python examples/compare_strategies.py --report

Each run is one of examples/train_cifar10.py, in a process with one thread. What has a result file is not run again, and
a run that was stopped goes on from its checkpoint; a result of other settings is refused. `--measure` times the packed
networks, one thread, in turns: on an idle machine, after the training. `--report` makes page and picture from the
result files alone.
"""

import argparse
import json
import os
import runpy
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import bbdg_ref
from bbdg_ref import nn
from bbdg_ref._terminal import end_well
from bbdg_ref.training import Experiment, training_seconds
from bbdg_ref.training.arguments import make_experiment
from bbdg_ref.training.arguments import make_parser as make_training_parser
from bbdg_ref.training.sweep.report import put_generated
from bbdg_ref.training.sweep.results import replace_text
from bbdg_ref.training.sweep.tables import markdown

#: Strategy by strategy in the general domain, the most telling ones with {-1, +1} too.
RUNS = {
    "general-none": "--prune none",
    "general-topk": "--prune topk --density 0.05",
    "general-topk-cubic": "--prune topk --density 0.05 --density-schedule cubic",
    "general-topk-global": "--prune topk-global --density 0.05",
    "general-penalty": "--prune penalty --density 0.05 --gamma 0.15",
    "general-penalty-entropy": "--prune penalty-entropy --density 0.05 --gamma 0.15 --init-density 0.25",
    "general-random": "--prune random --density 0.05",
    "general-filters": "--prune filters --density 0.05",
    "general-kernels": "--prune kernels --density 0.05",
    "general-n-m": "--prune n-m --n-m 1:16",
    "general-subbit": "--prune subbit --subbit 5",
    "general-subbit-topk": "--prune subbit-topk --subbit 5 --density 0.05",
    "general-subbit-penalty": "--prune subbit-penalty --subbit 5 --density 0.05 --gamma 0.15",
    "bipolar-topk": "--domain bipolar --prune topk --density 0.05",
    "bipolar-kernels": "--domain bipolar --prune kernels --density 0.05",
    "bipolar-subbit-topk": "--domain bipolar --prune subbit-topk --subbit 5 --density 0.05",
}
COMMON = "--arch resnet20 --width 16 --batch-size 64 --lr 0.003 --no-crop --flip --no-mixup --seed 0"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
BATCH, TURNS = 32, 41
SIZES = ("epochs", "limit_train", "validation")
HEAD = (
    "strategy", "domain", "test accuracy, %", "density", "zero kernels, %", "zero filters, %", "Huffman, bits a weight",
    "sparse BOPs, million", "packed, µs an image", "training, s",
)  # fmt: skip


def make_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(RUNS), default=list(RUNS), metavar="RUN", help="these runs")
    parser.add_argument("--epochs", type=int, default=5, help="passes over the training images (default: 5)")
    parser.add_argument("--limit-train", type=int, default=45000, help="training images (default: 45000, all)")
    parser.add_argument("--validation", type=int, default=5000, help="images held out (default: 5000)")
    parser.add_argument("--data", default="auto", help="as of train_cifar10.py")
    parser.add_argument("--data-dir", type=Path, help="folder with CIFAR-10 in the binary version")
    parser.add_argument("--data-label", help="what data of unverified origin are to be called")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time (default: processors)")
    parser.add_argument("--runs", type=Path, default=Path("runs/strategies"), help="folder of models and checkpoints")
    parser.add_argument("--out", type=Path, default=Path("docs/results/strategies"), help="folder of the result files")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="only name the runs, done or missing")
    instead.add_argument("--measure", action="store_true", help="only time the packed networks, then report")
    instead.add_argument("--report", action="store_true", help="only make page and picture")
    return parser


def train(name: str, args: argparse.Namespace) -> None:
    """Make one run in a process of its own, and its result file."""
    folder, log = args.runs / name, args.runs / f"{name}.log"
    if not (folder / "results.json").exists():
        command = [sys.executable, str(Path(__file__).with_name("train_cifar10.py")), "--out", str(folder), "--quiet"]
        data = ["--data", args.data] if args.data_dir is None else ["--data-dir", str(args.data_dir)]
        data += [] if args.data_label is None else ["--data-label", args.data_label]
        if (folder / "checkpoint.h5").exists():
            command += ["--resume", *data]
        else:
            command += [*words_of(name, vars(args)), *data]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as text:
            status = subprocess.run(command, env=os.environ | ONE_THREAD, stdout=text, stderr=text).returncode
        if status:
            raise SystemExit(f"{name} failed with status {status}; see {log}")
    keep(name, args)


def words_of(name: str, sizes: Mapping[str, int]) -> list[str]:
    """Return the flags of a run, without those of its data."""
    words = [word for size in SIZES for word in (f"--{size.replace('_', '-')}", str(sizes[size]))]
    return [*COMMON.split(), *words, *RUNS[name].split()]


def check_settings(name: str, found: Mapping[str, Any], sizes: Mapping[str, int], place: Path) -> None:
    """Refuse the results of a run that had other settings than its flags say."""
    task = runpy.run_path(str(Path(__file__).with_name("train_cifar10.py")))["TASK"]
    meant = asdict(make_experiment(task, make_training_parser(task).parse_args(words_of(name, sizes))))
    had = asdict(Experiment(**found["experiment"]))
    other = ", ".join(f"{key} {had[key]} where it is now {value}" for key, value in meant.items() if had[key] != value)
    if other:
        raise SystemExit(f"{place} is of a run with other settings: {other}; delete it, or give other folders")


def keep(name: str, args: argparse.Namespace) -> None:
    """Write the result file of a finished run: its results, its log, and the cost of its network."""
    folder = args.runs / name
    results = json.loads((folder / "results.json").read_text())
    check_settings(name, results, vars(args), folder)
    network = nn.load_network(folder / "model.h5")
    cost = bbdg_ref.summary(network).total.cost
    result = {
        "name": name,
        "flags": RUNS[name],
        "results": results,
        "cost": {
            "weights": cost.weights, "ones": cost.ones, "kernels": cost.kernels, "zero_kernels": cost.zero_kernels,
            "filters": cost.filters, "zero_filters": cost.zero_filters, "huffman_bits": cost.bits.huffman,
            "huffman_table_bits": cost.bits.huffman_table, "sparse_bops": cost.bops.sparse,
        },
        "log": [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()],
        "seconds": training_seconds(folder),
    }  # fmt: skip
    write(args.out / f"{name}.json", result)
    accuracy = result["results"]["test_accuracy"]
    print(f"{name}: test {accuracy:.2%}, density {cost.ones / cost.weights:.4f}, {result['seconds']:.0f} s", flush=True)


def write(path: Path, result: dict[str, Any]) -> None:
    """Write a result file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, json.dumps(result, indent=1) + "\n")


def measure(args: argparse.Namespace) -> None:
    """Time all packed networks in turns, and add the times to their result files."""
    images = np.random.default_rng(0).standard_normal((BATCH, 3, 32, 32)).astype(np.float32)
    packed = {
        name: bbdg_ref.compile_network(nn.load_network(args.runs / name / "model.h5"))
        for name in args.only
        if (args.out / f"{name}.json").exists() and (args.runs / name / "model.h5").exists()
    }
    for network in packed.values():
        network(images)  # lays it out, and compiles on the first
    seconds: dict[str, list[float]] = {name: [] for name in packed}
    for _ in range(TURNS):
        for name, network in packed.items():
            start = time.perf_counter()
            network(images)
            seconds[name].append(time.perf_counter() - start)
    for name, taken in seconds.items():
        path = args.out / f"{name}.json"
        result = json.loads(path.read_text())
        result["packed"] = {"seconds_per_image": statistics.median(taken) / BATCH, "batch": BATCH, "turns": TURNS}
        write(path, result)


def cells(result: dict[str, Any]) -> list[str]:
    """Return a line of the table."""
    cost, found = result["cost"], result["results"]
    domain, _, strategy = result["name"].partition("-")
    bits = cost["huffman_bits"] + cost["huffman_table_bits"]
    packed = result.get("packed")
    return [
        strategy, domain, f"{100 * found['test_accuracy']:.2f}", f"{cost['ones'] / cost['weights']:.4f}",
        f"{100 * cost['zero_kernels'] / cost['kernels']:.1f}", f"{100 * cost['zero_filters'] / cost['filters']:.1f}",
        f"{bits / cost['weights']:.3f}", f"{cost['sparse_bops'] / 1e6:.2f}",
        f"{1e6 * packed['seconds_per_image']:.1f}" if packed else "", f"{result['seconds']:.0f}",
    ]  # fmt: skip


def report(args: argparse.Namespace) -> None:
    """Make the page and the picture of all results that there are."""
    results = found_in(args.out)
    if not results:
        raise SystemExit(f"no result in {args.out}: train first")
    sizes = {size: results[0]["results"]["experiment"][size] for size in SIZES}
    for result in results:
        check_settings(result["name"], result["results"], sizes, args.out / f"{result['name']}.json")
    page = args.out.parent / f"{args.out.name}.md"
    put_generated(page, "Pruning strategies compared", generated(args.out.name, results))
    draw(results, page.with_suffix(".svg"))
    print(markdown(HEAD, map(cells, results)))


def found_in(folder: Path) -> list[dict[str, Any]]:
    """Return the results that there are, in the order of `RUNS`."""
    return [json.loads(path.read_text()) for name in RUNS if (path := folder / f"{name}.json").exists()]


def generated(name: str, results: Sequence[dict[str, Any]]) -> str:
    """Return the generated part of the page, of a folder of this name."""
    first = results[0]["results"]
    e = first["experiment"]
    flags = "\n".join(f"{result['name']:<24} {result['flags']}" for result in results)
    return (
        f"{markdown(HEAD, map(cells, results))}\n\n![Test accuracy against size]({name}.svg)\n\n"
        f"Data: {first['dataset']}, {first['train_images']} training, {first['validation_images']} validation and "
        f"{first['test_images']} test images. {e['arch']}, width {e['width']}, {e['epochs']} epochs, batch "
        f"{e['batch_size']}, Adam at {e['learning_rate']} with a cosine to 0, seed {e['seed']}. Test accuracy is that "
        f"of the epoch with the best validation accuracy, of those that meet the density. Huffman bits are those of "
        "the 3x3 patterns with their table. "
        f"Packed: median of {TURNS} turns, batch {BATCH}, one thread. In all "
        f"{sum(result['seconds'] for result in results) / 3600:.1f} hours of one core; the seconds of a run are wall "
        f"clock, beside whatever else ran.\n\n```text\n{flags}\n```\n"
    )


def draw(results: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw accuracy against Huffman bits a weight, if Matplotlib is there."""
    try:
        import matplotlib.pyplot as plt  # optional: the extra `plot`
    except ImportError:
        print("no picture: it needs Matplotlib (pip install bbdg_ref[plot])", file=sys.stderr)
        return
    plt.rcParams |= {"svg.hashsalt": "strategies", "font.size": 8}
    figure, panel = plt.subplots(figsize=(6.5, 4), layout="constrained")
    for domain, mark in (("general", "o"), ("bipolar", "x")):
        rows = [cells(result) for result in results if result["name"].startswith(domain)]
        sizes, accuracies = [float(row[6]) for row in rows], [float(row[2]) for row in rows]
        panel.scatter(sizes, accuracies, marker=mark, label=domain)
        for row, x, y in zip(rows, sizes, accuracies, strict=True):
            panel.annotate(row[0], (x, y), xytext=(4, 3), textcoords="offset points")
    panel.set(xlabel="Huffman bits a binary weight", ylabel="test accuracy, %", xscale="log")
    panel.grid(alpha=0.3)
    panel.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the flags say; return the exit status."""
    args = make_parser().parse_args(argv)
    found = {result["name"]: result["results"] for result in found_in(args.out)}
    missing = [name for name in args.only if name not in found]
    for name in args.only:
        if name in found and not args.report and not args.measure:
            check_settings(name, found[name], vars(args), args.out / f"{name}.json")
    if args.list:
        for name in args.only:
            print(f"{'missing' if name in missing else 'done':<8} {name:<24} {RUNS[name]}")
        return 0
    if args.measure and os.environ.get("NUMBA_NUM_THREADS") != "1":  # it is read when Numba is imported
        words = [sys.executable, __file__, *(sys.argv[1:] if argv is None else argv)]
        return subprocess.run(words, env=os.environ | ONE_THREAD).returncode
    if args.measure:
        measure(args)
    elif not args.report:
        with ThreadPoolExecutor(args.jobs) as pool:  # each thread waits for a process
            list(pool.map(lambda name: train(name, args), missing))
    report(args)
    return 0


if __name__ == "__main__":
    sys.exit(end_well(main, failures=(ValueError, MemoryError), status=1))
