"""Runs the program of a packed network: one row of numbers a step."""

from typing import Any

import numpy as np

from .column_conv2d import binary_step_by_columns
from .compiled import compiled
from .packed_layer import binary_step
from .real_layer import classifier_step, real_step, stride_pad_step

Array = np.ndarray[Any, Any]

STEM, CLIPPED_STEM, REAL, STRIDE_PAD, BINARY, COLUMNS, CLASSIFIER = range(7)
CLIP, LEAVE = np.float32(1), np.float32(np.inf)  # bounds of hardtanh, and those that change nothing


@compiled
def run(
    program: Array, images: Array, floats: Array, words: Array, integers: Array, reals: Array, places: Array,
    start: Array, masks: Array, logits: Array, border: Array, gathered: Array,
) -> None:  # fmt: skip
    """Run a program on one batch of images; see `bbdg_ref.ops.packed_program`."""
    for t in program:
        if t[0] == STEM:
            real_step(t, LEAVE, images, floats, words, integers, reals, border, gathered)
        elif t[0] == CLIPPED_STEM:
            real_step(t, CLIP, images, floats, words, integers, reals, border, gathered)
        elif t[0] == REAL:
            real_step(t, LEAVE, floats, floats, words, integers, reals, border, gathered)
        elif t[0] == STRIDE_PAD:
            stride_pad_step(t, floats)
        elif t[0] == BINARY:
            binary_step(t, floats, words, integers, reals, places, start, masks)
        elif t[0] == COLUMNS:
            binary_step_by_columns(t, floats, words, integers, reals, start, masks)
        else:
            classifier_step(t, floats, reals, logits, gathered)
