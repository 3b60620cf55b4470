"""Hypothesis strategies for the layers: shapes are drawn, the numbers come from a drawn seed and kind."""

from dataclasses import dataclass

import hypothesis.strategies as st
import numpy as np

DTYPES = st.sampled_from([np.float32, np.float64])

# Where sign, estimators and activations have corners, and their neighbours on both sides.
CORNERS = [-2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0]


def corner_values(dtype: type) -> np.ndarray:
    """Return the corners, the nearest numbers of `dtype` on both sides of each, and the smallest numbers."""
    corners = np.array(CORNERS, dtype)
    infinity = dtype(np.inf)
    tiny = np.array([np.finfo(dtype).smallest_subnormal, np.finfo(dtype).tiny], dtype)
    around = [np.nextafter(corners, -infinity), corners, np.nextafter(corners, infinity)]
    return np.concatenate([*around, tiny, -tiny])


def fill(shape: tuple[int, ...], dtype: type, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Return an array of the given kind of numbers."""
    if kind == "normal":
        return rng.standard_normal(shape).astype(dtype)
    if kind == "binary":
        return rng.choice([-1.0, 1.0], shape).astype(dtype)
    if kind == "ties":
        return rng.integers(-2, 3, shape).astype(dtype)
    if kind == "corners":
        return rng.choice(corner_values(dtype), shape)
    if kind == "negative":
        return -1 - rng.random(shape).astype(dtype)
    if kind == "scales":
        return (rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 4, shape)).astype(dtype)
    raise ValueError(kind)


KINDS = st.sampled_from(["normal", "binary", "ties", "corners", "negative", "scales"])
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def arrays(draw, shape: st.SearchStrategy[tuple[int, ...]], kinds: st.SearchStrategy[str] = KINDS) -> np.ndarray:
    """Draw one array."""
    rng = np.random.default_rng(draw(SEEDS))
    return fill(draw(shape), draw(DTYPES), draw(kinds), rng)


def pairs(low: int, high: int) -> st.SearchStrategy[int | tuple[int, int]]:
    """Draw one number for both directions, or a pair."""
    number = st.integers(low, high)
    return number | st.tuples(number, number)


def both(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


# (batch, channels) or (batch, channels, height, width)
FEATURE_SHAPES = st.tuples(st.integers(2, 5), st.integers(1, 5)) | st.tuples(
    st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(2, 5)
)
ANY_SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


@dataclass(frozen=True, eq=False)
class ConvCase:
    x: np.ndarray
    weight: np.ndarray
    dy: np.ndarray
    stride: int | tuple[int, int]
    padding: int | tuple[int, int]

    @property
    def input_size(self) -> tuple[int, int]:
        return self.x.shape[2], self.x.shape[3]

    @property
    def kernel_size(self) -> tuple[int, int]:
        return self.weight.shape[2], self.weight.shape[3]

    @property
    def unused(self) -> bool:
        """Whether the stride leaves rows or columns of the padded input that no window reaches."""
        sizes = zip(self.input_size, self.kernel_size, both(self.stride), both(self.padding), strict=True)
        return any((size + 2 * p - k) % s for size, k, s, p in sizes)


@st.composite
def conv_cases(draw) -> ConvCase:
    """Draw odd shapes, every stride and padding, kernels as large as the padded input."""
    stride, padding = draw(pairs(1, 3)), draw(pairs(0, 3))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    size = tuple(
        draw(st.integers(max(1, k - 2 * p), max(6, k - 2 * p))) for k, p in zip(kernel, both(padding), strict=True)
    )
    batch, inputs, outputs = draw(st.integers(1, 2)), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    out = tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, both(stride), both(padding), strict=True))
    rng, dtype = np.random.default_rng(draw(SEEDS)), draw(DTYPES)
    return ConvCase(
        x=fill((batch, inputs, *size), dtype, draw(KINDS), rng),
        weight=fill((outputs, inputs, *kernel), dtype, draw(KINDS), rng),
        dy=fill((batch, outputs, *out), dtype, draw(KINDS), rng),
        stride=stride,
        padding=padding,
    )


@dataclass(frozen=True, eq=False)
class PoolCase:
    x: np.ndarray
    dy: np.ndarray
    size: int | tuple[int, int]
    stride: int | tuple[int, int] | None
    padding: int | tuple[int, int]

    @property
    def input_size(self) -> tuple[int, int]:
        return self.x.shape[2], self.x.shape[3]

    @property
    def steps(self) -> int | tuple[int, int]:
        return self.size if self.stride is None else self.stride


@st.composite
def pool_cases(draw, padded: bool) -> PoolCase:
    """Draw windows that overlap, touch or leave gaps; with `padded`, a padding smaller than the window."""
    size, stride = draw(pairs(1, 3)), draw(st.none() | pairs(1, 3))
    padding = draw(st.tuples(*(st.integers(0, k - 1) for k in both(size)))) if padded else 0
    shape = tuple(draw(st.integers(max(1, k), 7)) for k in both(size))
    steps = both(size if stride is None else stride)
    out = tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(shape, both(size), steps, both(padding), strict=True))
    batch, channels = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    rng, dtype = np.random.default_rng(draw(SEEDS)), draw(DTYPES)
    return PoolCase(
        x=fill((batch, channels, *shape), dtype, draw(KINDS), rng),
        dy=fill((batch, channels, *out), dtype, draw(KINDS), rng),
        size=size,
        stride=stride,
        padding=padding,
    )


@dataclass(frozen=True, eq=False)
class ChannelCase:
    """Features with a gradient of their shape and two vectors with one number per channel."""

    x: np.ndarray
    dy: np.ndarray
    weight: np.ndarray
    bias: np.ndarray


@st.composite
def channel_cases(draw, kinds: st.SearchStrategy[str] = KINDS) -> ChannelCase:
    shape = draw(FEATURE_SHAPES)
    rng, dtype = np.random.default_rng(draw(SEEDS)), draw(DTYPES)
    return ChannelCase(
        x=fill(shape, dtype, draw(kinds), rng),
        dy=fill(shape, dtype, draw(kinds), rng),
        weight=fill(shape[1:2], dtype, draw(kinds), rng),
        bias=fill(shape[1:2], dtype, draw(kinds), rng),
    )


@dataclass(frozen=True, eq=False)
class LinearCase:
    x: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    dy: np.ndarray


@st.composite
def linear_cases(draw) -> LinearCase:
    batch, inputs, outputs = (draw(st.integers(1, 6)) for _ in range(3))
    rng, dtype = np.random.default_rng(draw(SEEDS)), draw(DTYPES)
    return LinearCase(
        x=fill((batch, inputs), dtype, draw(KINDS), rng),
        weight=fill((outputs, inputs), dtype, draw(KINDS), rng),
        bias=fill((outputs,), dtype, draw(KINDS), rng),
        dy=fill((batch, outputs), dtype, draw(KINDS), rng),
    )


@dataclass(frozen=True, eq=False)
class ShortcutCase:
    x: np.ndarray
    dy: np.ndarray
    out_channels: int
    stride: int | tuple[int, int]


@st.composite
def shortcut_cases(draw) -> ShortcutCase:
    batch, channels, added = draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(0, 6))
    height, width, stride = draw(st.integers(1, 7)), draw(st.integers(1, 7)), draw(pairs(1, 3))
    sv, sh = both(stride)
    rng, dtype = np.random.default_rng(draw(SEEDS)), draw(DTYPES)
    return ShortcutCase(
        x=fill((batch, channels, height, width), dtype, draw(KINDS), rng),
        dy=fill((batch, channels + added, -(-height // sv), -(-width // sh)), dtype, draw(KINDS), rng),
        out_channels=channels + added,
        stride=stride,
    )


@dataclass(frozen=True, eq=False)
class LossCase:
    logits: np.ndarray
    targets: np.ndarray


@st.composite
def loss_cases(draw) -> LossCase:
    """Draw logits up to 1e4 and hard, mixed or smoothed targets (rows that sum to 1 up to rounding)."""
    batch, classes = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    rng, dtype = np.random.default_rng(draw(SEEDS)), draw(DTYPES)
    scale = draw(st.sampled_from([0.0, 1.0, 30.0, 1e4]))
    eye = np.eye(classes, dtype=dtype)
    lam, epsilon = draw(st.sampled_from([0.0, 0.25, 1.0])), draw(st.sampled_from([0.0, 0.125, 1.0]))
    targets = lam * eye[rng.integers(classes, size=batch)] + (1 - lam) * eye[rng.integers(classes, size=batch)]
    return LossCase(
        logits=(scale * rng.uniform(-1, 1, (batch, classes))).astype(dtype),
        targets=((1 - epsilon) * targets + epsilon / classes).astype(dtype),
    )


@dataclass(frozen=True, eq=False)
class WeightCase:
    """Latent weights, their signs about a threshold (some or none of them +1) and a gradient."""

    latent: np.ndarray
    s: np.ndarray
    dw: np.ndarray
    tau: float
    phi: float


@st.composite
def weight_cases(draw) -> WeightCase:
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)))
    rng, dtype = np.random.default_rng(draw(SEEDS)), draw(DTYPES)
    latent = fill(shape, dtype, draw(KINDS), rng)
    threshold = draw(st.sampled_from([0.0, 0.25, 1.0, 1e9, -1e9]))
    return WeightCase(
        latent=latent,
        s=np.where(latent > threshold, 1, -1).astype(dtype),
        dw=fill(shape, dtype, draw(KINDS), rng),
        tau=draw(st.sampled_from([1.0, 0.125, -0.3])),
        phi=draw(st.sampled_from([0.0, -0.7, 2.5])),
    )


@dataclass(frozen=True, eq=False)
class AdamCase:
    value: np.ndarray
    grads: np.ndarray
    learning_rate: float
    beta1: float
    beta2: float
    eps: float


@st.composite
def adam_cases(draw) -> AdamCase:
    """Draw up to 12 steps; gradients from 1e-8 (the push of the density penalty) to 10, and exact zeros."""
    steps, size = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    rng, dtype = np.random.default_rng(draw(SEEDS)), draw(DTYPES)
    scale = draw(st.sampled_from([0.0, 1e-8, 1e-4, 1.0, 10.0]))
    return AdamCase(
        value=rng.standard_normal(size).astype(dtype),
        grads=(scale * rng.standard_normal((steps, size))).astype(dtype),
        learning_rate=draw(st.sampled_from([1e-3, 0.1])),
        beta1=draw(st.sampled_from([0.9, 0.5])),
        beta2=draw(st.sampled_from([0.999, 0.9])),
        eps=draw(st.sampled_from([1e-8, 1e-3])),
    )
