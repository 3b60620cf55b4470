import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from oracles import packing as oracle
from strategies import bit_arrays

from bbdg_ref.packing import (
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

OF_WORDS = {"unpack_bits": unpack_bits, "unpack_kernels": unpack_kernels, "invert_bits": invert_bits}
OF_NUMBERS = {"pack_signs": pack_signs, "bits_at_least_zero": bits_at_least_zero}
OF_THRESHOLDS = {"above_to_at_least": above_to_at_least, "at_least_to_above": at_least_to_above}


class OnlyDLPack:
    """An array of another library, which offers nothing but the exchange protocol."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@st.composite
def cases(draw) -> tuple[np.ndarray, int]:
    """Bits with two axes, of which one is packed."""
    count = draw(st.sampled_from([0, 1, 63, 64, 65, 128]))
    axis = draw(st.sampled_from([0, 1]))
    other = draw(st.integers(0, 3))
    event(f"{count} bits along axis {axis}")
    return draw(bit_arrays((other, count) if axis else (count, other))), axis


@given(cases())
def test_packing_there_and_back(case):
    bits, axis = case
    count = bits.shape[axis]
    words = pack_bits(bits, axis=axis)
    np.testing.assert_array_equal(words, oracle.pack(bits, axis), strict=True)
    np.testing.assert_array_equal(unpack_bits(words, count, axis=axis - 2), bits, strict=True)
    np.testing.assert_array_equal(unpack_bits(invert_bits(words, count, axis=axis), count, axis=axis), ~bits)
    np.testing.assert_array_equal(pack_signs(np.where(bits, 1, -1), axis=axis), words)


@given(st.integers(1, 66).flatmap(lambda channels: bit_arrays((2, channels, 1, 2))))
def test_kernels_there_and_back(bits):
    words = pack_kernels(bits)
    event(f"{words.shape[-1]} words")
    np.testing.assert_array_equal(words, oracle.pack_kernels(bits), strict=True)
    np.testing.assert_array_equal(unpack_kernels(words, bits.shape[1]), bits, strict=True)


@pytest.mark.parametrize(
    "like", [list, OnlyDLPack, lambda a: a.astype(np.int64), lambda a: a.astype(">i2"), np.asarray]
)
def test_bits_may_be_of_any_kind(like):
    bits = np.array([1, 0, 1, 1], np.uint8)
    assert pack_bits(like(bits)).tolist() == [13]
    assert pack_signs(like(bits)).tolist() == [13]


def test_views_of_any_strides_and_byte_order():
    bits = np.random.default_rng(0).random((5, 70, 4)) < 0.5
    view = bits[::-2, :, 1:3].transpose(2, 0, 1)
    words = pack_bits(view)
    np.testing.assert_array_equal(words, oracle.pack(view, 2))
    swapped = np.asfortranarray(words.astype(words.dtype.newbyteorder()))
    np.testing.assert_array_equal(unpack_bits(swapped, 70), view)
    np.testing.assert_array_equal(invert_bits(swapped, 70), oracle.pack(~view, 2))


def test_arguments_are_not_changed_and_may_be_read_only():
    bits, x = np.ones(70, np.bool_), np.linspace(-1, 1, 70)
    words = pack_bits(bits)
    for array in (bits, x, words):
        array.flags.writeable = False
    assert pack_bits(bits).tolist() == words.tolist() == [2**64 - 1, 63]
    assert unpack_bits(words, 70).all()
    assert invert_bits(words, 70).tolist() == [0, 0]
    assert pack_signs(x).tolist() == oracle.words_of((x > 0).tolist())


def test_infinities_have_a_sign():
    assert pack_signs(np.array([np.inf, -np.inf], np.float32)).tolist() == [1]
    assert bits_at_least_zero([np.inf, -np.inf]).tolist() == [True, False]


def test_a_number_alone_has_a_bit_and_a_neighbour():
    assert bits_at_least_zero(np.float32(-0.0)) == np.True_
    above = above_to_at_least(np.float32(1))
    assert above == np.nextafter(np.float32(1), np.float32(2))
    assert at_least_to_above(above) == 1
    assert above_to_at_least(-np.inf) == np.finfo(np.float64).min


@pytest.mark.parametrize("function", [pack_bits, pack_signs])
def test_an_array_without_axes_is_refused(function):
    with pytest.raises(
        ValueError, match=rf"^{function.__name__}: \w+ must be an array with at least one axis; got .*; "
    ):
        function(1)
    with pytest.raises(ValueError, match=r"^unpack_bits: words must be an array with at least one axis; got "):
        unpack_bits(np.uint64(1), 1)


@pytest.mark.parametrize("axis", [2, -3, 1.0, True, None])
def test_a_bad_axis_is_refused_by_name(axis):
    words = np.zeros((1, 1), np.uint64)
    for call in (
        lambda: pack_bits([[True]], axis=axis),
        lambda: pack_signs([[1.0]], axis=axis),
        lambda: unpack_bits(words, 1, axis=axis),
        lambda: invert_bits(words, 1, axis=axis),
    ):
        with pytest.raises((TypeError, ValueError), match=r"^\w+: axis must be an integer from -2 to 1; got .*; "):
            call()


@pytest.mark.parametrize("function", [pack_bits, pack_kernels])
def test_anything_but_bits_is_refused(function):
    name = function.__name__
    for value in ([1.0], ["a"], [None], [[1], [1, 0]], np.ma.masked_array([1], [True])):
        with pytest.raises(TypeError, match=rf"^{name}: bits must be an array of bool .*; got .*; "):
            function(value)
    with pytest.raises(ValueError, match=rf"^{name}: bits must be .*; got first bad value 2 at index \(1, 0\); "):
        function([[0, 1], [2, 3]])


@pytest.mark.parametrize("shape", [(), (3,), (3, 3, 3), (1, 1, 1, 1, 1)])
def test_kernels_without_four_axes_are_refused(shape):
    with pytest.raises(ValueError, match=r"^pack_kernels: bits must be an array \(out_channels, .*; got shape "):
        pack_kernels(np.zeros(shape, np.bool_))
    if shape:
        with pytest.raises(ValueError, match=r"^unpack_kernels: words must be an array \(out_channels, .*; got shape "):
            unpack_kernels(np.zeros(shape, np.uint64), 64 * shape[-1])


@pytest.mark.parametrize("name", OF_WORDS)
@pytest.mark.parametrize("dtype", [np.int64, np.uint32, np.float64, np.bool_, "M8[s]"])
def test_words_of_another_dtype_are_refused(name, dtype):
    with pytest.raises(TypeError, match=rf"^{name}: words must be an array of uint64; got dtype .*; read bytes with "):
        OF_WORDS[name](np.zeros((1, 1, 1, 1), dtype), 1)


@pytest.mark.parametrize("name", OF_WORDS)
@pytest.mark.parametrize(
    ("words", "bad", "low", "high"), [(0, 1, 0, 0), (1, 0, 1, 64), (1, 65, 1, 64), (2, 64, 65, 128), (2, 129, 65, 128)]
)
def test_a_count_that_does_not_fit_the_words_is_refused(name, words, bad, low, high):
    with pytest.raises(
        ValueError, match=rf"^{name}: \w+ must be from {low} to {high} for {words} words .*; got {bad}; "
    ):
        OF_WORDS[name](np.zeros((1, 1, 1, words), np.uint64), bad)


@pytest.mark.parametrize("name", OF_WORDS)
@pytest.mark.parametrize("count", [-1, 1.0, True, None])
def test_a_bad_count_is_refused(name, count):
    with pytest.raises(
        (TypeError, ValueError), match=rf"^{name}: (count|in_channels) must be an integer of at least 0; "
    ):
        OF_WORDS[name](np.zeros((1, 1, 1, 1), np.uint64), count)


@given(st.integers(1, 63), st.data())
def test_a_one_in_the_tail_is_refused_by_its_place(count, data):
    place = data.draw(st.integers(0, 2))
    bit = data.draw(st.integers(count, 63))
    event("the first tail bit" if bit == count else "the last" if bit == 63 else "another")
    words = np.zeros((3, 2, 2), np.uint64)
    words[:, 0] = 2**64 - 1  # ones in the word before are no tail
    words[place, 1, 1] = 2**bit
    for function in (unpack_bits, invert_bits):
        with pytest.raises(
            ValueError,
            match=rf"^{function.__name__}: words must be words with zeros from bit {count} of the last one on, .*; "
            rf"got first bad value {2**bit} at index \({place}, 1, 1\); clear",
        ):
            function(words, 64 + count, axis=1)
    words[place, 1, 1] = 2 ** (bit - 1)
    if bit == count:
        assert unpack_bits(words, 64 + count, axis=1)[place, 64 + bit - 1, 1]


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_anything_but_real_numbers_is_refused(name):
    for value in ([True], [1j], ["a"], [None], np.ones(1, np.longdouble)):
        with pytest.raises(
            TypeError, match=rf"^{name}: x must be an array of float16, .* or integers, without NaN; got "
        ):
            OF_NUMBERS[name](value)
    with pytest.raises(ValueError, match=rf"^{name}: x must be .*; got first bad value nan at index \(1, 0\); "):
        OF_NUMBERS[name]([[1.0, -np.inf], [np.nan, np.nan]])


@pytest.mark.parametrize("name", OF_THRESHOLDS)
def test_a_threshold_without_a_neighbour_is_refused(name):
    end = np.inf if name == "above_to_at_least" else -np.inf
    for value in ([1], [True], ["a"]):
        with pytest.raises(
            TypeError, match=rf"^{name}: threshold must be an array of float16, float32, float64, without"
        ):
            OF_THRESHOLDS[name](value)
    for bad in (end, np.nan):
        with pytest.raises(ValueError, match=rf"^{name}: threshold must be .*; got first bad value {bad} at index 1; "):
            OF_THRESHOLDS[name](np.array([-end, bad, 0.0], np.float32))
