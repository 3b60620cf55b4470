import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from network_cases import check_gradients, check_input_gradient, in_float64, randomise, rng

from bbdg_ref import nn

BUILDERS = {
    "conv 3x3": lambda: (nn.Conv2d(2, 3, 3, padding=1, rng=rng()), (2, 5, 6)),
    "conv 1x1, stride 2": lambda: (nn.Conv2d(2, 3, 1, stride=2, rng=rng()), (2, 5, 6)),
    "batch norm of maps": lambda: (nn.BatchNorm(3), (3, 4, 5)),
    "batch norm of rows": lambda: (nn.BatchNorm(4), (4,)),
    "hardtanh": lambda: (nn.HardTanh(), (2, 3, 3)),
    "pool": lambda: (nn.GlobalAvgPool(), (3, 4, 5)),
    "linear": lambda: (nn.Linear(4, 3, rng=rng()), (4,)),
    "stride and pad": lambda: (nn.StrideAndPad(2, 5, stride=2), (2, 5, 6)),
    "nothing": lambda: (nn.Sequential(), (2, 3, 3)),
    "flatten": lambda: (nn.Flatten(), (2, 3, 4)),
    "max pool": lambda: (nn.MaxPool2d(2), (2, 5, 6)),
    "max pool 3, stride 2": lambda: (nn.MaxPool2d(3, stride=2, padding=1), (2, 6, 5)),
    "average pool": lambda: (nn.AvgPool2d(2), (2, 5, 6)),
    "channel bias": lambda: (nn.ChannelBias(3), (3, 2, 2)),
    "channel bias of rows": lambda: (nn.ChannelBias(3), (3,)),
    "prelu": lambda: (nn.PReLU(3), (3, 4, 2)),
    "parallel": lambda: (nn.Parallel(nn.Sequential(), nn.Conv2d(2, 3, 1, rng=rng()), nn.PReLU(2)), (2, 4, 3)),
    "residual sum": lambda: (
        nn.ResidualSum(
            nn.Conv2d(2, 3, 2, stride=2, rng=rng()),
            nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(2, 3, 1, rng=rng())),
            nn.ChannelBias(3),
        ),
        (2, 4, 6),
    ),
    "residual sum of its input": lambda: (nn.ResidualSum(nn.ChannelBias(2), nn.Sequential(), nn.PReLU(2)), (2, 3, 3)),
    "several": lambda: (
        nn.Sequential(nn.Conv2d(2, 3, 3, rng=rng()), nn.BatchNorm(3), nn.HardTanh(), nn.GlobalAvgPool()),
        (2, 5, 6),
    ),
}


@pytest.mark.parametrize("kind", BUILDERS)
@given(seed=st.integers(0, 1000))
def test_backward_is_the_derivative_of_forward(kind, seed):
    layer, shape = BUILDERS[kind]()
    event(kind)
    in_float64(layer)
    randomise(layer, seed)
    # multiples of 1/16, moved off the corners of hardtanh by more than the step of the differences
    x = np.round(rng(seed).normal(0, 1.5, (4, *shape)) * 16) / 16 + 2.0**-8
    if kind.startswith("max pool"):  # no two values equal: where maxima are, there is a corner
        x = x + rng(seed).permutation(x.size).reshape(x.shape) * 2.0**-13
    if kind == "several":
        layer = nn.Sequential(*layer.layers[:2], *layer.layers[3:])
    check_gradients(layer, x, list(layer.parameters()), seed=seed)
    check_input_gradient(layer, x, seed=seed)


@pytest.mark.parametrize("kind", BUILDERS)
def test_output_shape_is_the_shape_of_the_output(kind):
    layer, shape = BUILDERS[kind]()
    y = layer.forward(np.ones((2, *shape), np.float32), training=False)
    assert layer.output_shape(shape) == y.shape[1:]
    assert y.dtype == np.float32


@pytest.mark.parametrize("kind", [kind for kind in BUILDERS if kind != "nothing"])
def test_backward_needs_a_forward_pass_in_training_of_its_own(kind):
    layer, shape = BUILDERS[kind]()
    y = layer.forward(np.ones((2, *shape), np.float32), training=False)
    with pytest.raises(RuntimeError, match="training=True before it"):
        layer.backward(y)
    layer.forward(np.ones((2, *shape), np.float32), training=True)
    layer.backward(y)
    with pytest.raises(RuntimeError, match="training=True before it"):
        layer.backward(y)


@pytest.mark.parametrize("kind", BUILDERS)
def test_evaluation_between_forward_and_backward_changes_nothing(kind):
    source = rng(3)
    results = []
    for between in (False, True):
        layer, shape = BUILDERS[kind]()
        x = rng(1).normal(0, 1.5, (4, *shape)).astype(np.float32)
        dy = rng(2).standard_normal((4, *layer.output_shape(shape))).astype(np.float32)
        layer.forward(x, training=True)
        if between:
            # of another size where the layer takes any
            other = (shape[0], *(size + 2 for size in shape[1:]))
            layer.forward(source.standard_normal((3, *other)).astype(np.float32), training=False)
        results.append([layer.backward(dy), *(p.grad for p in layer.parameters().values())])
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_batch_norm_with_and_without_hardtanh_refuse_each_others_backward():
    layer, source = nn.BatchNorm(2), rng(7)
    x, dy = source.standard_normal((2, 4, 2, 3, 3)).astype(np.float32)
    layer.forward_clipped(x, None, training=True)
    with pytest.raises(RuntimeError, match=r"BatchNorm.backward: .* call backward_clipped"):
        layer.backward(dy)
    layer.forward(x, training=True)
    with pytest.raises(RuntimeError, match=r"BatchNorm.backward_clipped: .* call backward"):
        layer.backward_clipped(dy)
    for refused in (layer.backward, layer.backward_clipped):  # nothing stale is left
        with pytest.raises(RuntimeError, match="training=True before it"):
            refused(dy)


def test_batch_norm_keeps_running_statistics_in_training_and_uses_them_in_evaluation():
    layer, source = nn.BatchNorm(2), rng(5)
    mean, var = np.zeros(2), np.ones(2)
    for _ in range(5):
        x = source.normal(3, 2, (4, 2, 3, 3)).astype(np.float32)
        layer.forward(x, training=True)
        rows = x.astype(float).transpose(1, 0, 2, 3).reshape(2, -1)
        mean, var = 0.9 * mean + 0.1 * rows.mean(axis=1), 0.9 * var + 0.1 * rows.var(axis=1, ddof=1)
    assert np.allclose(layer.running_mean, mean, rtol=1e-5, atol=0)
    assert np.allclose(layer.running_var, var, rtol=1e-5, atol=0)
    assert layer.running_mean.dtype == layer.running_var.dtype == np.float32
    x = source.normal(0, 1, (1, 2, 3, 3)).astype(np.float32)
    want = (x - mean[:, None, None]) / np.sqrt(var[:, None, None] + 1e-5)
    assert np.allclose(layer.forward(x, training=False), want, rtol=1e-4, atol=1e-5)


@given(st.integers(1, 5), st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(0, 99))
def test_initial_weights_lie_within_one_over_the_root_of_fan_in(out, rest, seed):
    shape = (out, *rest)
    w = nn.uniform_fan_in(shape, rng(seed))
    assert w.shape == shape and w.dtype == np.float32
    assert np.abs(w).max() <= np.float32(1 / np.sqrt(np.prod(rest)))
    assert np.array_equal(w, nn.uniform_fan_in(shape, rng(seed)))
