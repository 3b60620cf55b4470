"""The value type that every loader returns, and the split into training and validation."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IMAGE_SHAPE = (3, 32, 32)
"""Shape of one image: (channels red-green-blue, height, width)."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled set of 32x32 RGB images, in a training and a test part.

    The arrays are as stored (bytes 0..255); a trainer normalises a pixel of channel c by
    ``(pixel / 255 - mean[c]) / std[c]``.

    Parameters
    ----------
    name : str
        Short name for files and options: ``"cifar10"``, ``"cifar100"`` or ``"synthetic"``.
    label : str
        What results obtained on it are called, such as ``"CIFAR-10 (unverified)"``.
    train_images, test_images : ndarray of uint8, shape (images, 3, height, width)
        Pixels, channels in the order red, green, blue.
    train_labels, test_labels : ndarray of int64, shape (images,)
        Class of each image, an index into `classes`.
    classes : tuple of str
        Names of the classes.
    mean, std : ndarray of float32, shape (3,)
        Mean and standard deviation of the training pixels of each channel, for pixels scaled to [0, 1].

    Raises
    ------
    ValueError
        If an array has another shape or dtype, if the number of labels and images differ, or if a label
        is not the index of a class.

    Examples
    --------
    >>> from bbdg_ref.datasets import synthetic
    >>> data = synthetic(seed=0, n_train=20, n_test=10)
    >>> data.label, data.train_images.shape, data.test_labels.shape
    ('built-in synthetic set (seed 0)', (20, 3, 32, 32), (10,))
    """

    name: str
    label: str
    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.int64]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    mean: npt.NDArray[np.float32]
    std: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        """Check that the arrays fit together."""
        _check_part("train", self.train_images, self.train_labels, len(self.classes))
        _check_part("test", self.test_images, self.test_labels, len(self.classes))
        for name, value in (("mean", self.mean), ("std", self.std)):
            if value.shape != (3,) or value.dtype != np.float32:
                raise ValueError(
                    f"Dataset: {name} must be a float32 array of shape (3,); got {value.dtype} of shape "
                    f"{value.shape}; give one number per colour channel"
                )


@dataclass(frozen=True, eq=False)
class Split:
    """Which images train and which validate.

    Parameters
    ----------
    train, validation : ndarray of int64, shape (train,) and (validation,)
        Indices into the original training set, ascending, without a common element.
    """

    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]


def split_validation(n: int, n_validation: int, rng: np.random.Generator) -> Split:
    """Choose `n_validation` of `n` images at random for validation.

    The best epoch is chosen on these images, so that the test set is read once only, at the end.

    Parameters
    ----------
    n : int
        Number of images in the training set.
    n_validation : int
        How many of them to hold out, from 0 to n - 1.
    rng : numpy.random.Generator
        Source of randomness; the same state gives the same split.

    Returns
    -------
    Split
        Indices of the images that train and of those that validate, each ascending.

    Raises
    ------
    ValueError
        If `n_validation` is negative or leaves no image to train on.

    Notes
    -----
    O(n) time and memory.

    Examples
    --------
    >>> split = split_validation(10, 3, np.random.default_rng(0))
    >>> split.train.size, split.validation.size
    (7, 3)
    """
    if not 0 <= n_validation < n:
        raise ValueError(
            f"split_validation: n_validation must be an integer from 0 to n - 1 = {n - 1}; got "
            f"{n_validation}; hold out fewer images or use more training images"
        )
    order = rng.permutation(n).astype(np.int64)
    return Split(train=np.sort(order[n_validation:]), validation=np.sort(order[:n_validation]))


def _check_part(part: str, images: np.ndarray, labels: np.ndarray, classes: int) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != IMAGE_SHAPE:
        raise ValueError(
            f"Dataset: {part}_images must be a uint8 array of shape (images, 3, 32, 32); got {images.dtype} "
            f"of shape {images.shape}; convert the pixels to bytes, channels before rows"
        )
    if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"Dataset: {part}_labels must be an int64 array of shape ({images.shape[0]},), one label per "
            f"image; got {labels.dtype} of shape {labels.shape}; give one label per image"
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        raise ValueError(
            f"Dataset: {part}_labels must lie in 0..{classes - 1}; got {wrong.size} outside, first bad value "
            f"{labels[wrong[0]]} at index {wrong[0]}; relabel the images or name all classes"
        )
