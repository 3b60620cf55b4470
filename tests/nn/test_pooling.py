import numpy as np
import pytest
from network_cases import rng
from oracles import pooling as oracle

from bbdg_ref import nn


@pytest.mark.parametrize(("size", "stride", "padding"), [(2, None, 0), (3, 2, 1), (2, 1, 0), (3, 3, 0)])
def test_max_pooling_is_the_oracles_and_sends_the_gradient_to_the_maxima(size, stride, padding):
    x = rng().integers(0, 3, (2, 2, 7, 6)).astype(np.float64)  # with many equal maxima
    layer = nn.MaxPool2d(size, stride=stride, padding=padding)
    y, argmax = oracle.max_pool2d(x, size, stride or size, padding)
    assert np.array_equal(layer.forward(x, training=True), y)
    dy = rng(1).standard_normal(y.shape)
    want = oracle.max_pool2d_backward(dy, argmax, (7, 6))
    assert np.abs(layer.backward(dy) - want.value).max() <= want.bound(np.float64).max()


def test_average_pooling_is_the_oracles():
    x, layer = rng().standard_normal((2, 2, 6, 7)), nn.AvgPool2d(3)
    want = oracle.avg_pool2d(x, 3, 3)
    y = layer.forward(x, training=True)
    assert np.abs(y - want.value).max() <= want.bound(np.float64).max()
    back = oracle.avg_pool2d_backward(y, (6, 7), 3, 3)
    assert np.abs(layer.backward(y) - back.value).max() <= back.bound(np.float64).max()


def test_flattening_goes_pixel_by_pixel_within_a_channel():
    x = np.arange(24).reshape(2, 3, 2, 2)
    layer = nn.Flatten()
    y = layer.forward(x, training=True)
    assert y[1].tolist() == list(range(12, 24))
    assert np.array_equal(layer.backward(y), x)
