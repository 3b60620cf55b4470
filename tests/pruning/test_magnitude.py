import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracles.pruning import top_k
from training_checks import check_top_k

from bbdg_ref import ops
from bbdg_ref.pruning import GlobalTopK, TopK

# halves from -2 to 2: many ties; widths round a word; and any finite numbers
TIED = hnp.arrays(np.float32, st.sampled_from([(1,), (2, 1, 3, 3), (63,), (64,), (65,)]), elements=st.sampled_from(
    [-2.0, -1.5, -0.5, -0.0, 0.0, 0.5, 1.5, 2.0]))  # fmt: skip
ANY = hnp.arrays(np.float64, hnp.array_shapes(max_dims=4, max_side=5), elements=st.floats(-1e9, 1e9))
DENSITIES = st.sampled_from([1e-6, 0.01, 0.05, 0.25, 0.5, 0.75, 0.999, 1.0]) | st.floats(1e-9, 1)


@given(density=DENSITIES, latents=st.lists(TIED | ANY, min_size=1, max_size=3))
def test_every_layer_gets_its_largest_latents(density, latents):
    event(f"{len(latents)} layers")
    check_top_k(TopK, density, latents)


def test_a_layer_keeps_at_least_one_weight():
    bits = TopK(0.001).choose([np.array([-3.0, -2.0, -2.0])], step=0)[0].bits
    assert bits.tolist() == [False, True, False]


@given(density=DENSITIES, latents=st.lists(TIED | ANY, min_size=1, max_size=4))
def test_the_largest_of_all_layers_together(density, latents):
    """k = round(density n) ones in all, at least one; ties to the earlier layer, then the lower index."""
    selections = GlobalTopK(density).choose(latents, step=0)
    together = [value for latent in latents for value in latent.ravel().tolist()]
    k = max(1, round(density * len(together)))
    bits, threshold = top_k(together, k)
    empty = sum(not s.bits.any() for s in selections)
    event(f"{len(latents)} layers, {empty} without a one")
    assert [bit for s in selections for bit in s.bits.ravel().tolist()] == bits
    assert sum(int(s.bits.sum()) for s in selections) == k
    assert [(s.bits.shape, s.bits.dtype) for s in selections] == [(latent.shape, bool) for latent in latents]
    assert len({s.threshold for s in selections}) == 1
    assert abs(selections[0].threshold - threshold) <= np.finfo(float).eps * max(map(abs, together))


@given(density=DENSITIES, latents=st.lists(TIED, min_size=1, max_size=4))
def test_over_all_layers_it_is_top_k_of_the_concatenation(density, latents):
    flat = np.concatenate([latent.ravel() for latent in latents])
    wanted = ops.select_top_k(flat, max(1, round(density * flat.size)))
    selections = GlobalTopK(density).choose(latents, step=0)
    assert np.array_equal(np.concatenate([s.bits.ravel() for s in selections]), wanted.bits)
    assert {s.threshold for s in selections} == {wanted.threshold}


@given(density=DENSITIES, latent=TIED | ANY)
def test_of_one_layer_both_choose_the_same(density, latent):
    (one,), (other,) = (kind(density).choose([latent], step=0) for kind in (TopK, GlobalTopK))
    assert np.array_equal(one.bits, other.bits) and one.threshold == other.threshold


def test_over_all_layers_a_layer_of_small_latents_may_get_no_one_and_ties_go_to_the_first():
    large, small = np.array([0.5, -0.5, 0.75, 0.25]), np.array([[0.1, -0.1], [0.2, 0.0]])
    first, second = GlobalTopK(0.25).choose([large, small], step=0)
    assert first.bits.tolist() == [True, False, True, False] and not second.bits.any()
    assert first.threshold == second.threshold == 0.375
    tied = [np.zeros(2), np.zeros((1, 2))]
    assert [s.bits.ravel().tolist() for s in GlobalTopK(0.75).choose(tied, step=0)] == [[True, True], [True, False]]


def test_over_all_layers_at_least_one_weight_is_kept():
    selections = GlobalTopK(0.001).choose([np.array([-3.0]), np.array([-2.0, -2.0])], step=0)
    assert [s.bits.tolist() for s in selections] == [[False], [True, False]]


@pytest.mark.parametrize("kind", [TopK, GlobalTopK])
def test_no_layers_have_no_selections(kind):
    assert kind(0.1).choose([], step=0) == []


@pytest.mark.parametrize("kind", [TopK, GlobalTopK])
def test_nothing_is_added_to_the_loss(kind):
    penalty = kind(0.1).penalty([], loss=3.0)
    assert (penalty.value, penalty.push) == (0.0, 0.0)


@pytest.mark.parametrize("kind", [TopK, GlobalTopK])
@pytest.mark.parametrize("density", [0.0, -0.1, 1.0000001, float("nan"), float("inf"), "0.1", None, True])
def test_a_density_that_is_no_fraction_is_refused(kind, density):
    with pytest.raises((ValueError, TypeError), match=f"{kind.__name__}: density must be"):
        kind(density)
