import hypothesis.strategies as st
import layer_checks as checks
import numpy as np
from hypothesis import event, given
from layer_strategies import ANY_SHAPES, arrays
from oracles import pruning as oracle

from bbdg_ref.spec.cost import kernel_codes
from bbdg_ref.spec.pruning import (
    frequent_patterns,
    learned_patterns,
    nearest_pattern,
    pattern_bits,
    select_filters,
    select_kernels,
    select_n_m,
    select_positive,
    select_top_k,
)

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 3), st.integers(1, 3))
KERNELS_3X3 = st.tuples(st.integers(1, 5), st.integers(1, 6), st.just(3), st.just(3))


def small_integers(shape: tuple[int, ...], seed: int, low: int = -4, high: int = 4) -> np.ndarray:
    """Many ties, and sums that no order of summation rounds."""
    return np.random.default_rng(seed).integers(low, high, shape, endpoint=True).astype(np.float32)


@given(arrays(ANY_SHAPES))
def test_positive(latent):
    event("a zero" if np.any(latent == 0) else "no zero")
    checks.check_select_positive(select_positive, latent)


@given(arrays(ANY_SHAPES), st.data())
def test_top_k(latent, data):
    k = data.draw(st.integers(0, latent.size))
    ranked = np.sort(latent, axis=None)[::-1]
    tie = 0 < k < latent.size and ranked[k - 1] == ranked[k]
    event("none" if k == 0 else "all" if k == latent.size else "a tie is split" if tie else "separated")
    checks.check_select_top_k(select_top_k, latent, k)


def test_equal_weights_are_chosen_in_c_order():
    latent = np.zeros((2, 2), np.float32)
    latent[0, 1] = -0.0  # equal to 0.0
    assert select_top_k(latent, 3).bits.tolist() == [[True, True], [True, False]]


def test_c_order_also_of_a_transposed_array():
    latent = np.ones((2, 3)).T
    assert select_top_k(latent, 2).bits.tolist() == [[True, True], [False, False], [False, False]]


def test_thresholds_at_the_ends():
    latent = np.array([3.0, -1.0, 2.0])
    assert [select_top_k(latent, k).threshold for k in range(4)] == [3.0, 2.5, 0.5, -1.0]


def test_the_midpoint_of_huge_weights_does_not_overflow():
    latent = np.array([1.5e308, 1.7e308, -1.7e308])
    assert select_top_k(latent, 1).threshold == 1.6e308
    assert np.isfinite(select_top_k(latent, 2).threshold)


# ------------------------------------------------------------------------------------------- groups and blocks


@given(SHAPES, st.integers(0, 2**32), st.integers(1, 6), st.data())
def test_n_of_m_are_the_largest_of_each_group(shape, seed, m, data):
    n = data.draw(st.integers(1, m))
    latent = small_integers(shape, seed)
    event("a last group of fewer" if shape[1] % m else "whole groups")
    got = select_n_m(latent, n, m)
    rows = latent.transpose(0, 2, 3, 1).reshape(-1, shape[1])
    wanted = np.array(oracle.n_of_m(rows.tolist(), n, m)).reshape(shape[0], *shape[2:], shape[1]).transpose(0, 3, 1, 2)
    assert np.array_equal(got.bits, wanted) and got.bits.dtype == bool
    assert got.threshold == select_top_k(latent, int(wanted.sum())).threshold


@given(SHAPES, st.integers(0, 2**32), st.data())
def test_kernels_and_filters_are_those_of_the_largest_sums(shape, seed, data):
    latent = small_integers(shape, seed)
    for select, blocks in ((select_kernels, shape[0] * shape[1]), (select_filters, shape[0])):
        k = data.draw(st.integers(0, blocks))
        event(f"{select.__name__}: {'none' if k == 0 else 'all' if k == blocks else 'some'}")
        got = select(latent, k)
        wanted = oracle.blocks(latent.reshape(blocks, -1).tolist(), k)
        assert got.bits.reshape(blocks, -1).tolist() == [[kept] * (latent.size // blocks) for kept in wanted]
        assert got.threshold == select_top_k(latent, int(got.bits.sum())).threshold


# ----------------------------------------------------------------------------------------------------- patterns


def test_codes_and_bits_are_inverse():
    codes = np.arange(512).reshape(16, 32)
    assert np.array_equal(kernel_codes(pattern_bits(codes)), codes)
    assert pattern_bits(np.array(2)).tolist() == [[False, True, False], [False] * 3, [False] * 3]


@given(KERNELS_3X3, st.integers(0, 2**32), st.integers(1, 512))
def test_frequent_patterns_are_counted(shape, seed, count):
    bits = np.random.default_rng(seed).random(shape) < 0.1
    codes = [oracle.code(kernel) for kernel in bits.reshape(-1, 9).tolist()]
    event("more than occur" if count > len(set(codes)) else "fewer than occur")
    assert frequent_patterns(bits, count).tolist() == oracle.frequent(codes, count)


@given(KERNELS_3X3, st.integers(0, 2**32), st.integers(1, 12), st.sampled_from([-1.0, 0.0, 0.5, 2.0]))
def test_the_nearest_pattern_and_the_learned_ones(shape, seed, count, threshold):
    rng = np.random.default_rng(seed)
    latent, patterns = small_integers(shape, seed), rng.permutation(512)[:count]
    kernels = latent.reshape(-1, 9).tolist()
    got = nearest_pattern(latent, patterns, threshold)
    assert got.shape == shape[:2]
    assert got.ravel().tolist() == [oracle.nearest(kernel, patterns.tolist(), threshold) for kernel in kernels]
    before = patterns.copy()
    moved = learned_patterns(latent, patterns, threshold)
    assert moved.tolist() == oracle.learned(kernels, patterns.tolist(), threshold)
    assert len(set(moved.tolist())) == count and np.array_equal(patterns, before)


@given(KERNELS_3X3, st.integers(0, 2**32), st.sampled_from([-0.5, 0.0, 0.5]))
def test_among_all_patterns_the_nearest_is_the_one_above_the_threshold(shape, seed, threshold):
    latent = np.random.default_rng(seed).standard_normal(shape)
    nearest = nearest_pattern(latent, np.arange(512), threshold)
    assert np.array_equal(pattern_bits(nearest), latent > threshold)


def test_a_shift_of_latents_and_threshold_changes_nothing():
    latent = small_integers((4, 5, 3, 3), 3)
    patterns = frequent_patterns(latent > 0, 8)
    assert np.array_equal(nearest_pattern(latent + 2, patterns, 2.5), nearest_pattern(latent, patterns, 0.5))
    assert np.array_equal(learned_patterns(latent + 2, patterns, 2.5), learned_patterns(latent, patterns, 0.5))
