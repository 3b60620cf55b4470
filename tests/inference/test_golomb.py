import numpy as np
import pytest
from coding_cases import bits_to_code
from hypothesis import event, given, target
from hypothesis import strategies as st
from oracles import coding as oracle

from bbdg_ref.inference.bitstream import count_bytes
from bbdg_ref.inference.golomb import best_divisor, decode_golomb, encode_golomb

GAPS = st.lists(st.one_of(st.integers(0, 9), st.integers(0, 255)), min_size=1, max_size=30)


@given(bits_to_code())
def test_any_bits_come_back_here_and_from_a_sequential_decoder(bits):
    data = encode_golomb(bits)
    event(f"ones listed: {2 * bits.sum() <= bits.size}")
    target(data.size / bits.size)
    again = decode_golomb(data, bits.shape)
    assert again.dtype == np.bool_ and np.array_equal(again, bits)
    assert oracle.golomb_bits(data.tobytes(), bits.size) == bits.reshape(-1).tolist()


@given(GAPS)
def test_the_divisor_is_the_smallest_of_the_best_of_all(gaps):
    lengths = [oracle.golomb_length(gaps, m) for m in range(1, max(gaps) + 2)]
    event(f"divisor below 8: {int(np.argmin(lengths)) < 7}")
    assert best_divisor(np.array(gaps)) == 1 + int(np.argmin(lengths))


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=10))
def test_a_large_divisor_is_off_the_best_by_two_bits_a_gap_at_most(gaps):
    best = min(oracle.golomb_length(gaps, m) for m in range(1, max(gaps) + 2))
    found = oracle.golomb_length(gaps, best_divisor(np.array(gaps)))
    target(float(found - best))
    # Some divisor below twice the best is tried: no quotient grows, and every remainder by two bits at most.
    assert best <= found <= best + 2 * len(gaps)


def test_a_large_divisor_is_next_to_the_best_for_independent_bits():
    gaps = np.random.default_rng(0).geometric(0.0005, 3000) - 1
    best = min(oracle.golomb_length(gaps.tolist(), m) for m in range(1000, 2000, 7))
    assert oracle.golomb_length(gaps.tolist(), best_divisor(gaps)) <= 1.001 * best


@pytest.mark.parametrize(("ones", "listed"), [(0, 1), (3, 1), (4, 1), (5, 0), (8, 0)])
def test_the_ones_are_listed_unless_more_than_half_are(ones, listed):
    head = iter(encode_golomb(np.arange(8) < ones).tolist())
    assert (oracle.count(head), oracle.count(head) % 2) == (min(ones, 8 - ones), listed)


def test_the_example_of_the_layout():
    # gaps 2 and 6 with m = 3: quotients 0 and 2, remainders 2 and 0; w = 2, short = 1: 2 is 11, 0 is 0
    bits = np.isin(np.arange(12), [2, 9])
    data = np.concatenate([count_bytes(2, 2 * 3 + 1), np.array([0b101001], np.uint8)])
    stream = [1, 0, 0, 1, 1, 0, 1]  # unary 1 001, fields 1 0, last bit 1
    data[-1] = sum(bit << i for i, bit in enumerate(stream))
    assert np.array_equal(decode_golomb(data, (12,)), bits)
    assert oracle.golomb_bits(data.tobytes(), 12) == bits.tolist()


@pytest.mark.parametrize(
    ("head", "stream", "message"),
    [
        ((7, 3), [0], "number of gaps must"),
        ((2**60, 3), [0], "number of gaps must"),
        ((1, 1), [1], "divisor must"),
        ((1, 26), [1], "divisor must"),
        ((2, 3), [0b1], "must hold 2 gaps; got 1"),
        ((2, 3), [], "must hold 2 gaps; got 0"),
        ((1, 25), [0b10000000], "remainders must have"),
        ((1, 7), [0b11000000], "remainders must have"),
        ((1, 3), [0b11], "must end after bit 1 with zeros"),
        ((1, 3), [0b1, 0], "must end after bit 1 with zeros"),
        ((0, 3), [0], "must end after bit 0 with zeros"),
        ((1, 3), [0, 0b10000], "must stay within 12 bits"),
        ((2, 25), [0b11111111, 0b11], "must stay within 12 bits"),
    ],
)
def test_hostile_data_are_refused(head, stream, message):
    data = np.concatenate([count_bytes(*head), np.array(stream, np.uint8)])
    with pytest.raises(ValueError, match=message):
        decode_golomb(data, (12,))
