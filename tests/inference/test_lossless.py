import lzma

import numpy as np
import pytest
from coding_cases import bits_to_code
from hypothesis import given
from oracles import coding as oracle

from bbdg_ref.inference.lossless import FILTERS, decode_lzma, decode_raw, encode_lzma, encode_raw


@given(bits_to_code())
def test_any_bits_come_back(bits):
    raw = encode_raw(bits)
    assert oracle.stream(raw.tobytes())[: bits.size] == bits.reshape(-1).tolist() and raw.size == -(-bits.size // 8)
    assert np.array_equal(decode_raw(raw, bits.shape), bits)
    assert np.array_equal(decode_lzma(encode_lzma(bits), bits.shape), bits)


def compressed(content: bytes) -> np.ndarray:
    return np.frombuffer(lzma.compress(content, lzma.FORMAT_RAW, filters=FILTERS), np.uint8)


GOOD = compressed(bytes(range(10)))


def test_the_stream_is_one_of_lzma2():
    assert encode_raw(decode_lzma(GOOD, (80,))).tolist() == list(range(10))


@pytest.mark.parametrize(
    "data",
    [
        compressed(bytes(9)),
        compressed(bytes(11)),
        compressed(bytes(100_000_000)),
        np.append(GOOD, np.uint8(0)),
        np.full(20, 255, np.uint8),
        *(GOOD[:size] for size in range(GOOD.size)),
    ],
)
def test_a_stream_of_another_length_or_none_is_refused(data):
    with pytest.raises(ValueError, match="LZMA2 stream"):
        decode_lzma(data, (80,))


def test_a_bit_after_the_last_is_refused():
    with pytest.raises(ValueError, match="zeros after bit 79"):
        decode_lzma(compressed(bytes(9) + b"\x80"), (79,))
    with pytest.raises(ValueError, match="must have 2 bytes"):
        decode_raw(np.zeros(3, np.uint8), (3, 5))
