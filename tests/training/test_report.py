import dataclasses
import json
import math

import numpy as np
import pytest
from network_cases import DOMAINS, small

from bbdg_ref import nn
from bbdg_ref.training import LayerResult, Results, format_table, layer_results, training_seconds, write_results
from bbdg_ref.training.report import real_parameters

EXPERIMENT = {
    "arch": "resnet20", "width": 2, "domain": "general", "prune": "topk", "density": 0.25, "gamma": None,
    "init_density": None, "epochs": 3, "batch_size": 8, "learning_rate": 0.01, "seed": 5,
    "crop": True, "flip": True, "mixup": False,
}  # fmt: skip
LAYERS = [LayerResult("stage1.0", 64, 16, -0.25, 1.5), LayerResult("stage1.1", 36, 0, 0.125, 0.125)]


def results(**experiment) -> Results:
    return Results(
        dataset="CIFAR-10 (JPEG)", experiment=EXPERIMENT | experiment, train_images=28, validation_images=12,
        test_images=20, best_epoch=2, validation_accuracy=0.75, test_accuracy=0.7, test_loss=0.9, layers=LAYERS,
        real_parameters=10,
    )  # fmt: skip


def test_sizes_and_density_are_sums_over_the_layers():
    r = results()
    assert (r.weights, r.density) == (100, 0.16)
    assert (r.float_bits, r.packed_bits) == (32 * 110, 100 + 320)
    # H(1/4) = 2 - 3/4 log2(3), H(0) = 0
    assert math.isclose(r.entropy_bits, 64 * (2 - 0.75 * math.log2(3)) + 320, rel_tol=1e-14)


def test_results_are_written_as_json_with_what_follows_from_them(tmp_path):
    write_results(tmp_path / "results.json", results())
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["layers"] == [dataclasses.asdict(layer) for layer in LAYERS]
    assert (written["dataset"], written["density"], written["packed_bits"]) == ("CIFAR-10 (JPEG)", 0.16, 420)
    assert written["experiment"]["seed"] == 5


def test_the_table_names_data_set_accuracies_density_layers_and_time():
    text = format_table(results(), 12.34)
    for wanted in (
        "CIFAR-10 (JPEG)", "28 training, 12 validation, 20 test", "resnet20, width 2, general", "75.00%", "70.00%",
        "best epoch 2", "0.1600", "100", "3520 bits", "420 bits (8.4x", "12.3 s", "seed 5", "top-k", "0.25",
    ):  # fmt: skip
        assert wanted in text
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.startswith("stage")}
    assert rows["stage1.0"][1:] == ["64", "16", "0.2500", "-0.2500", "1.5000"]
    assert rows["stage1.1"][1:] == ["36", "0", "0.0000", "0.1250", "0.1250"]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"prune": "none", "density": None}, "by sign"),
        ({"prune": "penalty", "density": 0.05, "gamma": 0.07}, "EC 0.05, gamma 0.07"),
        ({"prune": "topk-global", "density": 0.02}, "over all layers, density 0.02"),
        ({"init_density": 0.125}, "started at density 0.125"),
    ],
)
def test_the_table_says_which_pruning_was_used(changes, wanted):
    assert wanted in format_table(results(**changes), 0.0)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, ["cosine; cross-entropy\n", "crop, flip\n"]),  # of a version without these settings
        ({"schedule": "step", "smoothing": 0.1, "teacher": None}, ["step; cross-entropy, label smoothing 0.1\n"]),
        ({"teacher": "x/model.h5", "temperature": 4.0}, ["cosine; distillation from x/model.h5, temperature 4.0\n"]),
        ({"rotate": True}, ["crop, flip, rotate\n"]),
    ],
)
def test_the_table_says_what_was_learned_and_how(changes, wanted):
    text = format_table(results(**changes), 0.0)
    assert all(words in text for words in wanted)


@pytest.mark.parametrize("domain", DOMAINS)
def test_layer_results_are_the_layers_own(domain):
    network = small(domain=domain)
    found = layer_results(network)
    assert [r.name for r in found] == list(network.binary_layers())
    for result, layer in zip(found, network.binary_layers().values(), strict=True):
        weights = layer.domain.weights(layer.latent.value, layer.signs())
        assert (result.weights, result.ones) == (layer.bits.size, layer.bits.sum())
        if domain == "symmetric":
            a = np.abs(layer.latent.value).mean(dtype=float)
            assert np.allclose((result.alpha, result.beta), (-a, a), rtol=1e-6)
        else:
            assert np.allclose(result.alpha, weights[~layer.bits], rtol=1e-6)
            assert np.allclose(result.beta, weights[layer.bits], rtol=1e-6)
    assert isinstance(network, nn.Network)


@pytest.mark.parametrize(
    ("domain", "values"), [("bipolar", 0), ("symmetric", 1), ("general", 2), ("general-closed", 2)]
)
def test_what_stays_real_is_everything_but_the_binary_weights(domain, values):
    network = small(domain=domain)
    arrays = network.state()
    plain = sum(a.size for name, a in arrays.items() if ".domain." not in name)
    latents_bits_thresholds = sum(2 * layer.bits.size + 1 for layer in network.binary_layers().values())
    filters = sum(len(layer.bits) if domain == "symmetric" else 1 for layer in network.binary_layers().values())
    assert real_parameters(network) == plain - latents_bits_thresholds + values * filters


def test_a_run_without_times_took_none(tmp_path):
    assert training_seconds(tmp_path) == 0


def test_time_is_the_sum_over_all_sessions(tmp_path):
    lines = [{"train_seconds": 1.5, "validation_seconds": 0.25}, {"train_seconds": 2.0, "validation_seconds": 0.0}]
    (tmp_path / "timing.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert training_seconds(tmp_path) == 3.75
