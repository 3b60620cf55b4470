import numpy as np
import pytest
from network_cases import rng

from bbdg_ref import nn
from bbdg_ref.nn import Parallel, ResidualSum


def test_branches_come_one_after_another_and_share_the_gradient():
    branches = Parallel(nn.HardTanh(), nn.Sequential(), nn.StrideAndPad(2, 3, stride=1))
    x = rng().standard_normal((3, 2, 4, 4))
    y = branches.forward(x, training=True)
    assert np.array_equal(y[:, 0:2], np.clip(x, -1, 1)) and np.array_equal(y[:, 2:4], x)
    assert np.array_equal(y[:, 4:6], x) and not y[:, 6].any()
    dy = rng(1).standard_normal(y.shape)
    wanted = np.where(np.abs(x) < 1, dy[:, 0:2], 0) + dy[:, 2:4] + dy[:, 4:6]
    np.testing.assert_allclose(branches.backward(dy), wanted, rtol=0, atol=1e-14)


def test_parts_of_branches_are_named_by_their_index():
    names = list(Parallel(nn.Sequential(nn.PReLU(2)), nn.ChannelBias(2)).parameters())
    assert names == ["0.0.slope", "1.bias"]


def test_a_gradient_that_went_down_a_shortcut_is_left_alone():
    block = ResidualSum(nn.ChannelBias(2), nn.Sequential(), nn.Sequential())
    block.forward(np.zeros((2, 2, 3, 3)), training=True)
    dy = rng().standard_normal((2, 2, 3, 3))
    before = dy.copy()
    assert np.array_equal(block.backward(dy), 2 * before)
    assert np.array_equal(dy, before)


def test_paths_that_end_in_different_maps_are_refused_by_their_shapes():
    conv = nn.Conv2d(2, 2, 3, stride=2, padding=1, rng=rng())
    block = ResidualSum(conv, nn.AvgPool2d(2), nn.Sequential())
    with pytest.raises(ValueError, match=r"ResidualSum.forward: x .* got \(1, 2, 3, 3\) and \(1, 2, 2, 2\) from"):
        block.forward(np.zeros((1, 2, 5, 5)), training=False)


def test_walk_goes_down_the_main_path_first():
    parts = nn.ChannelBias(2), nn.HardTanh(), nn.PReLU(2)
    block = ResidualSum(*parts)
    assert [leaf for leaf, _ in block.walk((2, 4, 4))] == list(parts)
    assert [shape for _, shape in Parallel(nn.AvgPool2d(2), nn.AvgPool2d(2)).walk((2, 4, 4))] == [(2, 4, 4)] * 2
    assert Parallel(nn.AvgPool2d(2), nn.AvgPool2d(2)).output_shape((2, 4, 4)) == (4, 2, 2)
