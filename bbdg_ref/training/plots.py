"""The picture of a run: accuracy against epoch, and the weights with their two values."""

import os
from collections.abc import Sequence
from typing import Any

from ..nn import Network
from .report import Results

__all__ = ["plot_run"]


def plot_run(path: str | os.PathLike[str], log: Sequence[dict[str, Any]], network: Network, results: Results) -> None:
    """Draw accuracy against epoch, and one layer's latent weights with α and β, to a PNG.

    Parameters
    ----------
    path : str or path-like
        Where to.
    log : sequence of dict
        The run's log, one entry an epoch.
    network : Network
        The trained network; the binary layer in the middle is shown.
    results : Results
        Test accuracy, density, data set.

    Raises
    ------
    ImportError
        If Matplotlib is not installed (the extra ``plot``).
    """
    from matplotlib.figure import Figure  # optional: only the extra `plot` brings it

    figure = Figure(figsize=(10, 4), layout="constrained")
    accuracy, weights = figure.subplots(1, 2)
    e = results.experiment
    title = f"{results.dataset}: {e['arch']}, {e['domain']}, {e['prune']}"
    title += "" if e["density"] is None else f" {e['density']}"
    title += "" if e["init_density"] is None else f" from {e['init_density']}"
    epochs = [line["epoch"] for line in log]
    accuracy.plot(epochs, [100 * line["train_accuracy"] for line in log], "o-", label="training")
    accuracy.plot(epochs, [100 * line["validation_accuracy"] for line in log], "o-", label="validation")
    accuracy.plot([results.best_epoch], [100 * results.test_accuracy], "k*", markersize=12, label="test, best epoch")
    accuracy.set(xlabel="epoch", ylabel="accuracy, %", title=title)
    accuracy.xaxis.get_major_locator().set_params(integer=True)
    accuracy.legend(loc="lower right")
    accuracy.grid(alpha=0.3)

    layers = network.binary_layers()
    name = list(layers)[len(layers) // 2]
    layer = layers[name]
    latent, values = layer.latent.value, layer.values()
    weights.hist([latent[~layer.bits], latent[layer.bits]], bins=80, stacked=True, label=["bit 0", "bit 1"])
    weights.set_yscale("log")
    weights.set(xlabel="latent weight", ylabel="count", title=f"binary layer {name}, "
                f"density {layer.bits.mean():.3f}")  # fmt: skip
    if values.channel_axis is None:
        for value, label, style in ((values.alpha, "α", "--"), (values.beta, "β", ":")):
            weights.axvline(value, color="k", linestyle=style, label=f"{label} = {value:.3f}")
    weights.legend(loc="upper right", bbox_to_anchor=(0.92, 1.0))
    figure.savefig(path, dpi=110)
