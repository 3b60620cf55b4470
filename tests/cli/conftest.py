"""A small trained model and what goes with it, in a folder of its own."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bbdg_ref import compile_network, nn, save_packed
from bbdg_ref.cli import main
from bbdg_ref.datasets import CIFAR10

CLASSES = 10


@dataclass
class Run:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Model files, images, weights; written once and never changed."""
    path, rng = tmp_path_factory.mktemp("models"), np.random.default_rng(0)
    network = nn.resnet20(domain="general-closed", width=4, classes=CLASSES, rng=rng)
    nn.shift_latents(network, 0.1)
    for module in network.modules():
        if isinstance(module[1], nn.BatchNorm):
            module[1].running_mean[:] = rng.normal(0, 0.5, module[1].running_mean.shape)
    notes = {"dataset": "CIFAR-10 (JPEG)", "test_accuracy": 0.5}
    nn.save_network(path / "model.h5", network, notes=notes)
    nn.save_network(path / "unnoted.h5", network)
    save_packed(path / "packed.h5", compile_network(network), notes=notes)
    save_packed(path / "bound.h5", compile_network(network, image_shape=(3, 16, 24)))
    wide = nn.reactnet_a(width=1, classes=CLASSES, rng=rng)
    nn.save_network(path / "reactnet-a.h5", wide)
    save_packed(path / "reactnet-a-packed.h5", compile_network(wide))
    images = rng.integers(0, 256, (7, 3, 32, 32), dtype=np.uint8)
    labels = rng.integers(0, CLASSES, 7)
    np.save(path / "images.npy", images)
    np.savez(path / "images.npz", images=images, labels=labels)
    records = np.concatenate([labels[:, None].astype(np.uint8), images.reshape(7, -1)], axis=1)
    (path / "test_batch.bin").write_bytes(records.tobytes())
    (path / "data" / CIFAR10.folder).mkdir(parents=True)
    (path / "data" / CIFAR10.folder / "test_batch.bin").write_bytes(records.tobytes())
    weights = rng.normal(0.1, 1, (4, 3, 3, 3))
    np.save(path / "weights.npy", weights)
    np.savez(path / "weights.npz", conv1=weights, conv2=-weights)
    return path


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """Call the command line in the folder, or where the test has gone."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words) -> Run:
        try:
            status = main([str(word) for word in words])
        except SystemExit as stop:  # argparse's own
            status = int(stop.code or 0)
        return Run(status, *capsys.readouterr())

    return call
