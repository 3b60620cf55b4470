"""The value type and the validation split."""

import dataclasses

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bbdg_ref.datasets import Dataset, split_validation


def make_dataset() -> Dataset:
    return Dataset(
        name="x",
        label="X",
        train_images=np.zeros((4, 3, 32, 32), np.uint8),
        train_labels=np.array([0, 1, 2, 0]),
        test_images=np.zeros((2, 3, 32, 32), np.uint8),
        test_labels=np.array([2, 1]),
        classes=("a", "b", "c"),
        mean=np.zeros(3, np.float32),
        std=np.ones(3, np.float32),
    )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("train_images", np.zeros((4, 3, 32, 32), np.float32), "train_images must be a uint8 array"),
        ("train_images", np.zeros((4, 32, 32, 3), np.uint8), r"shape \(4, 32, 32, 3\)"),
        ("train_labels", np.array([0, 1, 2]), r"int64 array of shape \(4,\)"),
        ("train_labels", np.array([0, 1, 2, 0], np.uint8), "got uint8"),
        ("train_labels", np.array([0, 1, 3, -1]), "2 outside, first bad value 3 at index 2"),
        ("test_labels", np.array([-1, 0]), "test_labels must lie in 0..2; got 1 outside, first bad value -1"),
        ("mean", np.zeros(3), "mean must be a float32 array"),
        ("std", np.zeros(1, np.float32), "std must be a float32 array"),
    ],
)
def test_parts_that_do_not_fit_are_refused(field: str, value: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(make_dataset(), **{field: value})


def test_a_result_can_be_renamed_without_touching_the_arrays() -> None:
    data = make_dataset()
    renamed = dataclasses.replace(data, label="Y")
    assert renamed.label == "Y"
    assert renamed.train_images is data.train_images


@given(st.integers(1, 300), st.data(), st.integers(0, 2**32 - 1))
def test_split_is_a_partition_fixed_by_the_state_of_the_generator(n: int, data: st.DataObject, seed: int) -> None:
    n_validation = data.draw(st.integers(0, n - 1))
    event("nothing held out" if n_validation == 0 else "some held out")
    split = split_validation(n, n_validation, np.random.default_rng(seed))
    again = split_validation(n, n_validation, np.random.default_rng(seed))
    assert split.validation.size == n_validation
    np.testing.assert_array_equal(np.sort(np.concatenate((split.train, split.validation))), np.arange(n))
    np.testing.assert_array_equal(split.train, np.sort(split.train))
    np.testing.assert_array_equal(split.validation, again.validation)


def test_split_takes_every_image_equally_often() -> None:
    rng = np.random.default_rng(5)
    draws = 2000
    counts = np.zeros(10)
    for _ in range(draws):
        counts[split_validation(10, 3, rng).validation] += 1
    # each count is binomial(2000, 0.3); six standard deviations
    assert np.all(np.abs(counts - draws * 0.3) < 6 * np.sqrt(draws * 0.3 * 0.7))


@pytest.mark.parametrize("n_validation", [-1, 5, 6])
def test_split_leaves_something_to_train_on(n_validation: int) -> None:
    with pytest.raises(ValueError, match="n_validation must be an integer from 0 to n - 1 = 4"):
        split_validation(5, n_validation, np.random.default_rng(0))
