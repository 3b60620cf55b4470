"""Columns of bits, against bits packed along the channels."""

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from layer_strategies import SEEDS
from packed_cases import CHANNELS, CORNERS

from bbdg_ref.kernels.compiled import jit_is_on
from bbdg_ref.spec.packing import pack_bits

if not jit_is_on():
    pytest.skip("kernels made of LLVM intrinsics cannot be interpreted", allow_module_level=True)

from bbdg_ref.kernels.columns import fill_columns


@given(CHANNELS, st.integers(1, 70), st.integers(1, 3), st.booleans(), SEEDS)
def test_every_pixel_has_its_column_and_nothing_else_is_written(channels, pixels, batch, nan, seed):
    rng = np.random.default_rng(seed)
    x = rng.choice(np.array(CORNERS, np.float32), (batch, channels, pixels))
    image, words = int(rng.integers(0, batch)), -(-channels // 64)
    place = rng.permutation(pixels + 3)[:pixels] * words
    want = np.full((pixels + 3) * words, 77, np.uint64)
    columns = pack_bits(x[image] > 0, axis=0)
    for pixel, begin in enumerate(place):
        want[begin : begin + words] = columns[:, pixel]
    planes = pack_bits(x > 0, axis=2)
    if pixels % 64:  # bits beyond an image say nothing
        planes[..., -1] |= np.uint64(2**64 - 2 ** (pixels % 64))
    x[np.arange(batch) != image] = np.nan  # nor do other images
    got = np.full_like(want, 77)
    arguments = image, channels, pixels, place, words
    assert not fill_columns(np.empty(0, np.float32), planes.reshape(-1), True, *arguments, got)
    assert np.array_equal(got, want)
    got[...] = 77
    assert not fill_columns(x.reshape(-1), np.empty(0, np.uint64), False, *arguments, got)
    assert np.array_equal(got, want)
    if nan:
        x[image, rng.integers(0, channels), rng.integers(0, pixels)] = np.nan
        assert fill_columns(x.reshape(-1), np.empty(0, np.uint64), False, *arguments, got)
    event(f"{'whole' if pixels % 16 == 0 else 'part of a'} piece, {words} words")
