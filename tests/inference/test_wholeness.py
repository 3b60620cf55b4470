import re
from dataclasses import replace

import numpy as np
import pytest
from coding_cases import folded, shifted

from bbdg_ref.inference.wholeness import check_whole
from bbdg_ref.spec.evaluation import Pooled, RealLayer, StridePad

FIRST, SECOND = folded(), shifted()


def block(network, number, **changes):
    blocks = list(network.blocks)
    blocks[number] = replace(blocks[number], **changes)
    return replace(network, blocks=tuple(blocks))


def layer(network, number, **changes):
    layers = network.blocks[number].layers
    return block(network, number, layers=(replace(layers[0], **changes), *layers[1:]))


def test_whole_networks_pass():
    check_whole(FIRST)
    check_whole(SECOND)
    check_whole(replace(FIRST, blocks=()))
    check_whole(replace(FIRST, classifier=replace(FIRST.classifier, weight=np.ones((5, 48), np.float32))))


F = np.float32
POOL = SECOND.opening[0]
RELU = SECOND.blocks[0].activation
WRONG = [
    (replace(FIRST, stem=replace(FIRST.stem, bias=np.ones(3, F))), r"stem.bias of float32 \(3,\), not float32 \(4,\)"),
    (replace(FIRST, stem=replace(FIRST.stem, weight=np.ones((4, 3), F))), "stem.weight of shape"),
    (layer(FIRST, 0, scale=np.ones(4)), r"blocks\[0\].layers\[0\].scale of float64"),
    (layer(FIRST, 0, bits=np.ones((4, 4, 3, 3))), r"blocks\[0\].layers\[0\].bits of float64, not bool"),
    (layer(FIRST, 1, bits=np.ones((8, 5, 3, 3), bool)), r"blocks\[1\].layers\[0\].bits of shape"),
    (block(FIRST, 0, layers=()), r"blocks\[0\] without layers"),
    (replace(FIRST, classifier=replace(FIRST.classifier, weight=np.ones((5, 6), F))), "classifier.weight"),
    (replace(FIRST, classifier=replace(FIRST.classifier, weight=np.ones((5, 0), F))), "classifier.weight"),
    (replace(FIRST, classifier=replace(FIRST.classifier, bias=np.ones(4, F))), "classifier.weight"),
    (layer(SECOND, 0, threshold=np.ones(5, F)), r"blocks\[0\].layers\[0\].threshold of float32 \(5,\), not .* \(4,\)"),
    (replace(SECOND, opening=(replace(POOL, sign=np.ones(3, F)),)), "opening.sign"),
    (replace(SECOND, opening=(replace(POOL, padding=3),)), "opening of size 3, stride 2, padding 3"),
    (replace(SECOND, opening=(replace(POOL, stride=0),)), "opening of size 3, stride 0"),
    (block(SECOND, 0, activation=replace(RELU, slope=np.ones(4))), r"blocks\[0\].activation.slope of float64"),
    (block(SECOND, 1, shortcut=Pooled(2, 1)), r"blocks\[1\].shortcut that leads to 4 channels, not to 8"),
    (block(SECOND, 2, shortcut=Pooled(0, 1)), r"blocks\[2\].shortcut of windows of 0 and 1 copies"),
    (block(SECOND, 2, shortcut=Pooled(1.0, 1)), r"blocks\[2\].shortcut of windows of 1.0 and 1 copies"),
    (block(SECOND, 3, shortcut=Pooled(1, -1)), r"blocks\[3\].shortcut of windows of 1 and -1 copies"),
    (block(SECOND, 1, shortcut=Pooled(2, 1, FIRST.stem)), r"blocks\[1\].shortcut.layer.weight of shape"),
    (replace(SECOND, opening=(replace(POOL, size=0, padding=0),)), "opening of size 0, stride 2, padding 0"),
    (replace(SECOND, opening=(replace(POOL, padding=-1),)), "opening of size 3, stride 2, padding -1"),
    (replace(SECOND, opening=(replace(POOL, size=3.0),)), "opening of size 3.0, stride 2"),
    (block(FIRST, 1, shortcut=None), r"blocks\[1\].shortcut that leads to 4 channels, not to 8"),
    (block(FIRST, 1, shortcut=StridePad(4, 7, 2)), r"blocks\[1\].shortcut that leads to 7 channels, not to 8"),
    (
        block(FIRST, 1, shortcut=StridePad(3, 8, 2)),
        r"blocks\[1\].shortcut of StridePad\(in_channels=3, .* not Str.*\(4",
    ),
    (
        block(FIRST, 1, shortcut=StridePad(4, 8, 0)),
        r"blocks\[1\].shortcut of StridePad\(.*stride=0\), not .* from 1 on",
    ),
    (block(FIRST, 1, shortcut=FIRST.blocks[2].shortcut), r"blocks\[1\].shortcut.weight of shape"),
    (
        block(FIRST, 2, shortcut=RealLayer(np.ones((5, 8, 1, 1), F), np.ones(5, F), (2, 1), (0, 0))),
        r"to 5 .*, not to 4",
    ),
    *(
        (change(made), rf"{name}.{which} of {re.escape(repr(value))}, not two integers from {least} on")
        for which, least, values in (
            ("stride", 1, [0, 2, (0, 1), (1, -1), (1, 1, 1), (1.0, 1), (True, 1), [1, 1], None]),
            ("padding", 0, [1, (-1, 0), (0, -1), (1,), (0.0, 0), [0, 0]]),
        )
        for value in values
        for made in [{which: value}]
        for name, change in (
            ("stem", lambda made: replace(FIRST, stem=replace(FIRST.stem, **made))),
            (r"blocks\[0\].layers\[0\]", lambda made: layer(FIRST, 0, **made)),
            (
                r"blocks\[2\].shortcut",
                lambda made: block(FIRST, 2, shortcut=replace(FIRST.blocks[2].shortcut, **made)),
            ),
        )
    ),
]


@pytest.mark.parametrize(("network", "text"), WRONG, ids=range(len(WRONG)))
def test_parts_that_do_not_fit_are_named(network, text):
    with pytest.raises(ValueError, match=f"^PackedNetwork: folded must be a network whose parts fit.*{text}.*use fold"):
        check_whole(network)
