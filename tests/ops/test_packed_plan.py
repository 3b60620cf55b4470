"""The plan means what it says: followed bit by bit in plain Python, it gives the convolution."""

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from layer_strategies import SEEDS
from packed_cases import DENSITIES, shapes, weight_bits

from bbdg_ref.ops.packed_plan import PIECE, STEP, columns_are_faster, counting_lists, exact_bits, geometry, ones_of_rows
from bbdg_ref.spec.conv2d import output_size, windows
from bbdg_ref.spec.popcount_conv import binary_counts


def described(shape):
    plan = geometry(*shape)
    event(f"{plan.words} words, {'several chunks' if plan.chunks > 1 else 'one chunk'}, {plan.aligned = }")
    return plan


def streams_of(u: np.ndarray, plan) -> np.ndarray:
    """The bits of all images of a chunk, laid out as `Geometry` says: (channels, phases, 64 * length)."""
    sv, sh = plan.stride
    streams = np.zeros((u.shape[1], sv * sh, 64 * plan.length), np.bool_)
    for n, c, h, w in zip(*np.nonzero(u), strict=True):
        place = 64 * plan.front + n * plan.pitch + h // sv * plan.grid_width + w // sh
        streams[c, h % sv * sh + w % sh, place] = True
    return streams


def planes_of(u: np.ndarray, plan) -> np.ndarray:
    """What every tap of every channel reads, at every pixel of a chunk: (channels, taps, pixels)."""
    streams, pixels = streams_of(u, plan), plan.masks.shape[1] * 64
    masks = np.unpackbits(plan.masks.view(np.uint8), axis=1, bitorder="little").astype(np.bool_)
    planes = np.zeros((u.shape[1], len(plan.tap_shift), pixels), np.bool_)
    for tap, (phase, shift) in enumerate(zip(plan.tap_phase, plan.tap_shift, strict=True)):
        begin = 64 * plan.front + int(shift)
        assert begin >= 0 and begin + pixels + 64 <= streams.shape[2]  # words are read in pairs
        planes[:, tap] = streams[:, phase, begin : begin + pixels] & masks[tap]
    return planes


def places_of(plan) -> np.ndarray:
    """The pixel of a chunk at which every output pixel of every image lies: (images, output pixels)."""
    rows, columns = plan.output_size
    pixel = np.arange(rows)[:, None] * plan.grid_width + np.arange(columns)
    return np.arange(plan.chunk)[:, None] * plan.pitch + pixel.ravel()


@given(shapes(), SEEDS)
def test_every_tap_reads_its_own_pixel_and_nothing_of_the_border(shape, seed):
    plan = described(shape)
    _, size, kernel, stride, (pv, ph) = shape
    assert plan.output_size == output_size(size, kernel, stride, (pv, ph))
    u = np.random.default_rng(seed).random((plan.chunk, 1, *size)) < 0.5
    read = planes_of(u, plan)[0][:, places_of(plan)]  # (taps, images, output pixels)
    padded = np.pad(u, ((0, 0), (0, 0), (pv, pv), (ph, ph)))
    want = windows(padded, kernel, stride)[:, 0]  # (images, p, q, i, j)
    taps = kernel[0] * kernel[1]
    assert np.array_equal(read, want.reshape(plan.chunk, -1, taps).transpose(2, 0, 1))


@given(shapes())
def test_words_of_one_kind_have_the_same_valid_taps(shape):
    plan = described(shape)
    _, size, kernel, stride, (pv, ph) = shape
    masks = np.unpackbits(plan.masks.view(np.uint8), axis=1, bitorder="little").astype(np.bool_)
    inside = windows(np.pad(np.ones((1, 1, *size)), ((0, 0), (0, 0), (pv, pv), (ph, ph))), kernel, stride)[0, 0]
    want = inside.reshape(-1, kernel[0] * kernel[1]).T > 0
    for image in places_of(plan):
        assert np.array_equal(masks[:, image], want)
    assert masks.sum() == want.sum() * plan.chunk
    assert len(plan.starts) * 64 == masks.shape[1]
    for word, start in enumerate(plan.starts):
        assert np.array_equal(plan.kinds[:, start : start + 64], masks[:, 64 * word : 64 * word + 64])


@given(shapes())
def test_every_output_pixel_is_stored_once(shape):
    plan = described(shape)
    rows, columns = plan.output_size
    written = np.zeros((plan.chunk, rows * columns), np.int64)
    places = places_of(plan)
    if plan.aligned:
        assert plan.pitch == rows * columns
        for image, pixel in zip(plan.piece_image, plan.piece_pixel, strict=True):
            assert np.array_equal(places[image, pixel : pixel + PIECE], image * plan.pitch + pixel + np.arange(PIECE))
            written[image, pixel : pixel + PIECE] += 1
    else:
        blocks = len(plan.run_limits) - 1
        for block in range(blocks):
            for image, first, count, target in plan.runs[:, plan.run_limits[block] : plan.run_limits[block + 1]].T:
                assert 0 <= first and first + count <= 64 * plan.words
                read = block * 64 * plan.words + first + np.arange(count)
                assert np.array_equal(places[image, target : target + count], read)
                written[image, target : target + count] += 1
        assert plan.run_limits[0] == 0 and plan.run_limits[-1] == plan.runs.shape[1]
    assert (written == 1).all()


@given(shapes())
def test_images_lie_apart_and_every_one_is_in_a_chunk(shape):
    plan = described(shape)
    batch, (height, width), _, (sv, sh), _ = shape
    assert plan.pitch % PIECE == 0 and plan.grid_width >= max(plan.output_size[1], -(-width // sh))
    assert plan.pitch >= plan.grid_width * max(plan.output_size[0], -(-height // sv))
    assert 1 <= plan.chunk <= batch and (plan.chunks - 1) * plan.chunk < batch <= plan.chunks * plan.chunk
    assert plan.masks.shape[1] % plan.words == 0 and plan.masks.shape[1] * 64 >= plan.chunk * plan.pitch


@given(shapes(), st.integers(1, 5), st.integers(1, 5), st.lists(DENSITIES, min_size=1, max_size=3), SEEDS)
def test_lists_say_which_planes_to_add_up(shape, channels, out, densities, seed):
    """``start + 2 (sum of the listed planes)``, or ``start + shared - 2 (...)`` for zeros, is a * b."""
    plan = described((min(shape[0], 3), *shape[1:]))
    _, size, kernel, stride, padding = shape
    rng = np.random.default_rng(seed)
    u = rng.random((plan.chunk, channels, *size)) < 0.5
    bits = weight_bits(rng, (out, channels, *kernel), densities)
    lists = counting_lists(bits, plan)
    planes = planes_of(u, plan)
    planes = np.concatenate((planes.reshape(-1, planes.shape[2]), np.zeros((1, planes.shape[2]), np.bool_)))
    want = binary_counts(u, bits, stride=stride, padding=padding)
    places = places_of(plan)

    begin = plan.starts[places // 64] + places % 64
    counts, complement = [], lists.rows[:, 2] != 0
    for row, (first, last, _) in enumerate(lists.rows):
        listed = lists.places[first:last] // plan.words
        assert len(listed) % STEP == 0
        count = planes[listed].sum(axis=0)[places]
        ones = int((listed != len(planes) - 1).sum())
        assert not complement[row] or ones < bits[0].size / 2
        counts.append((count, lists.start[row][begin]))
    shared = 2 * counts[-1][0] + counts[-1][1]
    assert not complement[out] and np.array_equal(shared, want.total[:, 0].reshape(plan.chunk, -1))
    for row in range(out):
        count, start = counts[row]
        got = start + shared - 2 * count if complement[row] else start + 2 * count
        assert np.array_equal(got, want.ones[:, row].reshape(plan.chunk, -1))
    event(f"the zeros are listed in {'some' if complement.any() else 'no'} channel")


@pytest.mark.parametrize("ones", [4, 5, 0, 9])
def test_the_fewer_are_listed(ones):
    bits = (np.arange(9) < ones).reshape(1, 1, 3, 3)
    plan = geometry(1, (4, 4), (3, 3), (1, 1), (1, 1))
    lists = counting_lists(bits, plan)
    assert lists.rows[:, 2].tolist() == [ones > 4, 0]
    first, last = lists.rows[0, :2]
    assert (lists.places[first:last] // plan.words < 9).sum() == min(ones, 9 - ones)


@pytest.mark.parametrize("batch", [1, 32])
def test_columns_are_counted_where_maps_are_small_and_weights_are_not_sparse(batch):
    """The choice is for speed alone; this one holds by far."""
    bits = np.random.default_rng(0).random((2, 512, 512, 3, 3)) < np.array([0.01, 0.1]).reshape(2, 1, 1, 1, 1)
    small, large = (geometry(batch, (side, side), (3, 3), (1, 1), (1, 1)) for side in (4, 64))
    assert not columns_are_faster(bits[0], large)
    assert columns_are_faster(bits[1], small) == (batch == 1)


def test_plans_are_remembered():
    shape = (3, (8, 8), (3, 3), (1, 1), (1, 1))
    assert geometry(*shape) is geometry(*shape)


BYTES = [0, 1, 2, 3, 127, 128, 254, 255]


LAYOUTS = {"as it is": lambda a: a, "turned": lambda a: a.T, "stepped": lambda a: a[::-2]}


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.sampled_from(list(LAYOUTS)), SEEDS)
def test_exact_bits_have_bytes_0_and_1_and_mean_the_same(shape, layout, seed):
    event(layout)
    raw = np.random.default_rng(seed).choice(np.array(BYTES, np.uint8), shape)
    before = raw.copy()
    bits = exact_bits(LAYOUTS[layout](raw.view(np.bool_)))
    assert bits.dtype == np.bool_ and bits.flags.c_contiguous and not np.shares_memory(bits, raw)
    np.testing.assert_array_equal(bits.view(np.uint8), LAYOUTS[layout](raw) != 0)
    np.testing.assert_array_equal(raw, before)


@pytest.mark.parametrize("byte", BYTES[1:])
def test_any_byte_but_zero_counts_as_one_bit(byte):
    rng = np.random.default_rng(byte)
    bits = rng.random((6, 19, 3, 3)) < np.array([0, 0.05, 0.4, 0.6, 0.95, 1]).reshape(-1, 1, 1, 1)
    other = (bits * np.uint8(byte)).view(np.bool_)
    plan = geometry(2, (6, 5), (3, 3), (1, 1), (1, 1))
    np.testing.assert_array_equal(ones_of_rows(other), bits.sum(axis=(1, 2, 3)))
    want, got = counting_lists(bits, plan), counting_lists(other, plan)
    for name in ("places", "rows", "start"):
        np.testing.assert_array_equal(getattr(got, name), getattr(want, name))
    assert columns_are_faster(other, plan) == columns_are_faster(bits, plan)
