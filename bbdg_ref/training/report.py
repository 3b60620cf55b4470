"""What a run found, as a file and as a table."""

import dataclasses
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import entr

from ..nn import Network
from ..pruning import STRATEGIES

__all__ = [
    "LayerResult",
    "Results",
    "format_table",
    "layer_results",
    "real_parameters",
    "training_seconds",
    "write_results",
]


@dataclass(frozen=True)
class LayerResult:
    """A binary layer.

    Attributes
    ----------
    name : str
        Its dotted name in the network.
    weights, ones : int
        How many weights, and how many with bit 1.
    alpha, beta : float
        Its two values; means over the filters where they differ from filter to filter.
    """

    name: str
    weights: int
    ones: int
    alpha: float
    beta: float


@dataclass(frozen=True)
class Results:
    """What a run found; all but its duration.

    Attributes
    ----------
    dataset : str
        The data set's label.
    experiment : dict
        The settings.
    train_images, validation_images, test_images : int
        Sizes of the three parts.
    best_epoch : int
        From 1, by `bbdg_ref.training.choice.rank`: the earliest with the best validation accuracy among those that meet
        the density.
    validation_accuracy, test_accuracy : float
        Fractions, at the best epoch.
    test_loss : float
        Mean cross-entropy in nats.
    layers : sequence of LayerResult
        The binary layers in the order of the data flow.
    real_parameters : int
        Numbers that stay float32: see `real_parameters`.
    """

    dataset: str
    experiment: dict[str, Any]
    train_images: int
    validation_images: int
    test_images: int
    best_epoch: int
    validation_accuracy: float
    test_accuracy: float
    test_loss: float
    layers: Sequence[LayerResult]
    real_parameters: int

    @property
    def weights(self) -> int:
        """Binary weights in all."""
        return sum(layer.weights for layer in self.layers)

    @property
    def density(self) -> float:
        """Ones / weights over all binary layers."""
        return sum(layer.ones for layer in self.layers) / self.weights

    @property
    def float_bits(self) -> int:
        """32 bits for every number."""
        return 32 * (self.weights + self.real_parameters)

    @property
    def packed_bits(self) -> int:
        """One bit a binary weight, 32 bits for every other number."""
        return self.weights + 32 * self.real_parameters

    @property
    def entropy_bits(self) -> float:
        """Σ n·H(ones/n) over the binary layers, H the binary entropy in bits, and 32 for every other number."""
        return sum(layer.weights * _entropy(layer.ones / layer.weights) for layer in self.layers) + (
            32 * self.real_parameters
        )


def _entropy(p: float) -> float:
    """H(p) = −p·log₂ p − (1 − p)·log₂(1 − p), in bits; 0 at both ends."""
    return float(entr(p) + entr(1 - p)) / math.log(2)


def layer_results(network: Network) -> list[LayerResult]:
    """Return every binary layer's weights, ones, α and β as they stand.

    Parameters
    ----------
    network : Network
        Not changed.

    Returns
    -------
    list of LayerResult
        In the order of the data flow.
    """
    found = []
    for name, layer in network.binary_layers().items():
        domain = layer.values()
        found.append(
            LayerResult(
                name, layer.bits.size, int(np.count_nonzero(layer.bits)),
                float(np.mean(domain.alpha)), float(np.mean(domain.beta)),
            )
        )  # fmt: skip
    return found


def real_parameters(network: Network) -> int:
    """Count the numbers that stay real: what is not a binary weight, and the domains' values.

    Parameters
    ----------
    network : Network
        Not changed.

    Returns
    -------
    int
        Parameters, τ and φ among them, and batch norm's running statistics; a of the symmetric domain,
        or α and β in closed form, are counted as values.
    """
    bits = (".latent", ".bits", ".threshold")
    learned = sum(array.size for name, array in network.state().items() if not name.endswith(bits))
    layers = network.binary_layers().values()
    return learned + sum(np.size(layer.values().alpha) * layer.domain.derived_values for layer in layers)


def training_seconds(out: Path) -> float:
    """Return the time that ``timing.jsonl`` has noted, over all sessions.

    Parameters
    ----------
    out : pathlib.Path
        Folder of the run.

    Returns
    -------
    float
        Seconds of training and validation; 0 if nothing was noted.
    """
    path = out / "timing.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return sum(line["train_seconds"] + line["validation_seconds"] for line in lines)


def write_results(path: str | os.PathLike[str], results: Results) -> None:
    """Write the results as JSON.

    Parameters
    ----------
    path : str or path-like
        Where to.
    results : Results
        What to write, with density and bits added.
    """
    derived = {
        name: getattr(results, name) for name in ("weights", "density", "float_bits", "packed_bits", "entropy_bits")
    }
    part = Path(f"{path}.part")
    part.write_text(json.dumps(dataclasses.asdict(results) | derived, indent=1) + "\n")
    os.replace(part, path)  # whole or not at all


def _pruned(e: Mapping[str, Any]) -> str:
    """Return how the ones were chosen, from the settings of an experiment; those of earlier versions have fewer."""
    text = {
        "none": "bits by sign", "topk": "top-k per layer", "topk-global": "top-k over all layers",
        "penalty": "density penalty",
    }.get(e["prune"], f"{e['prune']}: {STRATEGIES[e['prune']].text}")  # fmt: skip
    names = {"density": "EC" if e["gamma"] is not None else "density", "gamma": "gamma", "n_m": "N:M", "subbit": "bits"}
    given = [f", {shown} {e[name]}" for name, shown in names.items() if e.get(name) is not None]
    cubic = ", cubic schedule of the density" if e.get("density_schedule", "constant") != "constant" else ""
    return text + "".join(given) + cubic


def format_table(results: Results, seconds: float) -> str:
    """Return the table that ends a run.

    Parameters
    ----------
    results : Results
        What the run found.
    seconds : float
        How long training and validation took.

    Returns
    -------
    str
        Lines of text.
    """
    e = results.experiment
    start = "" if e["init_density"] is None else f", latents started at density {e['init_density']}"
    start += f", from {e['start']}" if e.get("start") is not None else ""
    # Results of earlier versions lack the later settings.
    augmented = ", ".join(name for name in ("crop", "flip", "rotate", "mixup") if e.get(name)) or "no augmentation"
    schedule = e.get("schedule", "cosine")
    loss = f"cross-entropy, label smoothing {e['smoothing']}" if e.get("smoothing") else "cross-entropy"
    if e.get("teacher") is not None:
        loss = f"distillation from {e['teacher']}, temperature {e['temperature']}"
    images = f"{results.train_images} training, {results.validation_images} validation, {results.test_images} test"
    packed, entropy = results.float_bits / results.packed_bits, results.float_bits / results.entropy_bits
    rows = [
        ("data set", results.dataset),
        ("images", images),
        ("network", f"{e['arch']}, width {e['width']}, {e['domain']} domain"),
        ("pruning", _pruned(e) + start),
        ("training", f"{e['epochs']} epochs, batch {e['batch_size']}, lr {e['learning_rate']}, seed {e['seed']}"),
        ("schedule, loss", f"{schedule}; {loss}"),
        ("augmentation", augmented),
        ("validation accuracy", f"{results.validation_accuracy:.2%} (best epoch {results.best_epoch})"),
        ("test accuracy", f"{results.test_accuracy:.2%}"),
        ("density reached", f"{results.density:.4f} of {results.weights} binary weights"),
        ("size, all float32", f"{results.float_bits} bits"),
        ("size, 1 bit a weight", f"{results.packed_bits} bits ({packed:.1f}x smaller)"),
        ("size, entropy n H(p)", f"{results.entropy_bits:.0f} bits ({entropy:.1f}x smaller)"),
        ("time", f"{seconds:.1f} s of training and validation"),
    ]
    lines = [f"{name:<22}{value}" for name, value in rows]
    if e["domain"] == "symmetric":
        lines += ["", "alpha and beta below: means over the filters, each of which has its own"]
    lines += ["", f"{'binary layer':<24}{'weights':>9}{'ones':>9}{'density':>9}{'alpha':>10}{'beta':>10}"]
    for layer in results.layers:
        density = layer.ones / layer.weights
        lines.append(
            f"{layer.name:<24}{layer.weights:>9}{layer.ones:>9}{density:>9.4f}{layer.alpha:>10.4f}{layer.beta:>10.4f}"
        )
    return "\n".join(lines)
