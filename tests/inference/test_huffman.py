import zlib

import numpy as np
import pytest
from coding_cases import bits_to_code
from hypothesis import event, example, given
from hypothesis import strategies as st
from oracles import coding as oracle

from bbdg_ref.inference.bitstream import ByteReader, count_bytes
from bbdg_ref.inference.huffman import code_lengths, decode_huffman, encode_huffman, kernel_codes

KERNELS = ((1, 1, 3, 3), (5, 3, 3, 3), (32, 32, 3, 3), (25, 41, 3, 3), (64, 48, 3, 3), (2, 3, 3), (3, 3))


@given(bits_to_code(shapes=KERNELS))
def test_any_kernels_come_back_here_and_from_a_sequential_decoder(bits):
    data = encode_huffman(bits)
    again = decode_huffman(data, bits.shape)
    assert again.dtype == np.bool_ and np.array_equal(again, bits)
    patterns = oracle.huffman_patterns(data.tobytes(), bits.size // 9)
    assert [oracle.kernel_bits(p) for p in patterns] == bits.reshape(-1, 3, 3).tolist()
    event(f"{len(set(patterns))} patterns" if len(set(patterns)) < 3 else "more patterns")


@given(st.lists(st.integers(0, 511), min_size=1, max_size=20))
def test_the_code_of_a_kernel_is_the_designs(patterns):
    bits = np.array([oracle.kernel_bits(p) for p in patterns])
    assert kernel_codes(bits).tolist() == patterns


FIBONACCI = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987, 1597, 2584, 4181, 6765]


@given(st.lists(st.one_of(st.integers(0, 5), st.integers(0, 10**6)), min_size=2, max_size=12))
@example(FIBONACCI)  # would have words of 19 bits
@example([2**k for k in range(18)])
def test_no_code_is_shorter(counts):
    lengths = code_lengths(np.array(counts))
    used = [c for c in counts if c]
    assert (lengths > 0).tolist() == [c > 0 for c in counts] and lengths.max(initial=0) <= 15
    if len(used) > 1:
        event(f"{lengths.max()} bits at most")
        assert sum(2 ** (15 - n) for n in lengths.tolist() if n) == 2**15
        assert int(lengths @ np.array(counts)) == oracle.shortest_code(used, 15)


def test_all_patterns_with_very_different_counts_fit_15_bits():
    counts = np.maximum(10**6 >> (np.arange(512) // 10), 1)
    lengths = code_lengths(counts)
    assert lengths.max() == 15 and (1 << (15 - lengths)).sum() == 1 << 15


@pytest.mark.parametrize("shape", [(9,), (3, 3, 1), (4, 4, 5, 5), (3,)])
def test_other_kernels_have_no_such_code(shape):
    assert encode_huffman(np.zeros(shape, bool)) is None
    with pytest.raises(ValueError, match="must end in 3×3"):
        decode_huffman(encode_huffman(np.zeros((3, 3), bool)), shape)


def deflated(nibbles: bytes, flush: int = zlib.Z_FINISH) -> np.ndarray:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return np.frombuffer(stream.compress(nibbles) + stream.flush(flush), np.uint8)


def code(lengths: dict[int, int], sizes: list[int], stream: list[int], table: np.ndarray | None = None) -> np.ndarray:
    every = [lengths.get(p, 0) for p in range(512)]
    if table is None:
        table = deflated(bytes(a + 16 * b for a, b in zip(every[::2], every[1::2], strict=True)))
    segments = np.array(sizes, "<u2").view(np.uint8)
    return np.concatenate([count_bytes(table.size), table, segments, np.array(stream, np.uint8)])


def test_a_code_made_by_hand_is_read():
    # words: pattern 7 is 0, pattern 1 is 10, pattern 500 is 11; stream 10 0 11
    data = code({7: 1, 1: 2, 500: 2}, [5], [0b11001])
    assert kernel_codes(decode_huffman(data, (3, 1, 3, 3))).tolist() == [1, 7, 500]


TWO = {7: 1, 1: 2, 500: 2}
HOSTILE = {
    "empty": (np.empty(0, np.uint8), "size of the table"),
    "huge table": (count_bytes(2**40), "size of the table"),
    "table cut off": (count_bytes(300), "table must have 300 bytes"),
    "no deflate": (code({}, [5], [25], np.full(9, 255, np.uint8)), "deflate stream"),
    "short table": (code({}, [5], [25], deflated(bytes(255))), "512 lengths"),
    "long table": (code({}, [5], [25], deflated(bytes(257))), "512 lengths"),
    "bomb": (code({}, [5], [25], deflated(bytes(300_000))), "512 lengths"),
    "table without end": (code({}, [5], [25], deflated(bytes(256), zlib.Z_SYNC_FLUSH)), "512 lengths"),
    "bytes after the table": (code({}, [5], [25], np.append(deflated(bytes(256)), np.uint8(0))), "512 lengths"),
    "no words": (code({}, [5], [25]), "must fill"),
    "too few words": (code({1: 2, 2: 2}, [5], [25]), "must fill"),
    "too many words": (code({1: 1, 2: 1, 3: 1}, [5], [25]), "must fill"),
    "one long word": (code({1: 2}, [5], [25]), "must fill"),
    "no segments": (code(TWO, [], []), "its segments must have 2 bytes"),
    "no stream": (code(TWO, [5], []), "must have 1 bytes; got 0"),
    "long stream": (code(TWO, [5], [25, 0]), "must have 1 bytes; got 2"),
    "ones after the end": (code(TWO, [5], [25 + 32]), "zeros after bit 5"),
    "end within a word": (code(TWO, [4], [0b1001]), "segment 0 must end at bit 4; got 5"),
    "end after a word": (code(TWO, [6], [25]), "segment 0 must end at bit 6; got 5"),
    "no word": (code({3: 1}, [3], [0b010]), "words of the table; got another for kernel 1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_data_are_refused(name):
    data, message = HOSTILE[name]
    with pytest.raises(ValueError, match=message):
        decode_huffman(data, (3, 1, 3, 3))


def test_a_wrong_segment_is_named():
    bits = np.random.default_rng(0).random((40, 64, 3, 3)) < 0.1
    data = encode_huffman(bits).copy()
    reader = ByteReader(data)
    reader.take("table", reader.count("size", 0, 1000))
    sizes = reader.take("segments", 6).view("<u2")
    sizes[0] += 1
    sizes[1] -= 1
    with pytest.raises(ValueError, match="segment 0 must end"):
        decode_huffman(data, bits.shape)
