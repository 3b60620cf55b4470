from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
from hypothesis import event, given
from layer_strategies import SEEDS, pairs
from oracles import evaluation as oracle

from bbdg_ref.spec.batchnorm import batchnorm_infer
from bbdg_ref.spec.conv2d import conv2d
from bbdg_ref.spec.evaluation import (
    BinaryLayer,
    Block,
    Classifier,
    FoldedNetwork,
    MaxPool,
    Pooled,
    RealLayer,
    RPReLU,
    StridePad,
    binary_layer,
    classify,
    evaluate,
    fold_binary,
    fold_classifier,
    fold_real,
    real_layer,
)

CHANNELS = st.sampled_from([1, 2, 3, 5, 64, 65])
STRIDES = st.sampled_from([1, 2])


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def binary(rng, out, channels, kernel, stride, padding) -> BinaryLayer:
    bits = rng.random((out, channels, *kernel)) < rng.choice([0.0, 0.1, 0.5, 1.0])
    scale = np.float32(1 / np.sqrt(bits[0].size))
    values = (normal(rng, out) * scale, normal(rng, out) * scale, normal(rng, out))
    return BinaryLayer(bits, *values, stride, padding)


def real(rng, out, channels, kernel, stride, padding) -> RealLayer:
    return RealLayer(normal(rng, out, channels, *kernel) / 3, normal(rng, out), stride, padding)


def same(*arrays: tuple[np.ndarray, np.ndarray]) -> None:
    """float32, and equal in every bit but the sign of zero."""
    for got, want in arrays:
        assert got.dtype == np.float32 and got.shape == want.shape
        assert np.array_equal(got, want)


@st.composite
def layer_shapes(draw) -> tuple[int, int, tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Draw (out, in, kernel, stride, padding, image size)."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride, padding = (draw(st.tuples(st.integers(low, 2), st.integers(low, 2))) for low in (1, 0))
    size = tuple(max(1, k - 2 * p) + draw(st.integers(0, 3)) for k, p in zip(kernel, padding, strict=True))
    return draw(st.integers(1, 4)), draw(CHANNELS), kernel, stride, padding, size


@given(layer_shapes(), SEEDS)
def test_a_binary_layer_is_the_scalar_loop(shape, seed):
    (out, channels, kernel, stride, padding, size), rng = shape, np.random.default_rng(seed)
    layer = binary(rng, out, channels, kernel, stride, padding)
    u = rng.random((2, channels, *size)) < 0.5
    same((binary_layer(u, layer), oracle.binary_layer(u, layer)))


@given(layer_shapes(), SEEDS)
def test_a_real_layer_is_the_scalar_loop(shape, seed):
    (out, channels, kernel, stride, padding, size), rng = shape, np.random.default_rng(seed)
    channels = min(channels, 5)
    layer, x = real(rng, out, channels, kernel, stride, padding), normal(rng, 2, channels, *size)
    same((real_layer(x, layer), oracle.real_layer(x, layer)))


@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 5), pairs(1, 7), SEEDS)
def test_the_classifier_is_the_scalar_loop(batch, channels, classes, size, seed):
    rng, (height, width) = np.random.default_rng(seed), size if isinstance(size, tuple) else (size, size)
    x, classifier = (
        normal(rng, batch, channels, height, width),
        Classifier(normal(rng, classes, channels), normal(rng, classes)),
    )
    same((classify(x, classifier), oracle.classify(x, classifier)))


@st.composite
def networks(draw) -> tuple[FoldedNetwork, np.ndarray]:
    """Draw a small network, of blocks of every kind, and images."""
    rng, channels = np.random.default_rng(draw(SEEDS)), draw(st.integers(1, 3))
    kernel, blocks, width = draw(st.sampled_from([(1, 1), (3, 3)])), [], draw(st.integers(1, 4))
    stem = real(rng, width, channels, kernel, (1, 1), (kernel[0] // 2, kernel[1] // 2))
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["identity", "stride and pad", "real"]))
        out = width if kind == "identity" else width + draw(st.integers(0, 3))
        stride = 1 if kind == "identity" else draw(STRIDES)
        layers = [binary(rng, out, width, (3, 3), (stride, stride), (1, 1))]
        for _ in range(draw(st.integers(0, 2))):
            layers.append(binary(rng, out, out, (3, 3), (1, 1), (1, 1)))
        shortcut: RealLayer | StridePad | None = None
        if kind == "real":
            shortcut = real(rng, out, width, (1, 1), (stride, stride), (0, 0))
        elif kind == "stride and pad":
            shortcut = StridePad(width, out, stride)
        event(f"shortcut: {kind}, layers: {len(layers)}")
        blocks.append(Block(tuple(layers), shortcut))
        width = out
    classes = draw(st.integers(1, 3))
    head = Classifier(normal(rng, classes, width), normal(rng, classes))
    images = normal(rng, draw(st.integers(1, 2)), channels, draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    return FoldedNetwork(stem, tuple(blocks), head, "drawn", None), images


def thresholded(rng, layer: BinaryLayer) -> BinaryLayer:
    return replace(layer, threshold=normal(rng, layer.bits.shape[1]))


def signs(rng, channels: int) -> np.ndarray:
    return rng.choice([-1, 1], channels).astype(np.float32)


@st.composite
def shifted_networks(draw) -> tuple[FoldedNetwork, np.ndarray]:
    """Draw a small network with thresholds, poolings and RPReLU, and images of a side that its poolings halve."""
    rng, width, side = np.random.default_rng(draw(SEEDS)), draw(st.integers(1, 3)), draw(st.sampled_from([4, 8]))
    opening = draw(st.sampled_from(["hardtanh", "nothing", "pool"]))
    stem = real(rng, width, 2, (3, 3), (1, 1), (1, 1))
    pools = {"hardtanh": None, "nothing": (), "pool": (MaxPool(3, 2, 1, signs(rng, width)),)}[opening]
    images = normal(rng, draw(st.integers(1, 2)), 2, side, side)
    here = side // 2 if opening == "pool" else side
    event(f"opening: {opening}")
    blocks = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["identity", "none", "mean", "mean and real", "copies"]))
        halved = kind.startswith("mean") and here > 1
        stride, out = 2 if halved else 1, {"copies": 2 * width, "mean and real": width + 1, "none": width + 2}
        layer = binary(rng, out.get(kind, width), width, (3, 3), (stride, stride), (1, 1))
        layer = thresholded(rng, layer) if draw(st.booleans()) else layer
        new, pool = len(layer.bits), ()
        here //= stride
        if kind == "none" and here > 1 and draw(st.booleans()):
            pool, here = (MaxPool(2, 2, 0, signs(rng, new)),), here // 2
        shortcut = {
            "identity": None, "none": Pooled(1, 0), "mean": Pooled(stride, 1), "copies": Pooled(1, 2),
            "mean and real": Pooled(stride, 1, real(rng, new, width, (1, 1), (1, 1), (0, 0))),
        }[kind]  # fmt: skip
        activation = RPReLU(*(normal(rng, new) for _ in range(3))) if draw(st.booleans()) else None
        event(f"shortcut: {kind}, pool: {bool(pool)}, RPReLU: {activation is not None}")
        blocks.append(Block((layer,), shortcut, pool, activation))
        width = new
    flat = draw(st.booleans())
    head = Classifier(normal(rng, 2, width * (here * here if flat else 1)), normal(rng, 2))
    return FoldedNetwork(stem, tuple(blocks), head, "drawn", None, pools), images


@given(networks() | shifted_networks())
def test_a_network_is_the_scalar_loop(case):
    network, images = case
    got = evaluate(network, images)
    logits, bits, features = oracle.evaluate(network, images)
    same((got.logits, logits), *zip(got.features, features, strict=True))
    assert [u.dtype for u in got.bits] == [np.bool_] * len(bits)
    assert all(np.array_equal(u, want) for u, want in zip(got.bits, bits, strict=True))
    assert len(got.bits) == sum(len(block.layers) for block in network.blocks)
    assert len(got.features) == 1 + len(network.blocks)


@given(networks())
def test_an_image_is_answered_alike_in_any_batch(case):
    network, images = case
    whole = evaluate(network, np.concatenate([images, -images]))
    for index in range(len(images)):
        alone = evaluate(network, images[index : index + 1])
        same((alone.logits, whole.logits[index : index + 1]))
        for one, every in zip(alone.features, whole.features, strict=True):
            same((one, every[index : index + 1]))


def single(scale: float, shared: float, shift: float) -> float:
    """A binary layer's answer to three activations of +1 under three weights of bit one."""
    scale, shared, shift = (np.full(1, value, np.float32) for value in (scale, shared, shift))
    layer = BinaryLayer(np.ones((1, 3, 1, 1), bool), scale, shared, shift, (1, 1), (0, 0))
    return binary_layer(np.ones((1, 3, 1, 1), bool), layer).item()


def test_the_shared_part_and_the_shift_are_added_first():
    assert single(-(2.0**24), 2.0**24, 1.0) == 0  # 3·2^24 + 1 loses the 1; (−3·2^24 + 3·2^24) + 1 would keep it


def test_every_product_is_rounded_before_the_sum():
    value = 1 + 2.0**-23  # 3·value lies half-way between two float32 numbers, and 3 + 4·2^-23 is the even one
    assert single(value, 0.0, -3.0) == 2.0**-21
    assert single(1.0, value, -6.0 + 2.0**-20) == 3 + (-3 + 2.0**-20 + 2.0**-21)
    layer = RealLayer(np.full((1, 1, 1, 1), value, np.float32), np.full(1, -3, np.float32), (1, 1), (0, 0))
    assert real_layer(np.full((1, 1, 1, 1), 3, np.float32), layer).item() == 2.0**-21


def test_a_real_layer_starts_with_the_bias_and_adds_in_order():
    layer = RealLayer(np.ones((1, 3, 1, 1), np.float32), np.full(1, 2.0**24, np.float32), (1, 1), (0, 0))
    x = np.array([1, 1, -(2.0**24)], np.float32).reshape(1, 3, 1, 1)
    assert real_layer(x, layer).item() == 0  # (((2^24 + 1) + 1) − 2^24): each 1 is lost
    assert real_layer(x[:, ::-1], layer).item() == 2


def test_the_mean_is_a_sum_in_order_divided_once():
    classifier = Classifier(np.ones((1, 1), np.float32), np.zeros(1, np.float32))
    x = np.array([2.0**24, 1, 1, 1, 1, -(2.0**24)], np.float32).reshape(1, 1, 2, 3)
    assert classify(x, classifier).item() == 0
    assert classify(x[..., ::-1, ::-1], classifier).item() == np.float32(4) / np.float32(6)  # nothing is lost


# --- the folding formulas ---

EPS = st.sampled_from([1e-5, 1e-3, 1.0])


def statistics(rng: np.random.Generator, channels: int) -> tuple[np.ndarray, ...]:
    """Weight (of either sign), bias, running mean and running variance of a batch norm."""
    variance = (rng.random(channels) * 10.0 ** rng.integers(-6, 3, channels)).astype(np.float32)
    return normal(rng, channels), normal(rng, channels), normal(rng, channels), variance


@given(st.integers(1, 5), EPS, st.booleans(), st.floats(-2, 2), st.floats(-2, 2), SEEDS)
def test_fold_binary_is_the_scalar_formula(out, eps, per_channel, alpha, beta, seed):
    rng = np.random.default_rng(seed)
    norm, bits = statistics(rng, out), rng.random((out, 2, 3, 1)) < 0.5
    low, high = (np.full(out, alpha), np.full(out, beta))
    if per_channel:
        low, high = low * norm[0], high + norm[1]
    given_low, given_high = (low, high) if per_channel else (alpha, beta)
    got = fold_binary(bits, given_low, given_high, *norm, eps=eps, stride=2, padding=(1, 0))
    assert np.array_equal(got.bits, bits) and (got.stride, got.padding) == ((2, 2), (1, 0))
    assert got.scale.dtype == got.shared.dtype == got.shift.dtype == np.float32
    want = oracle.fold_binary(low.tolist(), high.tolist(), norm, eps)
    assert [got.scale.tolist(), got.shared.tolist(), got.shift.tolist()] == want


def test_the_values_are_subtracted_before_they_are_scaled():
    """Where alpha and beta nearly agree, g beta - g alpha would lose what their difference keeps."""
    norm = tuple(np.array([value], np.float32) for value in (0.7, 0.0, 0.0, 2.9))
    for step in range(1, 20):
        low, high = 0.1, 0.1 + step * 2.0**-55
        got = fold_binary(np.ones((1, 1, 1, 1), bool), low, high, *norm)
        assert got.scale.tolist() == oracle.fold_binary([low], [high], norm, 1e-5)[0]


@given(st.integers(1, 4), st.integers(1, 4), EPS, SEEDS)
def test_fold_real_is_the_scalar_formula(out, channels, eps, seed):
    rng = np.random.default_rng(seed)
    norm, kernels = statistics(rng, out), normal(rng, out, channels, 2, 3)
    got = fold_real(kernels, *norm, eps=eps, stride=(2, 1), padding=3)
    assert (got.stride, got.padding) == ((2, 1), (3, 3))
    assert got.weight.dtype == got.bias.dtype == np.float32
    assert (got.weight.tolist(), got.bias.tolist()) == oracle.fold_real(kernels, norm, eps)


@given(st.integers(1, 4), st.integers(1, 9), EPS, SEEDS)
def test_fold_classifier_is_the_scalar_formula(classes, channels, eps, seed):
    rng = np.random.default_rng(seed)
    norm, weight, bias = statistics(rng, channels), normal(rng, classes, channels), normal(rng, classes)
    got = fold_classifier(weight, bias, *norm, eps=eps)
    assert got.weight.dtype == got.bias.dtype == np.float32
    assert (got.weight.tolist(), got.bias.tolist()) == oracle.fold_classifier(weight, bias, norm, eps)


@given(st.integers(1, 5), st.integers(1, 40), st.floats(-2, 2), st.floats(-2, 2), SEEDS)
def test_a_folded_binary_layer_is_the_batch_norm_of_the_convolution(out, channels, alpha, beta, seed):
    rng = np.random.default_rng(seed)
    norm = statistics(rng, out)
    bits, u = rng.random((out, channels, 3, 3)) < 0.3, rng.random((2, channels, 4, 4)) < 0.5
    folded = fold_binary(bits, alpha, beta, *norm, padding=1)
    y = conv2d(np.where(u, 1.0, -1.0), np.where(bits, beta, alpha), padding=1)
    want = batchnorm_infer(y, *(value.astype(float) for value in norm))
    # Every term meets at most four roundings to float32 (its factor, its product, two sums); float64's are far below.
    terms = channels * 9 * (np.abs(folded.scale) + np.abs(folded.shared)) + np.abs(folded.shift)
    g = np.abs(norm[0] / np.sqrt(norm[3].astype(float) + 1e-5))
    bound = 4 * 2.0**-24 * 1.001 * terms.astype(float) + 2.0**-40 * (np.abs(norm[1]) + g * (np.abs(norm[2]) + 1))
    assert (np.abs(binary_layer(u, folded) - want) <= bound[:, None, None]).all()


@given(st.integers(1, 4), st.integers(1, 4), SEEDS)
def test_a_folded_real_layer_is_the_batch_norm_of_the_convolution(out, channels, seed):
    rng = np.random.default_rng(seed)
    norm, kernels, x = statistics(rng, out), normal(rng, out, channels, 3, 3), normal(rng, 2, channels, 5, 4)
    folded = fold_real(kernels, *norm, stride=(2, 1), padding=1)
    y = conv2d(x.astype(float), kernels.astype(float), stride=(2, 1), padding=1)
    want = batchnorm_infer(y, *(value.astype(float) for value in norm))
    terms = conv2d(np.abs(x), np.abs(folded.weight), stride=(2, 1), padding=1) + np.abs(folded.bias)[:, None, None]
    roundings = channels * 9 + 2  # of a term: its factor, its product and every sum after it
    assert (np.abs(real_layer(x, folded) - want) <= roundings * 2.0**-24 * 1.01 * terms + 1e-12).all()


@given(st.integers(1, 4), st.integers(1, 9), SEEDS)
def test_a_folded_classifier_is_the_linear_layer_of_the_batch_norm(classes, channels, seed):
    rng = np.random.default_rng(seed)
    norm, weight, bias = statistics(rng, channels), normal(rng, classes, channels), normal(rng, classes)
    folded, x = fold_classifier(weight, bias, *norm), normal(rng, 2, channels, 2, 2)
    mean = x.astype(float).mean(axis=(2, 3))
    want = batchnorm_infer(mean, *(value.astype(float) for value in norm)) @ weight.T.astype(float) + bias
    terms = np.abs(x).mean(axis=(2, 3)) @ np.abs(folded.weight).T + np.abs(folded.bias)
    roundings = 4 + 1 + channels + 2
    assert (np.abs(classify(x, folded) - want) <= roundings * 2.0**-24 * 1.01 * terms + 1e-11).all()


@given(st.floats(-3, 3, width=32) | st.sampled_from([0.0, -0.0, 1e-45, -1e-45, 3e38]), SEEDS)
def test_a_threshold_is_a_bias_before_the_sign(bias, seed):
    rng, one = np.random.default_rng(seed), np.ones(1, np.float32)
    stem = RealLayer(np.ones((1, 1, 1, 1), np.float32), 0 * one, (1, 1), (0, 0))
    layer = BinaryLayer(np.ones((1, 1, 1, 1), bool), one, 0 * one, 0 * one, (1, 1), (0, 0), np.float32([-bias]))
    near = np.float32(-bias) * np.float32([1, 1 + 2**-23, 1 - 2**-23])
    images = np.concatenate([near, [0, -0.0, 1e-45, -1e-45], normal(rng, 20)]).astype(np.float32)[:, None, None, None]
    network = FoldedNetwork(stem, (Block((layer,), None),), Classifier(one[None], 0 * one), "one", None, ())
    with np.errstate(over="ignore"):
        assert np.array_equal(evaluate(network, images).bits[0], images + np.float32(bias) > 0)
