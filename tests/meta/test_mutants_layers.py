"""Layers that are wrong on purpose: every one must be refused by the check that the suite runs on spec."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import hypothesis.strategies as st
import layer_checks as checks
import layer_strategies as strategies
import numpy as np
import pytest
from hypothesis import given, settings
from oracles import estimators as estimator_oracle
from strategies import SEARCH

from bbdg_ref.spec import activation, batchnorm, conv2d, density, estimators, linear, loss, pooling, pruning
from bbdg_ref.spec import adam as adam_module
from bbdg_ref.spec import shortcut as shortcut_module
from bbdg_ref.spec import weights as weights_module

pytestmark = pytest.mark.slow  # tests of the tests

SETTINGS = settings(SEARCH, max_examples=100)


@dataclass(frozen=True)
class Subject:
    """A check, what it is run on, and the implementation that passes it."""

    check: Callable
    cases: st.SearchStrategy[tuple]
    right: Callable | tuple

    def run(self, implementation: Callable | tuple) -> None:
        """Run the check on as many cases as it takes."""
        functions = implementation if isinstance(implementation, tuple) else (implementation,)

        @SETTINGS
        @given(self.cases)
        def run(case: tuple) -> None:
            with np.errstate(all="ignore"):  # a mutant's overflow is a wrong number, not a warning
                self.check(*functions, *case)

        run()


def one(strategy: st.SearchStrategy) -> st.SearchStrategy[tuple]:
    return st.tuples(strategy)


# Gradients and points, every corner and its neighbours among them.
POINTS = strategies.DTYPES.map(strategies.corner_values)
STEEPNESS = st.sampled_from([(0.1, 10.0), (0.5, 2.0), (3.0, 1.0)])
CHANNELS = one(strategies.channel_cases())
SPREAD = one(strategies.channel_cases(st.just("normal")))
WEIGHTS = one(strategies.weight_cases())
DISTILLED = st.tuples(strategies.loss_cases(), st.sampled_from([1.0, 4.0]))
COUNTS = st.integers(1, 1000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def with_gradient(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(0).uniform(1, 2, x.shape).astype(x.dtype), x


def check_slope(slope: Callable) -> Callable:
    return lambda backward, dy, x: checks.check_estimator(backward, slope, dy, x, ulps=4)


CONV = one(strategies.conv_cases())
LATENT = strategies.arrays(strategies.ANY_SHAPES)
SUBJECTS = {
    "sign": Subject(checks.check_sign, one(POINTS), estimators.sign),
    "sign_bits": Subject(checks.check_sign_bits, one(POINTS), estimators.sign_bits),
    "clipped": Subject(
        check_slope(estimator_oracle.clipped), POINTS.map(with_gradient), estimators.clipped_ste_backward
    ),
    "quadratic": Subject(
        check_slope(estimator_oracle.quadratic), POINTS.map(with_gradient), estimators.quadratic_backward
    ),
    "ede": Subject(
        checks.check_ede,
        st.tuples(POINTS, STEEPNESS).map(lambda c: (*with_gradient(c[0]), *c[1])),
        estimators.ede_backward,
    ),
    "ede_schedule": Subject(checks.check_ede_schedule, one(st.integers(2, 100)), estimators.ede_schedule),
    "conv2d": Subject(checks.check_conv2d, CONV, conv2d.conv2d),
    "conv2d_grad_input": Subject(checks.check_conv2d_grad_input, CONV, conv2d.conv2d_grad_input),
    "conv2d_grad_weight": Subject(checks.check_conv2d_grad_weight, CONV, conv2d.conv2d_grad_weight),
    "linear": Subject(checks.check_linear, one(strategies.linear_cases()), linear.linear),
    "linear_backward": Subject(checks.check_linear_backward, one(strategies.linear_cases()), linear.linear_backward),
    "batchnorm_train": Subject(checks.check_batchnorm_train, SPREAD, batchnorm.batchnorm_train),
    "batchnorm_infer": Subject(checks.check_batchnorm_infer, SPREAD, batchnorm.batchnorm_infer),
    "batchnorm_backward": Subject(checks.check_batchnorm_backward, SPREAD, batchnorm.batchnorm_backward),
    "running_update": Subject(checks.check_running_update, SPREAD, batchnorm.running_update),
    "hardtanh": Subject(checks.check_hardtanh, one(POINTS), activation.hardtanh),
    "hardtanh_backward": Subject(
        checks.check_hardtanh_backward, POINTS.map(with_gradient), activation.hardtanh_backward
    ),
    "prelu": Subject(checks.check_prelu, CHANNELS, activation.prelu),
    "prelu_backward": Subject(checks.check_prelu_backward, CHANNELS, activation.prelu_backward),
    "channel_bias": Subject(checks.check_channel_bias, CHANNELS, activation.channel_bias),
    "channel_bias_backward": Subject(checks.check_channel_bias_backward, CHANNELS, activation.channel_bias_backward),
    "avg_pool2d": Subject(checks.check_avg_pool2d, one(strategies.pool_cases(False)), pooling.avg_pool2d),
    "avg_pool2d_backward": Subject(
        checks.check_avg_pool2d_backward, one(strategies.pool_cases(False)), pooling.avg_pool2d_backward
    ),
    "max_pool2d": Subject(checks.check_max_pool2d, one(strategies.pool_cases(True)), pooling.max_pool2d),
    "max_pool2d_backward": Subject(
        checks.check_max_pool2d_backward, one(strategies.pool_cases(True)), pooling.max_pool2d_backward
    ),
    "stride_and_pad": Subject(
        checks.check_stride_and_pad, one(strategies.shortcut_cases()), shortcut_module.stride_and_pad
    ),
    "stride_and_pad_backward": Subject(
        checks.check_stride_and_pad_backward,
        one(strategies.shortcut_cases()),
        shortcut_module.stride_and_pad_backward,
    ),
    "cross_entropy": Subject(checks.check_cross_entropy, one(strategies.loss_cases()), loss.cross_entropy),
    "cross_entropy_backward": Subject(
        checks.check_cross_entropy_backward, one(strategies.loss_cases()), loss.cross_entropy_backward
    ),
    "distillation": Subject(checks.check_distillation, DISTILLED, loss.distillation),
    "distillation_backward": Subject(checks.check_distillation_backward, DISTILLED, loss.distillation_backward),
    "mixup_targets": Subject(
        checks.check_mixup_targets,
        st.tuples(strategies.loss_cases(), st.floats(0, 1)).map(lambda c: (c[0].targets, c[0].targets[::-1], c[1])),
        loss.mixup_targets,
    ),
    "smooth_targets": Subject(
        checks.check_smooth_targets,
        st.tuples(strategies.loss_cases(), st.floats(0, 1)).map(lambda c: (c[0].targets, c[1])),
        loss.smooth_targets,
    ),
    "adam": Subject(checks.check_adam, one(strategies.adam_cases()), adam_module.adam),
    "bipolar": Subject(
        checks.check_bipolar,
        WEIGHTS,
        (weights_module.bipolar_weights, weights_module.bipolar_weights_backward),
    ),
    "symmetric": Subject(
        checks.check_symmetric,
        WEIGHTS,
        (weights_module.symmetric_weights, weights_module.symmetric_weights_backward),
    ),
    "general": Subject(
        checks.check_general,
        WEIGHTS,
        (weights_module.general_weights, weights_module.general_weights_backward),
    ),
    "closed_form": Subject(
        checks.check_closed_form,
        WEIGHTS,
        (weights_module.closed_form_weights, weights_module.closed_form_weights_backward),
    ),
    "density_penalty": Subject(
        checks.check_density_penalty,
        st.tuples(COUNTS, st.sampled_from([0.0, 0.05, 0.25]), st.floats(0.01, 0.5), st.sampled_from([1e-4, 0.125])).map(
            lambda c: (*c[0], c[1], c[2], 2.0, c[3])
        )
        | st.just((3, 8, 0.25, 0.5, 2.0, 0.125)),  # an excess equal to the dead zone
        density.density_penalty,
    ),
    "density_penalty_push": Subject(
        checks.check_density_penalty_push,
        st.tuples(st.floats(0, 10), st.integers(1, 1000), st.sampled_from([0.5, 1.0])),
        density.density_penalty_push,
    ),
    "select_positive": Subject(checks.check_select_positive, one(LATENT), pruning.select_positive),
    "select_top_k": Subject(
        checks.check_select_top_k,
        LATENT.flatmap(lambda w: st.tuples(st.just(w), st.integers(0, w.size))),
        pruning.select_top_k,
    ),
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_what_spec_says_passes(name):
    SUBJECTS[name].run(SUBJECTS[name].right)


MUTANTS: list[tuple[str, str, Callable | tuple]] = []


def mutant(subject: str, fault: str) -> Callable:
    """Enter a wrong implementation (or the pair of a forward and a backward) of a subject."""

    def enter(implementation: Callable | tuple) -> Callable | tuple:
        MUTANTS.append((subject, fault, implementation))
        return implementation

    return enter


# ------------------------------------------------------------------------------------------------- estimators

mutant("sign", "zero has the sign 0")(np.sign)
mutant("sign", "zero has the sign +1")(lambda x: np.where(x >= 0, 1, -1).astype(x.dtype))
mutant("sign", "-0.0 differs from 0.0")(lambda x: np.where(np.signbit(x), -1, 1).astype(x.dtype))
mutant("sign", "always float64")(lambda x: np.where(x > 0, 1.0, -1.0))
mutant("sign_bits", "zero is a one")(lambda x: x >= 0)
mutant("sign_bits", "subnormals are zeros")(lambda x: x >= np.finfo(x.dtype).tiny)
mutant("clipped", "the corners do not pass")(lambda dy, x: np.where(np.abs(x) < 1, dy, 0).astype(dy.dtype))
mutant("clipped", "clips the gradient instead")(lambda dy, x: np.clip(dy, -1, 1))
mutant("clipped", "one-sided")(lambda dy, x: np.where(x <= 1, dy, 0).astype(dy.dtype))
mutant("ede", "k forgotten")(lambda dy, x, *, t, k: dy * (t * (1 - np.tanh(t * x) ** 2)))
mutant("ede", "t forgotten before the bracket")(lambda dy, x, *, t, k: dy * (k * (1 - np.tanh(t * x) ** 2)))
mutant("ede", "t forgotten in tanh")(lambda dy, x, *, t, k: dy * (k * t * (1 - np.tanh(x) ** 2)))
mutant("ede", "tanh not squared")(lambda dy, x, *, t, k: dy * (k * t * (1 - np.tanh(t * x))))
mutant("ede_schedule", "ends at t = 10 exactly")(
    lambda e, epochs: estimators.ede_schedule(e * epochs, epochs * (epochs - 1))
)
mutant("ede_schedule", "k = 1 always")(lambda e, epochs: replace(estimators.ede_schedule(e, epochs), k=1.0))
mutant("ede_schedule", "k = t where above 1")(
    lambda e, epochs: replace(estimators.ede_schedule(e, epochs), k=max(estimators.ede_schedule(e, epochs).t, 1.0))
)
mutant("quadratic", "half the slope")(lambda dy, x: estimators.quadratic_backward(dy, x) / 2)
mutant("quadratic", "the sign of x forgotten")(
    lambda dy, x: np.where(np.abs(x) <= 1, dy * (2 - 2 * x), 0).astype(dy.dtype)
)
mutant("quadratic", "not cut off")(lambda dy, x: dy * (2 - 2 * np.abs(x)))

# ------------------------------------------------------------------------------------------------ convolution


def padded(x: np.ndarray, padding, value: float) -> np.ndarray:
    (pv, ph) = conv2d.pair(padding)
    return np.pad(x, ((0, 0), (0, 0), (pv, pv), (ph, ph)), constant_values=value)


@mutant("conv2d", "the border is -1")
def _(x, weight, *, stride=1, padding=0):
    return conv2d.conv2d(padded(x, padding, -1), weight, stride=stride)


@mutant("conv2d", "the border repeats the image")
def _(x, weight, *, stride=1, padding=0):
    (pv, ph) = conv2d.pair(padding)
    return conv2d.conv2d(np.pad(x, ((0, 0), (0, 0), (pv, pv), (ph, ph)), mode="edge"), weight, stride=stride)


@mutant("conv2d", "the kernel is flipped")
def _(x, weight, *, stride=1, padding=0):
    return conv2d.conv2d(x, weight[:, :, ::-1, ::-1], stride=stride, padding=padding)


@mutant("conv2d", "the border is off by one")
def _(x, weight, *, stride=1, padding=0):
    return conv2d.conv2d(np.roll(padded(x, padding, 0), 1, axis=2), weight, stride=stride)


@mutant("conv2d", "the last column is dropped")
def _(x, weight, *, stride=1, padding=0):
    return conv2d.conv2d(x, weight, stride=stride, padding=padding)[..., :-1]


@mutant("conv2d", "the vertical and the horizontal stride are swapped")
def _(x, weight, *, stride=1, padding=0):
    try:
        return conv2d.conv2d(x, weight, stride=conv2d.pair(stride)[::-1], padding=padding)
    except ValueError as error:
        raise AssertionError("no result") from error


@mutant("conv2d", "starts at the second window")
def _(x, weight, *, stride=1, padding=0):
    return np.roll(conv2d.conv2d(x, weight, stride=stride, padding=padding), 1, axis=3)


@mutant("conv2d", "the last input channel is left out")
def _(x, weight, *, stride=1, padding=0):
    return conv2d.conv2d(x[:, :-1], weight[:, :-1], stride=stride, padding=padding)


@mutant("conv2d_grad_input", "the kernel is flipped")
def _(dy, weight, **sizes):
    return conv2d.conv2d_grad_input(dy, weight[:, :, ::-1, ::-1], **sizes)


@mutant("conv2d_grad_input", "the border is cut off by one")
def _(dy, weight, **sizes):
    return np.roll(conv2d.conv2d_grad_input(dy, weight, **sizes), 1, axis=3)


@mutant("conv2d_grad_input", "windows that overlap overwrite each other")
def _(dy, weight, *, input_size, stride=1, padding=0):
    (height, width), (pv, ph) = input_size, conv2d.pair(padding)
    dx = np.zeros((len(dy), weight.shape[1], height + 2 * pv, width + 2 * ph), dy.dtype)
    view = conv2d.windows(dx, weight.shape[2:], conv2d.pair(stride), writeable=True)
    for i, j in np.ndindex(*weight.shape[2:]):
        view[..., i, j] = np.einsum("nopq,oc->ncpq", dy, weight[:, :, i, j])
    return dx[:, :, pv : pv + height, ph : ph + width]


@mutant("conv2d_grad_weight", "the kernel is flipped")
def _(dy, x, **sizes):
    return conv2d.conv2d_grad_weight(dy, x, **sizes)[:, :, ::-1, ::-1]


@mutant("conv2d_grad_weight", "the mean over the batch")
def _(dy, x, **sizes):
    return conv2d.conv2d_grad_weight(dy, x, **sizes) / dy.dtype.type(len(dy))


@mutant("conv2d_grad_weight", "the border is -1")
def _(dy, x, *, kernel_size, stride=1, padding=0):
    return conv2d.conv2d_grad_weight(dy, padded(x, padding, -1), kernel_size=kernel_size, stride=stride)


# ----------------------------------------------------------------------------------------------------- linear

mutant("linear", "the bias is forgotten")(lambda x, weight, bias: x @ weight.T)
mutant("linear", "the bias is subtracted")(lambda x, weight, bias: x @ weight.T - bias)


@mutant("linear", "a square weight is not transposed")
def _(x, weight, bias):
    return (x @ weight if len(weight) == weight.shape[1] else x @ weight.T) + bias


@mutant("linear_backward", "the bias gradient is a mean")
def _(dy, x, weight):
    return replace(linear.linear_backward(dy, x, weight), bias=dy.mean(axis=0))


@mutant("linear_backward", "the weight gradient is a mean")
def _(dy, x, weight):
    return replace(linear.linear_backward(dy, x, weight), weight=dy.T @ x / dy.dtype.type(len(x)))


# ------------------------------------------------------------------------------------------------- batch norm


def spread(x: np.ndarray, ddof: int) -> np.ndarray:
    return x.var(axis=batchnorm.not_channels(x), ddof=ddof)


@mutant("batchnorm_train", "normalizes with the sample variance")
def _(x, weight, bias, *, eps=1e-5):
    mean, var = x.mean(axis=batchnorm.not_channels(x)), spread(x, 1)
    return batchnorm.BatchNormForward(batchnorm.batchnorm_infer(x, weight, bias, mean, var, eps=eps), mean, var)


@mutant("batchnorm_train", "returns the sample variance")
def _(x, weight, bias, *, eps=1e-5):
    return replace(batchnorm.batchnorm_train(x, weight, bias, eps=eps), var=spread(x, 1))


@mutant("batchnorm_train", "eps outside the root")
def _(x, weight, bias, *, eps=1e-5):
    out = batchnorm.batchnorm_train(x, weight, bias, eps=eps)
    var = (np.sqrt(out.var) + eps) ** 2
    return replace(out, y=batchnorm.batchnorm_infer(x, weight, bias, out.mean, var, eps=0.0))


@mutant("batchnorm_train", "one mean for all channels")
def _(x, weight, bias, *, eps=1e-5):
    out = batchnorm.batchnorm_train(x, weight, bias, eps=eps)
    mean = np.full_like(out.mean, x.mean())
    return replace(out, y=batchnorm.batchnorm_infer(x, weight, bias, mean, out.var, eps=eps))


@mutant("batchnorm_infer", "uses the statistics of the batch")
def _(x, weight, bias, running_mean, running_var, *, eps=1e-5):
    return batchnorm.batchnorm_train(x, weight, bias, eps=eps).y


@mutant("batchnorm_infer", "the bias is scaled too")
def _(x, weight, bias, running_mean, running_var, *, eps=1e-5):
    zero = np.zeros_like(bias)
    xhat = batchnorm.batchnorm_infer(x, np.ones_like(bias), zero, running_mean, running_var, eps=eps)
    return batchnorm.per_channel(weight, x) * (xhat + batchnorm.per_channel(bias, x))


def incomplete_backward(through_mean: bool, through_var: bool) -> Callable:
    def backward(dy, x, weight, mean, var, *, eps=1e-5):
        grads = batchnorm.batchnorm_backward(dy, x, weight, mean, var, eps=eps)
        axes, inverse_std = batchnorm.not_channels(x), 1 / np.sqrt(batchnorm.per_channel(var, x) + eps)
        xhat = (x - batchnorm.per_channel(mean, x)) * inverse_std
        flow = dy - through_mean * dy.mean(axis=axes, keepdims=True)
        flow = flow - through_var * xhat * (dy * xhat).mean(axis=axes, keepdims=True)
        return replace(grads, x=(batchnorm.per_channel(weight, x) * inverse_std * flow).astype(x.dtype))

    return backward


mutant("batchnorm_backward", "not through the mean")(incomplete_backward(False, True))
mutant("batchnorm_backward", "not through the variance")(incomplete_backward(True, False))


@mutant("batchnorm_backward", "the weight gradient without 1/std")
def _(dy, x, weight, mean, var, *, eps=1e-5):
    centred = x - batchnorm.per_channel(mean, x)
    grads = batchnorm.batchnorm_backward(dy, x, weight, mean, var, eps=eps)
    return replace(grads, weight=(dy * centred).sum(axis=batchnorm.not_channels(x)))


@mutant("batchnorm_backward", "eps forgotten")
def _(dy, x, weight, mean, var, *, eps=1e-5):
    return batchnorm.batchnorm_backward(dy, x, weight, mean, var, eps=0.0)


@mutant("running_update", "keeps the biased variance")
def _(running_mean, running_var, mean, var, *, count, momentum=0.1):
    biased = var * ((count - 1) / count)
    return batchnorm.running_update(running_mean, running_var, mean, biased, count=count, momentum=momentum)


@mutant("running_update", "the momentum is the weight of the past")
def _(running_mean, running_var, mean, var, *, count, momentum=0.1):
    return batchnorm.running_update(running_mean, running_var, mean, var, count=count, momentum=1 - momentum)


# ------------------------------------------------------------------------------------------------ activations

mutant("hardtanh", "clips at 2")(lambda x: np.clip(x, -2, 2))
mutant("hardtanh", "clips below only")(lambda x: np.maximum(x, x.dtype.type(-1)))
mutant("hardtanh_backward", "the corners pass")(estimators.clipped_ste_backward)
mutant("hardtanh_backward", "the upper corner passes")(
    lambda dy, x: np.where((x > -1) & (x <= 1), dy, 0).astype(dy.dtype)
)
mutant("prelu", "slope on the positive side")(lambda x, slope: -activation.prelu(-x, slope))
mutant("prelu", "one slope for all channels")(lambda x, slope: np.where(x > 0, x, slope[0] * x))


@mutant("prelu_backward", "zero counts as positive")
def _(dy, x, slope):
    grads = activation.prelu_backward(dy, x, slope)
    return replace(grads, x=np.where(x >= 0, dy, grads.x))


@mutant("prelu_backward", "the slope gradient takes every input")
def _(dy, x, slope):
    grads = activation.prelu_backward(dy, x, slope)
    return replace(grads, slope=(dy * x).sum(axis=batchnorm.not_channels(x)))


@mutant("prelu_backward", "the slope gradient of the first image only")
def _(dy, x, slope):
    first = activation.prelu_backward(dy[:1], x[:1], slope)
    return replace(activation.prelu_backward(dy, x, slope), slope=first.slope)


mutant("channel_bias", "subtracted")(lambda x, bias: activation.channel_bias(x, -bias))
mutant("channel_bias_backward", "a mean")(lambda dy: dy.mean(axis=batchnorm.not_channels(dy)))

# --------------------------------------------------------------------------------------- pooling and shortcut


@mutant("avg_pool2d", "a sum")
def _(x, size, *, stride=None):
    kh, kw = conv2d.pair(size)
    return pooling.avg_pool2d(x, size, stride=stride) * (kh * kw)


@mutant("avg_pool2d", "the stride is always the size")
def _(x, size, *, stride=None):
    return pooling.avg_pool2d(x, size)


@mutant("avg_pool2d_backward", "not divided")
def _(dy, *, input_size, size, stride=None):
    kh, kw = conv2d.pair(size)
    return pooling.avg_pool2d_backward(dy, input_size=input_size, size=size, stride=stride) * (kh * kw)


@mutant("avg_pool2d_backward", "windows that overlap overwrite each other")
def _(dy, *, input_size, size, stride=None):
    kh, kw = conv2d.pair(size)
    dx = np.zeros((*dy.shape[:2], *input_size), dy.dtype)
    steps = conv2d.pair(size if stride is None else stride)
    view = conv2d.windows(dx, (kh, kw), steps, writeable=True)
    for i, j in np.ndindex(kh, kw):
        view[..., i, j] = dy / (kh * kw)
    return dx


@mutant("max_pool2d", "the border is 0")
def _(x, size, *, stride=None, padding=0):
    out = pooling.max_pool2d(x, size, stride=stride, padding=padding)
    zero = pooling.max_pool2d(padded(x, padding, 0), size, stride=size if stride is None else stride)
    return replace(out, y=zero.y)


@mutant("max_pool2d", "the last of equal maxima")
def _(x, size, *, stride=None, padding=0):
    mirrored = np.ascontiguousarray(x[:, :, ::-1, ::-1])
    kernel, steps = conv2d.pair(size), conv2d.pair(size if stride is None else stride)
    pads, shape = conv2d.pair(padding), x.shape[2:]
    extra = [(n + 2 * p - k) % s for n, k, s, p in zip(shape, kernel, steps, pads, strict=True)]
    if any(extra):  # the mirror image has other windows
        return pooling.max_pool2d(x, size, stride=stride, padding=padding)
    out = pooling.max_pool2d(mirrored, size, stride=stride, padding=padding)
    last = shape[0] * shape[1] - 1 - out.argmax[:, :, ::-1, ::-1]
    return pooling.MaxPoolForward(y=out.y[:, :, ::-1, ::-1], argmax=last)


@mutant("max_pool2d", "indices into the padded map")
def _(x, size, *, stride=None, padding=0):
    out = pooling.max_pool2d(x, size, stride=stride, padding=padding)
    (pv, ph), width = conv2d.pair(padding), x.shape[3]
    row, column = np.divmod(out.argmax, width)
    return replace(out, argmax=(row + pv) * (width + 2 * ph) + column + ph)


@mutant("max_pool2d_backward", "a pixel that wins twice is paid once")
def _(dy, argmax, *, input_size):
    dx = np.zeros((*dy.shape[:2], input_size[0] * input_size[1]), dy.dtype)
    np.put_along_axis(dx, argmax.reshape(*dy.shape[:2], -1), dy.reshape(*dy.shape[:2], -1), axis=2)
    return dx.reshape(*dy.shape[:2], *input_size)


@mutant("stride_and_pad", "all new channels come after")
def _(x, *, out_channels, stride):
    sv, sh = conv2d.pair(stride)
    return np.pad(x[:, :, ::sv, ::sh], ((0, 0), (0, out_channels - x.shape[1]), (0, 0), (0, 0)))


@mutant("stride_and_pad", "the larger half comes before")
def _(x, *, out_channels, stride):
    sv, sh = conv2d.pair(stride)
    after = (out_channels - x.shape[1]) // 2
    before = out_channels - x.shape[1] - after
    return np.pad(x[:, :, ::sv, ::sh], ((0, 0), (before, after), (0, 0), (0, 0)))


@mutant("stride_and_pad", "takes the last pixel of a step")
def _(x, *, out_channels, stride):
    return shortcut_module.stride_and_pad(np.roll(x, -1, axis=3), out_channels=out_channels, stride=stride)


@mutant("stride_and_pad_backward", "the gradient is spread over the step")
def _(dy, *, in_channels, input_size, stride):
    sv, sh = conv2d.pair(stride)
    before = (dy.shape[1] - in_channels) // 2
    spread_out = dy[:, before : before + in_channels].repeat(sv, axis=2).repeat(sh, axis=3)
    return spread_out[:, :, : input_size[0], : input_size[1]]


# ----------------------------------------------------------------------------------------- loss and optimizer


def unstable_softmax(logits: np.ndarray) -> np.ndarray:
    power = np.exp(logits)
    return power / power.sum(axis=1, keepdims=True)


mutant("cross_entropy", "the sum over the batch")(lambda z, t: loss.cross_entropy(z, t) * len(z))
mutant("cross_entropy", "overflows")(lambda z, t: float(-np.vdot(t, np.log(unstable_softmax(z))) / len(z)))
mutant("cross_entropy", "in bits")(lambda z, t: loss.cross_entropy(z, t) / np.log(2).item())
mutant("cross_entropy", "the hard label of a mixture")(
    lambda z, t: loss.cross_entropy(z, np.eye(t.shape[1], dtype=t.dtype)[t.argmax(axis=1)])
)
mutant("cross_entropy_backward", "the sum over the batch")(
    lambda z, t: loss.cross_entropy_backward(z, t) * z.dtype.type(len(z))
)
mutant("cross_entropy_backward", "overflows")(lambda z, t: (unstable_softmax(z) - t) / len(z))
mutant("cross_entropy_backward", "the targets are forgotten")(lambda z, t: loss.cross_entropy_backward(z, 0 * t))
mutant("distillation", "the other way round")(lambda z, t, temperature: loss.distillation(t, z, temperature))
mutant("distillation", "without the square of the temperature")(
    lambda z, t, temperature: loss.distillation(z, t, temperature) / temperature**2
)
mutant("distillation", "the cross-entropy with the teacher")(
    lambda z, t, temperature: loss.cross_entropy(z, np.exp(loss._log_softmax(t)))
)
mutant("distillation", "the sum over the batch")(lambda z, t, temp: loss.distillation(z, t, temp) * len(z))
mutant("distillation", "only the network is tempered")(
    lambda z, t, temperature: loss.distillation(z, temperature * t, temperature)
)
mutant("distillation_backward", "towards the network")(lambda z, t, temp: -loss.distillation_backward(z, t, temp))
mutant("distillation_backward", "without the temperature")(
    lambda z, t, temp: loss.distillation_backward(z, t, temp) / z.dtype.type(temp)
)
mutant("distillation_backward", "overflows")(
    lambda z, t, temp: temp * (unstable_softmax(z / temp) - unstable_softmax(t / temp)) / len(z)
)
mutant("mixup_targets", "first and second swapped")(lambda a, b, lam: loss.mixup_targets(b, a, lam))
mutant("smooth_targets", "shared among the other classes")(
    lambda t, e: ((1 - e) * t + e / max(t.shape[1] - 1, 1) * (1 - t)).astype(t.dtype)
)
mutant("smooth_targets", "does not sum to one")(lambda t, e: t + t.dtype.type(e / t.shape[1]))


@mutant("adam", "without bias correction")
def _(value, grad, first, second, step, **rates):
    return adam_module.adam(value, grad, first, second, 10**6, **rates)


@mutant("adam", "steps counted from 2")
def _(value, grad, first, second, step, **rates):
    return adam_module.adam(value, grad, first, second, step + 1, **rates)


@mutant("adam", "betas swapped")
def _(value, grad, first, second, step, *, learning_rate, beta1, beta2, eps):
    rates = {"learning_rate": learning_rate, "beta1": beta2, "beta2": beta1, "eps": eps}
    return adam_module.adam(value, grad, first, second, step, **rates)


def adam_with(update: Callable) -> Callable:
    """Return Adam that moves by the learning rate times `update(m, v, 1 - beta1^t, 1 - beta2^t, eps)`."""

    def adam(value, grad, first, second, step, *, learning_rate, beta1, beta2, eps):
        out = adam_module.adam(
            value, grad, first, second, step, learning_rate=learning_rate, beta1=beta1, beta2=beta2, eps=eps
        )
        m, v = out.first_moment, out.second_moment
        moved = learning_rate * update(m, v, 1 - beta1**step, 1 - beta2**step, eps)
        return replace(out, value=(value - moved).astype(value.dtype))

    return adam


mutant("adam", "eps inside the root")(adam_with(lambda m, v, cm, cv, eps: m / cm / np.sqrt(v / cv + eps)))
mutant("adam", "eps before the correction")(
    adam_with(lambda m, v, cm, cv, eps: m / cm * np.sqrt(cv) / (np.sqrt(v) + eps))
)
mutant("adam", "no root")(adam_with(lambda m, v, cm, cv, eps: m / cm / (v / cv + eps)))
mutant("adam", "climbs")(adam_with(lambda m, v, cm, cv, eps: -m / cm / (np.sqrt(v / cv) + eps)))


# ---------------------------------------------------------------------------------------------------- weights


def weights_with(name: str, **changes: Callable) -> tuple[Callable, Callable]:
    """Return the functions of a domain, fields of the gradients replaced by `changes[field](grads, dw)`."""
    forward = getattr(weights_module, f"{name}_weights")
    backward = getattr(weights_module, f"{name}_weights_backward")

    def wrong(dw, *arguments):
        grads = backward(dw, *arguments)
        return replace(grads, **{field: change(grads, dw) for field, change in changes.items()})

    return forward, wrong


mutant("symmetric", "one scale for the whole layer")(
    (lambda latent, s: (np.abs(latent).mean() * s).astype(s.dtype), weights_module.symmetric_weights_backward)
)
mutant("symmetric", "the scale forgotten on the way back")(weights_with("symmetric", s=lambda grads, dw: dw))
mutant("symmetric", "the scale from the signed mean")(
    (
        lambda latent, s: (latent.mean(axis=(1, 2, 3), keepdims=True) * s).astype(s.dtype),
        weights_module.symmetric_weights_backward,
    )
)
mutant("bipolar", "the latent weights themselves")((lambda latent, s: latent, weights_module.bipolar_weights_backward))
mutant("bipolar", "the gradient clipped")(weights_with("bipolar", s=lambda grads, dw: np.clip(dw, -1, 1)))
mutant("general", "no gradient of phi")(weights_with("general", phi=lambda grads, dw: np.zeros_like(grads.phi)))
mutant("general", "the gradient of tau without the signs")(weights_with("general", tau=lambda grads, dw: grads.phi))
mutant("general", "the gradients of tau and phi are means")(
    weights_with(
        "general",
        tau=lambda grads, dw: grads.tau / dw.dtype.type(dw.size),
        phi=lambda grads, dw: grads.phi / dw.dtype.type(dw.size),
    )
)
mutant("general", "tau forgotten on the way back")(weights_with("general", s=lambda grads, dw: dw))
mutant("general", "alpha and beta swapped")(
    (
        lambda s, tau, phi: weights_module.general_weights(-s, tau, phi),
        weights_module.general_weights_backward,
    )
)
mutant("closed_form", "nothing through the means")(
    weights_with("closed_form", latent=lambda grads, dw: np.zeros_like(dw))
)
mutant("closed_form", "one mean of dw for both signs")(
    weights_with("closed_form", latent=lambda grads, dw: np.full_like(dw, dw.mean()))
)
mutant("closed_form", "dw itself instead of its mean")(weights_with("closed_form", latent=lambda grads, dw: dw))
mutant("closed_form", "twice the slope")(weights_with("closed_form", s=lambda grads, dw: 2 * grads.s))


def missing_class_is_zero(latent: np.ndarray, s: np.ndarray) -> np.ndarray:
    out = np.zeros_like(latent)
    for value in (-1, 1):
        if not (s == value).any():
            return np.zeros_like(latent)
        out[s == value] = latent[s == value].mean(dtype=np.float64)
    return out


mutant("closed_form", "a missing class makes all weights 0")(
    (missing_class_is_zero, weights_module.closed_form_weights_backward)
)

# ---------------------------------------------------------------------------------------- density and pruning


def penalty_with(change: Callable) -> Callable:
    """Return the penalty with its arguments changed by `change(arguments)`."""

    def penalty(ones, total, **arguments):
        return density.density_penalty(ones, total, **change(arguments))

    return penalty


mutant("density_penalty", "the limit is ignored")(penalty_with(lambda a: {**a, "limit": 0.0}))
mutant("density_penalty", "no dead zone")(penalty_with(lambda a: {**a, "dead_zone": 0.0}))
mutant("density_penalty", "gamma L in the place of gamma / (1 - gamma) L")(
    penalty_with(lambda a: {**a, "loss": a["loss"] * (1 - a["gamma"])})
)
mutant("density_penalty", "the excess at the dead zone already costs")(
    penalty_with(lambda a: {**a, "dead_zone": np.nextafter(a["dead_zone"], 0)})
)


@mutant("density_penalty", "the penalty counts the zeros")
def _(ones, total, **arguments):
    return density.density_penalty(total - ones, total, **arguments)


mutant("density_penalty_push", "the slope is ignored")(lambda multiplier, total, *, slope: multiplier / total)
mutant("density_penalty_push", "not divided by the number of weights")(
    lambda multiplier, total, *, slope: multiplier * slope
)
mutant("select_positive", "zero is a one")(lambda latent: pruning.Selection(latent >= 0, 0.0))


@mutant("select_top_k", "of equal weights the higher index first")
def _(latent, k):
    mirrored = pruning.select_top_k(latent.ravel()[::-1].copy(), k)
    return replace(mirrored, bits=mirrored.bits[::-1].reshape(latent.shape))


@mutant("select_top_k", "all weights equal to the smallest one chosen")
def _(latent, k):
    right = pruning.select_top_k(latent, k)
    return replace(right, bits=latent >= latent[right.bits].min() if k else right.bits)


@mutant("select_top_k", "the largest in absolute value")
def _(latent, k):
    return replace(pruning.select_top_k(latent, k), bits=pruning.select_top_k(np.abs(latent), k).bits)


@mutant("select_top_k", "the threshold is the smallest chosen")
def _(latent, k):
    right = pruning.select_top_k(latent, k)
    return replace(right, threshold=float(latent[right.bits].min()) if k else right.threshold)


@pytest.mark.parametrize(
    ("subject", "implementation"),
    [(s, m) for s, _, m in MUTANTS],
    ids=[f"{subject}: {fault}" for subject, fault, _ in MUTANTS],
)
def test_what_is_wrong_is_refused(subject, implementation):
    with pytest.raises(AssertionError):
        SUBJECTS[subject].run(implementation)


def test_every_subject_has_a_mutant():
    assert {subject for subject, _, _ in MUTANTS} == set(SUBJECTS)
