"""The compiled packing equals that of `spec` to the bit, whatever the shape, the strides and the axis."""

import numpy as np
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from bbdg_ref.kernels.compiled import jit_is_on
from bbdg_ref.ops import packing
from bbdg_ref.spec import packing as spec

CORNERS = [0.0, -0.0, 1e-45, -1e-45, 1e-38, -1e-38, 1.0, -1.0, np.inf, -np.inf, np.nan, 3e38, -3e38]

needs_the_jit = pytest.mark.skipif(not jit_is_on(), reason="kernels made of LLVM intrinsics cannot be interpreted")

# Around bytes, words, and the 32 columns that are packed side by side.
COUNTS = st.sampled_from([65, 1, 3, 7, 8, 9, 16, 63, 64, 72, 127, 128, 129, 200, 0])
SIDES = st.sampled_from([33, 1, 2, 3, 9, 31, 32, 49, 64, 65, 0])


@st.composite
def cases(draw) -> tuple[np.ndarray, int]:
    """Values with three axes in any order of strides, perhaps with gaps between them, and the axis to pack."""
    axis = draw(st.integers(0, 2))
    shape = [draw(st.integers(1, 3)) for _ in range(3)]
    shape[draw(st.sampled_from([i for i in range(3) if i != axis]))] = draw(SIDES)
    shape[axis] = draw(COUNTS)
    order = draw(st.permutations([0, 1, 2]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["normal", "corners", "positive", "negative"]))
    stored = tuple(shape[i] for i in order)
    x = rng.choice(np.array(CORNERS, np.float32), stored) if kind == "corners" else rng.standard_normal(stored)
    x = np.abs(x) if kind == "positive" else -np.abs(x) if kind == "negative" else x
    x = np.asarray(x, np.float32).transpose(np.argsort(order))
    gaps = draw(st.booleans())
    if gaps:
        wide = np.full((*shape[:2], 2 * shape[2]), np.float32(1))
        wide[..., ::2] = x
        x = wide[..., ::2]
    event(f"values: {kind}, {'with gaps' if gaps else 'without'}")
    event(f"axis {axis}, stored {'last' if order[2] == axis else 'before others'}")
    event("empty" if x.size == 0 else "whole words" if shape[axis] % 64 == 0 else "a tail")
    return x, draw(st.sampled_from([axis, axis - 3]))


def check(x: np.ndarray, axis: int) -> None:
    """Pack and unpack with both implementations and compare everything."""
    bits = x > 0
    words = spec.pack_bits(bits, axis=axis)
    np.testing.assert_array_equal(packing.pack_bits(bits, axis=axis), words, strict=True)
    np.testing.assert_array_equal(packing.pack_signs(x, axis=axis), words, strict=True)
    unpacked = packing.unpack_bits(words, x.shape[axis], axis=axis)
    np.testing.assert_array_equal(unpacked, spec.unpack_bits(words, x.shape[axis], axis=axis), strict=True)
    np.testing.assert_array_equal(unpacked.view(np.uint8), bits.astype(np.uint8))  # bytes of 0 and 1, nothing else


@given(cases())
@example((np.ones((1, 64, 31), np.float32), 1))  # the last loads would reach beyond the array
@example((np.ones((2, 65, 9), np.float32), 1))
@example((np.ones((3, 1, 1), np.float32), 0))
def test_the_twin_is_the_specification(case):
    check(*case)


@pytest.mark.parametrize("shape", [(1,), (63,), (64,), (65,), (128,), (5000,), (3, 2, 65, 2, 2)])
def test_other_numbers_of_axes(shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    for axis in range(len(shape)):
        check(x, axis)


@given(st.data())
def test_kernels_are_packed_as_the_specification_does(data):
    shape = tuple(data.draw(sides) for sides in (st.integers(0, 3), COUNTS, st.integers(1, 7), st.integers(1, 7)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    bits = rng.random(shape) < data.draw(st.sampled_from([0.0, 0.05, 0.5, 1.0]))
    if data.draw(st.booleans()):
        bits = np.asfortranarray(bits)
        event("Fortran order")
    event("more than 32 taps" if shape[2] * shape[3] > 32 else "up to 32 taps")
    words = spec.pack_kernels(bits)
    np.testing.assert_array_equal(packing.pack_kernels(bits), words, strict=True)
    np.testing.assert_array_equal(packing.unpack_kernels(words, shape[1]), bits, strict=True)
    np.testing.assert_array_equal(packing.unpack_kernels(np.asfortranarray(words), shape[1]), bits, strict=True)


@pytest.mark.parametrize("shape", [(70, 31, 70), (1, 300, 300), (200_003, 1, 1), (40_000, 1, 5)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_arrays_that_several_threads_share(shape, axis):
    check(np.random.default_rng(0).standard_normal(shape).astype(np.float32), axis)


@needs_the_jit
@pytest.mark.parametrize(("count", "inner"), [(1, 1), (63, 1), (65, 1), (200, 1), (1, 5), (63, 9), (65, 31), (130, 40)])
@pytest.mark.parametrize("slabs", [1, 2, 5])
def test_kernels_keep_within_their_arrays(slabs, count, inner):
    from bbdg_ref.kernels import packing as kernels

    size, each = slabs * count * inner, -(-count // 64)
    words = np.full(slabs * each * inner + 200, 77, np.uint64)
    octets = np.full(size + 200, 77, np.uint8)
    ones = np.full(size + 200, np.nan, np.float32)  # read, these would be zeros
    ones[100 : size + 100] = 1
    packed, bits, x = words[100:-100], octets[100:-100], ones[100:-100]
    if inner == 1:
        kernels._pack_rows(x, count, packed)
        kernels._unpack_rows(packed, count, bits)
    else:
        kernels._pack_columns(x, count, inner, packed, inner, 1)
        kernels._unpack_columns(packed, inner, 1, count, inner, bits)
    want = spec.pack_bits(np.ones((slabs, count, inner), np.bool_), axis=1).ravel()
    np.testing.assert_array_equal(packed, want)
    np.testing.assert_array_equal(bits, 1)
    for array in (words, octets):
        np.testing.assert_array_equal(np.delete(array, np.s_[100:-100]), 77)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4", np.int8])
def test_other_dtypes_are_packed_by_the_specification(dtype):
    x = np.random.default_rng(0).integers(-2, 3, (3, 70)).astype(dtype)
    np.testing.assert_array_equal(packing.pack_signs(x), spec.pack_signs(x), strict=True)


def test_words_of_the_other_byte_order_hold_the_same_bits():
    bits = np.random.default_rng(0).random((3, 70, 2, 2)) < 0.5
    words = spec.pack_kernels(bits)
    swapped = words.astype(words.dtype.newbyteorder())
    np.testing.assert_array_equal(packing.unpack_kernels(swapped, 70), bits)
    np.testing.assert_array_equal(packing.unpack_bits(swapped, 70), spec.unpack_bits(words, 70))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 65)])
def test_axes_of_length_zero(shape):
    for axis in range(len(shape)):
        check(np.zeros(shape, np.float32), axis)
    kernels = np.zeros((2, 0, 3, 3), np.bool_)
    assert packing.pack_kernels(kernels).shape == (2, 3, 3, 0)
    assert packing.unpack_kernels(np.zeros((2, 3, 3, 0), np.uint64), 0).shape == kernels.shape


def test_without_the_jit_the_specification_serves(monkeypatch):
    monkeypatch.setattr("bbdg_ref.kernels.compiled.jit_is_on", lambda: False)
    monkeypatch.setattr("bbdg_ref.ops.packing._pack", None)
    check(np.random.default_rng(0).standard_normal((3, 70, 5)).astype(np.float32), 1)
