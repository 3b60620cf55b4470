"""The adapter of bbdg_ref itself: what really runs, its public functions and `bbdg_ref.ops`, behind the stages.

An example for porters: one function for each stage, named as the stage; the inputs come as keyword arguments, NumPy
arrays or Python numbers; what returns is a dict of the outputs, or the value itself where there is one output.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import ops, projection
from ..pruning import Cubic, GlobalTopK, TopK, Within
from ..pruning.protocol import NoPenalty
from ..pruning.subbit import patterns_of_k_ones as subbit_patterns
from ..spec import evaluation, popcount_conv
from ..spec.pruning import Selection

__all__: list[str] = []  # the functions are found by the names of the stages

Array = np.ndarray
Outputs = dict[str, Any]


def _pair(sizes: Array) -> tuple[int, int]:
    return int(sizes[0]), int(sizes[1])


def _geometry(stride: Array, padding: Array) -> dict[str, tuple[int, int]]:
    return {"stride": _pair(stride), "padding": _pair(padding)}


# ------------------------------------------------------------------------------------------------------ projection


def _projection(p: projection.Projection) -> Outputs:
    names = ("alpha", "beta", "bits", "threshold", "error", "n_ones", "tied")
    return {name: getattr(p, name) for name in names}


def project(w: Array) -> Outputs:
    return _projection(projection.project(w))


def project_k(w: Array, k: int) -> Outputs:
    return _projection(projection.project_k(w, k))


def project_symmetric(w: Array) -> Outputs:
    return _projection(projection.project_symmetric(w))


def project_zero(w: Array) -> Outputs:
    return _projection(projection.project_zero(w))


def project_weighted(w: Array, sample_weight: Array) -> Outputs:
    return _projection(projection.project(w, sample_weight=sample_weight))


def fit_domain(w: Array, bits: Array) -> Outputs:
    domain = projection.fit_domain(w, bits)
    return {"alpha": domain.alpha, "beta": domain.beta}


def assign(w: Array, alpha: float, beta: float) -> Array:
    return projection.assign(w, projection.Domain(alpha, beta))


# -------------------------------------------------------------------------------------------- density and pruning


def density_penalty(
    ones: int, total: int, limit: float, gamma: float, loss: float, dead_zone: float, slope: float
) -> Outputs:
    p = ops.density_penalty(ones, total, limit=limit, gamma=gamma, loss=loss, dead_zone=dead_zone)
    push = ops.density_penalty_push(p.multiplier, total, slope=slope)
    return {"value": p.value, "multiplier": p.multiplier, "excess": p.excess, "push": push}


def select_top_k(latent: Array, k: int) -> Outputs:
    chosen = ops.select_top_k(latent, k)
    return {"bits": chosen.bits, "threshold": chosen.threshold}


def select_n_m(latent: Array, n: int, m: int) -> Outputs:
    chosen = ops.select_n_m(latent, n, m)
    return {"bits": chosen.bits, "threshold": chosen.threshold}


def select_kernels(latent: Array, k: int) -> Outputs:
    chosen = ops.select_kernels(latent, k)
    return {"bits": chosen.bits, "threshold": chosen.threshold}


def select_filters(latent: Array, k: int) -> Outputs:
    chosen = ops.select_filters(latent, k)
    return {"bits": chosen.bits, "threshold": chosen.threshold}


@dataclass(frozen=True, eq=False)
class _Given(NoPenalty):
    """A strategy whose ones are given."""

    bits: Array

    def choose(self, latents: Sequence[Array], step: int) -> list[Selection]:
        return [Selection(self.bits, 0.0)]


def select_within(latent: Array, mask: Array, k: int) -> Outputs:
    (chosen,) = Within(_Given(mask), TopK(k / latent.size)).choose([latent], step=0)
    return {"bits": chosen.bits, "threshold": chosen.threshold}


def select_top_k_of_layers(first: Array, second: Array, k: int) -> Outputs:
    one, other = GlobalTopK(k / (first.size + second.size)).choose([first, second], step=0)
    return {"first_bits": one.bits, "second_bits": other.bits, "threshold": one.threshold}


def pattern_bits(patterns: Array) -> Array:
    return ops.pattern_bits(patterns)


def frequent_patterns(bits: Array, count: int) -> Array:
    return ops.frequent_patterns(bits, count)


def nearest_pattern(latent: Array, patterns: Array, threshold: float) -> Array:
    return ops.nearest_pattern(latent, patterns, threshold)


def learned_patterns(latent: Array, patterns: Array, threshold: float) -> Array:
    return ops.learned_patterns(latent, patterns, threshold)


def patterns_of_k_ones(latent: Array, patterns: Array, k: int) -> Outputs:
    chosen = subbit_patterns(latent, patterns, k)
    return {"bits": chosen.bits, "threshold": chosen.threshold}


def cubic_density(step: int, start: float, end: float, begin: int, steps: int) -> float:
    return Cubic(start, end, begin, steps).at(step)


def entropy_factor(density: float, limit: float) -> float:
    return ops.entropy_factor(density, limit)


# ------------------------------------------------------------------------------------------------------ estimators


def sign_bits(x: Array) -> Array:
    return ops.sign_bits(x)


def sign(x: Array) -> Array:
    return ops.sign(x)


def clipped_ste_backward(dy: Array, x: Array) -> Array:
    return ops.clipped_ste_backward(dy, x)


def ede_backward(dy: Array, x: Array, t: float, k: float) -> Array:
    return ops.ede_backward(dy, x, t=t, k=k)


def quadratic_backward(dy: Array, x: Array) -> Array:
    return ops.quadratic_backward(dy, x)


def ede_schedule(epoch: int, epochs: int) -> Outputs:
    parameters = ops.ede_schedule(epoch, epochs)
    return {"t": parameters.t, "k": parameters.k}


# --------------------------------------------------------------------------------------------------------- weights


def bipolar_weights(latent: Array, s: Array) -> Array:
    return ops.bipolar_weights(latent, s)


def bipolar_weights_backward(dw: Array, latent: Array, s: Array) -> Array:
    return ops.bipolar_weights_backward(dw, latent, s).s


def symmetric_weights(latent: Array, s: Array) -> Array:
    return ops.symmetric_weights(latent, s)


def symmetric_weights_backward(dw: Array, latent: Array, s: Array) -> Array:
    return ops.symmetric_weights_backward(dw, latent, s).s


def general_weights(s: Array, tau: float, phi: float) -> Array:
    return ops.general_weights(s, tau, phi)


def general_weights_backward(dw: Array, s: Array, tau: float, phi: float) -> Outputs:
    grads = ops.general_weights_backward(dw, s, tau, phi)
    return {"ds": grads.s, "dtau": grads.tau, "dphi": grads.phi}


def closed_form_weights(latent: Array, s: Array) -> Array:
    return ops.closed_form_weights(latent, s)


def closed_form_weights_backward(dw: Array, latent: Array, s: Array) -> Outputs:
    grads = ops.closed_form_weights_backward(dw, latent, s)
    return {"ds": grads.s, "dlatent": grads.latent}


# ---------------------------------------------------------------------------------------- convolution and linear


def conv2d(x: Array, weight: Array, stride: Array, padding: Array) -> Array:
    return ops.conv2d(x, weight, **_geometry(stride, padding))


def conv2d_grad_input(dy: Array, weight: Array, input_size: Array, stride: Array, padding: Array) -> Array:
    return ops.conv2d_grad_input(dy, weight, input_size=_pair(input_size), **_geometry(stride, padding))


def conv2d_grad_weight(dy: Array, x: Array, kernel_size: Array, stride: Array, padding: Array) -> Array:
    return ops.conv2d_grad_weight(dy, x, kernel_size=_pair(kernel_size), **_geometry(stride, padding))


def linear(x: Array, weight: Array, bias: Array) -> Array:
    return ops.linear(x, weight, bias)


def linear_backward(dy: Array, x: Array, weight: Array) -> Outputs:
    grads = ops.linear_backward(dy, x, weight)
    return {"dx": grads.x, "dweight": grads.weight, "dbias": grads.bias}


# ------------------------------------------------------------------------------------------------------ batch norm


def batchnorm_infer(x: Array, weight: Array, bias: Array, running_mean: Array, running_var: Array, eps: float) -> Array:
    return ops.batchnorm_infer(x, weight, bias, running_mean, running_var, eps=eps)


def batchnorm_train(x: Array, weight: Array, bias: Array, eps: float) -> Outputs:
    forward = ops.batchnorm_train(x, weight, bias, eps=eps)
    return {"y": forward.y, "mean": forward.mean, "var": forward.var}


def batchnorm_backward(dy: Array, x: Array, weight: Array, mean: Array, var: Array, eps: float) -> Outputs:
    grads = ops.batchnorm_backward(dy, x, weight, mean, var, eps=eps)
    return {"dx": grads.x, "dweight": grads.weight, "dbias": grads.bias}


def running_update(
    running_mean: Array, running_var: Array, mean: Array, var: Array, count: int, momentum: float
) -> Outputs:
    new = ops.running_update(running_mean, running_var, mean, var, count=count, momentum=momentum)
    return {"new_mean": new.mean, "new_var": new.var}


# ------------------------------------------------------------------------------------------------------ activation


def hardtanh(x: Array) -> Array:
    return ops.hardtanh(x)


def hardtanh_backward(dy: Array, x: Array) -> Array:
    return ops.hardtanh_backward(dy, x)


def prelu(x: Array, slope: Array) -> Array:
    return ops.prelu(x, slope)


def prelu_backward(dy: Array, x: Array, slope: Array) -> Outputs:
    grads = ops.prelu_backward(dy, x, slope)
    return {"dx": grads.x, "dslope": grads.slope}


def channel_bias(x: Array, bias: Array) -> Array:
    return ops.channel_bias(x, bias)


def channel_bias_backward(dy: Array) -> Array:
    return ops.channel_bias_backward(dy)


# --------------------------------------------------------------------------------------------- pooling and shortcut


def avg_pool2d(x: Array, size: Array, stride: Array) -> Array:
    return ops.avg_pool2d(x, _pair(size), stride=_pair(stride))


def avg_pool2d_backward(dy: Array, input_size: Array, size: Array, stride: Array) -> Array:
    return ops.avg_pool2d_backward(dy, input_size=_pair(input_size), size=_pair(size), stride=_pair(stride))


def global_avg_pool(x: Array) -> Array:
    return ops.global_avg_pool(x)


def global_avg_pool_backward(dy: Array, input_size: Array) -> Array:
    return ops.global_avg_pool_backward(dy, input_size=_pair(input_size))


def max_pool2d(x: Array, size: Array, stride: Array, padding: Array) -> Outputs:
    forward = ops.max_pool2d(x, _pair(size), **_geometry(stride, padding))
    return {"y": forward.y, "argmax": forward.argmax}


def max_pool2d_backward(dy: Array, argmax: Array, input_size: Array) -> Array:
    return ops.max_pool2d_backward(dy, argmax, input_size=_pair(input_size))


def stride_and_pad(x: Array, out_channels: int, stride: Array) -> Array:
    return ops.stride_and_pad(x, out_channels=out_channels, stride=_pair(stride))


def stride_and_pad_backward(dy: Array, in_channels: int, input_size: Array, stride: Array) -> Array:
    size = _pair(input_size)
    return ops.stride_and_pad_backward(dy, in_channels=in_channels, input_size=size, stride=_pair(stride))


# --------------------------------------------------------------------------------------------------- loss and Adam


def mixup_targets(first: Array, second: Array, lam: float) -> Array:
    return ops.mixup_targets(first, second, lam)


def smooth_targets(targets: Array, epsilon: float) -> Array:
    return ops.smooth_targets(targets, epsilon)


def cross_entropy(logits: Array, targets: Array) -> float:
    return ops.cross_entropy(logits, targets)


def cross_entropy_backward(logits: Array, targets: Array) -> Array:
    return ops.cross_entropy_backward(logits, targets)


def distillation(logits: Array, teacher_logits: Array, temperature: float) -> float:
    return ops.distillation(logits, teacher_logits, temperature)


def distillation_backward(logits: Array, teacher_logits: Array, temperature: float) -> Array:
    return ops.distillation_backward(logits, teacher_logits, temperature)


def adam_steps(value: Array, grads: Array, learning_rate: float, beta1: float, beta2: float, eps: float) -> Outputs:
    state = ops.AdamUpdate(value, np.zeros_like(value), np.zeros_like(value))
    for step, grad in enumerate(grads, start=1):
        state = ops.adam(
            state.value, grad, state.first_moment, state.second_moment, step,
            learning_rate=learning_rate, beta1=beta1, beta2=beta2, eps=eps,
        )  # fmt: skip
    return {"value": state.value, "first_moment": state.first_moment, "second_moment": state.second_moment}


# ------------------------------------------------------------------------------------- packing and binary convolution


def pack_bits(bits: Array) -> Array:
    return ops.pack_bits(bits)


def unpack_bits(words: Array, count: int) -> Array:
    return ops.unpack_bits(words, count)


def pack_kernels(bits: Array) -> Array:
    return ops.pack_kernels(bits)


def binary_counts(u: Array, bits: Array, stride: Array, padding: Array) -> Outputs:
    x = np.where(u, np.float32(1), np.float32(-1))
    return _counts(x, bits, stride, padding)


def _counts(x: Array, bits: Array, stride: Array, padding: Array) -> Outputs:
    """Return a * b, which is the convolution over {0, 1}, and a * 1, that over {1, 1}."""
    geometry = _geometry(stride, padding)
    ones = ops.popcount_conv2d(x, bits, 0.0, 1.0, **geometry)
    total = ops.popcount_conv2d(x, bits, 1.0, 1.0, **geometry)[:, :1]
    return {"ones": ones.astype(np.int64), "total": total.astype(np.int64)}


def popcount_conv2d(x: Array, bits: Array, alpha: Array, beta: Array, stride: Array, padding: Array) -> Array:
    return ops.popcount_conv2d(x, bits, alpha, beta, **_geometry(stride, padding))


def popcount_linear(x: Array, bits: Array, alpha: Array, beta: Array) -> Array:
    return popcount_conv.popcount_linear(x, bits, alpha, beta)


def shared_map(x: Array, bits: Array, alpha: Array, beta: Array, stride: Array, padding: Array) -> Outputs:
    weight = np.where(bits, *(level.reshape(-1, 1, 1, 1) for level in (beta, alpha)))
    y = ops.conv2d(ops.sign(x.astype(np.float64)), weight, **_geometry(stride, padding))
    return {**_counts(x, bits, stride, padding), "y": y}


# ---------------------------------------------------------------------------------------------------- a binary block


def _block(
    x: Array, latent: Array, tau: float, phi: float, weight: Array, bias: Array, eps: float, stride: Array,
    padding: Array,
) -> Outputs:  # fmt: skip
    """Return what the forward pass computes, by name."""
    a, s = ops.sign(x), ops.sign(latent)
    w = ops.general_weights(s, tau, phi)
    z = ops.conv2d(a, w, **_geometry(stride, padding))
    norm = ops.batchnorm_train(z, weight, bias, eps=eps)
    total = norm.y + ops.stride_and_pad(x, out_channels=len(latent), stride=_pair(stride))
    return {"a": a, "s": s, "w": w, "z": z, "norm": norm, "total": total}


def binary_block(
    x: Array, latent: Array, tau: float, phi: float, weight: Array, bias: Array, eps: float, stride: Array,
    padding: Array,
) -> Array:  # fmt: skip
    return ops.hardtanh(_block(x, latent, tau, phi, weight, bias, eps, stride, padding)["total"])


def binary_block_backward(
    dy: Array, x: Array, latent: Array, tau: float, phi: float, weight: Array, bias: Array, eps: float,
    stride: Array, padding: Array, t: float, k: float,
) -> Outputs:  # fmt: skip
    f = _block(x, latent, tau, phi, weight, bias, eps, stride, padding)
    size, geometry = x.shape[2:], _geometry(stride, padding)
    dtotal = ops.hardtanh_backward(dy, f["total"])
    norm = ops.batchnorm_backward(dtotal, f["z"], weight, f["norm"].mean, f["norm"].var, eps=eps)
    dw = ops.conv2d_grad_weight(norm.x, f["a"], kernel_size=latent.shape[2:], **geometry)
    w = ops.general_weights_backward(dw, f["s"], tau, phi)
    da = ops.conv2d_grad_input(norm.x, f["w"], input_size=size, **geometry)
    dx = ops.ede_backward(da, x, t=t, k=k)
    dx = dx + ops.stride_and_pad_backward(dtotal, in_channels=x.shape[1], input_size=size, stride=_pair(stride))
    dlatent = ops.ede_backward(w.s, latent, t=t, k=k)
    return {
        "dx": dx, "dlatent": dlatent, "dtau": w.tau, "dphi": w.phi, "dweight": norm.weight, "dbias": norm.bias,
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------- evaluation


def fold_binary(
    alpha: Array, beta: Array, weight: Array, bias: Array, running_mean: Array, running_var: Array, eps: float
) -> Outputs:
    bits = np.zeros((len(alpha), 1, 1, 1), np.bool_)
    layer = evaluation.fold_binary(bits, alpha, beta, weight, bias, running_mean, running_var, eps=eps)
    return {"scale": layer.scale, "shared": layer.shared, "shift": layer.shift}


def fold_classifier(
    linear_weight: Array, linear_bias: Array, weight: Array, bias: Array, running_mean: Array, running_var: Array,
    eps: float,
) -> Outputs:  # fmt: skip
    layer = evaluation.fold_classifier(linear_weight, linear_bias, weight, bias, running_mean, running_var, eps=eps)
    return {"folded_weight": layer.weight, "folded_bias": layer.bias}


def binary_layer(
    u: Array, bits: Array, scale: Array, shared: Array, shift: Array, stride: Array, padding: Array
) -> Array:
    layer = evaluation.BinaryLayer(bits, scale, shared, shift, _pair(stride), _pair(padding))
    return evaluation.binary_layer(u, layer)
