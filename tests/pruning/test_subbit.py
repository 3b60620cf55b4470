import itertools

import numpy as np
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from bbdg_ref import ops
from bbdg_ref.pruning import Cubic, SubBit
from bbdg_ref.pruning.subbit import patterns_of_k_ones

SEEDS = st.integers(0, 2**32)


def codes_of(bits):
    return set((bits.reshape(-1, 9) @ (1 << np.arange(9))).tolist())


def drawn(seed, shape=(8, 6, 3, 3), ties=False):
    latent = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return np.round(latent) if ties else latent


@given(SEEDS, st.integers(1, 8), st.integers(0, 3), st.booleans())
def test_every_kernel_is_one_of_the_patterns_and_the_nearest(seed, bits, rounds, ties):
    latent = drawn(seed, ties=ties)
    (got,) = SubBit(bits, rounds=rounds).choose([latent], step=0)
    codes = codes_of(got.bits)
    assert len(codes) <= 2**bits and got.threshold == 0
    own = (np.where(got.bits, 1, -1) * latent).reshape(-1, 9).sum(axis=1)
    for code in codes:  # none of the patterns in use is nearer than a kernel's own
        pattern = np.where(ops.pattern_bits(np.array(code)), 1, -1)
        assert np.all((pattern * latent).reshape(-1, 9).sum(axis=1) <= own + 1e-5)


@given(SEEDS, st.integers(1, 8), st.sampled_from([0.01, 0.05, 0.2, 0.25, 0.3, 0.5, 1.0]), st.booleans())
def test_with_a_density_the_patterns_have_it_or_up_to_eight_ones_fewer(seed, bits, density, ties):
    latent = drawn(seed, ties=ties)
    (got,) = SubBit(bits, density).choose([latent], step=0)
    k, ones = max(1, round(density * latent.size)), int(got.bits.sum())
    codes = codes_of(got.bits)
    event("k" if ones == k else "fewer than k")
    event("of nine ones, some" if 511 in codes else "of nine ones, none")
    assert len(codes) <= 2**bits and k - 9 < ones <= k


def small_layers(shape, count):
    """Layers as training leaves them and as it may not: clamped, few values, equal, all below zero."""
    for seed in range(count):
        latent = drawn(seed, shape)
        yield np.clip(2 * latent, -1.5, 1.5)
        yield np.round(latent)
        yield np.full(shape, latent[0, 0, 0, 0])
        yield -np.abs(latent) - 3
        yield np.where(np.arange(latent.size).reshape(shape) % 9 == seed % 9, latent, -1e30).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 1, 3, 3), (1, 2, 3, 3), (4, 4, 3, 3)])
@pytest.mark.parametrize("k", range(1, 10))
def test_no_layer_is_left_without_ones(shape, k):
    size = 9 * shape[0] * shape[1]
    for latent in small_layers(shape, 4):
        for bits in (1, 4, 6):
            for rounds in (0, 1):
                (got,) = SubBit(bits, k / size, rounds).choose([latent], step=0)
                assert max(1, k - 8) <= got.bits.sum() <= k and np.isfinite(got.threshold)
                assert len(codes_of(got.bits)) <= 2**bits


def test_where_no_pattern_is_small_enough_one_is_made_of_the_largest_weights():
    """Nine ones join zero, as neither fills k = 3; then, as they do not fit, the three largest weights' pattern."""
    latent = np.array([[2, -2, -1, -1, -1, 2, 3, 1, -2], [-2, -1, 0, 1, 0, -1, -2, 2, 2]], float).reshape(1, 2, 3, 3)
    (got,) = SubBit(1, 3 / 18).choose([latent], step=0)
    assert np.flatnonzero(got.bits).tolist() == [0, 5, 6]


@pytest.mark.parametrize("value", [0.1, 0.3, 0.7, 1 / 3, 0.5, -0.3, 0.0])
@pytest.mark.parametrize("density", [0.01, 0.05, 0.25, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_weights_get_no_more_ones_than_asked_for(value, density, dtype):
    """The sum of n equal weights less n times that weight may round to more than 0."""
    latent = np.full((8, 8, 3, 3), value, dtype)
    ones = int(SubBit(4, density).choose([latent], step=0)[0].bits.sum())
    k = max(1, round(density * latent.size))
    assert k - 9 < ones <= k


@pytest.mark.parametrize("value", [0.1, 0.3, 0.7, 1 / 3])
@pytest.mark.parametrize("k", [0, 1, 6, 35, 36])
def test_patterns_of_equal_weights_have_at_most_k_ones(value, k):
    got = patterns_of_k_ones(np.full((2, 2, 3, 3), value), np.array([0, 7, 63, 511]), k)
    assert k - 9 < got.bits.sum() <= k


@pytest.mark.parametrize("bits", [4, 5, 6])
@pytest.mark.parametrize("density", [0.22, 0.23, 0.25, 0.3, 0.4, 0.5])
def test_fresh_layers_of_resnet_20_reach_every_density_of_a_cubic(bits, density):
    """Where the most frequent patterns are small, one of nine ones is among them; the threshold stays near."""
    for shape in ((16, 16, 3, 3), (64, 32, 3, 3)):
        bound = 1 / np.sqrt(9 * shape[1])
        latent = np.random.default_rng(0).uniform(-bound, bound, shape).astype(np.float32)
        (got,) = SubBit(bits, density).choose([latent], step=0)
        k = round(density * latent.size)
        assert k - 9 < got.bits.sum() <= k and len(codes_of(got.bits)) <= 2**bits
        assert -2 * bound < got.threshold < bound


def test_a_pattern_of_nine_ones_joins_only_where_the_others_cannot_hold_k():
    latent = np.where(ops.pattern_bits(np.array([[3, 5, 6, 3], [3, 5, 6, 3]])), 1.0, -1.0)  # two ones each
    enough, short = (SubBit(2, density).choose([latent], step=0)[0].bits for density in (16 / 72, 25 / 72))
    assert codes_of(enough) == {3, 5, 6} and 511 in codes_of(short) and short.sum() > 25 - 9


def test_patterns_far_below_the_best_are_taken_if_k_asks_for_them():
    """Three weights of 0 for two of 10, in all kernels: the multiplier is below -20."""
    latent = np.zeros((100, 1, 3, 3))
    latent[:, 0, 0, :2] = 10
    patterns = np.array([0, 0b11, 0b11100])
    for k in (200, 201, 250, 300):
        got = patterns_of_k_ones(latent, patterns, k)
        assert got.bits.sum() == k and got.threshold == ops.select_top_k(latent, k).threshold
    most = patterns_of_k_ones(latent, patterns, 400)
    assert most.bits.sum() == 300 and most.threshold == ops.select_top_k(latent, 300).threshold


def test_where_small_patterns_hold_k_bits_and_threshold_are_the_multiplier_s():
    """The threshold tells the bits: every kernel has the pattern that is nearest to it at that threshold."""
    latent = drawn(0, (32, 16, 3, 3)) / 12
    for bits, density in ((4, 0.05), (5, 0.05), (6, 0.05), (5, 0.2)):
        (got,) = SubBit(bits, density).choose([latent], step=0)
        codes = np.array(sorted(codes_of(got.bits)))
        again = ops.pattern_bits(codes[ops.nearest_pattern(latent, codes, got.threshold)])
        assert np.count_nonzero(np.any(again != got.bits, axis=(2, 3))) <= 1 and got.threshold > latent.min()


def test_codes_survive_what_is_written_and_read():
    """The codebook is a function of the latent weights: no other state decides it."""
    latent = drawn(1, (16, 16, 3, 3))
    for strategy, twin in ((SubBit(5), SubBit(5)), (SubBit(5, 0.05), SubBit(5, 0.05))):
        first, again = strategy.choose([latent], step=0)[0], strategy.choose([latent], step=0)[0]
        strategy.choose([drawn(2)], step=3)
        other = twin.choose([latent.copy()], step=9)[0]
        assert np.array_equal(first.bits, again.bits) and np.array_equal(first.bits, other.bits)


def test_learning_brings_the_patterns_nearer():
    """Kernels that lie about 24 centres: the squared distance from their patterns falls with the first round."""
    for seed in range(5):
        centres = drawn(seed, (24, 1, 3, 3))
        latent = np.repeat(centres, 8, axis=1) + drawn(seed + 100, (24, 8, 3, 3))
        agreement = [
            float((np.where(SubBit(4, rounds=rounds).choose([latent], 0)[0].bits, 1, -1) * latent).sum())
            for rounds in (0, 1)
        ]
        assert agreement[1] > agreement[0]


def test_layers_of_other_kernels_keep_their_bits():
    latent = np.array([[0.5, -0.5], [1.0, -2.0]]).reshape(2, 2, 1, 1)
    assert SubBit(4).choose([latent], step=0)[0].bits.ravel().tolist() == [True, False, True, False]
    assert SubBit(4, 0.25).choose([latent], step=0)[0].bits.ravel().tolist() == [False, False, True, False]


def test_the_density_may_follow_a_schedule():
    latent = drawn(5, (32, 16, 3, 3))
    strategy = SubBit(5, Cubic(0.5, 0.05, 0, 10))
    densities = [strategy.choose([latent], step)[0].bits.mean() for step in (0, 5, 10, 20)]
    assert densities[0] == pytest.approx(0.5, abs=0.01) and densities[0] > densities[1] > densities[2]
    assert densities[2] == densities[3] == pytest.approx(0.05, abs=0.002)


def best_sum(latent, patterns, k):
    """The largest sum over the ones of any choice of patterns with k ones, by trying all."""
    bits = ops.pattern_bits(patterns).reshape(-1, 9)
    sums, ones = latent.reshape(-1, 9).astype(float) @ bits.T, bits.sum(axis=1)
    choices = itertools.product(range(len(patterns)), repeat=len(sums))
    return max(sum(sums[i, j] for i, j in enumerate(c)) for c in choices if sum(ones[j] for j in c) == k)


@given(SEEDS, st.integers(0, 36), st.booleans())
@example(0, 0, False)
def test_no_other_patterns_of_as_many_ones_have_a_larger_sum(seed, k, ties):
    """Lagrange: what the multiplier finds is the best of all with as many ones."""
    rng = np.random.default_rng(seed)
    latent = drawn(seed, (2, 2, 3, 3), ties)
    patterns = np.append(rng.permutation(np.arange(1, 512))[:4], 0)
    got = patterns_of_k_ones(latent, patterns, k)
    ones = int(got.bits.sum())
    event("k" if ones == k else "fewer")
    most = 4 * max(code.bit_count() for code in patterns.tolist())
    assert min(k, most) - 9 < ones <= k and codes_of(got.bits) <= set(patterns.tolist())
    assert float(latent.astype(float)[got.bits].sum()) >= best_sum(latent, patterns, ones) - 1e-6


def test_of_equally_good_kernels_the_first_take_what_is_left():
    latent = np.ones((5, 1, 3, 3))
    got = patterns_of_k_ones(latent, np.array([0, 7]), 10)
    assert got.bits.reshape(5, 9).sum(axis=1).tolist() == [3, 3, 3, 0, 0]


@pytest.mark.parametrize(
    "arguments", [{"bits": 0}, {"bits": 9}, {"bits": 4.0}, {"bits": 4, "density": 0}, {"bits": 4, "density": "x"},
                  {"bits": 4, "rounds": -1}]
)  # fmt: skip
def test_numbers_out_of_their_ranges_are_refused(arguments):
    with pytest.raises((TypeError, ValueError), match=r"SubBit: \w+ must be"):
        SubBit(**arguments)
