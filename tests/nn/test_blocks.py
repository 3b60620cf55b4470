import numpy as np
import pytest
from network_cases import (
    DOMAINS,
    check_gradients,
    check_input_gradient,
    in_float64,
    randomise,
    rng,
    set_estimators,
    soft_signs,
)

from bbdg_ref import nn, ops
from bbdg_ref.nn import Residual, resnet18_block, resnet20_block

BLOCKS = {"resnet20": resnet20_block, "resnet18": resnet18_block}
SHAPES = [(2, 2, 1), (2, 4, 2), (2, 3, 2), (3, 5, 1)]


def made(arch: str, domain: str, sizes: tuple[int, int, int]) -> Residual:
    into, out, stride = sizes
    return BLOCKS[arch](into, out, stride=stride, domain=nn.DOMAINS[domain], rng=rng())


@pytest.mark.parametrize("arch", BLOCKS)
@pytest.mark.parametrize("sizes", SHAPES)
@pytest.mark.parametrize("domain", ["bipolar", "general"])
def test_backward_of_a_block_is_the_derivative_of_forward_with_soft_signs(arch, sizes, domain):
    block = made(arch, domain, sizes)
    in_float64(block)
    randomise(block)
    set_estimators(block, 0.7, 1.5)
    with soft_signs(0.7, 1.5):
        x = rng(1).standard_normal((3, sizes[0], 6, 5))
        check_gradients(block, x, list(block.parameters()))
        check_input_gradient(block, x)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("sizes", SHAPES)
def test_a_block_with_one_binary_convolution_is_smooth_in_all_but_latents_and_input(domain, sizes):
    # The binary convolution sees a fixed input, so its signs stay as they are: no estimator is involved.
    block = made("resnet20", domain, sizes)
    in_float64(block)
    randomise(block)
    names = [name for name in block.parameters() if not name.endswith("latent")]
    assert len(names) == (4 if domain == "general" else 2)
    check_gradients(block, rng(1).standard_normal((3, sizes[0], 6, 5)), names)


@pytest.mark.parametrize("arch", BLOCKS)
@pytest.mark.parametrize("sizes", SHAPES)
def test_a_block_is_its_parts_put_together(arch, sizes):
    block = made(arch, "general", sizes)
    x = rng(1).standard_normal((4, sizes[0], 6, 6)).astype(np.float32)
    main, shortcut = x, x
    for layer in block.main.layers:
        main = layer.forward(main, training=False)
    if arch == "resnet20" and sizes[2] * sizes[1] != sizes[0]:
        shortcut = ops.stride_and_pad(x, out_channels=sizes[1], stride=sizes[2])
    elif sizes[2] * sizes[1] != sizes[0]:
        conv, norm = block.shortcut.layers
        assert conv.weight.value.shape == (sizes[1], sizes[0], 1, 1) and conv.stride == sizes[2]
        shortcut = norm.forward(conv.forward(x, training=False), training=False)
    assert np.array_equal(block.forward(x, training=False), ops.hardtanh(main + shortcut))


def test_a_shortcut_where_the_shape_stays_is_the_identity():
    assert made("resnet20", "bipolar", (2, 2, 1)).shortcut.layers == []
    assert made("resnet18", "bipolar", (2, 2, 1)).shortcut.layers == []


def test_the_layers_of_a_resnet18_block_come_in_the_published_order():
    kinds = [type(layer).__name__ for layer in made("resnet18", "bipolar", (2, 4, 2)).main.layers]
    assert kinds == ["BinaryConv2d", "BatchNorm", "HardTanh", "BinaryConv2d", "BatchNorm"]


@pytest.mark.parametrize(
    ("main", "got"),
    [
        (nn.Sequential(nn.BatchNorm(2), nn.HardTanh()), "one that ends in a HardTanh"),
        (nn.Sequential(nn.Conv2d(2, 2, 1, rng=rng())), "one that ends in a Conv2d"),
        (nn.Sequential(), "an empty one"),
        (nn.GlobalAvgPool(), "one that ends in a GlobalAvgPool"),
    ],
)
def test_a_main_path_without_a_batch_norm_at_its_end_is_refused_at_once(main, got):
    with pytest.raises(TypeError, match=rf"Residual: main must be a Sequential .*; got {got}; append BatchNorm"):
        Residual(main, nn.Sequential())


@pytest.mark.parametrize("arch", BLOCKS)
def test_evaluation_between_forward_and_backward_changes_nothing(arch):
    x, other = rng(1).standard_normal((2, 4, 2, 6, 6)).astype(np.float32)
    results = []
    for between in (False, True):
        block = made(arch, "general", (2, 4, 2))
        dy = block.forward(x, training=True).copy()
        if between:
            block.forward(other[:3], training=False)
        results.append([block.backward(dy), *(p.grad for p in block.parameters().values())])
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_the_blocks_own_hardtanh_is_the_last_leaf_and_never_runs(monkeypatch):
    block = made("resnet20", "bipolar", (2, 2, 1))
    assert next(reversed(list(block.walk((2, 6, 6)))))[0] is block.hardtanh
    monkeypatch.setattr(block.hardtanh, "forward", None)
    x = rng(1).standard_normal((4, 2, 6, 6)).astype(np.float32)
    block.backward(block.forward(x, training=True))
    block.forward(x, training=False)
