"""The packed convolution by columns: the results of `packed_conv2d` and `packed_layer`, counted along the channels."""

from typing import Any

import numpy as np

from .bitstreams import PIECE
from .columns import LANES, count_tile, fill_columns, ones_of_counts
from .compiled import compiled
from .packed_block import aligned_words
from .packed_conv2d import affine_pieces, scale_shared
from .packed_layer import finish_folded, float_shared
from .vectors import address, keep

Array = np.ndarray[Any, Any]


@compiled
def count_group(
    group: int, columns: Array, windows: Array, rows: int, row_step: int, run: int, weights: Array, counts: Array
) -> None:
    """Write the counts of `LANES` output channels for all pixels of an image, int16 (`LANES`, pixels)."""
    pitch = len(windows)
    weights_p = address(weights) + 8 * group * rows * run * LANES
    for pixel in range(0, pitch, LANES):
        count_tile(
            address(columns), address(windows) + 8 * pixel, rows, row_step, run, weights_p,
            address(counts) + 2 * pixel, pitch,
        )  # fmt: skip
    keep((columns, windows, weights, counts))


@compiled
def convolve_affine_by_columns(
    x: Array, bits: Array, packed: bool, numbers: Array, pixel_place: Array, windows: Array, weights: Array,
    start: Array, alpha: Array, delta: Array, y: Array, first_image: int, last_image: int,
) -> int:  # fmt: skip
    """Convolve some images; return nonzero if an activation is NaN. See `bbdg_ref.ops.packed_conv2d`."""
    channels, in_pixels, outputs, words, rows, run, row_step, length, out_pixels = numbers[1:10]
    pitch = len(windows)
    pieces = pitch // PIECE
    columns = np.zeros(length, np.uint64)
    counts = aligned_words(LANES * pitch // 4).view(np.int16)
    shared = aligned_words(pitch // 4).view(np.int16)
    scaled, row = aligned_words(pitch), aligned_words(pitch // 2).view(np.float32)
    in_order = np.arange(0, pitch, PIECE)
    groups = (outputs + LANES - 1) // LANES
    counts_p, start_p, shared_p, scaled_p = address(counts), address(start), address(shared), address(scaled)
    row_p, y_p, in_order_p = address(row), address(y), address(in_order)
    nans = 0
    for image in range(first_image, last_image):
        nans |= fill_columns(x, bits, packed, image, channels, in_pixels, pixel_place, words, columns)
        count_group(groups, columns, windows, rows, row_step, run, weights, counts)
        ones_of_counts(counts_p, start_p + 2 * outputs * pitch, pieces, shared_p)
        for group in range(groups):
            count_group(group, columns, windows, rows, row_step, run, weights, counts)
            for output in range(group * LANES, min(outputs, (group + 1) * LANES)):
                if output == 0 or alpha[output] != alpha[output - 1]:
                    scale_shared(shared_p, alpha[output], pieces, scaled_p)
                ones_p = counts_p + 2 * (output - group * LANES) * pitch
                ones_of_counts(ones_p, start_p + 2 * output * pitch, pieces, ones_p)
                y_at = (image * outputs + output) * out_pixels
                if out_pixels == pitch:
                    affine_pieces(ones_p, 0, delta[output], scaled_p, pieces, y_p, y_at, in_order_p, 0)
                    continue
                affine_pieces(ones_p, 0, delta[output], scaled_p, pieces, row_p, 0, in_order_p, 0)
                for pixel in range(out_pixels):
                    y[y_at + pixel] = row[pixel]
    keep((counts, start, shared, scaled, row, y, in_order))
    return nans


@compiled
def binary_step_by_columns(
    t: Array, floats: Array, words: Array, integers: Array, reals: Array, start: Array, masks: Array
) -> None:
    """Run one binary layer; `t` holds its numbers (see `bbdg_ref.ops.packed_program`), the rest are the arenas."""
    source, target, shortcut, result, batch, channels, height, width, outputs, rows, run = t[1:12]
    column, row_step, length, out_pixels, places, first_window = t[12], t[13], t[16], t[18], t[20], t[21]
    float_places, bit_places, scale, weights_at, start_at = t[23], t[24], t[26], t[27], t[29]
    groups = (outputs + LANES - 1) // LANES
    stored, out_stored = (height * width + 63) // 64, (out_pixels + 63) // 64 * 4
    layer_bits = words[source : source + batch * channels * stored]
    pixel_place = integers[places : places + height * width]
    windows = integers[first_window : first_window + out_pixels]
    weights = masks[weights_at : weights_at + (groups + 1) * rows * run * LANES]
    columns = np.zeros(length, np.uint64)
    pieces = out_pixels // PIECE
    counts = aligned_words(LANES * out_pixels // 4).view(np.int16)
    shared, total = aligned_words(out_pixels // 4), aligned_words(out_pixels // 2)
    start_p, integers_p = address(start) + 2 * start_at, address(integers)
    for image in range(batch):
        fill_columns(floats, layer_bits, True, image, channels, height * width, pixel_place, column, columns)
        count_group(groups, columns, windows, rows, row_step, run, weights, counts)
        ones_of_counts(address(counts), start_p + 2 * outputs * out_pixels, pieces, address(shared))
        float_shared(address(shared), pieces, address(total))
        for group in range(groups):
            count_group(group, columns, windows, rows, row_step, run, weights, counts)
            begin, end = group * LANES, min(outputs, (group + 1) * LANES)
            for output in range(begin, end):
                ones = address(counts) + 2 * (output - begin) * out_pixels
                ones_of_counts(ones, start_p + 2 * output * out_pixels, pieces, ones)
            number_y = image * outputs + begin
            finish_folded(
                address(counts), out_pixels, end - begin, address(total), address(reals) + 4 * (scale + begin), outputs,
                1, pieces, shortcut >= 0, address(floats) + 4 * (shortcut + number_y * out_pixels),
                address(floats) + 4 * (result + number_y * out_pixels), out_pixels, integers_p + 8 * float_places,
                address(words) + 8 * target + 2 * number_y * out_stored, out_stored, integers_p + 8 * bit_places,
            )  # fmt: skip
    keep((counts, start, shared, total, floats, words, integers, reals))
