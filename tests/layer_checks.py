"""What a layer must satisfy, as functions that take the implementation.

The same checks run on spec and on deliberately wrong implementations, which they must refuse (tests/meta).
"""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
from layer_strategies import (
    AdamCase,
    ChannelCase,
    ConvCase,
    LinearCase,
    LossCase,
    PoolCase,
    ShortcutCase,
    WeightCase,
)
from oracles import activation as activation_oracle
from oracles import adam as adam_oracle
from oracles import batchnorm as batchnorm_oracle
from oracles import conv2d as conv_oracle
from oracles import estimators as estimator_oracle
from oracles import linear as linear_oracle
from oracles import loss as loss_oracle
from oracles import pooling as pooling_oracle
from oracles import pruning as pruning_oracle
from oracles import shortcut as shortcut_oracle
from oracles import weights as weights_oracle
from oracles.sums import Sums

# -------------------------------------------------------------------------------------------------- comparing


def assert_within(got: np.ndarray, want: np.ndarray, bound: np.ndarray | float, name: str = "result") -> None:
    """Every entry of `got` within `bound` of `want`, underflow apart."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"{name}: shape {got.shape}, expected {want.shape}"
    excess = np.abs(got.astype(float) - want.astype(float)) - bound - float(np.finfo(got.dtype).tiny)
    wrong = ~(excess <= 0)  # also where NaN
    if wrong.any():
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise AssertionError(f"{name}: {wrong.sum()} wrong, first at {index}: {got[index]}, expected {want[index]}")


def assert_sums(got: np.ndarray, want: Sums, dtype: np.dtype, name: str = "result") -> None:
    """Every entry within the rounding of a sum in `dtype`, in any order; the dtype kept."""
    assert got.dtype == dtype, f"{name}: dtype {got.dtype}, expected {dtype}"
    assert_within(got, want.value, want.bound(dtype), name)


def assert_same(got: np.ndarray, want: np.ndarray, name: str = "result") -> None:
    """Equal to the last bit (0.0 and -0.0 the same), dtype and shape."""
    want = np.asarray(want)
    assert got.dtype == want.dtype and got.shape == want.shape, f"{name}: {got.dtype} {got.shape}"
    assert np.array_equal(got, want), f"{name}: {got}, expected {want}"


def assert_gradient(
    function: Callable[[np.ndarray], float], x: np.ndarray, grad: np.ndarray, magnitude: float, seed: int = 0
) -> None:
    """`grad` is the gradient of a smooth `function` at `x` (float64), by central differences.

    Two steps, h and h/2, tell the truncation error; rounding is bounded by `magnitude`, the size of the terms
    that `function` adds within a distance of 1 of `x`, over h; underflow by the smallest normal number over h.
    Tested along a random direction and along up to eight axes.
    """
    assert x.dtype == np.float64 and grad.shape == x.shape
    rng = np.random.default_rng(seed)
    axes = np.eye(x.size)[rng.permutation(x.size)[:8]]
    h = 2.0**-13
    for direction in (rng.standard_normal(x.size), *axes):
        step = direction.reshape(x.shape)
        coarse, fine = ((function(x + e * step) - function(x - e * step)) / (2 * e) for e in (h, h / 2))
        largest = 1 + np.abs(direction).max()
        rounding = 64 * np.finfo(float).eps * magnitude * largest + np.finfo(float).tiny
        bound = 2 * abs(coarse - fine) + rounding / h
        got = float(np.vdot(grad, step))
        assert abs(got - fine) <= bound, f"gradient {got}, finite difference {fine}, bound {bound}"


# ------------------------------------------------------------------------------------------------- estimators


def check_sign(sign: Callable, x: np.ndarray) -> None:
    assert_same(sign(x), np.array([1 if v > 0 else -1 for v in x.flat], x.dtype).reshape(x.shape))


def check_sign_bits(sign_bits: Callable, x: np.ndarray) -> None:
    assert_same(sign_bits(x), np.array([v > 0 for v in x.flat], bool).reshape(x.shape))


def check_estimator(
    backward: Callable, slope: Callable[[float], float], dy: np.ndarray, x: np.ndarray, ulps: int = 0
) -> None:
    """The gradient is dy times the published slope; the slope, at most 2, may be off by some `ulps`."""
    want = np.array([slope(float(v)) for v in x.flat]).reshape(x.shape)
    got = backward(dy, x)
    assert got.dtype == dy.dtype
    assert_within(got, dy.astype(float) * want, 2 * ulps * np.finfo(dy.dtype).eps * np.abs(dy.astype(float)))


def check_ede(ede_backward: Callable, dy: np.ndarray, x: np.ndarray, t: float, k: float) -> None:
    got = ede_backward(dy, x, t=t, k=k)
    assert got.dtype == dy.dtype
    want = [float(g) * estimator_oracle.ede(float(v), t, k) for g, v in zip(dy.flat, x.flat, strict=True)]
    # t x is rounded, which moves tanh by at most eps; the difference 1 - tanh^2 loses the rest.
    bound = 16 * np.finfo(dy.dtype).eps * k * t * np.abs(dy.astype(float))
    assert_within(got, np.reshape(want, x.shape), bound)


def check_ede_schedule(ede_schedule: Callable, epochs: int) -> None:
    """t rises geometrically from 0.1 towards 10 (not reached); k t is 1 while t < 1, k is 1 after."""
    parameters = [ede_schedule(epoch, epochs) for epoch in range(epochs)]
    assert np.isclose(parameters[0].t, 0.1, rtol=1e-15, atol=0)
    for epoch, p in enumerate(parameters):
        # log10 t = -1 + 2 e/E, that is (10 t)^E = 100^e
        assert abs(epochs * (1 + np.log10(p.t)) - 2 * epoch) <= 8 * epochs * np.finfo(float).eps
        assert p.k == (1 / p.t if p.t < 1 else 1.0)
        assert p.t < 10


# ------------------------------------------------------------------------------------------------ convolution


def check_conv2d(conv2d: Callable, case: ConvCase) -> None:
    got = conv2d(case.x, case.weight, stride=case.stride, padding=case.padding)
    want = conv_oracle.conv2d(case.x, case.weight, case.stride, case.padding)
    assert_sums(got, want, case.x.dtype, "conv2d")


def check_conv2d_grad_input(conv2d_grad_input: Callable, case: ConvCase) -> None:
    size = case.input_size
    got = conv2d_grad_input(case.dy, case.weight, input_size=size, stride=case.stride, padding=case.padding)
    want = conv_oracle.conv2d_grad_input(case.dy, case.weight, size, case.stride, case.padding)
    assert_sums(got, want, case.x.dtype, "conv2d_grad_input")


def check_conv2d_grad_weight(conv2d_grad_weight: Callable, case: ConvCase) -> None:
    size = case.kernel_size
    got = conv2d_grad_weight(case.dy, case.x, kernel_size=size, stride=case.stride, padding=case.padding)
    want = conv_oracle.conv2d_grad_weight(case.dy, case.x, size, case.stride, case.padding)
    assert_sums(got, want, case.x.dtype, "conv2d_grad_weight")


def check_linear(linear: Callable, case: LinearCase) -> None:
    want = linear_oracle.linear(case.x, case.weight, case.bias)
    assert_sums(linear(case.x, case.weight, case.bias), want, case.x.dtype)


def check_linear_backward(linear_backward: Callable, case: LinearCase) -> None:
    got, dtype = linear_backward(case.dy, case.x, case.weight), case.x.dtype
    assert_sums(got.x, linear_oracle.grad_input(case.dy, case.weight), dtype, "x")
    assert_sums(got.weight, linear_oracle.grad_weight(case.dy, case.x), dtype, "weight")
    assert_sums(got.bias, linear_oracle.grad_bias(case.dy), dtype, "bias")


# ------------------------------------------------------------------------------------------------- batch norm


def by_channel(x: np.ndarray) -> list[list[float]]:
    return [x[:, c].astype(float).ravel().tolist() for c in range(x.shape[1])]


def from_channels(columns: list[list[float]], shape: tuple[int, ...]) -> np.ndarray:
    """Return the array whose channels are the given lists."""
    rest = (shape[0], *shape[2:])
    return np.stack([np.reshape(column, rest) for column in columns], axis=1)


def rounding(case: ChannelCase, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Per channel: the error of xhat relative to its size, and 1/std.

    x - mean is off by m ulps of the largest value (the sum of the mean); dividing by std makes that m ulps of
    max abs(x) / std.
    """
    m = case.x.size // case.x.shape[1]
    moments = [batchnorm_oracle.moments(column) for column in by_channel(case.x)]
    inverse_std = np.array([(var + eps) ** -0.5 for _, var in moments])
    largest = np.array([max(map(abs, column)) for column in by_channel(case.x)])
    return (m + 8) * np.finfo(case.x.dtype).eps * (1 + largest * inverse_std), inverse_std


def check_batchnorm_train(batchnorm_train: Callable, case: ChannelCase, eps: float = 1e-5) -> None:
    got = batchnorm_train(case.x, case.weight, case.bias, eps=eps)
    relative, _ = rounding(case, eps)
    columns = by_channel(case.x)
    moments = [batchnorm_oracle.moments(column) for column in columns]
    parameters = zip(columns, case.weight.tolist(), case.bias.tolist(), moments, strict=True)
    want = [batchnorm_oracle.normalize(c, w, b, mean, var, eps) for c, w, b, (mean, var) in parameters]
    m = len(columns[0])
    ulp = np.finfo(case.x.dtype).eps
    largest = np.array([max(map(abs, column)) for column in columns])
    assert_within(got.mean, np.array([mean for mean, _ in moments]), (m + 2) * ulp * largest, "mean")
    assert_within(got.var, np.array([var for _, var in moments]), 4 * (m + 4) * ulp * largest**2, "var")
    bound = [
        8 * r * abs(w) * (1 + m) + 4 * ulp * abs(b)
        for r, w, b in zip(relative, case.weight.tolist(), case.bias.tolist(), strict=True)
    ]
    assert got.y.dtype == case.x.dtype
    assert_within(got.y, from_channels(want, case.x.shape), from_channels([[v] * m for v in bound], case.x.shape))


def check_batchnorm_infer(batchnorm_infer: Callable, case: ChannelCase, eps: float = 1e-5) -> None:
    mean, var = case.bias, np.square(case.weight) + case.x.dtype.type(0.5)
    got = batchnorm_infer(case.x, case.weight, case.bias, mean, var, eps=eps)
    columns = by_channel(case.x)
    parameters = (case.weight.tolist(), case.bias.tolist(), mean.tolist(), var.tolist())
    want = [
        batchnorm_oracle.normalize(c, w, b, mu, v, eps) for c, w, b, mu, v in zip(columns, *parameters, strict=True)
    ]
    size = [
        [(abs(w) * (abs(v) + abs(mu)) / s**0.5 + abs(b)) for v in c]
        for c, w, b, mu, s in zip(columns, *parameters, strict=True)
    ]
    assert got.dtype == case.x.dtype
    bound = 8 * np.finfo(case.x.dtype).eps * from_channels(size, case.x.shape)
    assert_within(got, from_channels(want, case.x.shape), bound)


def check_batchnorm_backward(batchnorm_backward: Callable, case: ChannelCase, eps: float = 1e-5) -> None:
    columns, grads = by_channel(case.x), by_channel(case.dy)
    moments = [batchnorm_oracle.moments(column) for column in columns]
    mean, var = (np.array(v).astype(case.x.dtype) for v in zip(*moments, strict=True))
    got = batchnorm_backward(case.dy, case.x, case.weight, mean, var, eps=eps)
    m = len(columns[0])
    relative, inverse_std = rounding(case, eps)
    weights = case.weight.tolist()
    want = [batchnorm_oracle.backward(g, c, w, eps) for g, c, w in zip(grads, columns, weights, strict=True)]
    # Each term is at most max abs(dy) * m, because abs(xhat) <= sqrt(m).
    size = np.array([max(map(abs, g)) for g in grads]) * m * relative * 8
    assert_within(got.bias, np.array([w[2] for w in want]), size, "bias")
    assert_within(got.weight, np.array([w[1] for w in want]), size * m, "weight")
    bound = size * np.abs(case.weight) * inverse_std * (1 + relative)
    assert got.x.dtype == case.x.dtype
    bounds = from_channels([[v] * m for v in bound.tolist()], case.x.shape)
    assert_within(got.x, from_channels([w[0] for w in want], case.x.shape), bounds, "x")


def check_running_update(running_update: Callable, case: ChannelCase, momentum: float = 0.1) -> None:
    """The running variance gains the unbiased variance of the batch."""
    columns = by_channel(case.x.astype(np.float64))
    moments = np.array([batchnorm_oracle.moments(column) for column in columns])
    old_mean, old_var = case.bias.astype(np.float64), np.square(case.weight.astype(np.float64))
    count = len(columns[0])
    got = running_update(old_mean, old_var, moments[:, 0], moments[:, 1], count=count, momentum=momentum)
    unbiased = np.array([batchnorm_oracle.sample_variance(column) for column in columns])
    mean = old_mean + momentum * (moments[:, 0] - old_mean)
    var = old_var + momentum * (unbiased - old_var)
    ulp = 8 * np.finfo(float).eps
    assert_within(got.mean, mean, ulp * (np.abs(old_mean) + np.abs(moments[:, 0])), "mean")
    assert_within(got.var, var, ulp * (old_var + unbiased), "var")


# ------------------------------------------------------------------------------------------------ activations


def check_hardtanh(hardtanh: Callable, x: np.ndarray) -> None:
    assert_same(hardtanh(x), np.array([activation_oracle.hardtanh(v) for v in x.flat], x.dtype).reshape(x.shape))


def check_hardtanh_backward(hardtanh_backward: Callable, dy: np.ndarray, x: np.ndarray) -> None:
    slopes = np.array([activation_oracle.hardtanh_slope(v) for v in x.flat], x.dtype).reshape(x.shape)
    assert_same(hardtanh_backward(dy, x), dy * slopes)


def over_channels(function: Callable, x: np.ndarray, per_channel: np.ndarray) -> np.ndarray:
    """Apply a scalar function of a value and its channel's number; one rounding, to the dtype of `x`."""
    columns = zip(by_channel(x), per_channel.tolist(), strict=True)
    return from_channels([[function(v, p) for v in column] for column, p in columns], x.shape).astype(x.dtype)


def check_prelu(prelu: Callable, case: ChannelCase) -> None:
    assert_same(prelu(case.x, case.weight), over_channels(activation_oracle.prelu, case.x, case.weight))


def check_prelu_backward(prelu_backward: Callable, case: ChannelCase) -> None:
    got = prelu_backward(case.dy, case.x, case.weight)
    assert_same(got.x, over_channels(activation_oracle.prelu_slope, case.x, case.weight) * case.dy, "x")
    assert_sums(got.slope, activation_oracle.prelu_grad_slope(case.dy, case.x), case.x.dtype, "slope")


def check_channel_bias(channel_bias: Callable, case: ChannelCase) -> None:
    assert_same(channel_bias(case.x, case.bias), over_channels(lambda v, b: v + b, case.x, case.bias))


def check_channel_bias_backward(channel_bias_backward: Callable, case: ChannelCase) -> None:
    assert_sums(channel_bias_backward(case.dy), activation_oracle.channel_sums(case.dy), case.dy.dtype)


# --------------------------------------------------------------------------------------- pooling and shortcut


def check_avg_pool2d(avg_pool2d: Callable, case: PoolCase) -> None:
    want = pooling_oracle.avg_pool2d(case.x, case.size, case.steps)
    assert_sums(avg_pool2d(case.x, case.size, stride=case.stride), want, case.x.dtype)


def check_avg_pool2d_backward(avg_pool2d_backward: Callable, case: PoolCase) -> None:
    size = case.input_size
    got = avg_pool2d_backward(case.dy, input_size=size, size=case.size, stride=case.stride)
    want = pooling_oracle.avg_pool2d_backward(case.dy, size, case.size, case.steps)
    assert_sums(got, want, case.x.dtype)


def check_max_pool2d(max_pool2d: Callable, case: PoolCase) -> None:
    got = max_pool2d(case.x, case.size, stride=case.stride, padding=case.padding)
    y, argmax = pooling_oracle.max_pool2d(case.x, case.size, case.steps, case.padding)
    assert_same(got.y, y, "y")
    assert_same(got.argmax, argmax, "argmax")


def check_max_pool2d_backward(max_pool2d_backward: Callable, case: PoolCase) -> None:
    _, argmax = pooling_oracle.max_pool2d(case.x, case.size, case.steps, case.padding)
    got = max_pool2d_backward(case.dy, argmax, input_size=case.input_size)
    want = pooling_oracle.max_pool2d_backward(case.dy, argmax, case.input_size)
    assert_sums(got, want, case.x.dtype)


def check_stride_and_pad(stride_and_pad: Callable, case: ShortcutCase) -> None:
    want = np.zeros_like(case.dy)
    for out, source in shortcut_oracle.links(case.x.shape, case.out_channels, case.stride):
        want[out] = case.x[source]
    assert_same(stride_and_pad(case.x, out_channels=case.out_channels, stride=case.stride), want)


def check_stride_and_pad_backward(stride_and_pad_backward: Callable, case: ShortcutCase) -> None:
    want = np.zeros_like(case.x)
    for out, source in shortcut_oracle.links(case.x.shape, case.out_channels, case.stride):
        want[source] = case.dy[out]
    size = (case.x.shape[2], case.x.shape[3])
    got = stride_and_pad_backward(case.dy, in_channels=case.x.shape[1], input_size=size, stride=case.stride)
    assert_same(got, want)


# ----------------------------------------------------------------------------------------- loss and optimizer


def check_cross_entropy(cross_entropy: Callable, case: LossCase) -> None:
    got = cross_entropy(case.logits, case.targets)
    want = loss_oracle.cross_entropy(case.logits.astype(float).tolist(), case.targets.astype(float).tolist())
    assert isinstance(got, float)
    size = case.logits.size + 8
    assert_within(got, want, 4 * size * np.finfo(case.logits.dtype).eps * (2 * np.abs(case.logits).max() + size))


def check_cross_entropy_backward(cross_entropy_backward: Callable, case: LossCase) -> None:
    got = cross_entropy_backward(case.logits, case.targets)
    arguments = (case.logits.astype(float).tolist(), case.targets.astype(float).tolist())
    want = np.array(loss_oracle.cross_entropy_backward(*arguments))
    batch, classes = case.logits.shape
    assert got.dtype == case.logits.dtype
    # An error of the log softmax, up to eps times the largest logit, is a relative error of the softmax.
    ulp = np.finfo(case.logits.dtype).eps * (2 * np.abs(case.logits).max() + classes + 8)
    assert_within(got, want, 4 * ulp / batch)


def taught(case: LossCase) -> np.ndarray:
    """Logits of a teacher: those of the case in another order, halved."""
    return (case.logits[::-1, ::-1] / 2).astype(case.logits.dtype)


def divergence_bound(case: LossCase, temperature: float) -> float:
    """Of every term: roundings of two logarithms, of which each is up to the range of the logits over T."""
    size = 2 * np.abs(case.logits).max() / temperature + case.logits.shape[1] + 8
    return 8 * temperature**2 * size * (case.logits.size + 8) * np.finfo(case.logits.dtype).eps


def check_distillation(distillation: Callable, case: LossCase, temperature: float) -> None:
    got, teacher = distillation(case.logits, taught(case), temperature), taught(case).astype(float)
    want = loss_oracle.distillation(case.logits.astype(float).tolist(), teacher.tolist(), temperature)
    assert isinstance(got, float)
    assert_within(got, want, divergence_bound(case, temperature))


def check_distillation_backward(distillation_backward: Callable, case: LossCase, temperature: float) -> None:
    got, teacher = distillation_backward(case.logits, taught(case), temperature), taught(case).astype(float)
    arguments = (case.logits.astype(float).tolist(), teacher.tolist(), temperature)
    assert got.dtype == case.logits.dtype
    # An error of the log softmax, up to eps times the largest logit over T, is a relative error of the softmax.
    batch, classes = case.logits.shape
    ulp = np.finfo(case.logits.dtype).eps * (2 * np.abs(case.logits).max() / temperature + classes + 8)
    assert_within(got, np.array(loss_oracle.distillation_backward(*arguments)), 8 * ulp * temperature / batch)


def check_one_hot(one_hot: Callable, labels: np.ndarray, classes: int) -> None:
    want = [[1.0 if c == label else 0.0 for c in range(classes)] for label in labels.tolist()]
    assert_same(one_hot(labels, classes), np.array(want, np.float32).reshape(len(labels), classes))


def check_mixup_targets(mixup_targets: Callable, first: np.ndarray, second: np.ndarray, lam: float) -> None:
    got = mixup_targets(first, second, lam)
    want = second.astype(float) + lam * (first.astype(float) - second.astype(float))
    assert got.dtype == first.dtype
    assert_within(got, want, 4 * np.finfo(first.dtype).eps * (np.abs(first) + np.abs(second)))


def check_smooth_targets(smooth_targets: Callable, targets: np.ndarray, epsilon: float) -> None:
    got = smooth_targets(targets, epsilon)
    uniform = 1.0 / targets.shape[1]
    assert got.dtype == targets.dtype
    want = targets.astype(float) + epsilon * (uniform - targets.astype(float))
    assert_within(got, want, 4 * np.finfo(targets.dtype).eps)


def check_adam(adam: Callable, case: AdamCase) -> None:
    """Every element follows the scalar loop, over all steps."""
    value, dtype = case.value, case.value.dtype
    first, second = np.zeros_like(value), np.zeros_like(value)
    settings = {
        "learning_rate": case.learning_rate,
        "beta1": case.beta1,
        "beta2": case.beta2,
        "eps": case.eps,
    }
    for step, grad in enumerate(case.grads, start=1):
        out = adam(value, grad, first, second, step, **settings)
        value, first, second = out.value, out.first_moment, out.second_moment
    assert value.dtype == first.dtype == second.dtype == dtype
    want = np.array(
        [
            adam_oracle.run(float(v), [float(g) for g in grads], **settings)
            for v, grads in zip(case.value, case.grads.T, strict=True)
        ]
    )
    steps = len(case.grads)
    ulp = 8 * steps * float(np.finfo(dtype).eps)
    largest = np.abs(case.grads.astype(float)).max(axis=0)
    assert_within(first, want[:, 1], ulp * largest, "first moment")
    assert_within(second, want[:, 2], ulp * largest**2, "second moment")
    # The root of the corrected second moment is at least the largest gradient over sqrt(steps / beta2^steps).
    largest_step = case.learning_rate * (steps / case.beta2**steps) ** 0.5
    assert_within(value, want[:, 0], ulp * (np.abs(case.value) + steps * largest_step), "value")


# ---------------------------------------------------------------------------------------------------- weights


def check_bipolar(weights: Callable, backward: Callable, case: WeightCase) -> None:
    assert_same(weights(case.latent, case.s), case.s)
    got = backward(case.dw, case.latent, case.s)
    assert_same(got.s, case.dw)
    assert got.latent is None and got.tau is None and got.phi is None


def check_symmetric(weights: Callable, backward: Callable, case: WeightCase) -> None:
    """One scale per filter; the scale is a constant on the way back."""
    scale = [weights_oracle.mean_abs(f.astype(float).ravel().tolist()) for f in case.latent]
    scale = np.array(scale).reshape(-1, 1, 1, 1)
    ulp = 4 * np.finfo(case.latent.dtype).eps
    got = weights(case.latent, case.s)
    assert got.dtype == case.latent.dtype
    assert_within(got, scale * case.s, ulp * scale, "weights")
    grads = backward(case.dw, case.latent, case.s)
    assert grads.latent is None and grads.tau is None and grads.phi is None
    size = np.abs(case.dw.astype(float))
    assert_within(grads.s, scale * case.dw.astype(float), ulp * scale * size, "s")


def check_general(weights: Callable, backward: Callable, case: WeightCase) -> None:
    got = weights(case.s, case.tau, case.phi)
    ulp = 4 * np.finfo(case.s.dtype).eps
    assert got.dtype == case.s.dtype
    want = np.where(case.s > 0, case.phi + case.tau, case.phi - case.tau)
    assert_within(got, want, ulp * (abs(case.tau) + abs(case.phi)), "weights")

    grads = backward(case.dw, case.s, case.tau, case.phi)
    dw, s = case.dw.astype(float).ravel().tolist(), case.s.ravel().tolist()
    assert grads.latent is None and grads.tau.dtype == grads.phi.dtype == case.dw.dtype
    magnitude = float(sum(map(abs, map(Fraction, dw)), Fraction(0)))
    error = ulp * magnitude + len(dw) * np.finfo(float).eps * magnitude
    tau = float(sum((Fraction(g) * Fraction(v) for g, v in zip(dw, s, strict=True)), Fraction(0)))
    assert_within(grads.tau, tau, error, "tau")
    assert_within(grads.phi, float(sum(map(Fraction, dw), Fraction(0))), error, "phi")
    assert_within(grads.s, case.tau * case.dw.astype(float), ulp * np.abs(case.dw.astype(float)), "s")


def check_closed_form(weights: Callable, backward: Callable, case: WeightCase) -> None:
    """Values are the conditional means; the gradient of a latent weight is the mean of dw over its sign."""
    latent, dw = (a.astype(float).ravel().tolist() for a in (case.latent, case.dw))
    signs = case.s.ravel().tolist()
    alpha, beta = weights_oracle.means_by_sign(latent, signs)
    dtype, n = case.latent.dtype, len(latent)
    # The means are summed in float64 and rounded once to the dtype.
    ulp = np.finfo(dtype).eps + n * np.finfo(float).eps
    size = max(map(abs, latent))
    got = weights(case.latent, case.s)
    assert got.dtype == dtype and len(np.unique(got)) <= 2
    assert_within(got, np.where(case.s > 0, beta, alpha), ulp * size, "weights")

    grads = backward(case.dw, case.latent, case.s)
    assert grads.tau is None and grads.phi is None
    own, other = max(map(abs, dw)), np.abs(case.dw.astype(float))
    bound = 4 * ulp * size * other
    assert_within(grads.s, (beta / 2 - alpha / 2) * case.dw.astype(float), bound, "s")
    minus, plus = weights_oracle.means_by_sign(dw, signs)
    assert_within(grads.latent, np.where(case.s > 0, plus, minus), ulp * own, "latent")


# ---------------------------------------------------------------------------------------- density and pruning


def check_density(density: Callable, bits: np.ndarray) -> None:
    got = density(bits)
    assert isinstance(got, float)
    assert got == float(Fraction(sum(bits.ravel().tolist()), bits.size))


def check_density_penalty(
    density_penalty: Callable,
    ones: int,
    total: int,
    limit: float,
    gamma: float,
    loss: float,
    dead_zone: float,
) -> None:
    """Where it acts, the penalty is the share gamma of the whole; up to the dead zone it is nothing."""
    got = density_penalty(ones, total, limit=limit, gamma=gamma, loss=loss, dead_zone=dead_zone)
    excess = max(ones / total - limit, 0.0)
    assert got.excess == excess
    if excess <= dead_zone:
        assert got.multiplier == 0 and got.value == 0
        return
    ulp = 16 * np.finfo(float).eps
    # value / (loss + value) = gamma
    assert_within(got.value, gamma * (loss + got.value), ulp * (loss + got.value))
    assert_within(got.multiplier * excess, got.value, ulp * got.value)


def check_density_penalty_push(push: Callable, multiplier: float, total: int, slope: float) -> None:
    """Moving every latent weight by e moves lambda h by e times the sum of the pushes, lambda * slope * e."""
    got = push(multiplier, total, slope=slope)
    assert_within(got * total, multiplier * slope, 4 * np.finfo(float).eps * multiplier * slope)


def check_select_positive(select_positive: Callable, latent: np.ndarray) -> None:
    got = select_positive(latent)
    assert_same(got.bits, np.array([v > 0 for v in latent.flat], bool).reshape(latent.shape))
    assert got.threshold == 0.0


def check_select_top_k(select_top_k: Callable, latent: np.ndarray, k: int) -> None:
    got = select_top_k(latent, k)
    bits, threshold = pruning_oracle.top_k(latent.astype(float).ravel().tolist(), k)
    assert_same(got.bits, np.array(bits).reshape(latent.shape))
    assert isinstance(got.threshold, float)
    size = float(np.abs(latent.astype(float)).max())
    assert_within(got.threshold, threshold, 2 * np.finfo(float).eps * size)
    ones, zeros = latent[got.bits], latent[~got.bits]
    assert not ones.size or ones.min() >= got.threshold
    assert not zeros.size or zeros.max() <= got.threshold
