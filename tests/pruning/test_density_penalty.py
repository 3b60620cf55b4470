import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from training_checks import check_penalty

from bbdg_ref import ops
from bbdg_ref.pruning import PAPER_GAMMA_CIFAR10, DensityPenalty, EntropyPenalty
from bbdg_ref.spec.pruning import Selection

LAYER = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))  # (ones, weights)
LAYERS = st.lists(LAYER, min_size=1, max_size=4)
LIMITS = st.sampled_from([*PAPER_GAMMA_CIFAR10, 0.9])
GAMMAS = st.sampled_from([0.0, 0.02, 0.07, 0.5, 0.99])


@given(sizes=LAYERS, limit=LIMITS, gamma=GAMMAS, loss=st.floats(1e-3, 10), slope=st.sampled_from([0.5, 1.0]))
def test_value_and_push_are_the_formulas_over_all_layers_together(sizes, limit, gamma, loss, slope):
    excess = sum(a for a, _ in sizes) / sum(n for _, n in sizes) - limit
    event("off" if limit == 0.5 else "below the limit" if excess <= 0 else "acts")
    if abs(excess - 1e-4) > 1e-12:  # at the edge of the dead zone the rounding decides
        check_penalty(DensityPenalty, sizes, limit, gamma, loss, slope)


@pytest.mark.parametrize(("ones", "acts"), [(1000, False), (1001, False), (1002, True), (900, False)])
def test_the_dead_zone_ends_one_ten_thousandth_above_the_limit(ones, acts):
    strategy = DensityPenalty(limit=0.1, gamma=0.5)
    selections = strategy.choose([np.arange(10_000.0)[::-1] - (9_999 - ones)], step=0)
    assert selections[0].bits.sum() == ones
    penalty = strategy.penalty(selections, loss=2.0)
    assert (penalty.value > 0) == acts and (penalty.push > 0) == acts
    if acts:
        assert np.isclose(penalty.value, 2.0, rtol=1e-12)  # gamma = 1/2: as large as the loss, whatever the excess


def test_a_limit_of_one_half_switches_it_off():
    strategy = DensityPenalty(limit=0.5, gamma=0.5)
    penalty = strategy.penalty(strategy.choose([np.ones(10)], step=0), loss=1.0)
    assert (penalty.value, penalty.push) == (0.0, 0.0)


@pytest.mark.parametrize("kind", [DensityPenalty, EntropyPenalty])
def test_no_layers_add_nothing(kind):
    penalty = kind(0.1, 0.5).penalty(kind(0.1, 0.5).choose([], step=0), loss=2.0)
    assert (penalty.value, penalty.push) == (0.0, 0.0)


@given(sizes=LAYERS, limit=st.sampled_from([0.01, 0.1, 0.4]), gamma=GAMMAS)
def test_the_entropy_has_the_value_of_the_density_and_its_push_times_the_factor(sizes, limit, gamma):
    selections = [Selection(np.arange(n) < ones, 0.0) for ones, n in sizes]
    plain, other = (kind(limit, gamma).penalty(selections, 2.0) for kind in (DensityPenalty, EntropyPenalty))
    density = sum(a for a, _ in sizes) / sum(n for _, n in sizes)
    zeros = sum(n - a for a, n in sizes) / sum(n for _, n in sizes)
    event("met by ones" if zeros <= limit else "acts" if plain.push > 0 else "does not")
    assert other.value == (0 if zeros <= limit else plain.value)
    assert other.push == (plain.push * ops.entropy_factor(density, limit) if plain.push > 0 else 0)


@pytest.mark.parametrize(("ones", "value"), [(500, 2.0), (899, 2.0), (900, 0.0), (901, 0.0), (1000, 0.0)])
def test_bits_that_are_nearly_all_ones_meet_the_bound_of_the_entropy(ones, value):
    """H(p) = H(1 - p): the bound holds from p = 1 - EC on, and that of the density does not."""
    selections = [Selection(np.arange(1000) < ones, 0.0)]
    penalty = EntropyPenalty(0.1, 0.5).penalty(selections, 2.0)
    assert (penalty.value, penalty.push) == (pytest.approx(value, rel=1e-12), 0)
    assert DensityPenalty(0.1, 0.5).penalty(selections, 2.0).value == pytest.approx(2.0, rel=1e-12)


def test_a_limit_one_rounding_below_the_density_has_the_push_of_the_density():
    """Both entropies round to one number there."""
    selections, limit = [Selection(np.arange(299) < 149, 0.0)], 0.49832775919732436
    assert limit == np.nextafter(149 / 299, 0)
    plain, other = (
        kind(limit, 0.5, dead_zone=0.0).penalty(selections, 2.0) for kind in (DensityPenalty, EntropyPenalty)
    )
    assert plain.push > 0 and other.push == pytest.approx(plain.push, rel=1e-12)


def test_bits_are_the_positive_latents():
    latents = [np.array([[0.5, -0.5], [0.0, -0.0]]), np.array([1e-45], np.float32)]
    selections = DensityPenalty(0.1, 0.1).choose(latents, step=3)
    assert [s.bits.tolist() for s in selections] == [[[True, False], [False, False]], [True]]
    assert [s.threshold for s in selections] == [0.0, 0.0]


def test_the_papers_pairs():
    assert PAPER_GAMMA_CIFAR10 == {
        0.5: 0, 0.25: 0.02, 0.1: 0.04, 0.05: 0.07, 0.04: 0.07, 0.03: 0.08, 0.02: 0.08, 0.01: 0.1
    }  # fmt: skip


@pytest.mark.parametrize(
    ("argument", "value"),
    [("limit", 0.0), ("limit", 1.0), ("limit", -0.1), ("limit", float("nan")), ("limit", "0.1"),
     ("gamma", 1.0), ("gamma", -0.01), ("gamma", float("inf")), ("gamma", None),
     ("slope", 0.0), ("slope", -0.5), ("slope", float("nan")),
     ("dead_zone", -1e-9), ("dead_zone", 1.0), ("dead_zone", float("nan"))],
)  # fmt: skip
def test_a_number_out_of_its_range_is_refused_by_name(argument, value):
    arguments = {"limit": 0.1, "gamma": 0.1} | {argument: value}
    with pytest.raises((ValueError, TypeError), match=f"DensityPenalty: {argument} must be"):
        DensityPenalty(**arguments)
