import numpy as np
import pytest
from coding_cases import shifted
from hypothesis import event, given, settings
from hypothesis import strategies as st
from layer_strategies import SEEDS
from packed_cases import network_cases

from bbdg_ref.ops import folded_layers
from bbdg_ref.ops.folded_layers import LayerByLayer
from bbdg_ref.spec.evaluation import MaxPool, Pooled, binary_layer, evaluate
from bbdg_ref.spec.evaluation import _max_pool as defined_max_pool
from bbdg_ref.spec.evaluation import _shortcut as defined_shortcut


def check(network, images: np.ndarray) -> None:
    want, run = evaluate(network, images), LayerByLayer(network)
    for _ in range(2):
        got = run(images)
        assert got.logits.dtype == np.float32 and np.array_equal(got.logits, want.logits)
        assert all(map(np.array_equal, got.bits, want.bits)) and len(got.bits) == len(want.bits)
        assert all(map(np.array_equal, got.features, want.features))


@settings(max_examples=max(1, settings().max_examples // 2))
@given(network_cases())
def test_networks_of_any_structure_equal_the_definition(case):
    event(f"images: {len(case.images)}")
    check(case.folded, case.images)


@given(SEEDS, st.integers(1, 5), st.sampled_from([1, 2, 9]))
def test_thresholds_poolings_and_rprelu_equal_the_definition(seed, width, batch):
    images = np.random.default_rng(seed).standard_normal((batch, 3, 16, 16)).astype(np.float32)
    check(shifted(seed, width), images)


@pytest.mark.parametrize(("cached", "full"), [(1, 1), (1, 64), (5000, 1), (1 << 20, 512)])
def test_the_cut_into_parts_changes_nothing(monkeypatch, cached, full):
    monkeypatch.setattr(folded_layers, "CACHED", cached)
    monkeypatch.setattr(folded_layers, "FULL", full)
    check(shifted(3, 5), np.random.default_rng(0).standard_normal((7, 3, 16, 16)).astype(np.float32))


@given(st.integers(1, 70), st.lists(st.tuples(st.integers(1, 600), *[st.integers(1, 60)] * 2), min_size=1))
def test_parts_are_the_batch_in_order(batch, maps):
    parts = [range(batch)[part] for part in folded_layers._parts(batch, maps)]
    assert [number for part in parts for number in part] == list(range(batch))
    assert all(len(part) == len(parts[0]) for part in parts[:-1]) and 0 < len(parts[-1]) <= len(parts[0])


@given(SEEDS, st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_poolings_equal_the_definition(seed, size, stride, padding, sides):
    rng, padding = np.random.default_rng(seed), min(padding, size - 1)
    x = rng.integers(-5, 5, (2, 3, *(max(side, size) for side in sides))).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = -np.inf
    x[rng.random(x.shape) < 0.02] = np.nan
    pools = (MaxPool(size, stride, padding, rng.choice([-1, 1], 3).astype(np.float32)),) * int(rng.integers(3) > 0)
    assert np.array_equal(folded_layers._max_pool(x, pools), defined_max_pool(x, pools), equal_nan=True)


@given(SEEDS, st.integers(1, 4), st.integers(1, 3), st.tuples(st.integers(4, 9), st.integers(4, 9)))
def test_means_and_their_copies_equal_the_definition(seed, size, copies, sides):
    x = np.random.default_rng(seed).standard_normal((2, 3, *sides)).astype(np.float32)
    got = LayerByLayer(shifted())._shortcut(x, Pooled(size, copies), x)
    assert got.dtype == np.float32 and np.array_equal(got, defined_shortcut(x, Pooled(size, copies)))


def test_slopes_that_are_not_finite_equal_the_definition():
    network = shifted()
    for block in network.blocks[:-1]:
        block.activation.slope[:] = np.resize(
            np.array([np.inf, -np.inf, np.nan, 0], np.float32), len(block.activation.slope)
        )
    images = np.random.default_rng(0).standard_normal((2, 3, 16, 16)).astype(np.float32)
    with np.errstate(invalid="ignore"):
        want, got = evaluate(network, images), LayerByLayer(network)(images)
    assert np.array_equal(got.logits, want.logits, equal_nan=True)
    pairs = zip(got.features, want.features, strict=True)
    assert all(np.array_equal(first, second, equal_nan=True) for first, second in pairs)


def test_filters_with_more_bits_than_the_kernels_count_equal_the_definition():
    rng = np.random.default_rng(0)
    bits = rng.random((2, 4100, 3, 3)) < 0.5
    layer = folded_layers.BinaryLayer(bits, *rng.standard_normal((3, 2)).astype(np.float32), (1, 1), (1, 1))
    u = rng.random((1, 4100, 2, 2)) < 0.5
    run = LayerByLayer(shifted())
    assert np.array_equal(run._binary(u, layer), binary_layer(u, layer)) and not run._packed


def test_a_layer_is_packed_once(monkeypatch):
    network, made = shifted(), []
    packed = folded_layers.PackedWeights
    monkeypatch.setattr(folded_layers, "PackedWeights", lambda *given: made.append(given) or packed(*given))
    run, images = LayerByLayer(network), np.zeros((1, 3, 16, 16), np.float32)
    run(images), run(np.zeros((2, 3, 16, 16), np.float32))
    kernels = folded_layers.packed_kernels_take(4, (3, 3))  # not without the JIT
    assert len(made) == (5 if kernels else 0)


@pytest.mark.parametrize("jit", [True, False])
def test_without_the_jit_the_definition_serves(monkeypatch, jit):
    if not jit:
        monkeypatch.setattr("bbdg_ref.kernels.compiled.jit_is_on", lambda: False)
    check(shifted(), np.random.default_rng(0).standard_normal((2, 3, 16, 16)).astype(np.float32))
