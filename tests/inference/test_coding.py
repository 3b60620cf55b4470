import json

import numpy as np
import pytest
from coding_cases import bits_to_code
from hypothesis import event, given
from hypothesis import strategies as st
from oracles import coding as oracle

from bbdg_ref.inference import coding
from bbdg_ref.inference.bitstream import Coded
from bbdg_ref.inference.coding import METHODS, code_sizes, decode_bits, encode_bits


@given(bits_to_code())
def test_the_smallest_code_is_taken_and_decodes_to_the_same_bits(bits):
    coded = encode_bits(bits)
    event(coded.method)
    again = decode_bits(coded, bits.shape)
    assert again.dtype == np.bool_ and again.shape == bits.shape and np.array_equal(again, bits)
    sizes = code_sizes(bits)
    assert coded.data.size == sizes[coded.method] == min(sizes.values()) <= sizes["raw"] == -(-bits.size // 8)
    assert set(METHODS) - set(sizes) == (set() if bits.shape[-2:] == (3, 3) else {"huffman"})


@given(bits_to_code())
def test_the_same_bits_in_any_layout_give_the_same_bytes(bits):
    first, second = encode_bits(bits), encode_bits(np.asfortranarray(bits.astype(np.int64)))
    assert first.method == second.method and first.data.tobytes() == second.data.tobytes()


def few_patterns(rng):
    return (rng.random((6, 9)) < 0.5)[rng.integers(6, size=64 * 64)].reshape(64, 64, 3, 3)


@pytest.mark.parametrize(
    ("method", "make"),
    [
        ("raw", lambda rng: rng.random((64, 64, 3, 3)) < 0.5),
        ("golomb", lambda rng: rng.random((64, 64, 3, 3)) < 0.05),
        ("golomb", lambda rng: rng.random((64, 64, 3, 3)) < 0.95),
        ("golomb", lambda rng: np.zeros((64, 64, 3, 3), bool)),
        ("golomb", lambda rng: np.ones((64, 64, 3, 3), bool)),
        ("huffman", few_patterns),
        ("lzma", lambda rng: np.tile(rng.random((16, 64, 3, 3)) < 0.5, (4, 1, 1, 1))),
    ],
)
def test_each_code_wins_where_it_should(method, make):
    assert encode_bits(make(np.random.default_rng(0))).method == method


SIZES = {2304: (16, 16, 3, 3), 36_864: (64, 64, 3, 3), 589_824: (256, 256, 3, 3), 2_359_296: (512, 512, 3, 3)}


@pytest.mark.parametrize("density", [0.01, 0.02, 0.03, 0.05, 0.07, 0.1])
@pytest.mark.parametrize("total", SIZES)
def test_independent_bits_come_within_5_percent_of_the_entropy_and_64_bytes(total, density):
    rng = np.random.default_rng([total, int(1000 * density)])
    for _ in range(20 if total < 10_000 else 1):
        bits = np.zeros(total, bool)
        bits[rng.choice(total, round(total * density), replace=False)] = True  # so that the sample's entropy is exact
        bits = bits.reshape(SIZES[total])
        coded = encode_bits(bits)
        entry = json.dumps({"method": coded.method, "bytes": coded.data.size, "crc32": 2**32 - 1})
        bound = total * oracle.entropy(bits.mean()) / 8
        assert coded.data.size + len(entry) <= 1.05 * bound + 64  # with all that the header says of the code
        assert coded.data.size <= 1.01 * bound + 6  # what the docstrings promise
        assert np.array_equal(decode_bits(coded, bits.shape), bits)


@pytest.mark.parametrize("bits", [np.zeros(0, bool), np.array([0, 2]), np.array([[1, -1]])])
def test_what_is_not_bits_is_refused(bits):
    for function in (encode_bits, code_sizes):
        with pytest.raises(ValueError, match=rf"{function.__name__}: bits must be"):
            function(bits)
    with pytest.raises(TypeError, match="write x > 0"):
        encode_bits(bits + 0.5)


def test_too_many_bits_are_refused(monkeypatch):
    monkeypatch.setattr(coding, "MAX_BITS", 100)
    coded = encode_bits(np.zeros(100, bool))
    with pytest.raises(ValueError, match="1 to 100 bits"):
        encode_bits(np.zeros(101, bool))
    with pytest.raises(ValueError, match="1 to 100 bits"):
        decode_bits(coded, (101,))


@pytest.mark.parametrize("shape", [(0,), (3, 0), (-1, -8), (1 << 31,), (1 << 40, 1 << 40), (1 << 20, 1 << 11)])
def test_a_hostile_shape_is_refused_before_anything_is_allocated(shape):
    for method in METHODS:
        with pytest.raises(ValueError, match="decode_bits: shape must have"):
            decode_bits(Coded(method, np.zeros(2, np.uint8)), shape)


def test_an_unknown_method_or_more_bytes_than_raw_are_refused():
    with pytest.raises(ValueError, match="method must be one of raw, golomb, huffman, lzma; got 'zip'"):
        decode_bits(Coded("zip", np.zeros(1, np.uint8)), (8,))
    for method in METHODS:
        with pytest.raises(ValueError, match="at most the 1 bytes of the raw bits; got 2"):
            decode_bits(Coded(method, np.zeros(2, np.uint8)), (8,))


BITS = np.random.default_rng(0).random((12, 12, 3, 3)) < 0.05


@pytest.mark.parametrize("method", METHODS)
def test_data_cut_off_anywhere_are_refused(method):
    data = METHODS[method].encode(BITS)
    assert np.array_equal(decode_bits(Coded(method, data), BITS.shape), BITS)
    for size in range(data.size):
        with pytest.raises(ValueError, match=f"decode_bits: data must be a whole {method} code"):
            decode_bits(Coded(method, data[:size]), BITS.shape)


@given(method=st.sampled_from(list(METHODS)), seed=st.integers(0, 2**32), changes=st.integers(1, 30))
def test_damaged_data_give_bits_of_the_shape_or_an_error_of_their_own(method, seed, changes):
    rng = np.random.default_rng(seed)
    data = METHODS[method].encode(BITS).copy()
    data[rng.integers(data.size, size=changes)] = rng.integers(256, size=changes)
    try:
        bits = decode_bits(Coded(method, data), BITS.shape)
    except ValueError as error:
        assert str(error).startswith("decode_bits: data must be a whole")
        event("refused")
    else:
        assert bits.shape == BITS.shape and bits.dtype == np.bool_
        event("other bits" if (bits != BITS).any() else "the same bits")


@given(method=st.sampled_from(list(METHODS)), data=st.binary(max_size=160))
def test_noise_gives_bits_of_the_shape_or_an_error_of_its_own(method, data):
    try:
        bits = decode_bits(Coded(method, np.frombuffer(data, np.uint8)), BITS.shape)
    except ValueError as error:
        assert str(error).startswith("decode_bits: data must be a whole")
    else:
        assert bits.shape == BITS.shape
