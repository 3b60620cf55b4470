"""``predict``: classes and their probabilities for images, and the accuracy where labels are known."""

import argparse
import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._terminal import number_table
from .arguments import Command, Refused, add_force, at_least
from .images import DATA_FORMATS, STATISTICS, Images, class_names, read_images
from .models import Model, read_model
from .output import check_target, progress, write_bytes

__all__ = ["COMMAND"]

BATCH = 256
SHOWN = 10
SUFFIXES = (".csv", ".npy")


def _add(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="model file, as training or pack wrote it")
    text = (
        "a .npy or .npz file, a CIFAR batch file, a folder with CIFAR (its test images), or the word synthetic (the "
        "built-in test images). Arrays: (images, 3, height, width), uint8 as stored or float32 normalised; a .npz file "
        "may hold 'images' and 'labels'"
    )
    add("images", type=Path, metavar="IMAGES", help=text)
    add("--data-format", choices=DATA_FORMATS, default="auto", help="what IMAGES is (default: auto, by its content)")
    text = "whose mean and standard deviation normalise uint8 images (default: auto, of what the model was trained on)"
    add("--statistics", choices=STATISTICS, default="auto", help=text)
    add("--top", type=at_least(1), default=None, metavar="K", help="how many classes an image (default: 3)")
    text = f"images to print (default: {SHOWN}); --output takes all"
    add("--show", type=at_least(0), default=SHOWN, metavar="N", help=text)
    text = "write all images: FILE.csv the top classes and probabilities, FILE.npy the logits as float32"
    add("--output", type=Path, metavar="FILE", help=text)
    add_force(parser)


def _run(args: argparse.Namespace) -> int:
    if args.force and args.output is None:
        raise Refused("--force has no effect without --output: leave it out")
    if args.output is not None:
        if args.output.suffix not in SUFFIXES:
            raise Refused(f"--output must end in {' or '.join(SUFFIXES)}; got {args.output}")
        check_target(args.output, force=args.force)
    model = read_model(args.model)
    if args.top is not None and args.top > model.classes:
        raise Refused(f"--top must be at most {model.classes}, the number of the model's classes; got {args.top}")
    images = read_images(args.images, model, data_format=args.data_format, statistics=args.statistics)
    print(f"model: {model}\nimages: {images.source}", flush=True)
    logits = _logits(model, images)
    top = np.argsort(-logits, axis=1, kind="stable")[:, : args.top or min(3, model.classes)]
    chances = np.take_along_axis(_probabilities(logits), top, axis=1)
    names = class_names(model)
    if args.show:
        print("\n" + _table(top[: args.show], chances[: args.show], images.labels, names))
        more = len(top) - args.show
        print(f"and {more:,} more: --output FILE.csv writes all\n" if more > 0 and args.output is None else "")
    if images.labels is not None:
        print(_accuracy(top, images.labels, model.classes))
    if args.output is not None:
        data = _npy(logits) if args.output.suffix == ".npy" else _csv(top, chances, images.labels, names)
        write_bytes(args.output, data, force=args.force)
        print(f"written to {args.output}")
    return 0


def _logits(model: Model, images: Images) -> NDArray[np.float32]:
    count = len(images.pixels)
    logits = np.empty((count, model.classes), np.float32)
    with progress(count, "predicting", "image") as bar:
        for first in range(0, count, BATCH):
            last = min(first + BATCH, count)
            logits[first:last] = model.packed(images.batch(first, last))
            bar.update(last - first)
    return logits


def _probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return softmax: exp(z) / sum exp(z)."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _name(names: tuple[str, ...], label: int) -> str:
    return names[label] if label < len(names) else str(label)


def _table(
    top: NDArray[np.intp], chances: NDArray[np.float64], labels: NDArray[np.int64] | None, names: tuple[str, ...]
) -> str:
    rows = []
    for number, (classes, values) in enumerate(zip(top, chances, strict=True)):
        label = [] if labels is None else [_name(names, labels[number])]
        cells = [f"{names[index]} {value:.3f}" for index, value in zip(classes, values, strict=True)]
        rows.append([str(number), *label, *cells])
    header = ["image", *([] if labels is None else ["label"]), *(f"top {i + 1}" for i in range(top.shape[1]))]
    return number_table(header, rows)


def _accuracy(top: NDArray[np.intp], labels: NDArray[np.int64], classes: int) -> str:
    if labels.max() >= classes:
        return f"no accuracy: labels go up to {labels.max()}, the model knows the classes 0 to {classes - 1}"
    hits = top == labels[:, None]
    right, near = int(hits[:, 0].sum()), float(hits.any(axis=1).mean())
    more = f", top {top.shape[1]}: {near:.2%}" if top.shape[1] > 1 else ""
    return f"accuracy: {right / len(labels):.2%} ({right} of {len(labels)}){more}"


def _npy(logits: NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    np.save(file, logits)
    return file.getvalue()


def _csv(
    top: NDArray[np.intp], chances: NDArray[np.float64], labels: NDArray[np.int64] | None, names: tuple[str, ...]
) -> bytes:
    """Return a line for each image: its label, if known, then class, name and probability, the best first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ranks = range(1, top.shape[1] + 1)
    writer.writerow(["image", "label", *(f"{key}_{i}" for i in ranks for key in ("class", "name", "probability"))])
    for number, (classes, values) in enumerate(zip(top, chances, strict=True)):
        cells = [cell for c, p in zip(classes, values, strict=True) for cell in (c, names[c], f"{p:.6g}")]
        writer.writerow([number, "" if labels is None else labels[number], *cells])
    return text.getvalue().encode()


COMMAND = Command(
    "Classify images with the packed network, and tell the accuracy where the labels are known. What is assumed about "
    "the images is printed.",
    "  python -m bbdg_ref predict model.h5 data/cifar-10-batches-bin\n"
    "  python -m bbdg_ref predict packed.h5 test_batch.bin --top 1 --output classes.csv\n"
    "  python -m bbdg_ref predict packed.h5 images.npy --statistics cifar10 --output logits.npy\n"
    "  python -m bbdg_ref predict model.h5 synthetic\n",
    _add,
    _run,
)
