import csv
import io

import numpy as np
import pytest

from bbdg_ref import nn
from bbdg_ref.cli import predict
from bbdg_ref.datasets import CIFAR10
from bbdg_ref.inference import compile_network
from bbdg_ref.training.augmentation import normalise


@pytest.fixture(scope="module")
def expected(folder):
    """The logits, by the package itself."""
    mean, std = (np.array(values, np.float32) for values in (CIFAR10.mean, CIFAR10.std))
    images = normalise(np.load(folder / "images.npy"), mean, std)
    return compile_network(nn.load_network(folder / "model.h5"))(images)


@pytest.mark.parametrize("model", ["model.h5", "packed.h5"])
@pytest.mark.parametrize("batch", [1, 3, 256])
def test_logits_are_the_packed_network_s_whatever_the_batches(run, tmp_path, monkeypatch, expected, model, batch):
    monkeypatch.setattr(predict, "BATCH", batch)
    assert run("predict", model, "images.npy", "--output", tmp_path / "logits.npy").status == 0
    logits = np.load(tmp_path / "logits.npy")
    assert logits.dtype == np.float32 and np.array_equal(logits, expected)


def test_accuracy_is_told_where_labels_are_known(run, folder, expected):
    labels = np.load(folder / "images.npz")["labels"]
    right = int((expected.argmax(1) == labels).sum())
    near = (np.argsort(-expected, axis=1)[:, :3] == labels[:, None]).any(axis=1).mean()
    for images in ("images.npz", "test_batch.bin"):
        assert (
            f"accuracy: {right / 7:.2%} ({right} of 7), top 3: {near:.2%}\n" in run("predict", "model.h5", images).out
        )
    assert "accuracy" not in run("predict", "model.h5", "images.npy").out


def test_labels_that_the_model_does_not_know_give_no_accuracy(run, folder, tmp_path):
    np.savez(tmp_path / "x.npz", images=np.load(folder / "images.npy"), labels=np.arange(7) + 5)
    assert "no accuracy: labels go up to 11" in run("predict", "model.h5", tmp_path / "x.npz").out


def test_csv_holds_the_best_classes_and_their_probabilities(run, tmp_path, expected):
    target = tmp_path / "classes.csv"
    assert run("predict", "model.h5", "images.npz", "--top", 10, "--output", target).status == 0
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    assert len(rows) == 7
    for row, logits in zip(rows, expected.astype(np.float64), strict=True):
        order = np.argsort(-logits, kind="stable")
        assert [int(row[f"class_{i}"]) for i in range(1, 11)] == order.tolist()
        assert row["name_1"] == CIFAR10.classes[order[0]]
        chances = [float(row[f"probability_{i}"]) for i in range(1, 11)]
        assert sum(chances) == pytest.approx(1, abs=1e-5)
        assert np.log(chances[0] / chances[1]) == pytest.approx(logits[order[0]] - logits[order[1]], abs=1e-4)


@pytest.mark.parametrize(("words", "shown"), [([], 7), (["--show", 2], 2), (["--show", 0], 0)])
def test_some_images_are_shown(run, words, shown):
    lines = run("predict", "model.h5", "images.npy", *words).out.splitlines()
    assert sum(line[:1].isdigit() for line in lines) == shown
    assert any(line.startswith("and 5 more") for line in lines) == (shown == 2)


def test_one_class_an_image_if_asked(run):
    out = run("predict", "packed.h5", "images.npz", "--top", 1).out
    assert "top 1" in out and "top 2" not in out and "top 3" not in out


def test_images_of_another_size_are_served(run, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 9, 5), np.float32))
    assert run("predict", "model.h5", tmp_path / "x.npy").status == 0


def test_large_logits_do_not_overflow():
    logits = np.array([[1e30, 0, -1e30], [500, 500, 500]], np.float32)
    assert predict._probabilities(logits) == pytest.approx(np.array([[1, 0, 0], [1 / 3] * 3]))


def test_an_existing_file_stays_without_force(run, tmp_path):
    target = tmp_path / "classes.csv"
    target.write_text("mine")
    assert run("predict", "model.h5", "images.npy", "--output", target).status == 2
    assert target.read_text() == "mine"
    assert run("predict", "model.h5", "images.npy", "--output", target, "--force").status == 0
    assert target.read_text().startswith("image,label,class_1,name_1,probability_1,")
