import numpy as np
import pytest
from network_cases import rng, small

from bbdg_ref import nn, ops
from bbdg_ref.datasets import synthetic
from bbdg_ref.nn import reactnet18_block, reactnet_a_block
from bbdg_ref.pruning import TopK
from bbdg_ref.training.loop import Images, Recipe, Trainer


@pytest.mark.parametrize("arch", ["reactnet18", "reactnet-a"])
def test_latents_take_the_identity_and_activations_the_quadratic(arch):
    for layer in small(arch).binary_layers().values():
        assert (layer.weight_estimator, layer.activation_estimator) == (nn.Identity(), nn.Quadratic())


def test_maps_of_reactnet18_are_16_pixels_wide_after_the_stem():
    shape, sizes = (3, 32, 32), []
    for _, part in small("reactnet18").parts():
        shape = part.output_shape(shape)
        sizes.append(shape)
    assert sizes == [(2, 16, 16), (2, 16, 16), (4, 8, 8), (8, 4, 4), (16, 2, 2), (3,)]


def test_maps_of_reactnet_a_are_halved_five_times():
    shape, sizes = (3, 224, 224), []
    for _, part in small("reactnet-a").parts():
        shape = part.output_shape(shape)
        sizes.append(shape)
    assert sizes == [(2, 112, 112), (4, 112, 112), (8, 56, 56), (16, 28, 28), (32, 14, 14), (64, 7, 7), (3,)]


def rprelu(x, activation):
    before, slope, after = (next(iter(layer.parameters().values())).value for layer in activation.layers)
    return ops.channel_bias(ops.prelu(ops.channel_bias(x, before), slope), after)


def moved(block):
    """The block, its parameters moved off the values at which a shift or a norm cannot be told from none."""
    for number, parameter in enumerate(block.parameters().values()):
        value = parameter.value
        parameter.value = value + rng(number).normal(0, 0.3, value.shape).astype(np.float32)
    return block


@pytest.mark.parametrize(("into", "out", "stride"), [(2, 2, 1), (2, 4, 2), (3, 3, 2), (2, 3, 1)])
def test_a_block_of_reactnet18_is_its_parts_put_together(into, out, stride):
    block = moved(reactnet18_block(into, out, stride=stride, domain=nn.General, rng=rng()))
    x = rng(1).standard_normal((2, into, 6, 6)).astype(np.float32)
    bias, conv, norm = block.main.layers
    shifted = ops.channel_bias(x, bias.bias.value)
    main = norm.forward(conv.forward(shifted, training=False), training=False)
    shortcut = x
    if (stride, into) != (1, out):
        _, real, around = block.shortcut.layers
        assert real.weight.value.shape == (out, into, 1, 1)
        pooled = x.reshape(2, into, 6 // stride, stride, 6 // stride, stride).mean((3, 5))
        shortcut = around.forward(ops.conv2d(pooled, real.weight.value), training=False)
    wanted = rprelu(main + shortcut, block.activation)
    np.testing.assert_allclose(block.forward(x, training=False), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_widening_block_of_reactnet_a_has_the_channels_of_both_paths(stride):
    block = moved(reactnet_a_block(2, 4, stride=stride, domain=nn.General, rng=rng()))
    first, second = block.layers
    x = rng(1).standard_normal((2, 2, 6, 6)).astype(np.float32)
    pooled = x if stride == 1 else x.reshape(2, 2, 3, 2, 3, 2).mean((3, 5))
    middle = rprelu(first.main.forward(x, training=False) + pooled, first.activation)
    bias, paths = second.main.layers
    shifted = ops.channel_bias(middle, bias.bias.value)
    halves = [path.forward(shifted, training=False) + middle for path in paths.branches]
    wanted = rprelu(np.concatenate(halves, axis=1), second.activation)
    np.testing.assert_allclose(block.forward(x, training=False), wanted, rtol=0, atol=1e-5)
    convs = [path.layers[0] for path in paths.branches]
    assert not np.array_equal(convs[0].latent.value, convs[1].latent.value)
    assert first.main.layers[1].stride == stride and all(conv.stride == 1 for conv in convs)


def test_a_block_that_keeps_its_channels_has_one_pointwise_convolution():
    block = reactnet_a_block(3, 3, stride=1, domain=nn.Bipolar, rng=rng())
    assert [type(layer).__name__ for layer in block.layers[1].main.layers] == [
        "ChannelBias", "BinaryConv2d", "BatchNorm",
    ]  # fmt: skip
    assert block.layers[1].shortcut.layers == [] and block.layers[0].shortcut.layers == []


@pytest.mark.parametrize("out", [1, 3, 6])
def test_channels_that_neither_stay_nor_double_are_refused(out):
    with pytest.raises(ValueError, match=rf"reactnet_a_block: out_channels must be 2 or 4; got {out}"):
        reactnet_a_block(2, out, stride=1, domain=nn.Bipolar, rng=rng())


@pytest.mark.parametrize("arch", ["reactnet18", "reactnet-a", "vgg-small"])
def test_training_moves_only_the_estimators_that_have_a_schedule(arch):
    data = synthetic(n_train=8, n_test=2)
    images = Images(data.train_images, data.train_labels, len(data.classes), data.mean, data.std)
    network = small(arch, classes=len(data.classes))
    before = {name: value.value.copy() for name, value in network.parameters().items()}
    given = [(layer.weight_estimator, layer.activation_estimator) for layer in network.binary_layers().values()]
    trainer = Trainer(network, TopK(0.3), Recipe(2, 4, 1e-3, True, True, True), images, rng())
    trainer.train_epoch(lambda: None)
    for layer, estimators in zip(network.binary_layers().values(), given, strict=True):
        found = layer.weight_estimator, layer.activation_estimator
        assert found == ((nn.EDE(t=0.1, k=10.0),) * 2 if arch == "vgg-small" else estimators)
    assert [name for name, value in network.parameters().items() if np.array_equal(value.value, before[name])] == []
