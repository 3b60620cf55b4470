import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import pruning as oracle

from bbdg_ref.ops.packed_plan import counting_lists, geometry
from bbdg_ref.packed import PackedConv, packed_conv2d
from bbdg_ref.pruning import Cubic, Filters, Kernels, TopK, Within
from bbdg_ref.spec.conv2d import conv2d
from bbdg_ref.spec.domain import Domain

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 4), st.sampled_from([1, 3]), st.sampled_from([1, 3]))
KEPT = st.sampled_from([1e-6, 0.1, 0.25, 0.5, 1.0]) | st.floats(1e-6, 1)


@given(shape=SHAPES, kept=KEPT, seed=st.integers(0, 2**32))
def test_blocks_of_the_largest_sums_are_whole(shape, kept, seed):
    latent = np.random.default_rng(seed).integers(-2, 3, shape).astype(np.float32)
    for kind, blocks in ((Filters, shape[0]), (Kernels, shape[0] * shape[1])):
        (got,) = kind(kept).choose([latent], step=0)
        k = max(1, round(kept * blocks))
        wanted = oracle.blocks(latent.reshape(blocks, -1).tolist(), k)
        assert [row.all() for row in got.bits.reshape(blocks, -1)] == wanted
        assert got.bits.sum() == k * (latent.size // blocks)
        assert got.threshold == pytest.approx(oracle.top_k(latent.ravel().tolist(), int(got.bits.sum()))[1])


def test_large_negative_weights_do_not_keep_a_filter():
    latent = np.array([[-9.0, -9.0], [0.5, -0.25]]).reshape(2, 2, 1, 1)
    assert Filters(0.5).choose([latent], step=0)[0].bits[:, 0, 0, 0].tolist() == [False, True]
    assert Kernels(0.25).choose([latent], step=0)[0].bits[:, :, 0, 0].tolist() == [[False, False], [True, False]]


@pytest.mark.parametrize("kind", [Filters, Kernels])
def test_the_fraction_kept_may_follow_a_schedule(kind):
    latent = np.arange(16.0).reshape(4, 4, 1, 1)
    strategy = kind(Cubic(1.0, 0.25, 0, 4))
    assert [strategy.choose([latent], step)[0].bits.mean() for step in (0, 4, 9)] == [1, 0.25, 0.25]
    assert strategy.penalty([], 1.0).push == 0


@pytest.mark.parametrize("kind", [Filters, Kernels])
@pytest.mark.parametrize("kept", [0, 1.01, None, float("nan")])
def test_what_is_no_fraction_is_refused(kind, kept):
    with pytest.raises((TypeError, ValueError), match=f"{kind.__name__}: kept must be"):
        kind(kept)


def test_a_pruned_filter_costs_no_counting_in_packed_inference():
    """Its list of planes is empty; what it gives is alpha times the map that all filters share."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((8, 16, 3, 3)).astype(np.float32)
    (chosen,) = Within(Filters(0.25), TopK(0.1)).choose([latent], step=0)
    kept = chosen.bits.any(axis=(1, 2, 3))
    rows = counting_lists(chosen.bits, geometry(4, (8, 8), (3, 3), (1, 1), (1, 1))).rows[:-1]
    assert (rows[:, 1] > rows[:, 0]).tolist() == kept.tolist() and kept.sum() == 2
    x = rng.standard_normal((4, 16, 8, 8)).astype(np.float32)
    y = packed_conv2d(x, PackedConv.from_bits(chosen.bits, Domain(-0.25, 1.5)), padding=1)
    shared = conv2d(np.where(x > 0, 1.0, -1.0), np.ones((1, 16, 3, 3)), padding=1)
    assert np.array_equal(y[:, ~kept], np.repeat(np.float32(-0.25 * shared), 6, axis=1))
