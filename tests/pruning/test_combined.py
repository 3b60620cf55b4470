from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bbdg_ref import ops
from bbdg_ref.pruning import (
    DensityPenalty,
    EntropyPenalty,
    Filters,
    GlobalTopK,
    Kernels,
    NofM,
    RandomBits,
    SignOfLatent,
    SubBit,
    TopK,
    Within,
    WithPenalty,
)
from bbdg_ref.pruning.protocol import NoPenalty
from bbdg_ref.spec.pruning import Selection

MASKS = [Filters(0.5), Kernels(0.3), NofM(2, 4), RandomBits(0.4, 0)]
CHOICES = [SignOfLatent(), TopK(0.05), TopK(0.9), GlobalTopK(0.1), NofM(1, 4), Kernels(0.2), SubBit(4), SubBit(4, 0.05)]


def latents(seed, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in ((8, 4, 3, 3), (16, 8, 3, 3), (4, 16, 1, 1))]


@given(
    st.sampled_from(MASKS), st.sampled_from(CHOICES), st.integers(0, 2**32), st.sampled_from([np.float32, np.float64])
)
def test_the_ones_lie_within_the_mask(mask, choice, seed, dtype):
    event(f"{type(mask).__name__}, {type(choice).__name__}")
    layers = latents(seed, dtype)
    before = [layer.copy() for layer in layers]
    got = Within(mask, choice).choose(layers, step=0)
    for layer, copy, inside, found in zip(layers, before, mask.choose(layers, 0), got, strict=True):
        assert found.bits.shape == layer.shape and not np.any(found.bits & ~inside.bits)
        assert np.isfinite(found.threshold) and np.array_equal(layer, copy)


@given(st.sampled_from(MASKS), st.integers(0, 2**32), st.booleans())
def test_top_k_within_a_mask_has_its_density_and_the_largest_inside(mask, seed, ties):
    layers = [np.round(layer) if ties else layer for layer in latents(seed)]
    for layer, inside, found in zip(
        layers, mask.choose(layers, 0), Within(mask, TopK(0.1)).choose(layers, 0), strict=True
    ):
        k = max(1, round(0.1 * layer.size))
        assert found.bits.sum() == k
        assert np.array_equal(np.sort(layer[found.bits]), np.sort(layer[inside.bits])[-k:])


def test_what_the_mask_cannot_hold_is_left_out():
    latent = np.arange(16.0).reshape(4, 4, 1, 1)
    (found,) = Within(Filters(0.25), TopK(0.75)).choose([latent], step=0)
    assert found.bits.sum() == 4 and found.bits[3].all()


@pytest.mark.parametrize("mask", [Filters(0.5), Kernels(0.5), RandomBits(0.5, 0), TopK(0.5)])
def test_what_ranks_single_weights_has_its_density_within_any_mask(mask):
    layers = latents(1)
    whole, n = Within(mask, GlobalTopK(0.1)).choose(layers, 0), sum(layer.size for layer in layers)
    assert sum(int(found.bits.sum()) for found in whole) == round(0.1 * n)
    for layer, found in zip(layers, Within(mask, TopK(0.1)).choose(layers, 0), strict=True):
        assert found.bits.sum() == round(0.1 * layer.size)


@pytest.mark.parametrize("choice", [SignOfLatent(), DensityPenalty(0.1, 0.1)])
@pytest.mark.parametrize("shift", [-5, 0, 5])
def test_positive_weights_within_a_mask_are_all_of_them(choice, shift):
    layers = [layer + np.float32(shift) for layer in latents(1)]
    for layer, found in zip(layers, Within(Filters(0.5), choice).choose(layers, 0), strict=True):
        (mask,) = Filters(0.5).choose([layer], 0)
        assert np.array_equal(found.bits, (layer > 0) & mask.bits)


def test_what_chooses_at_random_or_by_groups_loses_what_falls_outside_the_mask():
    layer = np.random.default_rng(0).standard_normal((64, 32, 3, 3))
    n = layer.size

    def density(mask, choice) -> float:
        return Within(mask, choice).choose([layer], 0)[0].bits.sum() / n

    alone = RandomBits(0.1, 0).choose([layer], 0)[0].bits
    (mask,) = Filters(0.5).choose([layer], 0)
    assert density(Filters(0.5), RandomBits(0.1, 0)) == (alone & mask.bits).sum() / n == pytest.approx(0.05, abs=0.005)
    assert density(Filters(0.5), NofM(1, 4)) == 0.125
    for groups in (Filters(0.2), Kernels(0.2)):
        (within,) = Within(TopK(0.1), groups).choose([layer], 0)
        (ones,) = TopK(0.1).choose([layer], 0)
        filled = np.where(ones.bits, layer, np.nextafter(layer.min(), -np.inf))
        assert np.array_equal(within.bits, groups.choose([filled], 0)[0].bits & ones.bits)
        assert 0.02 < within.bits.mean() < 0.06
    assert 0 < density(TopK(0.1), SubBit(2, 0.05)) < 0.04


def test_the_sign_within_a_mask():
    latent = np.array([[3.0, -1.0], [-5.0, 1.0]]).reshape(2, 2, 1, 1)
    (found,) = Within(Filters(0.5), SignOfLatent()).choose([latent], step=0)
    assert found.bits[:, :, 0, 0].tolist() == [[True, False], [False, False]] and found.threshold == 0


def test_patterns_within_kernels_stay_patterns():
    layer = latents(0)[1]
    (found,) = Within(Kernels(0.4), SubBit(4, 0.1)).choose([layer], step=0)
    assert len(np.unique(found.bits.reshape(-1, 9), axis=0)) <= 17


def test_penalties_add_up():
    selections = SignOfLatent().choose([np.ones(10)], step=0)
    penalty = DensityPenalty(0.1, 0.5)
    single, both = penalty.penalty(selections, 2.0), Within(penalty, penalty).penalty(selections, 2.0)
    assert (both.value, both.push) == (2 * single.value, 2 * single.push) and single.push > 0


def test_a_choice_with_a_penalty_is_the_one_and_the_other():
    choice, penalty, layers = SubBit(4), DensityPenalty(0.05, 0.07), latents(3)
    both = WithPenalty(choice, penalty)
    selections = both.choose(layers, step=0)
    for mine, wanted in zip(selections, choice.choose(layers, 0), strict=True):
        assert np.array_equal(mine.bits, wanted.bits) and mine.threshold == wanted.threshold
    assert both.penalty(selections, 2.0) == penalty.penalty(selections, 2.0)
    assert both.penalty(selections, 2.0).value == pytest.approx(2.0 * 0.07 / 0.93)


def test_the_penalty_of_the_choice_counts_too():
    first, second = DensityPenalty(0.1, 0.5), EntropyPenalty(0.05, 0.2)
    selections = SignOfLatent().choose(latents(4)[:2], step=0)
    one, other = first.penalty(selections, 2.0), second.penalty(selections, 2.0)
    assert one.push > 0 and other.value > 0
    for strategy, wanted in (
        (WithPenalty(first, SignOfLatent()), one),
        (WithPenalty(first, second), one + other),
        (WithPenalty(WithPenalty(TopK(0.5), first), second), one + other),
        (Within(WithPenalty(TopK(0.5), first), second), one + other),
    ):
        assert strategy.penalty(selections, 2.0) == wanted
    assert (one + other).value == one.value + other.value and (one + other).push == one.push + other.push


@pytest.mark.parametrize("mask", [Filters(0.05), Filters(0.5), Kernels(0.05), RandomBits(0.05, 1)])
@pytest.mark.parametrize("density", [0.01, 0.05, 0.1, 0.9])
@pytest.mark.parametrize("shift", [-5, 0, 5])
def test_the_threshold_is_not_made_of_the_filler(mask, density, shift):
    layers = [layer + np.float32(shift) for layer in latents(0)]
    found = Within(mask, TopK(density)).choose(layers, step=0)
    for layer, inside, chosen in zip(layers, mask.choose(layers, 0), found, strict=True):
        k, room = max(1, round(density * layer.size)), int(inside.bits.sum())
        if k >= room:  # all of the mask is taken
            assert np.array_equal(chosen.bits, inside.bits)
            assert chosen.threshold == ops.select_top_k(layer, room).threshold
        else:  # between two weights within the mask
            assert chosen.threshold == ops.select_top_k(layer[inside.bits], k).threshold


@dataclass(frozen=True, eq=False)
class Fixed(NoPenalty):
    """A mask that is given."""

    bits: np.ndarray

    def choose(self, latents, step):
        return [Selection(self.bits, 0.0)]


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=9),
    st.integers(1, 9), st.sampled_from([0.5, 1, 1e-30]), st.sampled_from([np.float32, np.float64]),
)  # fmt: skip
def test_the_least_weight_of_the_layer_within_the_mask_is_a_weight_as_others(pairs, k, scale, dtype):
    latent, mask = (np.array(part) for part in zip(*pairs, strict=True))
    latent, k = (latent * scale).astype(dtype), min(k, len(latent))
    (got,) = Within(Fixed(mask.reshape(1, -1)), TopK(k / len(latent))).choose([latent.reshape(1, -1)], step=0)
    event(f"ones within the mask {'<=>'[1 + int(np.sign(mask.sum() - k))]} k")
    meant = ops.select_top_k(latent[mask], k) if k < mask.sum() else ops.select_top_k(latent, int(mask.sum()))
    assert got.threshold == meant.threshold and got.bits.sum() == min(k, mask.sum())
    assert np.array_equal(got.bits[0, mask], meant.bits if k < mask.sum() else mask[mask])


def test_a_full_mask_has_the_threshold_of_the_mask():
    layer = [latents(0)[1]]
    for density in (0.0625, 0.1):
        (got,) = Within(Filters(0.05), TopK(density)).choose(layer, step=0)
        (mask,) = Filters(0.05).choose(layer, step=0)
        assert np.array_equal(got.bits, mask.bits) and got.threshold == mask.threshold > layer[0].min()


def test_a_threshold_of_zero_stays_where_all_within_the_mask_is_positive():
    layers = [layer + np.float32(9) for layer in latents(0)]
    for choice in (SignOfLatent(), SubBit(4), RandomBits(0.5, 0)):
        assert [found.threshold for found in Within(Filters(0.5), choice).choose(layers, 0)] == [0, 0, 0]


def test_the_filler_lies_below_the_weights_of_all_layers():
    """A layer of small weights: its filler must not come before the large negative ones of another."""
    large, small = np.linspace(-90.0, -1, 16).reshape(4, 4, 1, 1), np.linspace(-0.5, 0, 16).reshape(4, 4, 1, 1)
    found = Within(Filters(0.5), GlobalTopK(12 / 32)).choose([large, small], step=0)
    assert [int(layer.bits.sum()) for layer in found] == [4, 8]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])  # of which float64 holds the sums
def test_weights_at_the_end_of_their_range_are_taken(dtype):
    most = np.finfo(dtype).max
    layer = (np.linspace(-1, 1, 16) * most).astype(dtype).reshape(4, 4, 1, 1)
    (found,) = Within(Filters(0.25), SignOfLatent()).choose([layer], step=0)
    assert found.bits.sum() == 4 and found.threshold == 0


def test_no_layers_have_no_selections():
    assert Within(Filters(0.5), TopK(0.1)).choose([], step=0) == []


@pytest.mark.parametrize("strange", [0.1, TopK, None, "topk"])
def test_what_is_no_strategy_is_refused(strange):
    for name, arguments in (("mask", (strange, TopK(0.1))), ("choice", (TopK(0.1), strange))):
        with pytest.raises(TypeError, match=f"Within: {name} must be a strategy"):
            Within(*arguments)
    for name, arguments in (("choice", (strange, TopK(0.1))), ("penalising", (TopK(0.1), strange))):
        with pytest.raises(TypeError, match=f"WithPenalty: {name} must be a strategy"):
            WithPenalty(*arguments)
