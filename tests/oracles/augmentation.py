"""Augmentation one pixel at a time."""

import math

import numpy as np


def rotated(image: np.ndarray, degrees: float) -> np.ndarray:
    """The image turned counterclockwise about its centre, with black around it; not rounded.

    A pixel at (x, y) from the centre, x to the right and y up, comes from where the opposite turn takes it; there the
    four pixels around are mixed.
    """
    channels, height, width = image.shape
    out = np.zeros(image.shape)
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    middle_row, middle_column = (height - 1) / 2, (width - 1) / 2

    def pixel(c: int, row: int, column: int) -> float:
        return float(image[c, row, column]) if 0 <= row < height and 0 <= column < width else 0.0

    for c, h, w in np.ndindex(channels, height, width):
        x, y = w - middle_column, middle_row - h
        row, column = middle_row - (y * cos - x * sin), middle_column + (x * cos + y * sin)
        top, left = math.floor(row), math.floor(column)
        down, right = row - top, column - left
        out[c, h, w] = (1 - down) * ((1 - right) * pixel(c, top, left) + right * pixel(c, top, left + 1)) + down * (
            (1 - right) * pixel(c, top + 1, left) + right * pixel(c, top + 1, left + 1)
        )
    return out


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
