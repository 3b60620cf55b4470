"""Images to predict: NumPy files, CIFAR in its binary version, the built-in synthetic set."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..datasets import CIFAR10, CIFAR100, CifarFile, CifarLayout, Dataset, load_cifar, synthetic
from ..training.augmentation import normalise
from .arguments import Refused
from .arrays import NPY, NPZ, magic, read_numpy
from .models import Model

__all__ = ["DATA_FORMATS", "STATISTICS", "Images", "class_names", "read_images"]

LAYOUTS = {layout.name: layout for layout in (CIFAR100, CIFAR10)}
SYNTHETIC = "synthetic"
DATA_FORMATS = ("auto", "npy", "npz", "cifar10", "cifar100", SYNTHETIC)
STATISTICS = ("auto", "cifar10", "cifar100", SYNTHETIC)
ARRAY_FORM = "uint8 or float32 of shape (images, 3, height, width)"


@dataclass(frozen=True, eq=False)
class Images:
    """Images, and what was assumed about them.

    Attributes
    ----------
    pixels : ndarray of uint8 or float32, shape (images, 3, height, width)
        As in the file; float32 is normalised already.
    labels : ndarray of int64, shape (images,), or None
        The class of each, where known.
    mean, std : ndarray of float32, shape (3,), or None
        What uint8 pixels are normalised with; None for float32.
    source : str
        Where they are from and what was assumed, for people.
    """

    pixels: NDArray[Any]
    labels: NDArray[np.int64] | None
    mean: NDArray[np.float32] | None
    std: NDArray[np.float32] | None
    source: str

    def batch(self, first: int, last: int) -> NDArray[np.float32]:
        """Return images first to last - 1, normalised."""
        pixels = np.asarray(self.pixels[first:last])
        return pixels if self.mean is None or self.std is None else normalise(pixels, self.mean, self.std)


def read_images(path: Path, model: Model, *, data_format: str = "auto", statistics: str = "auto") -> Images:
    """Read images, and find out what their pixels are to be normalised with.

    Parameters
    ----------
    path : Path
        A .npy or .npz file, a CIFAR batch file or folder; or the word ``synthetic``.
    model : Model
        Its notes may name the data set that it was trained on.
    data_format : str
        One of `DATA_FORMATS`; ``auto`` looks at the file.
    statistics : str
        One of `STATISTICS`: whose mean and standard deviation to normalise bytes with; ``auto`` asks the model.

    Returns
    -------
    Images

    Raises
    ------
    Refused
        If it cannot be known what the pixels are to be normalised with.
    ValueError
        If the file is damaged or holds anything but such images.
    OSError
        If it cannot be opened.
    """
    if data_format == "auto":
        data_format = _found_format(path, model)
    if data_format in ("npy", "npz"):
        pixels, labels = _read_arrays(path, data_format)
        if pixels.dtype == np.float32:
            if statistics != "auto":
                raise Refused("--statistics has no effect on float32 images, which are normalised: leave it out")
            return Images(pixels, labels, None, None, f"{len(pixels)} of {path}, float32: taken as normalised already")
        name, why = _statistics(statistics, model, None)
        label = str(path)
        mean, std = _mean_std(name)
    else:
        dataset = synthetic() if data_format == SYNTHETIC else _read_cifar(path, LAYOUTS[data_format])
        pixels, labels = dataset.test_images, dataset.test_labels
        name, why = _statistics(statistics, model, data_format)
        label = dataset.label if data_format == SYNTHETIC else f"{path}, {dataset.label}"
        mean, std = (dataset.mean, dataset.std) if name == dataset.name else _mean_std(name)
    source = f"{len(pixels)} of {label}, bytes: normalised with mean and deviation of {name} ({why})"
    return Images(pixels, labels, mean, std, source)


def class_names(model: Model) -> tuple[str, ...]:
    """Return what the model's classes are called: the data set's names if the model says which it is, else numbers.

    Parameters
    ----------
    model : Model
        The model.

    Returns
    -------
    tuple of str
    """
    name = _trained_on(model)
    names = LAYOUTS[name].classes if name in LAYOUTS else ()
    return names if len(names) == model.classes else tuple(map(str, range(model.classes)))


def _found_format(path: Path, model: Model) -> str:
    """Tell the format from the file itself; which CIFAR, from the model and the size of the file."""
    if str(path) == SYNTHETIC and not path.exists():
        return SYNTHETIC
    if not path.is_dir():
        start = magic(path)
        if start in (NPY, NPZ):
            return "npy" if start == NPY else "npz"
        if path.suffix in (".npy", ".npz"):
            raise ValueError(
                f"{path} must be a NumPy file; got one that begins with {start!r}; write it with numpy.save"
            )
    fits = [name for name, layout in LAYOUTS.items() if path.is_dir() or path.stat().st_size % layout.record_bytes == 0]
    name = _trained_on(model)
    if name not in LAYOUTS:
        name = "cifar100" if model.classes == 100 else "cifar10"
    if not fits:
        raise ValueError(
            f"{path} must be a .npy, .npz or CIFAR batch file (records of {CIFAR10.record_bytes} or "
            f"{CIFAR100.record_bytes} bytes); got {path.stat().st_size} bytes that begin with {magic(path)!r}"
        )
    return name if name in fits else fits[0]


def _trained_on(model: Model) -> str | None:
    """Return the short name of the data set that the model's notes name, if it is one that is known here."""
    label = f"{model.dataset or ''} "
    for name, layout in LAYOUTS.items():
        if label.startswith(f"{layout.label} "):
            return name
    return SYNTHETIC if label.startswith("built-in synthetic set ") else None


def _statistics(asked: str, model: Model, data_format: str | None) -> tuple[str, str]:
    """Return whose mean and standard deviation to take, and why."""
    if asked != "auto":
        return asked, "as --statistics says"
    trained_on = _trained_on(model)
    if trained_on is not None:
        return trained_on, f"the model was trained on {model.dataset}"
    if data_format is None:
        raise Refused(
            f"{model.path} does not say what its images were normalised with: give --statistics, or normalised "
            "images as float32"
        )
    return data_format, "assumed: the model does not say what it was trained on"


def _mean_std(name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if name == SYNTHETIC:
        dataset = synthetic()
        return dataset.mean, dataset.std
    return np.array(LAYOUTS[name].mean, np.float32), np.array(LAYOUTS[name].std, np.float32)


def _read_cifar(path: Path, layout: CifarLayout) -> Dataset:
    """Read the test images of a folder, or all images of a single file of records, in place of the test images."""
    if path.is_dir():
        try:
            return load_cifar(replace(layout, train_files=()), path)
        except FileNotFoundError as error:
            holds = f"{layout.test_file.name}, {layout.folder}/ or {layout.archive}"
            mend = "give another folder, or --data-format if it is another set"
            raise ValueError(
                f"{path} must hold {layout.label} as {holds}; got a folder without them; {mend}"
            ) from error
    size = path.stat().st_size
    if size == 0 or size % layout.record_bytes:
        expected = f"one or more whole records of {layout.record_bytes} bytes"
        raise ValueError(f"{path} must be {expected}, as a file of {layout.label} is; got {size} bytes; fetch it again")
    published = {file.name: file for file in layout.files}
    file = replace(published.get(path.name, CifarFile(path.name, 0, "")), records=size // layout.record_bytes)
    return load_cifar(replace(layout, train_files=(), test_file=file), path.parent)


def _read_arrays(path: Path, data_format: str) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """Read images, and labels where a .npz file has them."""
    if magic(path) != {"npy": NPY, "npz": NPZ}[data_format]:
        raise ValueError(f"{path} must be a .{data_format} file; got one that begins with {magic(path)!r}")
    arrays = read_numpy(path, lambda names: _images_and_labels(path, names))
    pixels, *more = arrays.values()
    shape = f"{pixels.dtype} of shape {pixels.shape}"
    if pixels.ndim != 4 or pixels.shape[1] != 3 or 0 in pixels.shape or pixels.dtype not in (np.uint8, np.float32):
        hint = "convert them"
        if pixels.ndim == 4 and pixels.shape[3] == 3:
            hint = "move the channels forward with x.transpose(0, 3, 1, 2)"
        elif pixels.ndim == 3 and pixels.shape[0] == 3:
            hint = "add an axis with x[None]"
        elif pixels.dtype == np.float64:
            hint = "normalise them as in training and convert them with x.astype(np.float32)"
        raise ValueError(f"{path} must hold images as {ARRAY_FORM}; got {shape}; {hint}")
    if pixels.dtype == np.float32:
        pixels = _checks.real_array(str(path), "images", pixels)
    return pixels, _checked_labels(path, more[0], len(pixels)) if more else None


def _images_and_labels(path: Path, names: list[str]) -> list[str]:
    """Choose the arrays: images first, then labels."""
    if len(names) == 1:
        return names
    images, labels = ([name for name in names if name in known] for known in (("images", "x"), ("labels", "y")))
    if len(images) != 1 or len(labels) > 1:
        raise ValueError(
            f"{path} must hold one array, or 'images' (or 'x') and perhaps 'labels' (or 'y'); got {names[:10]}; "
            "write it with numpy.savez(file, images=..., labels=...)"
        )
    return images + labels


def _checked_labels(path: Path, labels: NDArray[Any], images: int) -> NDArray[np.int64]:
    expected = f"{path} must hold labels as {images} whole numbers from 0 on"
    if labels.dtype.kind not in "iu" or labels.shape != (images,):
        raise ValueError(f"{expected}; got {labels.dtype} of shape {labels.shape}; give one for each image")
    bad = np.flatnonzero(labels < 0)
    if bad.size:
        raise ValueError(f"{expected}; got first bad value {labels[bad[0]]} at index {bad[0]}; relabel the images")
    return labels.astype(np.int64)
