import numpy as np
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st
from layer_strategies import corner_values
from oracles import packing as oracle
from strategies import bit_arrays

from bbdg_ref.spec.estimators import sign_bits
from bbdg_ref.spec.packing import (
    above_to_at_least,
    at_least_to_above,
    bits_at_least_zero,
    invert_bits,
    pack_bits,
    pack_kernels,
    pack_signs,
    unpack_bits,
    unpack_kernels,
)

DTYPES = [np.float16, np.float32, np.float64]
COUNTS = st.sampled_from([65, 1, 3, 8, 16, 32, 33, 63, 64, 127, 128, 129, 0]) | st.integers(1, 200)


def fill(draw, shape: tuple[int, ...]) -> np.ndarray:
    """Bits of the given shape: none, all, whole bytes of ones, one alone, or any of some density."""
    kind = draw(st.sampled_from(["any", "bytes of ones", "one alone", "all", "none"]))
    event(f"bits: {kind}")
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind == "any":
        return rng.random(shape) < draw(st.sampled_from([0.05, 0.5, 0.95]))
    flat = np.full(int(np.prod(shape)), kind == "all")
    if flat.size and kind == "one alone":
        flat[rng.integers(flat.size)] = True
    if kind == "bytes of ones":
        flat[: flat.size // 8 * 8].reshape(-1, 8)[rng.integers(0, 2, flat.size // 8) == 1] = True
    return flat.reshape(shape)


@st.composite
def cases(draw) -> tuple[np.ndarray, int]:
    """Bits with one to four axes, some perhaps of length 0, and the axis to pack."""
    shape = draw(st.lists(st.sampled_from([3, 2, 1, 4, 3, 2, 1, 0]), max_size=3))
    axis = draw(st.integers(0, len(shape)))
    shape.insert(axis, draw(COUNTS))
    count = shape[axis]
    event(f"axes: {len(shape)}, {'the last' if axis == len(shape) - 1 else 'another'} is packed")
    event("empty" if 0 in shape else "whole words" if count % 64 == 0 else "a tail")
    return fill(draw, tuple(shape)), draw(st.sampled_from([axis, axis - len(shape)]))


@given(cases())
def test_words_are_those_of_the_definition(case):
    bits, axis = case
    words = pack_bits(bits, axis=axis)
    assert words.dtype == np.uint64
    assert words.flags.c_contiguous
    np.testing.assert_array_equal(words, oracle.pack(bits, axis), strict=True)


@given(cases())
def test_unpacking_undoes_packing(case):
    bits, axis = case
    count = bits.shape[axis]
    words = oracle.pack(bits, axis)
    unpacked = unpack_bits(words, count, axis=axis)
    assert unpacked.dtype == np.bool_
    np.testing.assert_array_equal(unpacked, oracle.unpack(words, count, axis), strict=True)
    np.testing.assert_array_equal(unpacked, bits, strict=True)


@given(st.integers(0, 130).flatmap(lambda n: bit_arrays((n,))))
def test_in_a_file_element_i_is_bit_i_of_the_bytes(bits):
    event(f"{-(-bits.size // 64)} words")
    assert pack_bits(bits).astype("<u8").tobytes() == oracle.octets(bits.tolist())


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, [1]),
        (8, [0xFF]),
        (63, [2**63 - 1]),
        (64, [2**64 - 1]),
        (65, [2**64 - 1, 1]),
        (128, [2**64 - 1, 2**64 - 1]),
        (0, []),
    ],
)
def test_all_ones_written_out(count, words):
    assert pack_bits(np.ones(count, np.bool_)).tolist() == words


@pytest.mark.parametrize("element", [0, 1, 7, 8, 31, 32, 62, 63, 64, 100, 127])
def test_one_bit_alone_written_out(element):
    words = pack_bits(np.arange(128) == element)
    assert words.tolist() == [2**element if element < 64 else 0, 0 if element < 64 else 2 ** (element - 64)]


@given(cases())
def test_words_of_the_other_byte_order_hold_the_same_bits(case):
    bits, axis = case
    words = pack_bits(bits, axis=axis)
    swapped = words.astype(words.dtype.newbyteorder())
    np.testing.assert_array_equal(unpack_bits(swapped, bits.shape[axis], axis=axis), bits)


@given(st.data())
def test_kernels_are_packed_along_their_input_channels(data):
    shape = (
        data.draw(st.integers(0, 3)),
        data.draw(COUNTS),
        data.draw(st.integers(1, 3)),
        data.draw(st.integers(1, 3)),
    )
    bits = fill(data.draw, shape)
    event("whole words" if shape[1] % 64 == 0 else "a tail")
    words = pack_kernels(bits)
    assert words.flags.c_contiguous
    np.testing.assert_array_equal(words, oracle.pack_kernels(bits), strict=True)
    unpacked = unpack_kernels(words, shape[1])
    assert unpacked.flags.c_contiguous
    np.testing.assert_array_equal(unpacked, bits, strict=True)


@given(cases())
def test_inverted_words_are_those_of_the_other_bits(case):
    bits, axis = case
    count = bits.shape[axis]
    words = pack_bits(bits, axis=axis)
    inverted = invert_bits(words, count, axis=axis)
    np.testing.assert_array_equal(inverted, oracle.pack(~bits, axis), strict=True)
    np.testing.assert_array_equal(invert_bits(inverted, count, axis=axis), words, strict=True)


@given(st.lists(st.floats(-2, 2, width=32) | st.sampled_from([0.0, -0.0]), max_size=140))
@example([-1.0, 0.0, -0.0, 1.0])
def test_words_of_larq_compute_engine(x):
    theirs = oracle.compute_engine_words(x)
    event(f"{len(theirs)} words of 32 bits")
    pairs = np.array(theirs + [0] * (len(theirs) % 2), "<u4").view("<u8").astype(np.uint64)
    ours = invert_bits(pairs, len(x))
    np.testing.assert_array_equal(ours, pack_bits(bits_at_least_zero(np.array(x))))


@pytest.mark.parametrize("dtype", DTYPES)
def test_signs_at_and_around_the_corners(dtype):
    x = np.concatenate([corner_values(dtype), np.array([np.inf, -np.inf, np.nan], dtype)])
    np.testing.assert_array_equal(pack_signs(x), oracle.words_of([value > 0 for value in x.tolist()]))
    columns = np.stack([x, -x], axis=1)
    np.testing.assert_array_equal(
        pack_signs(columns, axis=0)[:, 1], oracle.words_of([value < 0 for value in x.tolist()])
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_two_rules_differ_at_zero_only(dtype):
    x = corner_values(dtype)
    assert bits_at_least_zero(x).tolist() == [value >= 0 for value in x.tolist()]
    np.testing.assert_array_equal(bits_at_least_zero(x), ~sign_bits(-x))
    np.testing.assert_array_equal(bits_at_least_zero(x) != sign_bits(x), x == 0)


@st.composite
def thresholds(draw) -> tuple[np.floating, np.ndarray]:
    """A threshold of any float dtype, and numbers of the same: its neighbours, the ends of the dtype, others."""
    dtype = draw(st.sampled_from(DTYPES))
    info = np.finfo(dtype)
    edges = [0.0, -0.0, 1.0, -1.0, info.max, info.min, info.tiny, info.smallest_subnormal, -info.smallest_subnormal]
    number = st.floats(width=info.bits, allow_nan=False) | st.sampled_from([float(edge) for edge in edges])
    threshold = dtype(draw(number))
    step = dtype(np.inf)
    with np.errstate(over="ignore"):
        around = [threshold, np.nextafter(threshold, step), np.nextafter(threshold, -step)]
    x = [dtype(value) for value in draw(st.lists(number, max_size=5))]
    event(f"{np.dtype(dtype)}, {'zero' if threshold == 0 else 'infinite' if np.isinf(threshold) else 'other'}")
    return threshold, np.array([*around, *x, np.inf, -np.inf, np.nan, *edges], dtype)


@given(thresholds())
def test_both_rules_agree_when_the_threshold_moves_to_its_neighbour(case):
    threshold, x = case
    t = np.array([threshold])
    if threshold < np.inf:
        least = above_to_at_least(t)
        assert least.dtype == t.dtype
        np.testing.assert_array_equal(x > t, x >= least)
        np.testing.assert_array_equal(at_least_to_above(least), t)
    if threshold > -np.inf:
        above = at_least_to_above(t)
        assert above.dtype == t.dtype
        np.testing.assert_array_equal(x >= t, x > above)
        np.testing.assert_array_equal(above_to_at_least(above), t)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_ends_of_a_dtype_are_thresholds_without_a_warning(dtype):
    info = np.finfo(dtype)
    assert above_to_at_least(np.array([info.max, -np.inf], dtype)).tolist() == [np.inf, float(info.min)]
    assert at_least_to_above(np.array([info.min, np.inf], dtype)).tolist() == [-np.inf, float(info.max)]


def test_arguments_are_not_changed():
    bits = np.arange(70) % 3 == 0
    words = pack_bits(bits)
    for array in (bits, words):
        array.flags.writeable = False
    invert_bits(words, 70)
    unpack_bits(words, 70)
    pack_bits(bits)


def test_an_array_without_axes_is_refused():
    with pytest.raises(ValueError, match="axis"):
        pack_bits(np.array(True))
