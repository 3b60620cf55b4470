import hypothesis.strategies as st
import layer_checks as checks
import numpy as np
import pytest
from hypothesis import event, given
from layer_strategies import ANY_SHAPES, arrays

from bbdg_ref import ops
from bbdg_ref.spec import pruning as spec


def same_selection(latent: np.ndarray, k: int) -> None:
    got, defined = ops.select_top_k(latent, k), spec.select_top_k(latent, k)
    assert np.array_equal(got.bits, defined.bits)
    assert got.threshold == defined.threshold


@given(arrays(ANY_SHAPES), st.data())
def test_top_k_equals_the_definition(latent, data):
    k = data.draw(st.integers(0, latent.size))
    ranked = np.sort(latent, axis=None)[::-1]
    tie = 0 < k < latent.size and ranked[k - 1] == ranked[k]
    event("none" if k == 0 else "all" if k == latent.size else "a tie is split" if tie else "separated")
    same_selection(latent, k)
    checks.check_select_top_k(ops.select_top_k, latent, k)


@given(st.lists(st.sampled_from([-1.0, -0.0, 0.0, 1.0]), min_size=1, max_size=80), st.data())
def test_many_equal_weights(values, data):
    same_selection(np.array(values, np.float32), data.draw(st.integers(0, len(values))))


@pytest.mark.parametrize("k", [0, 1, 117_964, 2_359_295, 2_359_296])
def test_a_large_layer(k):
    same_selection(np.random.default_rng(0).standard_normal((512, 512, 3, 3)).astype(np.float32), k)


KERNELS = st.tuples(st.integers(1, 5), st.integers(1, 20), st.integers(1, 3), st.integers(1, 3))


@given(arrays(KERNELS), st.data())
def test_n_of_m_equals_the_definition(latent, data):
    m = data.draw(st.integers(1, 24))
    n = data.draw(st.integers(1, m))
    event("one group" if m >= latent.shape[1] else "a last group of fewer" if latent.shape[1] % m else "whole groups")
    got, defined = ops.select_n_m(latent, n, m), spec.select_n_m(latent, n, m)
    assert np.array_equal(got.bits, defined.bits) and got.bits.dtype == bool
    assert got.threshold == defined.threshold


@given(arrays(KERNELS), st.data())
def test_kernels_and_filters_equal_the_definition(latent, data):
    for name, blocks in (("select_kernels", latent.shape[0] * latent.shape[1]), ("select_filters", latent.shape[0])):
        k = data.draw(st.integers(0, blocks))
        got, defined = getattr(ops, name)(latent, k), getattr(spec, name)(latent, k)
        assert np.array_equal(got.bits, defined.bits)
        assert got.threshold == defined.threshold
