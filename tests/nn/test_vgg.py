import numpy as np
from network_cases import rng, small

from bbdg_ref import nn, ops


def test_pooling_stands_between_convolution_and_batch_norm():
    def kinds(pool: bool) -> list[str]:
        layer = nn.vgg_small_layer(2, 3, pool=pool, domain=nn.Bipolar, rng=rng())
        return [type(part).__name__ for part in layer.layers]

    assert kinds(True) == ["BinaryConv2d", "MaxPool2d", "BatchNorm", "HardTanh"]
    assert kinds(False) == ["BinaryConv2d", "BatchNorm", "HardTanh"]


def test_a_layer_is_its_parts_put_together():
    layer = nn.vgg_small_layer(2, 3, pool=True, domain=nn.General, rng=rng())
    x = rng(1).standard_normal((2, 2, 6, 6)).astype(np.float32)
    conv, pool, norm, _ = layer.layers
    y = norm.forward(pool.forward(conv.forward(x, training=False), training=False), training=False)
    assert np.array_equal(layer.forward(x, training=False), ops.hardtanh(y))


def test_the_maps_are_halved_three_times():
    shape, sizes = (3, 32, 32), []
    for _, part in small("vgg-small", width=4).parts():
        shape = part.output_shape(shape)
        sizes.append(shape)
    assert sizes == [(4, 32, 32), (4, 16, 16), (8, 8, 8), (16, 4, 4), (3,)]
