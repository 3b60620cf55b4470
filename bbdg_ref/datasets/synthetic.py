"""A built-in set of images in the shape of CIFAR-10, drawn from a seed.

It lets everything run without a download. Each 32x32 RGB image shows a disc or a square with one of ten patterns
on it; the pattern is the class. Place, size, angle, period, phase and colours are random. Behind it lies a smooth
coloured haze, before it lie small discs of other colours, and over all lies noise. Each class leans towards a
colour, which helps a little: a linear classifier on the pixels reaches about half, a small network nearly all.
All patterns keep their class when the image is mirrored left to right or shifted, so the usual augmentation is safe.

With (u, v) the coordinates of a pixel about the centre of the figure, turned by its angle, d(u, v) the distance
from its outline (negative inside) and p(class, u, v) in [-1, 1] the pattern, channel c of an image is made so:

    image_c  =  ground_c + haze_c
    cover    =  clip(1/2 - d(u, v), 0, 1)                                an edge one pixel wide
    image_c +=  cover * (colour_c + contrast_c * p(class, u, v) - image_c),   colour_c = random + TINT * LEAN[class, c]
    image_c +=  spot * (spot colour_c - image_c)                        three times
    image_c  =  floor(clip(image_c + noise_c, 0, 255))

The bytes are the same on every platform: random numbers are PCG64 uniforms and integers, and drawing uses only
operations that IEEE 754 rounds correctly (+ - * / sqrt, floor, comparisons), one at a time. So there is no sine:
turns come from a rational parametrisation of the circle, stripes are triangle waves.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .dataset import Dataset

Float = npt.NDArray[np.float32]

SIDE = 32  # pixels
BLOCK = 500  # images drawn together: one plane of them is 2 MB, which stays in the cache. Part of the recipe.
SPOTS = 3

MEAN = (0.5016, 0.5008, 0.5013)  # of the training images of seed 0
STD = (0.2398, 0.2425, 0.2520)

TINT = 34.0  # by how many grey levels the colour of a figure leans
LEAN = np.array(
    [
        (1, -1, -1),
        (-1, 1, -1),
        (-1, -1, 1),
        (1, 1, -1),
        (1, -1, 1),
        (-1, 1, 1),
        (1, 0, -1),
        (-1, 0, 1),
        (0, 1, -1),
        (0, -1, 1),
    ],
    np.float32,
)
"""Towards which colour each class leans, shape (class, channel)."""


SYNTHETIC_TRAIN, SYNTHETIC_TEST = 20_000, 5_000


def synthetic(*, seed: int = 0, n_train: int = SYNTHETIC_TRAIN, n_test: int = SYNTHETIC_TEST) -> Dataset:
    """Draw the built-in set.

    Parameters
    ----------
    seed : int
        Not negative; the same seed gives the same bytes. It is part of the set's label.
    n_train, n_test : int
        Number of images in the two parts, at least 1. The parts come from independent streams of random numbers:
        neither depends on the size of the other.

    Returns
    -------
    Dataset
        With classes of equal size (to within one image) in random order.

    Raises
    ------
    TypeError, ValueError
        If an argument is not an integer or too small.

    Notes
    -----
    O(images); the default takes 1 to 3 s.

    Examples
    --------
    >>> data = synthetic(seed=1, n_train=100, n_test=10)
    >>> data.classes[data.test_labels[0]], int(data.test_images[0].max()) <= 255
    ('dots', True)
    """
    for name, value, least in (("seed", seed, 0), ("n_train", n_train, 1), ("n_test", n_test, 1)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool):
            raise TypeError(f"synthetic: {name} must be an integer; got {type(value).__name__}; give a whole number")
        if value < least:
            raise ValueError(f"synthetic: {name} must be at least {least}; got {value}; give a larger number")
    train, test = (np.random.Generator(np.random.PCG64(s)) for s in np.random.SeedSequence(int(seed)).spawn(2))
    train_labels, test_labels = _balanced_labels(n_train, train), _balanced_labels(n_test, test)
    return Dataset(
        name="synthetic",
        label=f"built-in synthetic set (seed {seed})",
        train_images=draw_images(train_labels, rng=train),
        train_labels=train_labels,
        test_images=draw_images(test_labels, rng=test),
        test_labels=test_labels,
        classes=CLASSES,
        mean=np.array(MEAN, np.float32),
        std=np.array(STD, np.float32),
    )


def draw_images(labels: npt.NDArray[np.int64], *, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw one image for each label.

    Parameters
    ----------
    labels : ndarray of int64, shape (images,)
        Indices into `CLASSES`.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray of uint8, shape (images, 3, height=32, width=32)
        The images.

    Notes
    -----
    O(images) time.
    """
    images = np.empty((len(labels), 3, SIDE, SIDE), np.uint8)
    for start in range(0, len(labels), BLOCK):
        images[start : start + BLOCK] = _draw_block(labels[start : start + BLOCK], rng)
    return images


def _balanced_labels(n: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    return (rng.permutation(n) % len(CLASSES)).astype(np.int64)


# --- the patterns: functions of (u, v), in periods, with values in [-1, 1] -------------------------------------


def _wave(t: Float) -> Float:
    """Triangle wave of period 1: -1 at the integers, +1 half way between them."""
    return np.float32(4) * np.abs(t - np.floor(t + np.float32(0.5))) - np.float32(1)


def _sharpen(t: Float, slope: float = 2.0) -> Float:
    return np.clip(np.float32(slope) * t, -1, 1)


def _horizontal_stripes(u: Float, v: Float) -> Float:
    return _sharpen(_wave(v))


def _vertical_stripes(u: Float, v: Float) -> Float:
    return _sharpen(_wave(u))


def _diagonal_stripes(u: Float, v: Float) -> Float:
    return _sharpen(_wave((u + v) * np.float32(0.70710678)))


def _zigzag(u: Float, v: Float) -> Float:
    return _sharpen(_wave(v + np.float32(0.4) * _wave(np.float32(0.5) * u)))


def _checks(u: Float, v: Float) -> Float:
    return _sharpen(_wave(np.float32(0.8) * u) * _wave(np.float32(0.8) * v), 4.0)


def _dots(u: Float, v: Float) -> Float:
    return _sharpen(_wave(np.float32(0.8) * u) + _wave(np.float32(0.8) * v) - np.float32(0.5))


def _rings(u: Float, v: Float) -> Float:
    return _sharpen(_wave(np.sqrt(u * u + v * v)))


def _plain(u: Float, v: Float) -> Float:
    return np.ones_like(u)


def _bricks(u: Float, v: Float) -> Float:
    row = np.floor(v)
    shift = np.float32(0.5) * row - np.floor(np.float32(0.5) * row)  # every second row is shifted by half a brick
    return _sharpen(np.maximum(_wave(v + np.float32(0.5)), _wave(np.float32(0.5) * u + shift)) - np.float32(0.5))


def _grid(u: Float, v: Float) -> Float:
    return _sharpen(np.maximum(_wave(np.float32(0.8) * u), _wave(np.float32(0.8) * v)) - np.float32(0.5))


_PATTERNS: dict[str, Callable[[Float, Float], Float]] = {
    "horizontal stripes": _horizontal_stripes,
    "vertical stripes": _vertical_stripes,
    "diagonal stripes": _diagonal_stripes,
    "zigzag": _zigzag,
    "checks": _checks,
    "dots": _dots,
    "rings": _rings,
    "plain": _plain,
    "bricks": _bricks,
    "grid": _grid,
}
CLASSES = tuple(_PATTERNS)
"""Names of the classes; a label is an index into them."""
DIAGONAL, RINGS = CLASSES.index("diagonal stripes"), CLASSES.index("rings")

# --- drawing: arrays (image, height, width), with a channel axis after the first where colour matters ----------

_AXIS = np.arange(SIDE, dtype=np.float32)
_X, _Y = _AXIS[None, None, :], _AXIS[None, :, None]
# Linear interpolation between 9 lattice points 4 pixels apart, shape (pixel, lattice point). Its entries are
# multiples of 1/4: applied to integers below 256 along both axes, every product and sum is exact in float32, so a
# matrix product gives the same bits in whatever order it sums.
_SPREAD = np.maximum(np.float32(0), 1 - np.abs(_AXIS[:, None] / 4 - np.arange(9, dtype=np.float32)))


def _uniform(rng: np.random.Generator, low: float, high: float, shape: tuple[int, ...]) -> Float:
    return np.float32(low) + np.float32(high - low) * rng.random(shape, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class _Figure:
    """Coordinates about the figures, in pixels, and the coverage of each pixel by them: (image, height, width)."""

    u: Float
    v: Float
    cover: Float


def _place(n: int, rng: np.random.Generator) -> _Figure:
    one = (n, 1, 1)
    x, y = _X - _uniform(rng, 12.5, 18.5, one), _Y - _uniform(rng, 12.5, 18.5, one)
    t = _uniform(rng, -0.1, 0.1, one)  # tangent of half the angle, which is at most 11.4 degrees
    cos, sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    u, v = cos * x + sin * y, cos * y - sin * x
    disc = np.sqrt(u * u + v * v)
    square = np.float32(1.1) * np.maximum(np.abs(u), np.abs(v))
    distance = np.where(rng.random(one) < 0.5, disc, square) - _uniform(rng, 12.5, 16.5, one)
    return _Figure(u, v, np.clip(np.float32(0.5) - distance, 0, 1))


def _paint(labels: npt.NDArray[np.int64], figure: _Figure, rng: np.random.Generator) -> Float:
    """Values of the patterns, shape (image, height, width)."""
    one = (len(labels), 1, 1)
    of_image = labels[:, None, None]
    mirrored = (rng.random(one) < 0.5) & (of_image == DIAGONAL)
    frequency = _uniform(rng, 0.19, 0.28, one)  # periods in a pixel
    phases = (np.where(of_image == RINGS, np.float32(0), _uniform(rng, 0, 1, one)) for _ in range(2))
    u = np.where(mirrored, -figure.u, figure.u) * frequency + next(phases)
    v = figure.v * frequency + next(phases)
    values = np.empty_like(u)
    for label, pattern in enumerate(_PATTERNS.values()):
        chosen = np.flatnonzero(labels == label)
        values[chosen] = pattern(u[chosen], v[chosen])
    return values


def _draw_block(labels: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    n = len(labels)
    one, colours = (n, 1, 1), (n, 3, 1, 1)
    figure = _place(n, rng)
    pattern = _paint(labels, figure, rng)[:, None]
    lattice = rng.integers(0, 256, (n, 3, 9, 9)).astype(np.float32)
    haze = (_SPREAD @ lattice @ _SPREAD.T - np.float32(127.5)) * _uniform(rng, 0, 0.3, (n, 1, 1, 1))
    image = _uniform(rng, 50, 205, colours) + haze
    colour = _uniform(rng, 72, 182, colours) + np.float32(TINT) * LEAN[labels][:, :, None, None]
    image += figure.cover[:, None] * (colour + _uniform(rng, 45, 95, colours) * pattern - image)
    for _ in range(SPOTS):
        dx, dy = _X - _uniform(rng, 0, SIDE - 1, one), _Y - _uniform(rng, 0, SIDE - 1, one)
        spot = np.clip(_uniform(rng, 2, 3.5, one) - np.sqrt(dx * dx + dy * dy), 0, 1)[:, None]
        image += spot * (_uniform(rng, 0, 255, colours) - image)
    image += rng.integers(-10, 11, image.shape, dtype=np.int8)
    return np.clip(image, 0, 255).astype(np.uint8)
