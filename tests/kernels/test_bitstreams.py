"""Streams of bits, against Python's integers and slices."""

import numpy as np
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st
from layer_strategies import SEEDS

from bbdg_ref.kernels.compiled import jit_is_on
from bbdg_ref.spec.packing import pack_bits

if not jit_is_on():
    pytest.skip("kernels made of LLVM intrinsics cannot be interpreted", allow_module_level=True)

from bbdg_ref.kernels import bitstreams as kernels

GUARD = 3  # words round an array that must stay as they are
COUNTS = st.integers(1, 64) | st.sampled_from([1, 63, 64])


def random_words(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, count, np.uint64, endpoint=False)


def as_bits(words: np.ndarray) -> np.ndarray:
    return np.unpackbits(words.view(np.uint8), bitorder="little")


@given(st.integers(0, 190), COUNTS, SEEDS)
@example(64, 64, 0)
@example(63, 2, 0)
def test_take(at, count, seed):
    words = random_words(5, seed)
    got = int(kernels.take(words, at, count))
    assert got == int.from_bytes(words.tobytes(), "little") >> at & ((1 << count) - 1)


@given(st.integers(0, 190), COUNTS, SEEDS)
@example(64, 64, 0)
@example(63, 2, 0)
def test_put(at, count, seed):
    words = random_words(5, seed)
    bits = int(random_words(1, seed + 1)[0]) & ((1 << count) - 1)
    want = as_bits(words)
    want[at : at + count] = [bits >> i & 1 for i in range(count)]
    kernels.put(words, at, count, np.uint64(bits))
    assert np.array_equal(as_bits(words), want)


@given(SEEDS, st.integers(1, 64), COUNTS)
def test_every(seed, step, count):
    bits = int(random_words(1, seed)[0]) & ((1 << count) - 1)
    kept = [bits >> i & 1 for i in range(0, count, step)]
    assert int(kernels.every(np.uint64(bits), step, count)) == sum(bit << i for i, bit in enumerate(kept))


@given(SEEDS)
def test_every_second_reads_the_even_bits_only(seed):
    word = int(random_words(1, seed)[0])
    assert int(kernels.every_second(np.uint64(word))) == sum((word >> 2 * i & 1) << i for i in range(32))


@given(st.integers(1, 200), st.sampled_from([1, 2, 3, 5, 7, 31, 32, 33, 63, 64, 65, 70]), SEEDS)
def test_a_row_is_dealt_out_to_its_phases(width, step, seed):
    rng = np.random.default_rng(seed)
    source, source_at, target_at = random_words(6, seed), int(rng.integers(0, 64)), int(rng.integers(0, 64))
    apart = 64 * int(rng.integers(1, 3)) + 64 * (width // step // 64 + 1)
    target = random_words((step * apart + target_at) // 64 + 2, seed + 1)
    row, want = as_bits(source)[source_at : source_at + width], as_bits(target)
    for phase in range(min(step, width)):
        kept = row[phase::step]
        want[target_at + phase * apart :][: len(kept)] = kept
    kernels.split_row(source, source_at, width, step, target, target_at, apart)
    assert np.array_equal(as_bits(target), want)
    event(f"step {'above 64' if step > 64 else 'up to 64'}")


@given(st.integers(0, 200), st.integers(0, 5), st.booleans(), SEEDS)
@example(0, 0, False, 0)
@example(64, 0, False, 0)
@example(16, 3, True, 0)
def test_signs_of_a_row(count, at, nan, seed):
    """The last word is filled with zeros, the words after it stay; NaN is reported, wherever it stands."""
    rng = np.random.default_rng(seed)
    x = rng.choice(np.array([0.0, -0.0, 1e-45, -1e-45, 1, -1, np.inf, -np.inf], np.float32), count + at + 20)
    x[:at] = x[at + count :] = np.nan  # outside
    if nan and count:
        x[at + rng.integers(0, count)] = np.nan
    words = -(-count // 64)
    bits = np.full(words + GUARD, 77, np.uint64)
    found = kernels.sign_row(x, at, count, bits)
    assert bool(found) == (nan and count > 0)
    assert np.array_equal(bits[:words], pack_bits(x[at : at + count] > 0)) and (bits[words:] == 77).all()
    event(f"{'whole' if count % 64 == 0 else 'part of a'} word, {'whole' if count % 16 == 0 else 'part of a'} piece")


@st.composite
def chunks(draw):
    """Shapes of a chunk's images, its stride, and a grid with room for them."""
    halved = draw(st.integers(0, 2)) == 0
    if halved:  # widths for which stride 2 has code of its own
        width = draw(st.sampled_from([8, 16, 32, 64, 24]))
        height = draw(st.sampled_from([8, 16, 24, 2, 6]))
        steps, extra = (2, 2), draw(st.sampled_from([(0, 0), (0, 0), (0, 1), (1, 0)]))
    else:
        height, width = draw(st.integers(1, 20)), draw(st.sampled_from([1, 7, 8, 16, 63, 64, 65, 130]))
        steps = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 3), (2, 2), (3, 2), (1, 70)]))
        extra = draw(st.sampled_from([(0, 0), (0, 0), (2, 3)]))
    grid = -(-height // steps[0]) + extra[0], -(-width // steps[1]) + extra[1]
    pitch = -(-grid[0] * grid[1] // 16) * 16
    return (height, width), steps, grid[1], pitch


@given(chunks(), st.integers(1, 4), st.integers(0, 2), st.integers(1, 3), st.booleans(), SEEDS)
def test_streams_hold_every_pixel_in_its_phase(shape, images, first, channels, nan, seed):
    (height, width), (sv, sh), grid_width, pitch = shape
    rng = np.random.default_rng(seed)
    batch, front = first + images + 1, int(rng.integers(1, 4))
    length = front + -(-images * pitch // 64) + 2
    x = rng.standard_normal((batch, channels, height, width)).astype(np.float32)
    x[:first] = x[first + images :] = np.nan  # images of other chunks
    want = np.zeros((channels, sv * sh, length * 64), np.bool_)
    for n, c, h, w in np.ndindex(images, channels, height, width):
        place = 64 * front + n * pitch + h // sv * grid_width + w // sh
        want[c, h % sv * sh + w % sh, place] = x[first + n, c, h, w] > 0
    words = pack_bits((x > 0).reshape(batch, channels, -1), axis=2)
    if height * width % 64:  # bits beyond an image say nothing
        words[..., -1] |= np.uint64(2**64 - 2 ** (height * width % 64))
    row = np.empty(-(-height * width // 64) + 1, np.uint64)
    for packed in (False, True):
        memory = np.zeros(channels * sv * sh * length + 2 * GUARD, np.uint64)
        memory[:GUARD] = memory[-GUARD:] = 77
        given_x, given_words = (np.empty(0, np.float32), words) if packed else (x, np.empty(0, np.uint64))
        if nan and not packed:
            place = (
                first + rng.integers(0, images),
                rng.integers(0, channels),
                rng.integers(0, height),
                rng.integers(0, width),
            )
            x[place] = np.nan
        found = kernels.fill_streams(
            given_x.reshape(-1), given_words.reshape(-1), packed, first, images, channels, height, width,
            sv, sh, grid_width, pitch, front, length, row, memory[GUARD:-GUARD],
        )  # fmt: skip
        assert bool(found) == (nan and not packed)
        got = as_bits(memory[GUARD:-GUARD]).reshape(want.shape).astype(np.bool_)
        if nan and not packed:  # its bit is of no account
            c, h, w = place[1:]
            at = 64 * front + (place[0] - first) * pitch + h // sv * grid_width + w // sh
            got[c, h % sv * sh + w % sh, at] = want[c, h % sv * sh + w % sh, at]
        if (sv, sh) == (1, 1) and grid_width == width:  # whole pieces are copied: what follows the last row is masked
            for n in range(images):
                last = 64 * front + n * pitch + height * width
                got[:, 0, last : last + -(height * width) % 16] = False
        assert np.array_equal(got, want)
        assert (memory[:GUARD] == 77).all() and (memory[-GUARD:] == 77).all()
    whole = (sv, sh) == (1, 1) and grid_width == width and height * width % 16 == 0
    halves = (sv, sh) == (2, 2) and 2 * grid_width == width and 4 * pitch == height * width and width in (8, 16, 32)
    in_line = (sv, sh) == (1, 1) and grid_width == width
    event(
        "copied"
        if whole
        else "copied, with a tail"
        if in_line
        else "halved"
        if halves and height * width % 64 == 0
        else "row by row"
    )
