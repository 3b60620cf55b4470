"""Make a densely trained network sparse without training; compare it with networks that were trained sparse.

python examples/train_cifar10.py --prune none --out runs/dense
python examples/train_cifar10.py --density 0.05 --out runs/sparse-0.05
python examples/sparsify.py runs/dense --densities 0.25 0.1 0.05 --sparse runs/sparse-*
python examples/sparsify.py --help

Writes sparsify.json and the tables sparsify.md into the dense run's folder, or into --out. What sparsify.json holds
already for the same model, images and data is not computed again. Of the runs that trained sparse, those that differ
in nothing but the seed share a line, which says how their settings differ from the dense run's.
"""

import argparse
import dataclasses
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bbdg_ref._terminal import end_well
from bbdg_ref.datasets import CIFAR10, CIFAR100, Dataset, load_cifar, synthetic
from bbdg_ref.nn import DOMAINS, BatchNorm, Network, load_network
from bbdg_ref.training import Experiment, Images, evaluate, normalise, sparsify
from bbdg_ref.training.arguments import Refused, a_density, check_data_flags, two_or_more
from bbdg_ref.training.sweep.results import replace_text

LAYOUTS = {"cifar10": CIFAR10, "cifar100": CIFAR100}
BATCH = 250


def make_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("dense", type=Path, help="folder of a run without pruning: its model.h5 and results.json are read")
    add("--densities", type=a_density, nargs="+", default=[0.25, 0.1, 0.05, 0.02], help="fractions of ones")
    add("--domains", nargs="+", choices=list(DOMAINS), default=["general", "bipolar"], help="of the sparse networks")
    add("--images", type=two_or_more, default=2000, help="training images for the batch-norm statistics (%(default)s)")
    add("--sparse", type=Path, nargs="*", default=[], help="folders of runs that trained sparse, to compare with")
    add("--data", choices=[*LAYOUTS, "synthetic"], default="cifar10", help="the data set (%(default)s)")
    add("--data-dir", type=Path, help="folder of its binary files (default: $BBDG_DATA, else data/)")
    add("--data-label", help="what results on it are called")
    add("--out", type=Path, help="folder for the two files (default: the dense run's)")
    return parser


def check_flags(args: argparse.Namespace) -> None:
    """Refuse flags that contradict each other, and a place for the results that is no folder."""
    check_data_flags(args)
    if args.out is not None and args.out.exists() and not args.out.is_dir():
        raise Refused(f"--out must be a folder, and {args.out} is a file: give another place")


def read_results(folder: Path) -> dict:
    """Return a run's results, its settings with the defaults of those that its version did not have."""
    path = folder / "results.json"
    text = path.read_text()
    try:
        results = json.loads(text)
        experiment = dataclasses.asdict(Experiment(**results["experiment"]))
        kept = {name: float(results[name]) for name in ("density", "test_accuracy")}
        return {"dataset": str(results["dataset"]), "experiment": experiment} | kept
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} must hold the results of a run; got {error!r}; give the folder of one") from error


def read_data(args: argparse.Namespace, trained_on: str) -> Dataset:
    """Return the data set, which must be the dense run's."""
    data = (
        synthetic()
        if args.data == "synthetic"
        else load_cifar(LAYOUTS[args.data], args.data_dir, label=args.data_label)
    )
    if data.label != trained_on:
        raise ValueError(
            f"the dense run's data must be given; got {data.label!r}, and it was trained on {trained_on!r}"
        )
    if args.images > len(data.train_images):
        raise ValueError(f"--images must be at most the {len(data.train_images)} there are; got {args.images}")
    return data


def test_accuracy(network: Network, data: Dataset) -> float:
    """Return the fraction of test images that the network gets right."""
    test = Images(data.test_images, data.test_labels, len(data.classes), data.mean, data.std)
    return evaluate(network, test, batch_size=BATCH).accuracy


def with_old_statistics(sparse: Network, dense: Network) -> Network:
    """Give the sparse network the batch-norm statistics of the dense one, to show what they do."""
    old = dict(dense.modules())
    for name, module in sparse.modules():
        if isinstance(module, BatchNorm):
            module.running_mean, module.running_var = old[name].running_mean, old[name].running_var
    return sparse


def measure(dense: Network, density: float, domain: str, batches: list[np.ndarray], data: Dataset) -> dict:
    """Return a row: sparsify, and read the test set with the new and with the old batch-norm statistics."""
    network = sparsify(dense, density, domain=domain, batches=batches)
    layers = network.binary_layers().values()
    reached = sum(int(layer.bits.sum()) for layer in layers) / sum(layer.bits.size for layer in layers)
    after = test_accuracy(network, data)
    before = test_accuracy(with_old_statistics(network, dense), data)
    return {"density": density, "domain": domain, "reached": reached, "test": after, "test_old_statistics": before}


def trained_sparse(folders: list[Path], dense: dict) -> dict[str, list[dict]]:
    """Return the results of finished runs on the same data, by how their settings differ from the dense run's."""
    found: dict[str, list[dict]] = {}
    for folder in folders:
        if not (folder / "results.json").exists():
            print(f"{folder}: no results.json, so not finished", file=sys.stderr)
            continue
        results = read_results(folder)
        if results["dataset"] != dense["dataset"]:
            print(f"{folder}: trained on {results['dataset']!r}, not {dense['dataset']!r}", file=sys.stderr)
            continue
        settings = {name: value for name, value in results["experiment"].items() if name != "seed"}
        other = [f"{name} {value}" for name, value in settings.items() if value != dense["experiment"][name]]
        found.setdefault(", ".join(other) or "nothing", []).append(results)
    return found


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def page(state: dict, compared: dict[str, list[dict]]) -> str:
    """Return both tables, the second if there are runs to compare with."""
    rows = [("dense", state["domain"], f"{state['density']:.4f}", f"{100 * state['test']:.2f}", "")]
    for row in state["rows"]:
        accuracies = f"{100 * row['test']:.2f}", f"{100 * row['test_old_statistics']:.2f}"
        rows.append((f"{row['density']:g}", row["domain"], f"{row['reached']:.4f}", *accuracies))
    old = "with the old batch-norm statistics, %"
    text = table(("density", "domain", "density reached", "test, %", old), rows)
    if not compared:
        return text
    rows = []
    for other, runs in compared.items():
        means = {name: np.mean([run[name] for run in runs]) for name in ("density", "test_accuracy")}
        rows.append((other, str(len(runs)), f"{means['density']:.4f}", f"{100 * means['test_accuracy']:.2f}"))
    head = ("trained sparse: other settings than the dense run's", "runs", "density reached, mean", "test, %, mean")
    return f"{text}\n{table(head, rows)}"


def known_state(path: Path, settings: dict) -> dict:
    """Return what an earlier run of the same settings measured, or an empty state."""
    empty = {"settings": settings, "rows": []}
    if not path.exists():
        return empty
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        check_measured(state, {"density", "domain", "test", "settings", "rows"})
        for row in state["rows"]:
            check_measured(row, {"density", "domain", "test", "reached", "test_old_statistics"})
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be as this script wrote it; got another content: {error}; delete it") from error
    return state if state["settings"] == settings else empty


def check_measured(values: dict, names: set[str]) -> None:
    """Refuse what does not hold exactly these names: a domain, settings, rows, and fractions for the others."""
    if not isinstance(values, dict) or values.keys() != names:
        raise ValueError(f"no object of {', '.join(sorted(names))}")
    for name, value in values.items():
        if name in ("settings", "rows"):
            right = isinstance(value, dict if name == "settings" else list)
        elif name == "domain":
            right = value in list(DOMAINS)
        else:
            right = isinstance(value, int | float) and 0 <= value <= 1
        if not right:
            raise ValueError(f"{name} is {str(value)[:40]!r}")


def work(args: argparse.Namespace) -> int:
    """Measure what is not known yet, write both files, print the tables."""
    results, model = read_results(args.dense), args.dense / "model.h5"
    if (prune := results["experiment"]["prune"]) != "none":
        raise ValueError(f"dense must be the folder of a run with --prune none; {args.dense} has --prune {prune}")
    compared = trained_sparse(args.sparse, results)
    data = read_data(args, results["dataset"])
    dense, out = load_network(model), args.out or args.dense
    out.mkdir(parents=True, exist_ok=True)
    checksum = hashlib.sha256(model.read_bytes()).hexdigest()
    state = known_state(out / "sparsify.json", {"model": checksum, "images": args.images, "dataset": data.label})
    if "test" not in state:
        bits = np.concatenate([layer.bits.ravel() for layer in dense.binary_layers().values()])
        state |= {
            "test": test_accuracy(dense, data),
            "density": float(bits.mean()),
            "domain": dense.arguments["domain"],
        }
    images = normalise(data.train_images[: args.images], data.mean, data.std)
    batches = np.array_split(images, -(-len(images) // BATCH))  # of one image none, which has no variance
    for domain in args.domains:
        for density in args.densities:
            if any((row["density"], row["domain"]) == (density, domain) for row in state["rows"]):
                continue
            row = measure(dense, density, domain, batches, data)
            state["rows"].append(row)
            state["rows"].sort(key=lambda row: (list(DOMAINS).index(row["domain"]), -row["density"]))
            replace_text(out / "sparsify.json", json.dumps(state, indent=1) + "\n")
            print(f"{domain}, density {density:g}: {100 * row['test']:.2f} %", file=sys.stderr)
    text = page(state, compared)
    replace_text(out / "sparsify.md", text)
    print(f"{data.label}, {len(images)} training images for the batch-norm statistics\n\n{text}", end="")
    return 0


def main() -> int:
    """Run the script; return the exit status."""
    parser = make_parser()
    args = parser.parse_args()
    try:
        check_flags(args)
    except Refused as refusal:
        parser.error(str(refusal))
    return end_well(lambda: work(args), failures=(ValueError, MemoryError), status=1)


if __name__ == "__main__":
    sys.exit(main())
