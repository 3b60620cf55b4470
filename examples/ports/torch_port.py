"""A worked port of the method to PyTorch, checked by the conformance kit.

python -m bbdg_ref.conformance run examples/ports/torch_port.py

Nothing of bbdg_ref is used. Gradients come from autograd wherever there is a real derivative; those that the method
defines otherwise (the sign's estimators) are `torch.autograd.Function`s. The projection sorts in torch and adds up in
Python's integers: float64 sums lose the optimum under a common offset, which the vectors show.
"""

import math
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

torch.set_num_threads(1)


def t(array: np.ndarray) -> Tensor:
    """Return a tensor with a copy of an array."""
    return torch.from_numpy(np.array(array))


def parameter(array: np.ndarray | float) -> Tensor:
    """Return a tensor whose gradient will be asked for."""
    return torch.as_tensor(np.array(array)).requires_grad_()


def pair(sizes: np.ndarray) -> tuple[int, int]:
    return int(sizes[0]), int(sizes[1])


def arrays(**tensors: Tensor) -> dict[str, np.ndarray]:
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def gradients(y: Tensor, dy: np.ndarray, **inputs: Tensor) -> dict[str, np.ndarray]:
    """Return the gradients with respect to the inputs, as d<name>."""
    found = torch.autograd.grad(y, list(inputs.values()), t(dy))
    return {f"d{name}": grad.numpy() for name, grad in zip(inputs, found, strict=True)}


# ------------------------------------------------------------------------------------------------------ projection
# A float is an integer times a power of two, so rationals hold every sum exactly; each result is rounded once.


def sort(w: np.ndarray, *, descending: bool = True) -> list[int]:
    """Return the flat indices in the order of the weights, those of equal weights in their own."""
    flat = w.reshape(-1)
    if flat.dtype == np.uint64:  # torch does not sort these: shift them into int64, which keeps their order
        flat = (flat ^ np.uint64(1 << 63)).view(np.int64)
    keys = t(flat.astype(np.float64 if flat.dtype.kind == "f" else np.int64))
    return torch.sort(keys, descending=descending, stable=True).indices.tolist()


def exact(w: np.ndarray) -> list[Fraction]:
    return [Fraction(value) for value in w.reshape(-1).tolist()]


def rounded(x: Fraction) -> float:
    try:
        return float(x)
    except OverflowError:
        return math.inf if x > 0 else -math.inf


def rounded_down(x: Fraction) -> float:
    nearest = rounded(x)
    return nearest if nearest <= x else math.nextafter(nearest, -math.inf)


def result(w: np.ndarray, ones: list[int], alpha: Fraction, beta: Fraction, tied: bool, sample_weight=None) -> dict:
    """Return all about a projection whose ones have these flat indices."""
    bits = torch.zeros(w.size, dtype=torch.bool)
    bits[torch.tensor(ones, dtype=torch.int64)] = True
    nearest = (beta if bit else alpha for bit in bits.tolist())
    share = [1] * w.size if sample_weight is None else exact(sample_weight)
    error = sum(m * (v - value) ** 2 for m, v, value in zip(share, exact(w), nearest, strict=True))
    return {
        "alpha": rounded(alpha), "beta": rounded(beta), "bits": bits.reshape(w.shape).numpy(),
        "threshold": rounded_down((alpha + beta) / 2), "error": rounded(error), "n_ones": len(ones), "tied": tied,
    }  # fmt: skip


def means(w: np.ndarray, ones: list[int]) -> tuple[Fraction, Fraction]:
    """Return alpha and beta, the means of zeros and ones; a missing class takes the other's."""
    v = exact(w)
    n, k, total, chosen = len(v), len(ones), sum(v), sum(v[i] for i in ones)
    if k in (0, n):
        return Fraction(total, n), Fraction(total, n)
    return Fraction(total - chosen) / (n - k), Fraction(chosen) / k


def splits(w: np.ndarray, order: list[int], k: int) -> bool:
    """Return whether only some of equal weights are ones."""
    flat = w.reshape(-1)
    return 0 < k < len(order) and bool(flat[order[k - 1]] == flat[order[k]])


def project(w):
    v, order = exact(w), sort(w)
    n, total = len(v), sum(v)
    gains, s = [Fraction(0)] * (n + 1), Fraction(0)  # with one class only, k = 0 and k = n, nothing is gained
    for k in range(1, n):
        s += v[order[k - 1]]
        gains[k] = (n * s - k * total) ** 2 / (k * (n - k))  # n times what the error falls by
    k = gains.index(max(gains))  # the first: the fewest ones
    return result(w, order[:k], *means(w, order[:k]), gains.count(gains[k]) > 1 or splits(w, order, k))


def project_k(w, k):
    order = sort(w)
    return result(w, order[:k], *means(w, order[:k]), splits(w, order, k))


def project_symmetric(w):
    v = exact(w)
    ones = [i for i, value in enumerate(v) if value > 0]
    a = sum(map(abs, v), Fraction(0)) / len(v)
    return result(w, ones, -a, a, 0 in v)


def project_zero(w):
    v, down, up = exact(w), sort(w), sort(w, descending=False)
    best, beta, ones, tied = Fraction(0), Fraction(0), [], False
    sums = {1: Fraction(0), -1: Fraction(0)}
    for k in range(1, len(v) + 1):
        for sign, order in ((1, down), (-1, up)):
            sums[sign] += v[order[k - 1]]
            gain = max(sign * sums[sign], 0) ** 2 / k
            if gain > best:
                best, beta, ones, tied = gain, sums[sign] / k, order[:k], splits(w, order, k)
            elif gain == best:
                tied = True
    return result(w, ones, Fraction(0), beta, tied)


def project_weighted(w, sample_weight):
    v, share = exact(w), exact(sample_weight)
    order = [i for i in sort(w) if share[i] > 0]
    whole, total = sum(share), sum(m * x for m, x in zip(share, v, strict=True))
    gains, mass, s = [Fraction(0)] * (len(order) + 1), Fraction(0), Fraction(0)
    domains = [(total / whole, total / whole)] * len(gains)
    for k in range(1, len(order)):
        mass += share[order[k - 1]]
        s += share[order[k - 1]] * v[order[k - 1]]
        gains[k] = (whole * s - mass * total) ** 2 / (mass * (whole - mass))
        domains[k] = (total - s) / (whole - mass), s / mass
    k = gains.index(max(gains))
    alpha, beta = domains[k]
    ones = [i for i, x in enumerate(v) if x > (alpha + beta) / 2]  # those that do not count, too
    return result(w, ones, alpha, beta, gains.count(gains[k]) > 1, sample_weight)


def fit_domain(w, bits):
    alpha, beta = means(w, np.flatnonzero(bits).tolist())
    return {"alpha": rounded(alpha), "beta": rounded(beta)}


def assign(w, alpha, beta):
    middle = (Fraction(alpha) + Fraction(beta)) / 2
    if alpha == beta:
        nearer = [False] * w.size
    else:
        nearer = [(value > middle) == (beta > alpha) and value != middle for value in exact(w)]
    return torch.tensor(nearer, dtype=torch.bool).reshape(w.shape).numpy()


# -------------------------------------------------------------------------------------------- density and pruning


def density_penalty(ones, total, limit, gamma, loss, dead_zone, slope):
    excess = max(ones / total - limit, 0.0)
    multiplier = 0.0 if excess <= dead_zone else gamma * loss / (excess * (1 - gamma))
    push = multiplier * slope / total
    return {"value": multiplier * excess, "multiplier": multiplier, "excess": excess, "push": push}


def select_top_k(latent, k):
    flat, order = latent.reshape(-1), sort(latent)
    bits = torch.zeros(flat.size, dtype=torch.bool)
    bits[torch.tensor(order[:k], dtype=torch.int64)] = True
    one, zero = float(flat[order[max(k - 1, 0)]]), float(flat[order[min(k, flat.size - 1)]])
    return {"bits": bits.reshape(latent.shape).numpy(), "threshold": zero + (one / 2 - zero / 2)}


def entropy_factor(density, limit):
    if density >= 0.5:
        return 0.0
    above, at_limit = (-p * math.log2(p) - (1 - p) * math.log2(1 - p) for p in (density, limit))
    return math.log2((1 - density) / density) * (density - limit) / (above - at_limit)


def centred(latent, bits: Tensor):
    """Return the bits, and the threshold of as many largest latent weights."""
    return {"bits": bits.numpy(), "threshold": select_top_k(latent, int(bits.sum()))["threshold"]}


def select_n_m(latent, n, m):
    bits = torch.zeros(latent.shape, dtype=torch.bool)
    for group, chosen in zip(t(latent).split(m, dim=1), bits.split(m, dim=1), strict=True):
        order = group.sort(dim=1, descending=True, stable=True).indices
        chosen.scatter_(1, order[:, :n], True)
    return centred(latent, bits)


def select_kernels(latent, k):
    kept = t(select_top_k(t(latent).double().sum(dim=(2, 3)).numpy(), k)["bits"])
    return centred(latent, kept[:, :, None, None].expand(latent.shape))


def select_filters(latent, k):
    kept = t(select_top_k(t(latent).double().sum(dim=(1, 2, 3)).numpy(), k)["bits"])
    return centred(latent, kept[:, None, None, None].expand(latent.shape))


def select_within(latent, mask, k):
    room = int(mask.sum())
    bits = torch.zeros(latent.shape, dtype=torch.bool)
    if k >= room:  # all of the mask
        return centred(latent, t(mask))
    chosen = select_top_k(latent[mask], k)
    bits[t(mask)] = t(chosen["bits"])
    return {"bits": bits.numpy(), "threshold": chosen["threshold"]}


def select_top_k_of_layers(first, second, k):
    chosen = select_top_k(np.concatenate([first.reshape(-1), second.reshape(-1)]), k)
    one, other = np.split(chosen["bits"], [first.size])
    return {
        "first_bits": one.reshape(first.shape), "second_bits": other.reshape(second.shape),
        "threshold": chosen["threshold"],
    }  # fmt: skip


def codes(bits: Tensor) -> Tensor:
    return (bits.reshape(*bits.shape[:-2], 9) << torch.arange(9)).sum(dim=-1)


def by_frequency(bits: Tensor) -> Tensor:
    """Return all 512 codes, the most frequent first."""
    counts = torch.bincount(codes(bits).reshape(-1), minlength=512)
    return counts.sort(descending=True, stable=True).indices


def pattern_bits(patterns):
    return (t(patterns)[:, None] >> torch.arange(9) & 1).bool().reshape(-1, 3, 3).numpy()


def frequent_patterns(bits, count):
    return by_frequency(t(bits))[:count].numpy()


def nearest_pattern(latent, patterns, threshold):
    signs = 2.0 * t(pattern_bits(patterns)).double() - 1
    scores = torch.einsum("oihw,phw->oip", t(latent).double() - threshold, signs)
    return (scores == scores.amax(dim=2, keepdim=True)).byte().argmax(dim=2).numpy()  # the first of equals


def learned_patterns(latent, patterns, threshold):
    which, shifted = t(nearest_pattern(latent, patterns, threshold)), t(latent).double() - threshold
    learned: list[int] = []
    for index, pattern in enumerate(patterns.tolist()):
        own = shifted[which == index]
        learned.append(int(codes(own.sum(dim=0) > 0)) if len(own) else pattern)
    spare = [code for code in by_frequency(shifted > 0).tolist() if code not in learned]
    for index, code in enumerate(learned):
        if code in learned[:index]:
            learned[index] = spare.pop(0)
    return np.array(learned)


def first_largest(x: Tensor) -> Tensor:
    """Return the index of the largest number of every row; of equals the first, which torch.argmax does not promise."""
    return (x == x.amax(dim=1, keepdim=True)).byte().argmax(dim=1)


def patterns_of_k_ones(latent, patterns, k):
    shapes = t(pattern_bits(patterns)).reshape(-1, 9)
    sums, ones = t(latent).reshape(-1, 9).double() @ shapes.double().T, shapes.sum(dim=1)
    sizes = ones.unique()  # 0 and up; the best pattern of each size:
    members = [torch.nonzero(ones == size)[:, 0] for size in sizes]
    which = torch.stack([found[first_largest(sums[:, found])] for found in members], dim=1)
    best = sums.gather(1, which)

    def taken(theta: float) -> Tensor:
        return first_largest(best - theta * sizes.double())  # of equals the fewest ones; float32 if left as integers

    low, high = float(latent.min()) - 1, float(latent.max())
    more, chosen = taken(low), torch.zeros(len(best), dtype=torch.int64)
    deep = int(sizes[more].sum()) <= k
    if deep:  # further down, to where every kernel takes the largest pattern
        turns = (best[:, -1:] - best[:, :-1]) / (sizes[-1] - sizes[:-1])
        more, chosen, low, high = torch.full_like(more, len(sizes) - 1), more, min(low, float(turns.min())), low
    for _ in range(64):
        middle = low + (high - low) / 2
        if int(sizes[chosen].sum()) == k or not low < middle < high:
            break
        between = taken(middle)
        if int(sizes[between].sum()) > k:
            low, more = middle, between
        else:
            high, chosen = middle, between
    step = sizes[more] - sizes[chosen]
    fits = (step > 0) & (step.cumsum(dim=0) <= k - int(sizes[chosen].sum()))
    chosen = torch.where(fits, more, chosen)
    bits = shapes[which.gather(1, chosen[:, None])[:, 0]].reshape(latent.shape)
    return centred(latent, bits) if deep else {"bits": bits.numpy(), "threshold": high}


def cubic_density(step, start, end, begin, steps):
    left = (1 - min(max((step - begin) / steps, 0.0), 1.0)) ** 3
    return left * start + (1 - left) * end


# ------------------------------------------------------------------------------------------------------ estimators


def signs(x: Tensor) -> Tensor:
    """Return +1 where x > 0, else -1: torch.sign would give 0 at 0."""
    return torch.where(x > 0, torch.ones_like(x), -torch.ones_like(x))


class ClippedSign(torch.autograd.Function):
    """The sign with the derivative 1 on [-1, 1]."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return signs(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return torch.where(x.abs() <= 1, dy, torch.zeros_like(dy))


class EDESign(torch.autograd.Function):
    """The sign with the derivative of k tanh(t x)."""

    @staticmethod
    def forward(ctx, x, steepness, scale):
        ctx.save_for_backward(x)
        ctx.parameters = steepness, scale
        return signs(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        steepness, scale = ctx.parameters
        return dy * (scale * steepness * (1 - torch.tanh(steepness * x) ** 2)), None, None


class QuadraticSign(torch.autograd.Function):
    """The sign with the derivative 2 - 2 |x| on [-1, 1)."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return signs(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return torch.where((x >= -1) & (x < 1), dy * (2 - 2 * x.abs()), torch.zeros_like(dy))


def sign_bits(x):
    return (t(x) > 0).numpy()


def sign(x):
    return signs(t(x)).numpy()


def clipped_ste_backward(dy, x):
    x = parameter(x)
    return gradients(ClippedSign.apply(x), dy, x=x)


def ede_backward(dy, x, t, k):
    x = parameter(x)
    return gradients(EDESign.apply(x, t, k), dy, x=x)


def quadratic_backward(dy, x):
    x = parameter(x)
    return gradients(QuadraticSign.apply(x), dy, x=x)


def ede_schedule(epoch, epochs):
    steepness = 10.0 ** (-1 + 2 * epoch / epochs)
    return {"t": steepness, "k": max(1 / steepness, 1.0)}


# --------------------------------------------------------------------------------------------------------- weights


def bipolar_weights(latent, s):
    return s


def bipolar_weights_backward(dw, latent, s):
    return dw


def symmetric_scale(latent: Tensor) -> Tensor:
    """Return mean |latent| of every filter, summed in float64."""
    return latent.double().abs().mean(dim=tuple(range(1, latent.ndim)), keepdim=True).to(latent.dtype)


def symmetric_weights(latent, s):
    return (symmetric_scale(t(latent)) * t(s)).numpy()


def symmetric_weights_backward(dw, latent, s):
    s = parameter(s)
    return gradients(symmetric_scale(t(latent)) * s, dw, s=s)


def general_weights(s, tau, phi):
    return (tau * t(s) + phi).numpy()


def general_weights_backward(dw, s, tau, phi):
    s, tau, phi = parameter(s.astype(np.float64)), parameter(tau), parameter(phi)
    return gradients(tau * s + phi, dw.astype(np.float64), s=s, tau=tau, phi=phi)


def conditional_means(latent: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Return alpha and beta, the means of the latent weights with s = -1 and s = +1, in float64."""
    latent = latent.double()
    zeros, ones = latent[s <= 0], latent[s > 0]
    return (zeros if len(zeros) else latent).mean(), (ones if len(ones) else latent).mean()


def closed_form_weights(latent, s):
    latent, s = t(latent), t(s)
    alpha, beta = conditional_means(latent, s)
    return torch.where(s > 0, beta, alpha).to(latent.dtype).numpy()


def closed_form_weights_backward(dw, latent, s):
    latent, s = parameter(latent.astype(np.float64)), parameter(s.astype(np.float64))
    alpha, beta = conditional_means(latent, s)
    w = (beta / 2 - alpha / 2) * s + (alpha / 2 + beta / 2)
    return gradients(w, dw.astype(np.float64), s=s, latent=latent)


# ---------------------------------------------------------------------------------------- convolution and linear


def conv2d(x, weight, stride, padding):
    return F.conv2d(t(x), t(weight), stride=pair(stride), padding=pair(padding)).numpy()


def conv2d_grad_input(dy, weight, input_size, stride, padding):
    x = torch.zeros(len(dy), weight.shape[1], *pair(input_size), dtype=t(dy).dtype, requires_grad=True)
    return gradients(F.conv2d(x, t(weight), stride=pair(stride), padding=pair(padding)), dy, x=x)


def conv2d_grad_weight(dy, x, kernel_size, stride, padding):
    weight = torch.zeros(dy.shape[1], x.shape[1], *pair(kernel_size), dtype=t(dy).dtype, requires_grad=True)
    return gradients(F.conv2d(t(x), weight, stride=pair(stride), padding=pair(padding)), dy, weight=weight)


def linear(x, weight, bias):
    return F.linear(t(x), t(weight), t(bias)).numpy()


def linear_backward(dy, x, weight):
    x, weight = parameter(x), parameter(weight)
    bias = torch.zeros(weight.shape[0], dtype=weight.dtype, requires_grad=True)
    return gradients(F.linear(x, weight, bias), dy, x=x, weight=weight, bias=bias)


# ------------------------------------------------------------------------------------------------------ batch norm


def batchnorm_infer(x, weight, bias, running_mean, running_var, eps):
    return F.batch_norm(t(x), t(running_mean), t(running_var), t(weight), t(bias), eps=eps).numpy()


def batchnorm_train(x, weight, bias, eps):
    x = t(x)
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    var, mean = torch.var_mean(x, dim=axes, correction=0)
    y = F.batch_norm(x, None, None, t(weight), t(bias), training=True, eps=eps)
    return arrays(y=y, mean=mean, var=var)


def batchnorm_backward(dy, x, weight, mean, var, eps):
    x, weight = parameter(x), parameter(weight)
    bias = torch.zeros_like(weight, requires_grad=True)
    y = F.batch_norm(x, None, None, weight, bias, training=True, eps=eps)
    return gradients(y, dy, x=x, weight=weight, bias=bias)


def running_update(running_mean, running_var, mean, var, count, momentum):
    new_mean = torch.lerp(t(running_mean), t(mean), momentum)
    new_var = torch.lerp(t(running_var), t(var) * (count / (count - 1)), momentum)
    return arrays(new_mean=new_mean, new_var=new_var)


# ------------------------------------------------------------------------------------------------------ activation


def hardtanh(x):
    return F.hardtanh(t(x)).numpy()


def hardtanh_backward(dy, x):
    x = parameter(x)
    return gradients(F.hardtanh(x), dy, x=x)


def prelu(x, slope):
    return F.prelu(t(x), t(slope)).numpy()


def prelu_backward(dy, x, slope):
    x, slope = parameter(x), parameter(slope)
    return gradients(F.prelu(x, slope), dy, x=x, slope=slope)


def shifted(x: Tensor, bias: Tensor) -> Tensor:
    return x + bias.reshape(-1, *[1] * (x.ndim - 2))


def channel_bias(x, bias):
    return shifted(t(x), t(bias)).numpy()


def channel_bias_backward(dy):
    bias = torch.zeros(dy.shape[1], dtype=t(dy).dtype, requires_grad=True)
    return gradients(shifted(torch.zeros_like(t(dy)), bias), dy, bias=bias)


# --------------------------------------------------------------------------------------------- pooling and shortcut


def maps(dy: np.ndarray, input_size: np.ndarray, channels: int | None = None) -> Tensor:
    """Return zero maps of the size of an input, for functions whose gradient does not depend on it."""
    count = dy.shape[1] if channels is None else channels
    return torch.zeros(len(dy), count, *pair(input_size), dtype=t(dy).dtype, requires_grad=True)


def avg_pool2d(x, size, stride):
    return F.avg_pool2d(t(x), pair(size), stride=pair(stride)).numpy()


def avg_pool2d_backward(dy, input_size, size, stride):
    x = maps(dy, input_size)
    return gradients(F.avg_pool2d(x, pair(size), stride=pair(stride)), dy, x=x)


def global_avg_pool(x):
    return t(x).mean(dim=(2, 3)).numpy()


def global_avg_pool_backward(dy, input_size):
    x = maps(dy, input_size)
    return gradients(x.mean(dim=(2, 3)), dy, x=x)


def max_pool2d(x, size, stride, padding):
    geometry = {"stride": pair(stride), "padding": pair(padding)}
    y, argmax = F.max_pool2d(t(x), pair(size), return_indices=True, **geometry)
    return arrays(y=y, argmax=argmax)


def max_pool2d_backward(dy, argmax, input_size):
    height, width = pair(input_size)
    dx = torch.zeros(*dy.shape[:2], height * width, dtype=t(dy).dtype)
    dx.scatter_add_(2, t(argmax).long().flatten(2), t(dy).flatten(2))
    return dx.reshape(*dy.shape[:2], height, width).numpy()


def shortcut(x: Tensor, out_channels: int, stride: tuple[int, int]) -> Tensor:
    """Return every stride-th pixel, with half of the added channels (rounded down) before those of x."""
    added = out_channels - x.shape[1]
    return F.pad(x[:, :, :: stride[0], :: stride[1]], (0, 0, 0, 0, added // 2, added - added // 2))


def stride_and_pad(x, out_channels, stride):
    return shortcut(t(x), out_channels, pair(stride)).numpy()


def stride_and_pad_backward(dy, in_channels, input_size, stride):
    x = maps(dy, input_size, in_channels)
    return gradients(shortcut(x, dy.shape[1], pair(stride)), dy, x=x)


# --------------------------------------------------------------------------------------------------- loss and Adam


def mixup_targets(first, second, lam):
    return (lam * t(first) + (1 - lam) * t(second)).numpy()


def smooth_targets(targets, epsilon):
    return ((1 - epsilon) * t(targets) + epsilon / targets.shape[1]).numpy()


def cross_entropy(logits, targets):
    return F.cross_entropy(t(logits), t(targets)).item()


def cross_entropy_backward(logits, targets):
    logits = parameter(logits)
    loss = F.cross_entropy(logits, t(targets))
    return gradients(loss, np.ones((), np.asarray(targets).dtype), logits=logits)


def divergence(logits, teacher_logits, temperature):
    student, teacher = (F.log_softmax(z / temperature, dim=1) for z in (logits, t(teacher_logits)))
    return temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)


def distillation(logits, teacher_logits, temperature):
    # In float64: T^2 magnifies the rounding of float32.
    return divergence(t(logits).double(), teacher_logits.astype(np.float64), temperature).item()


def distillation_backward(logits, teacher_logits, temperature):
    logits = parameter(logits)
    loss = divergence(logits, teacher_logits, temperature)
    return gradients(loss, np.ones((), np.asarray(teacher_logits).dtype), logits=logits)


def adam_steps(value, grads, learning_rate, beta1, beta2, eps):
    value = parameter(value)
    optimizer = torch.optim.Adam([value], lr=learning_rate, betas=(beta1, beta2), eps=eps)
    for grad in grads:
        value.grad = t(grad)
        optimizer.step()
    state = optimizer.state[value]
    return arrays(value=value, first_moment=state["exp_avg"], second_moment=state["exp_avg_sq"])


# ------------------------------------------------------------------------------------- packing and binary convolution


def pack_bits(bits):
    count = -(-bits.shape[-1] // 64)
    padded = F.pad(t(bits), (0, 64 * count - bits.shape[-1])).long()
    words = (padded.reshape(*bits.shape[:-1], count, 64) << torch.arange(64)).sum(dim=-1)
    return words.numpy().view(np.uint64)


def unpack_bits(words, count):
    bits = (t(words.view(np.int64))[..., None] >> torch.arange(64)) & 1
    return bits.flatten(-2)[..., :count].bool().numpy()


def pack_kernels(bits):
    return pack_bits(bits.transpose(0, 2, 3, 1))  # (out, kernel height, kernel width, in)


def counts(x: Tensor, bits: np.ndarray, stride: np.ndarray, padding: np.ndarray) -> dict[str, np.ndarray]:
    """Return a * b and a * 1, exact in float64."""
    a, geometry = signs(x.double()), {"stride": pair(stride), "padding": pair(padding)}
    ones = F.conv2d(a, t(bits).double(), **geometry)
    total = F.conv2d(a, torch.ones(1, *bits.shape[1:], dtype=torch.float64), **geometry)
    return arrays(ones=ones.long(), total=total.long())


def binary_counts(u, bits, stride, padding):
    return counts(t(u), bits, stride, padding)


def popcount_conv2d(x, bits, alpha, beta, stride, padding):
    of = {name: t(count).double() for name, count in counts(t(x), bits, stride, padding).items()}
    alpha, beta = (t(level).reshape(-1, 1, 1) for level in (alpha, beta))
    return ((beta - alpha) * of["ones"] + alpha * of["total"]).float().numpy()


def popcount_linear(x, bits, alpha, beta):
    a, b = signs(t(x)).double(), t(bits).double()
    alpha, beta = t(alpha), t(beta)
    return ((beta - alpha) * (a @ b.T) + alpha * a.sum(dim=1, keepdim=True)).float().numpy()


def shared_map(x, bits, alpha, beta, stride, padding):
    weight = torch.where(t(bits), *(t(level).reshape(-1, 1, 1, 1) for level in (beta, alpha)))
    y = F.conv2d(signs(t(x).double()), weight, stride=pair(stride), padding=pair(padding))
    return counts(t(x), bits, stride, padding) | arrays(y=y)


# ---------------------------------------------------------------------------------------------------- a binary block


def block(x, latent, tau, phi, weight, bias, eps, stride, padding, steepness=1.0, scale=1.0) -> Tensor:
    """Return hardtanh(batch norm(conv(sign(x), tau sign(latent) + phi)) + shortcut(x))."""
    w = (tau * EDESign.apply(latent, steepness, scale).double() + phi).to(latent.dtype)
    z = F.conv2d(EDESign.apply(x, steepness, scale), w, stride=pair(stride), padding=pair(padding))
    norm = F.batch_norm(z, None, None, weight, bias, training=True, eps=eps)
    return F.hardtanh(norm + shortcut(x, len(latent), pair(stride)))


def binary_block(x, latent, tau, phi, weight, bias, eps, stride, padding):
    return block(t(x), t(latent), tau, phi, t(weight), t(bias), eps, stride, padding).numpy()


def binary_block_backward(dy, x, latent, tau, phi, weight, bias, eps, stride, padding, t, k):
    given = {"x": x, "latent": latent, "tau": tau, "phi": phi, "weight": weight, "bias": bias}
    inputs = {name: parameter(value) for name, value in given.items()}
    return gradients(block(**inputs, eps=eps, stride=stride, padding=padding, steepness=t, scale=k), dy, **inputs)


# ------------------------------------------------------------------------------------------------------- evaluation


def fold_binary(alpha, beta, weight, bias, running_mean, running_var, eps):
    weight, bias, mean, var = (t(value).double() for value in (weight, bias, running_mean, running_var))
    g = weight / torch.sqrt(var + eps)
    scale, shared, shift = g * (t(beta) - t(alpha)), g * t(alpha), bias - g * mean
    return arrays(scale=scale.float(), shared=shared.float(), shift=shift.float())


def fold_classifier(linear_weight, linear_bias, weight, bias, running_mean, running_var, eps):
    given = (linear_weight, linear_bias, weight, bias, running_mean, running_var)
    linear_weight, linear_bias, weight, bias, mean, var = (t(value).double() for value in given)
    g = weight / torch.sqrt(var + eps)
    total = linear_bias + linear_weight @ (bias - g * mean)
    return arrays(folded_weight=(linear_weight * g).float(), folded_bias=total.float())


def binary_layer(u, bits, scale, shared, shift, stride, padding):
    of = {name: t(count).float() for name, count in counts(t(u), bits, stride, padding).items()}
    scale, shared, shift = (t(value).reshape(-1, 1, 1) for value in (scale, shared, shift))
    return (scale * of["ones"] + (shared * of["total"] + shift)).numpy()
