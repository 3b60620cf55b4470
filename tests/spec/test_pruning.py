import hypothesis.strategies as st
import layer_checks as checks
import numpy as np
from hypothesis import event, given
from layer_strategies import ANY_SHAPES, arrays

from bbdg_ref.spec.pruning import select_positive, select_top_k


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
