import dataclasses
import sys

import pytest
from network_cases import DOMAINS, small
from training_runs import experiment

from bbdg_ref import ops
from bbdg_ref.training import Results, plot_run

LOG = [{"epoch": e, "train_accuracy": e / 10, "validation_accuracy": e / 20} for e in (1, 2, 3)]


def results() -> Results:
    return Results(
        dataset="noise", experiment=dataclasses.asdict(experiment()), train_images=1, validation_images=1,
        test_images=1, best_epoch=2,
        validation_accuracy=0.1, test_accuracy=0.2, test_loss=1.0, layers=[], real_parameters=0,
    )  # fmt: skip


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_picture_is_drawn_for_every_domain(tmp_path, domain):
    pytest.importorskip("matplotlib")
    plot_run(tmp_path / "curves.png", LOG, small(domain=domain), results())
    content = (tmp_path / "curves.png").read_bytes()
    assert content.startswith(b"\x89PNG") and len(content) > 10_000


@pytest.mark.parametrize("ones", [0, 1])
def test_a_layer_without_ones_or_without_zeros_can_be_drawn(tmp_path, ones):
    pytest.importorskip("matplotlib")
    network = small()
    for layer in network.binary_layers().values():
        layer.choose(ops.select_top_k(layer.latent.value, ones * layer.bits.size))
    plot_run(tmp_path / "curves.png", LOG[:1], network, results())
    assert (tmp_path / "curves.png").exists()


def test_the_picture_needs_no_display_and_leaves_pyplot_alone(tmp_path):
    pytest.importorskip("matplotlib")
    before = "matplotlib.pyplot" in sys.modules
    plot_run(tmp_path / "curves.png", LOG, small(), results())
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_without_matplotlib_it_is_an_import_error(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError):
        plot_run(tmp_path / "curves.png", LOG, small(), results())
    assert not list(tmp_path.iterdir())
