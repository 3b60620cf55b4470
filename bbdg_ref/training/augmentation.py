"""Random crops, flips, rotations and mixup, and the way from bytes to the network's input."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .. import ops

__all__ = ["Mixed", "mixup", "normalise", "random_crop", "random_flip", "random_rotation"]


def random_crop(images: NDArray[np.uint8], *, padding: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Shift every image by up to ``padding`` pixels each way; black comes in at the border.

    Parameters
    ----------
    images : ndarray of uint8, (batch, channels, height, width)
        The images.
    padding : int
        Largest shift in pixels; both shifts are uniform on −padding … padding.
    rng : numpy.random.Generator
        Source of randomness; two draws an image.

    Returns
    -------
    ndarray of uint8, same shape

    Examples
    --------
    >>> import numpy as np
    >>> random_crop(np.ones((1, 1, 8, 8), np.uint8), padding=1, rng=np.random.default_rng(0)).shape
    (1, 1, 8, 8)
    """
    batch, _, height, width = images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    top, left = rng.integers(0, 2 * padding + 1, (2, batch))
    return windows[np.arange(batch), :, top, left]


def random_flip(images: NDArray[np.uint8], *, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Mirror each image left to right with probability one half.

    Parameters
    ----------
    images : ndarray of uint8, (batch, channels, height, width)
        The images.
    rng : numpy.random.Generator
        Source of randomness; one draw an image.

    Returns
    -------
    ndarray of uint8, same shape

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(3, dtype=np.uint8).reshape(1, 1, 1, 3)
    >>> random_flip(image.repeat(2, 0), rng=np.random.default_rng(0)).reshape(2, 3).tolist()
    [[0, 1, 2], [2, 1, 0]]
    """
    mirrored = rng.random(len(images)) < 0.5
    return np.where(mirrored[:, None, None, None], images[..., ::-1], images)


def random_rotation(images: NDArray[np.uint8], *, degrees: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Rotate every image about its centre by up to ``degrees`` each way; black comes in at the corners.

    Parameters
    ----------
    images : ndarray of uint8, (batch, channels, height, width)
        The images.
    degrees : float
        Largest angle; angles are uniform on −degrees … degrees, positive ones counterclockwise.
    rng : numpy.random.Generator
        Source of randomness; one draw an image.

    Returns
    -------
    ndarray of uint8, same shape
        Interpolated linearly between the four nearest pixels, those outside being 0, and rounded.

    Notes
    -----
    The official CIFAR-100 code takes the nearest pixel instead (``docs/official-code.md``, row ``rotation``).

    Examples
    --------
    >>> import numpy as np
    >>> random_rotation(np.ones((1, 1, 8, 8), np.uint8), degrees=15, rng=np.random.default_rng(0)).shape
    (1, 1, 8, 8)
    """
    rotated = np.empty_like(images)
    for image, angle, out in zip(images, rng.uniform(-degrees, degrees, len(images)), rotated, strict=True):
        ndimage.rotate(image, angle, axes=(1, 2), reshape=False, order=1, mode="grid-constant", output=out)
    return rotated


def normalise(images: NDArray[np.uint8], mean: NDArray[np.float32], std: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (images/255 − mean)/std as float32.

    Parameters
    ----------
    images : ndarray of uint8, (batch, channels, height, width)
        Pixels.
    mean, std : ndarray of float32, (channels,)
        Of the pixels scaled to [0, 1].

    Returns
    -------
    ndarray of float32, same shape

    Examples
    --------
    >>> import numpy as np
    >>> half = np.full(1, 0.5, np.float32)
    >>> normalise(np.array([0, 255], np.uint8).reshape(1, 1, 1, 2), half, half).ravel().tolist()
    [-1.0, 1.0]
    """
    scale, shift = np.float32(1) / (255 * std), mean / std
    return images * scale[:, None, None] - shift[:, None, None]


@dataclass(frozen=True, eq=False)
class Mixed:
    """A batch after mixup.

    Attributes
    ----------
    images : ndarray of float32, (batch, channels, height, width)
    targets : ndarray of float32, (batch, classes)
    """

    images: NDArray[np.float32]
    targets: NDArray[np.float32]


def mixup(images: NDArray[np.float32], targets: NDArray[np.float32], *, rng: np.random.Generator) -> Mixed:
    """Mix every image and target with another of the batch: λ·a + (1 − λ)·b, λ ~ Beta(1, 1).

    Parameters
    ----------
    images : ndarray of float32, (batch, channels, height, width)
        Normalised images.
    targets : ndarray of float32, (batch, classes)
        Target distributions.
    rng : numpy.random.Generator
        Source of randomness: one λ and one permutation a batch.

    Returns
    -------
    Mixed

    Notes
    -----
    arXiv 1710.09412. Beta(1, 1) is uniform on [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> mixed = mixup(np.ones((2, 1, 1, 1), np.float32), np.eye(2, dtype=np.float32), rng=np.random.default_rng(0))
    >>> mixed.targets.sum(axis=1).tolist()
    [1.0, 1.0]
    """
    lam = float(np.float32(rng.beta(1.0, 1.0)))
    other = rng.permutation(len(images))
    return Mixed(lam * images + (1 - lam) * images[other], ops.mixup_targets(targets, targets[other], lam))
