import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from layer_strategies import KINDS, SEEDS, fill

from bbdg_ref.ops import folded_real
from bbdg_ref.ops.folded_real import RealWeights, packed_classify, packed_real_layer
from bbdg_ref.spec.evaluation import Classifier, RealLayer, classify, real_layer

BATCHES = st.sampled_from([1, 2, 3, 16, 33])
WIDTHS = st.sampled_from([1, 2, 3, 8, 15, 16, 17, 33])


def same(got: np.ndarray, want: np.ndarray) -> None:
    assert got.dtype == np.float32 and got.shape == want.shape and got.flags.c_contiguous
    assert np.array_equal(got, want, equal_nan=True)


@st.composite
def real_cases(draw) -> tuple[np.ndarray, RealLayer]:
    kernel = draw(st.sampled_from([(1, 1), (3, 3), (1, 2), (5, 3), (2, 7)]))
    stride = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 2), (2, 1), (3, 3), (1, 4)]))
    padding = draw(st.sampled_from([(0, 0), (0, 0), (1, 1), (0, 2), (3, 0)]))
    sides = st.sampled_from([4, 8, 16, 32]) | st.integers(1, 17)
    size = [max(draw(sides), k - 2 * p) for k, p in zip(kernel, padding, strict=True)]
    if draw(st.booleans()):  # output rows of whole runs, whose last window ends where the map does
        size = [(draw(st.sampled_from([4, 8, 16])) - 1) * s + k for s, k in zip(stride, kernel, strict=True)]
        padding = 0, 0
    channels, outputs, rng = draw(st.integers(1, 5)), draw(WIDTHS), np.random.default_rng(draw(SEEDS))
    x = fill((draw(BATCHES), channels, *size), np.float32, draw(KINDS), rng)
    weight = fill((outputs, channels, *kernel), np.float32, draw(KINDS), rng)
    return x, RealLayer(weight, fill((outputs,), np.float32, draw(KINDS), rng), stride, padding)


@given(real_cases(), st.booleans())
def test_real_layers_of_any_shape_equal_the_definition(case, frozen):
    x, layer = case
    x.flags.writeable = not frozen
    want = real_layer(x, layer)
    event("whole pieces" if want[0, 0].size % 16 == 0 else "images taken as one")
    same(packed_real_layer(x, RealWeights.of(layer)), want)


def test_what_is_not_finite_equals_the_definition():
    rng = np.random.default_rng(0)
    x = rng.choice(np.array([0, 1, -2, np.inf, -np.inf, np.nan], np.float32), (3, 2, 6, 8))
    layer = RealLayer(
        *(rng.standard_normal(shape).astype(np.float32) for shape in [(3, 2, 3, 3), (3,)]), (2, 2), (1, 1)
    )
    with np.errstate(invalid="ignore"):
        same(packed_real_layer(x, RealWeights.of(layer)), real_layer(x, layer))


@given(SEEDS, BATCHES, WIDTHS, st.integers(1, 5), st.integers(1, 5), WIDTHS, st.booleans(), KINDS)
def test_classifiers_equal_the_definition(seed, batch, channels, height, width, classes, every_pixel, kind):
    rng = np.random.default_rng(seed)
    columns = channels * height * width if every_pixel else channels
    head = Classifier(fill((classes, columns), np.float32, kind, rng), fill((classes,), np.float32, kind, rng))
    x = fill((batch, channels, height, width), np.float32, kind, rng)
    same(packed_classify(x, RealWeights.of_classifier(head)), classify(x, head))


def test_without_the_jit_the_definition_serves(monkeypatch):
    monkeypatch.setattr("bbdg_ref.kernels.compiled.jit_is_on", lambda: False)
    monkeypatch.setattr(folded_real, "real_layer", lambda x, layer: (x, layer))
    x, layer = (
        np.zeros((1, 1, 1, 1), np.float32),
        RealLayer(np.ones((1, 1, 1, 1), np.float32), np.ones(1), (1, 1), (0, 0)),
    )
    assert packed_real_layer(x, RealWeights.of(layer)) == (x, layer)


@pytest.mark.parametrize("batch", [1, 5])
def test_the_answer_to_an_image_does_not_depend_on_the_others(batch):
    rng = np.random.default_rng(batch)
    x = rng.standard_normal((batch, 4, 5, 5)).astype(np.float32)
    weights = RealWeights.of(
        RealLayer(*(rng.standard_normal(shape).astype(np.float32) for shape in [(6, 4, 1, 1), (6,)]), (2, 2), (0, 0))
    )
    together = packed_real_layer(x, weights)
    assert all(np.array_equal(packed_real_layer(x[n : n + 1], weights)[0], together[n]) for n in range(batch))
