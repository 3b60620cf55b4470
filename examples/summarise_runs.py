"""Print a Markdown table of finished runs, one line a run, from the files that the training scripts wrote.

python examples/summarise_runs.py runs/*
"""

import argparse
import json
import sys
from pathlib import Path

from bbdg_ref.training import training_seconds

COLUMNS = (
    "run", "data set", "training images", "network", "domain", "pruning", "epochs", "batch", "lr", "seed",
    "validation, % (best epoch)", "test, %", "density reached", "seconds",
)  # fmt: skip


def row(folder: Path) -> list[str]:
    """Return the cells of one run."""
    results = json.loads((folder / "results.json").read_text())
    e = results["experiment"]
    pruning = e["prune"] if e["density"] is None else f"{e['prune']} {e['density']}"
    pruning += "" if e["gamma"] is None else f", gamma {e['gamma']}"
    pruning += "" if e["init_density"] is None else f", started at {e['init_density']}"
    return [
        folder.name, results["dataset"], str(results["train_images"]), f"{e['arch']}, width {e['width']}",
        e["domain"], pruning, str(e["epochs"]), str(e["batch_size"]), str(e["learning_rate"]), str(e["seed"]),
        f"{100 * results['validation_accuracy']:.2f} ({results['best_epoch']})",
        f"{100 * results['test_accuracy']:.2f}", f"{results['density']:.4f}", f"{training_seconds(folder):.0f}",
    ]  # fmt: skip


def main() -> None:
    """Read the folders and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, help="folders of runs; unfinished ones are named and skipped")
    lines = [list(COLUMNS), ["---"] * len(COLUMNS)]
    for folder in parser.parse_args().folders:
        if (folder / "results.json").exists():
            lines.append(row(folder))
        else:
            print(f"{folder}: no results.json, so not finished", file=sys.stderr)
    print("\n".join("| " + " | ".join(cells) + " |" for cells in lines))


if __name__ == "__main__":
    main()
