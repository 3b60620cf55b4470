import numpy as np
from network_cases import rng

from bbdg_ref import nn


def test_a_fresh_bias_is_0_and_a_fresh_slope_a_quarter():
    assert nn.ChannelBias(3).bias.value.tolist() == [0, 0, 0]
    assert nn.PReLU(2).slope.value.tolist() == [0.25, 0.25]
    assert nn.PReLU(2).slope.value.dtype == nn.ChannelBias(3).bias.value.dtype == np.float32


def test_rprelu_is_a_prelu_about_a_point_of_its_own():
    before, slope, after = rng().standard_normal((3, 4)).astype(np.float32)
    layers = nn.Sequential(nn.ChannelBias(4), nn.PReLU(4), nn.ChannelBias(4))
    for layer, name, value in zip(layers.layers, ("bias", "slope", "bias"), (before, slope, after), strict=True):
        getattr(layer, name).value = value
    x = rng(1).standard_normal((5, 4, 2, 3)).astype(np.float32)
    y = layers.forward(x, training=False)
    for n, c, p, q in np.ndindex(*x.shape):
        shifted = x[n, c, p, q] + before[c]
        assert y[n, c, p, q] == (shifted if shifted > 0 else slope[c] * shifted) + after[c]


def test_at_0_a_prelu_has_the_slope_of_the_negative_side():
    layer = nn.PReLU(1)
    layer.forward(np.array([[0.0], [-0.0], [-2.0], [2.0]]), training=True)
    dx = layer.backward(np.ones((4, 1)))
    assert dx.ravel().tolist() == [0.25, 0.25, 0.25, 1.0]
    assert layer.slope.grad.tolist() == [-2.0]
