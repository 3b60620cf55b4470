"""Augmentation one pixel at a time."""

import numpy as np


def shifted(image: np.ndarray, top: int, left: int, padding: int) -> np.ndarray:
    """The window at (top, left) of the image with a black border of `padding` pixels."""
    channels, height, width = image.shape
    out = np.zeros_like(image)
    for c, h, w in np.ndindex(channels, height, width):
        row, column = h + top - padding, w + left - padding
        if 0 <= row < height and 0 <= column < width:
            out[c, h, w] = image[c, row, column]
    return out


def mirrored(image: np.ndarray) -> np.ndarray:
    out = np.empty_like(image)
    width = image.shape[2]
    for c, h, w in np.ndindex(*image.shape):
        out[c, h, w] = image[c, h, width - 1 - w]
    return out


def normalised(images: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    out = np.empty(images.shape)
    for n, c, h, w in np.ndindex(*images.shape):
        out[n, c, h, w] = (int(images[n, c, h, w]) / 255 - float(mean[c])) / float(std[c])
    return out
