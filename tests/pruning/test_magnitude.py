import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from training_checks import check_top_k

from bbdg_ref.pruning import TopK

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


def test_nothing_is_added_to_the_loss():
    penalty = TopK(0.1).penalty([], loss=3.0)
    assert (penalty.value, penalty.push) == (0.0, 0.0)


@pytest.mark.parametrize("density", [0.0, -0.1, 1.0000001, float("nan"), float("inf"), "0.1", None, True])
def test_a_density_that_is_no_fraction_is_refused(density):
    with pytest.raises((ValueError, TypeError), match="TopK: density must be"):
        TopK(density)
