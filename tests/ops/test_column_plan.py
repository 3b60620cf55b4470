"""The plan of counting along the channels, followed word by word in plain Python, gives the convolution."""

import numpy as np
from hypothesis import event, given
from hypothesis import strategies as st
from layer_strategies import SEEDS
from packed_cases import CHANNELS, DENSITIES, shapes, weight_bits

from bbdg_ref.ops.column_plan import GROUP, column_geometry, column_weights
from bbdg_ref.ops.packed_plan import PIECE
from bbdg_ref.spec.packing import pack_bits
from bbdg_ref.spec.popcount_conv import binary_counts


@given(shapes(), CHANNELS, st.integers(1, 20), st.lists(DENSITIES, min_size=1, max_size=3), SEEDS)
def test_windows_and_weights_meet_word_by_word(shape, channels, out, densities, seed):
    batch, size, kernel, stride, padding = shape
    rng = np.random.default_rng(seed)
    u = rng.random((1, channels, *size)) < 0.5
    bits = weight_bits(rng, (out, channels, *kernel), densities)
    plan = column_geometry(batch, channels, size, kernel, stride, padding)
    weights = column_weights(bits, plan)
    rows, columns = plan.output_size
    pixels, groups = rows * columns, -(-out // GROUP)
    event(f"{'whole' if pixels % PIECE == 0 else 'part of a'} piece, {'one group' if groups == 1 else 'several'}")
    assert plan.pitch % PIECE == 0 and 0 <= plan.pitch - pixels < PIECE and len(plan.windows) == plan.pitch
    assert weights.words.shape == (groups + 1, plan.rows, plan.run, GROUP) and plan.words == -(-channels // 64)

    image = np.zeros(plan.length, np.uint64)
    for place, words in zip(plan.pixel_place, pack_bits(u[0], axis=0).reshape(plan.words, -1).T, strict=True):
        image[place : place + plan.words] = words
    run = np.arange(plan.rows)[:, None] * plan.row_step + np.arange(plan.run)
    windows = image[plan.windows[:, None, None] + run]  # (pitch, rows, run); an index too far would be refused
    both = windows[:, None, :, :, None] & weights.words[None]  # (pitch, groups + 1, rows, run, GROUP)
    counts = np.bitwise_count(both).astype(np.int64).sum(axis=(2, 3)).reshape(plan.pitch, -1)
    want = binary_counts(u, bits, stride=stride, padding=padding)
    order = [*range(out), groups * GROUP]
    ones = (weights.start + 2 * counts[:, order].T)[:, :pixels]
    assert np.array_equal(ones[:out], want.ones.reshape(out, -1))
    assert np.array_equal(ones[out], want.total.ravel())


def test_plans_are_remembered():
    shape = (3, 65, (8, 8), (3, 3), (1, 1), (1, 1))
    assert column_geometry(*shape) is column_geometry(*shape)
