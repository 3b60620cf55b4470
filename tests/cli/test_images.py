from dataclasses import replace

import numpy as np
import pytest

from bbdg_ref.cli import images as module
from bbdg_ref.cli.arguments import Refused
from bbdg_ref.cli.images import class_names, read_images
from bbdg_ref.cli.models import read_model
from bbdg_ref.datasets import CIFAR10, CIFAR100, CifarFile, synthetic
from bbdg_ref.training.augmentation import normalise


@pytest.fixture(scope="module")
def model(folder):
    return read_model(folder / "model.h5")


def noted(model, label):
    return replace(model, notes={} if label is None else {"dataset": label})


def normalised(folder, layout=CIFAR10):
    mean, std = (np.array(values, np.float32) for values in (layout.mean, layout.std))
    return normalise(np.load(folder / "images.npy"), mean, std)


@pytest.mark.parametrize("name", ["images.npy", "images.npz", "test_batch.bin"])
def test_bytes_are_normalised_as_in_training(folder, model, name):
    images = read_images(folder / name, model)
    assert np.array_equal(images.batch(0, 7), normalised(folder))
    assert np.array_equal(images.batch(2, 5), normalised(folder)[2:5])
    assert (images.labels is None) == (name == "images.npy")
    if images.labels is not None:
        assert np.array_equal(images.labels, np.load(folder / "images.npz")["labels"])
    assert "cifar10 (the model was trained on CIFAR-10 (JPEG))" in images.source


def test_floats_are_taken_as_normalised_and_it_is_said(folder, model, tmp_path):
    np.save(tmp_path / "x.npy", normalised(folder))
    images = read_images(tmp_path / "x.npy", noted(model, None))
    assert np.array_equal(images.batch(0, 7), normalised(folder)) and "taken as normalised already" in images.source


def test_a_folder_gives_its_test_images(folder, model, monkeypatch):
    monkeypatch.setitem(module.LAYOUTS, "cifar10", replace(CIFAR10, test_file=CifarFile("test_batch.bin", 7, "")))
    for path in (folder / "data", folder / "data" / CIFAR10.folder):
        images = read_images(path, model)
        assert np.array_equal(images.batch(0, 7), normalised(folder)) and "CIFAR-10 (unverified)" in images.source


@pytest.mark.parametrize(
    ("label", "name"),
    [("CIFAR-10", "cifar10"), ("CIFAR-10 (unverified)", "cifar10"), ("CIFAR-100", "cifar100"),
     ("CIFAR-100 (mine)", "cifar100"), ("built-in synthetic set (seed 0)", "synthetic")],
)  # fmt: skip
def test_statistics_follow_what_the_model_was_trained_on(folder, model, monkeypatch, label, name):
    small = synthetic(n_train=20, n_test=10)
    monkeypatch.setattr(module, "synthetic", lambda: small)
    images = read_images(folder / "images.npy", noted(model, label))
    mean = small.mean if name == "synthetic" else np.array(module.LAYOUTS[name].mean, np.float32)
    assert np.array_equal(images.mean, mean) and f"of {name} (the model was trained on {label})" in images.source
    forced = read_images(folder / "images.npy", noted(model, label), statistics="cifar100")
    assert np.array_equal(forced.batch(0, 7), normalised(folder, CIFAR100)) and "as --statistics says" in forced.source


@pytest.mark.parametrize("label", [None, "my pictures", "CIFAR-1000", "CIFAR-10x"])
def test_what_is_not_known_is_asked_or_said(folder, model, label):
    with pytest.raises(Refused, match="give --statistics"):
        read_images(folder / "images.npy", noted(model, label))
    images = read_images(folder / "test_batch.bin", noted(model, label))
    assert np.array_equal(images.batch(0, 7), normalised(folder)) and "assumed" in images.source


def test_the_built_in_set_is_a_word(folder, model, monkeypatch, tmp_path):
    small = synthetic(n_train=20, n_test=10)
    monkeypatch.setattr(module, "synthetic", lambda: small)
    monkeypatch.chdir(tmp_path)
    images = read_images(tmp_path.relative_to(tmp_path) / "synthetic", noted(model, small.label))
    assert np.array_equal(images.labels, small.test_labels)
    assert np.array_equal(images.batch(0, 10), normalise(small.test_images, small.mean, small.std))


def test_records_of_cifar100_are_told_by_their_size(folder, model, tmp_path):
    record = bytes([3, 42]) + bytes(3072)
    (tmp_path / "some.bin").write_bytes(record * 4)
    for data_format in ("auto", "cifar100"):
        images = read_images(tmp_path / "some.bin", model, data_format=data_format)
        assert images.labels.tolist() == [42] * 4
    with pytest.raises(ValueError, match=r"some.bin must be one or more whole records of 3073 bytes"):
        read_images(tmp_path / "some.bin", model, data_format="cifar10")


def test_classes_have_names_where_the_model_says_of_what(model):
    assert class_names(model)[3] == "cat"
    assert class_names(noted(model, None))[3] == "3"
    assert class_names(noted(model, "CIFAR-100"))[3] == "3"  # it has 10 classes, not 100


@pytest.mark.parametrize(
    ("array", "hint"),
    [
        (np.zeros((2, 32, 32, 3), np.uint8), "x.transpose"),
        (np.zeros((3, 32, 32), np.uint8), r"x\[None\]"),
        (np.zeros((2, 1, 32, 32), np.uint8), "convert"),
        (np.zeros((0, 3, 32, 32), np.uint8), "convert"),
        (np.zeros((2, 3, 0, 32), np.float32), "convert"),
        (np.zeros((2, 3, 32, 32)), "np.float32"),
        (np.zeros((2, 3, 32, 32), np.int64), "convert"),
        (np.zeros((2, 3, 32, 32), bool), "convert"),
        (np.zeros((2, 3, 32, 32), "M8[s]"), "convert"),
        (np.zeros(5), "np.float32"),
        (np.float32(1), "convert"),
        (np.full((2, 3, 4, 4), np.nan, np.float32), r"first bad value nan at index \(0, 0, 0, 0\)"),
    ],
)
def test_arrays_that_are_no_such_images_are_refused_with_a_hint(model, tmp_path, array, hint):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises((ValueError, TypeError), match=f"x.npy.*{hint}"):
        read_images(tmp_path / "x.npy", model)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": 1, "b": 2}, "must hold one array, or 'images'"),
        ({"images": 1, "x": 2}, "must hold one array, or 'images'"),
        ({"images": 1, "labels": 2, "y": 3}, "must hold one array, or 'images'"),
        ({}, "must be a NumPy file"),
        ({"images": 1, "labels": np.zeros(3, int)}, "labels as 2 whole numbers"),
        ({"images": 1, "labels": np.zeros((2, 1), int)}, "labels as 2 whole numbers"),
        ({"images": 1, "labels": np.zeros(2)}, "labels as 2 whole numbers"),
        ({"images": 1, "labels": np.array([0, -1])}, "first bad value -1 at index 1"),
    ],
)
def test_odd_archives_are_refused(model, tmp_path, arrays, message):
    whole = np.zeros((2, 3, 4, 4), np.uint8)
    np.savez(tmp_path / "x.npz", **{k: whole if isinstance(v, int) else v for k, v in arrays.items()})
    with pytest.raises(ValueError, match=message):
        read_images(tmp_path / "x.npz", model)


@pytest.mark.parametrize(
    ("name", "data_format", "message"),
    [
        ("no.npy", "auto", "must be a NumPy file"),
        ("no.bin", "auto", "must be a .npy, .npz or CIFAR batch file"),
        ("no.bin", "npy", "must be a .npy file"),
        ("no.bin", "npz", "must be a .npz file"),
        ("empty.bin", "auto", "must be one or more whole records"),
    ],
)
def test_other_files_are_refused(model, tmp_path, name, data_format, message):
    (tmp_path / name).write_bytes(b"" if name == "empty.bin" else b"some text that is no array")
    with pytest.raises(ValueError, match=f"{name} {message}"):
        read_images(tmp_path / name, model, data_format=data_format)


def test_a_folder_without_the_set_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"must hold CIFAR-10 as test_batch\.bin, cifar-10-batches-bin/ or"):
        read_images(tmp_path, model)
    with pytest.raises(ValueError, match=r"must hold CIFAR-100 as test\.bin"):
        read_images(tmp_path, model, data_format="cifar100")


def test_a_label_beyond_the_classes_of_a_cifar_file_is_refused(model, tmp_path):
    (tmp_path / "some.bin").write_bytes(bytes([10]) + bytes(3072))
    with pytest.raises(ValueError, match=r"first bad value 10 at record 0"):
        read_images(tmp_path / "some.bin", model)
