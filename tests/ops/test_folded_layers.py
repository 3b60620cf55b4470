import numpy as np
import pytest
from coding_cases import shifted
from hypothesis import event, given, settings
from hypothesis import strategies as st
from layer_strategies import SEEDS
from packed_cases import network_cases

from bbdg_ref.ops import folded_layers
from bbdg_ref.ops.folded_layers import LayerByLayer
from bbdg_ref.spec.evaluation import binary_layer, evaluate


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
