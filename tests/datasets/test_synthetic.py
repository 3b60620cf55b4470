"""The built-in set: the same bytes from the same seed, balance, independence, difficulty."""

import hashlib
from functools import cache

import numpy as np
import pytest

from bbdg_ref.datasets import Dataset, synthetic
from bbdg_ref.datasets.synthetic import BLOCK, CLASSES, draw_images

# SHA-256 of the images and labels of synthetic(seed=0, n_train=60, n_test=40), both parts, as bytes
PINNED = "c8ba43ac4246ce7c4cf13f144c27a81609b8bd4047deb38416ab6a240b1f5265"


def digest(data: Dataset) -> str:
    parts = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    return hashlib.sha256(b"".join(part.astype("<i8").tobytes() for part in parts)).hexdigest()


@cache
def default_set() -> Dataset:
    return synthetic()


def accuracy_of_ridge(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray, penalties: tuple[float, ...]
) -> float:
    """Best test accuracy of least squares on one-hot targets; a penalty of 1 is the mean variance of a feature."""
    mean = train.mean(0)
    train, test = train - mean, test - mean
    gram, target = train.T @ train, train.T @ (np.eye(10, dtype=np.float32)[labels] - np.float32(0.1))
    scale = np.trace(gram) / len(gram)
    best = 0.0
    for penalty in penalties:
        weights = np.linalg.solve(gram + np.float32(penalty * scale) * np.eye(len(gram), dtype=np.float32), target)
        best = max(best, float(np.mean(np.argmax(test @ weights, 1) == truth)))
    return best


def random_features(images: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Mean of |filter response| over the image, for random 5x5 filters: says which textures there are, not where."""
    size = filters.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(2, 3))
    features = np.empty((len(images), len(filters)), np.float32)
    flat = filters.reshape(len(filters), -1).T
    for i in range(0, len(images), 200):
        rows = windows[i : i + 200].transpose(0, 2, 3, 1, 4, 5)
        responses = rows.reshape(*rows.shape[:3], -1) @ flat
        features[i : i + 200] = np.abs(responses).mean((1, 2))
    return features


def test_the_same_seed_gives_the_same_bytes_everywhere() -> None:
    assert digest(synthetic(seed=0, n_train=60, n_test=40)) == PINNED


def test_another_seed_gives_another_set_under_another_label() -> None:
    first, second = synthetic(seed=0, n_train=60, n_test=40), synthetic(seed=1, n_train=60, n_test=40)
    assert digest(first) != digest(second)
    assert (first.label, second.label) == ("built-in synthetic set (seed 0)", "built-in synthetic set (seed 1)")


def test_neither_part_depends_on_the_size_of_the_other() -> None:
    base, other = synthetic(seed=3, n_train=50, n_test=30), synthetic(seed=3, n_train=70, n_test=30)
    np.testing.assert_array_equal(base.test_images, other.test_images)
    np.testing.assert_array_equal(base.test_labels, other.test_labels)
    other = synthetic(seed=3, n_train=50, n_test=10)
    np.testing.assert_array_equal(base.train_images, other.train_images)


def test_parts_have_no_image_in_common_and_no_image_twice() -> None:
    data = synthetic(seed=0, n_train=BLOCK + 100, n_test=BLOCK + 100)
    seen = {image.tobytes() for image in np.concatenate((data.train_images, data.test_images))}
    assert len(seen) == 2 * (BLOCK + 100)


@pytest.mark.parametrize("n", [1, 10, 17, 1000, 1003])
def test_classes_are_balanced_and_in_random_order(n: int) -> None:
    labels = synthetic(seed=2, n_train=n, n_test=1).train_labels
    counts = np.bincount(labels, minlength=10)
    assert counts.max() - counts.min() <= 1
    if n >= 1000:
        assert not np.array_equal(labels, np.sort(labels))
        # how often neighbours agree is about binomial(n - 1, 1/10); six standard deviations
        assert abs(np.sum(labels[1:] == labels[:-1]) - n / 10) < 6 * np.sqrt(n * 0.09)


def test_the_generator_alone_decides_the_images() -> None:
    labels = np.arange(30) % 10
    first = draw_images(labels, rng=np.random.default_rng(4))
    np.testing.assert_array_equal(first, draw_images(labels, rng=np.random.default_rng(4)))
    assert np.any(first != draw_images(labels, rng=np.random.default_rng(5)))


def test_sizes_names_and_statistics() -> None:
    data = default_set()
    assert data.train_images.shape == (20_000, 3, 32, 32)
    assert data.test_images.shape == (5_000, 3, 32, 32)
    assert data.classes == CLASSES
    assert len(CLASSES) == 10
    for images, tolerance in ((data.train_images, 6e-5), (data.test_images, 5e-3)):
        for channel in range(3):
            share = np.bincount(images[:, channel].ravel(), minlength=256) / images[:, channel].size
            level = np.arange(256) / 255
            mean = share @ level
            std = np.sqrt(share @ (level - mean) ** 2)
            np.testing.assert_allclose((mean, std), (data.mean[channel], data.std[channel]), atol=tolerance)


def test_all_grey_levels_occur() -> None:
    assert np.all(np.bincount(default_set().test_images.ravel(), minlength=256) > 0)


@pytest.mark.slow
def test_a_linear_classifier_on_the_pixels_stays_below_60_percent() -> None:
    data = default_set()
    train = data.train_images.reshape(len(data.train_images), -1) / np.float32(255)
    test = data.test_images.reshape(len(data.test_images), -1) / np.float32(255)
    accuracy = accuracy_of_ridge(train, data.train_labels, test, data.test_labels, (0.3, 1.0))
    assert 0.3 < accuracy < 0.6


def test_the_patterns_can_be_told_apart_wherever_they_are() -> None:
    data = default_set()
    filters = np.random.default_rng(0).standard_normal((64, 3, 5, 5)).astype(np.float32)
    filters -= filters.mean((2, 3), keepdims=True)
    train = random_features(data.train_images[:4000] / np.float32(255), filters)
    test = random_features(data.test_images[:1000] / np.float32(255), filters)
    labels, truth = data.train_labels[:4000], data.test_labels[:1000]
    assert accuracy_of_ridge(train, labels, test, truth, (1e-4, 1e-3)) > 0.9


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"seed": -1}, ValueError, "seed must be at least 0; got -1"),
        ({"n_train": 0}, ValueError, "n_train must be at least 1"),
        ({"n_test": 0}, ValueError, "n_test must be at least 1"),
        ({"seed": 0.5}, TypeError, "seed must be an integer; got float"),
        ({"n_train": True}, TypeError, "n_train must be an integer; got bool"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, int], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        synthetic(**arguments)
