from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from coding_cases import folded, shifted
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_strategies import SEEDS
from packed_cases import network_cases

from bbdg_ref.ops.folded_shapes import all_clipped, folded_shapes
from bbdg_ref.spec import evaluation
from bbdg_ref.spec.evaluation import BinaryLayer, FoldedNetwork, MaxPool, Pooled, binary_layer


def check(network: FoldedNetwork, images: np.ndarray) -> None:
    layers: list[tuple[int, ...]] = []

    def recorded(u: np.ndarray, layer: BinaryLayer) -> np.ndarray:
        y = binary_layer(u, layer)
        layers.append(y.shape[1:])
        return y

    with mock.patch.object(evaluation, "binary_layer", recorded):
        shapes, result = folded_shapes(network, images.shape[1:]), evaluation.evaluate(network, images)
    assert list(shapes.layers) == layers
    assert list(shapes.features) == [feature.shape[1:] for feature in result.features]


@settings(max_examples=max(1, settings().max_examples // 2))
@given(network_cases())
def test_shapes_are_those_of_the_maps(case):
    check(case.folded, case.images[:1])


@given(SEEDS, st.integers(1, 3))
def test_shapes_are_those_of_the_maps_with_poolings_and_copies(seed, width):
    images = np.random.default_rng(seed).standard_normal((1, 3, 16, 16)).astype(np.float32)
    check(shifted(seed, width), images)


def test_a_resnet_is_clipped_and_nothing_else():
    network = folded()
    assert all_clipped(network) and all_clipped(replace(network, blocks=(), classifier=replace(network.classifier)))
    block = network.blocks[0]
    sign = np.ones(4, np.float32)
    for other in (
        replace(block, shortcut=Pooled(1, 1)),
        replace(block, pool=(MaxPool(1, 1, 0, sign),)),
        replace(block, activation=shifted().blocks[0].activation),
        replace(block, layers=(replace(block.layers[0], threshold=sign), block.layers[1])),
    ):
        assert not all_clipped(replace(network, blocks=(other, *network.blocks[1:])))
    assert not all_clipped(replace(network, opening=()))
    flat = replace(network.classifier, weight=np.tile(network.classifier.weight, (1, 12)))
    assert not all_clipped(replace(network, classifier=flat))


@pytest.mark.parametrize(
    ("network", "shape", "text"),
    [
        (shifted(), (3, 14, 14), r"the shortcut of block 2 leads to maps \(8, 3, 3\), its layers to \(8, 4, 4\)"),
        (shifted(), (3, 4, 4), r"the shortcut of block 3 reads maps of 1 x 1 pixels: its windows do not fit them"),
        (shifted(), (3, 8, 8), "a pooling reads maps of 1 x 1 pixels"),
        (replace(shifted(), classifier=replace(shifted().classifier, weight=np.zeros((5, 16), np.float32))),
         (3, 16, 16), r"the classifier reads 16 numbers; the last maps are \(4, 1, 1\)"),
    ],
)  # fmt: skip
def test_maps_that_do_not_fit_are_named(network, shape, text):
    with pytest.raises(ValueError, match=text):
        folded_shapes(network, shape)
