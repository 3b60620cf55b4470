import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import coding as oracle

from bbdg_ref.inference.bitstream import ByteReader, count_bytes, pack_stream, unpack_stream


@given(st.lists(st.booleans(), max_size=70))
def test_bits_come_back_and_lie_lowest_first(bits):
    data = pack_stream(np.array(bits, bool))
    assert oracle.stream(data.tobytes())[: len(bits)] == bits
    assert unpack_stream(data, len(bits)).tolist() == bits


@pytest.mark.parametrize(("data", "count"), [([], 1), ([1], 0), ([1, 0], 8), ([2], 1), ([0, 128], 15)])
def test_a_stream_of_another_length_or_with_ones_after_its_end_is_refused(data, count):
    with pytest.raises(ValueError, match="its stream"):
        unpack_stream(np.array(data, np.uint8), count)


@given(st.lists(st.integers(0, 2**40), max_size=5))
def test_counts_come_back(counts):
    data = count_bytes(*counts)
    head = iter(data.tolist())
    assert [oracle.count(head) for _ in counts] == counts
    reader = ByteReader(data)
    assert [reader.count("n", 0, 2**40) for _ in counts] == counts and reader.rest().size == 0


@pytest.mark.parametrize(
    "data", [[], [128], [6], [134, 0], [5 + 128, 0], [0x80, 0x80, 0], [255] * 1000, [2], [129, 128, 128, 128, 128, 1]]
)
def test_a_count_out_of_its_range_or_cut_off_or_longer_than_needed_is_refused(data):
    assert ByteReader(np.array([5], np.uint8)).count("number", 3, 5) == 5
    with pytest.raises(ValueError, match="its number must"):
        ByteReader(np.array(data, np.uint8)).count("number", 3, 5)


def test_pieces_are_taken_in_order_and_never_beyond_the_end():
    reader = ByteReader(np.arange(5, dtype=np.uint8))
    assert reader.take("a", 2).tolist() == [0, 1] and reader.take("b", 0).size == 0
    with pytest.raises(ValueError, match="its c must have 4 bytes; got 3"):
        reader.take("c", 4)
    assert reader.rest().tolist() == [2, 3, 4]
