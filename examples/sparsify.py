"""Make a densely trained network sparse without training; compare it with networks that were trained sparse.

python examples/train_cifar10.py --prune none --out runs/dense
python examples/train_cifar10.py --density 0.05 --out runs/sparse-0.05
python examples/sparsify.py runs/dense --densities 0.25 0.1 0.05 --sparse runs/sparse-*
python examples/sparsify.py --help

Writes sparsify.json and the table sparsify.md into the dense run's folder, or into --out. What sparsify.json holds
already for the same model, images and data is not computed again.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from bbdg_ref.datasets import CIFAR10, CIFAR100, Dataset, load_cifar, synthetic
from bbdg_ref.nn import DOMAINS, BatchNorm, Network, load_network
from bbdg_ref.training import Images, evaluate, normalise, sparsify

LAYOUTS = {"cifar10": CIFAR10, "cifar100": CIFAR100}
BATCH = 250


def make_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("dense", type=Path, help="folder of a run without pruning: its model.h5 and results.json are read")
    add("--densities", type=float, nargs="+", default=[0.25, 0.1, 0.05, 0.02], help="fractions of ones")
    add("--domains", nargs="+", choices=list(DOMAINS), default=["general", "bipolar"], help="of the sparse networks")
    add("--images", type=int, default=2000, help="training images for the batch-norm statistics (%(default)s)")
    add("--sparse", type=Path, nargs="*", default=[], help="folders of runs that trained sparse, to compare with")
    add("--data", choices=[*LAYOUTS, "synthetic"], default="cifar10", help="the data set (%(default)s)")
    add("--data-dir", type=Path, help="folder of its binary files (default: $BBDG_DATA, else data/)")
    add("--data-label", help="what results on it are called")
    add("--out", type=Path, help="folder for the two files (default: the dense run's)")
    return parser


def read_data(args: argparse.Namespace) -> Dataset:
    """Return the data set, which must be the dense run's."""
    data = (
        synthetic()
        if args.data == "synthetic"
        else load_cifar(LAYOUTS[args.data], args.data_dir, label=args.data_label)
    )
    trained_on = json.loads((args.dense / "results.json").read_text())["dataset"]
    if data.label != trained_on:
        raise ValueError(
            f"the dense run's data must be given; got {data.label!r}, and it was trained on {trained_on!r}"
        )
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


def trained_sparse(folders: list[Path], label: str) -> dict[tuple[float, str], list[float]]:
    """Return the test accuracies of finished runs on the same data, by density asked for and domain."""
    found: dict[tuple[float, str], list[float]] = {}
    for folder in folders:
        if not (folder / "results.json").exists():
            print(f"{folder}: no results.json, so not finished", file=sys.stderr)
            continue
        results = json.loads((folder / "results.json").read_text())
        experiment = results["experiment"]
        if results["dataset"] != label:
            print(f"{folder}: trained on {results['dataset']!r}, not {label!r}", file=sys.stderr)
        elif experiment["density"] is not None:
            found.setdefault((experiment["density"], experiment["domain"]), []).append(results["test_accuracy"])
    return found


def table(state: dict, compared: dict[tuple[float, str], list[float]]) -> str:
    """Return the Markdown table."""
    head = (
        "density",
        "domain",
        "density reached",
        "test, %",
        "with the old batch-norm statistics, %",
        "trained sparse, %",
    )
    lines = [
        head,
        ("---",) * len(head),
        ("dense", state["domain"], f"{state['density']:.4f}", f"{100 * state['test']:.2f}", "", ""),
    ]
    for row in state["rows"]:
        runs = compared.get((row["density"], row["domain"]), [])
        runs_text = f"{100 * np.mean(runs):.2f}" + (f" (mean of {len(runs)})" if len(runs) > 1 else "") if runs else "—"
        accuracies = f"{100 * row['test']:.2f}", f"{100 * row['test_old_statistics']:.2f}"
        lines.append((f"{row['density']:g}", row["domain"], f"{row['reached']:.4f}", *accuracies, runs_text))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def known_state(path: Path, settings: dict) -> dict:
    """Return what an earlier run of the same settings measured, or an empty state."""
    if path.exists() and (state := json.loads(path.read_text()))["settings"] == settings:
        return state
    return {"settings": settings, "rows": []}


def main() -> None:
    """Measure what is not known yet, write both files, print the table."""
    args = make_parser().parse_args()
    data, model = read_data(args), args.dense / "model.h5"
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
    batches = [images[start : start + BATCH] for start in range(0, len(images) - 1, BATCH)]
    for domain in args.domains:
        for density in args.densities:
            if any((row["density"], row["domain"]) == (density, domain) for row in state["rows"]):
                continue
            row = measure(dense, density, domain, batches, data)
            state["rows"].append(row)
            state["rows"].sort(key=lambda row: (list(DOMAINS).index(row["domain"]), -row["density"]))
            (out / "sparsify.json").write_text(json.dumps(state, indent=1) + "\n")
            print(f"{domain}, density {density:g}: {100 * row['test']:.2f} %", file=sys.stderr)
    text = table(state, trained_sparse(args.sparse, data.label))
    (out / "sparsify.md").write_text(text)
    print(f"{data.label}, {len(images)} training images for the batch-norm statistics\n\n{text}", end="")


if __name__ == "__main__":
    main()
