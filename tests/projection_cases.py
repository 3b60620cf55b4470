"""Adversarial weights for the projection, each remade from its seed.

`case(seed)` draws a strategy, a size and weights; `arrange(seed, w)` lays them out as an array of some shape, order
and strides, some with a channel axis, some with a limit on the ones. Both are functions of the seed alone. ``sizes``
steers how many weights there are: a sequence to draw from, such as ``range(1, 300)``.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["STRATEGIES", "Arranged", "arrange", "case", "everyday_size"]

FLOATS = (np.float16, np.float32, np.float64)
INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
UNSIGNED = {2: np.uint16, 4: np.uint32, 8: np.uint64}  # by bytes of an element
POWERS = (16, 32, 64, 128, 256)
LARGE = (4095, 4096, 4097, 2048, 3000, 5000, 8191)
LARGEST = (65535, 65536, 65537)

Rng = np.random.Generator
Strategy = Callable[[Rng, int], np.ndarray]
STRATEGIES: dict[str, Strategy] = {}


def strategy(function: Strategy) -> Strategy:
    """Register a strategy under its name."""
    STRATEGIES[function.__name__] = function
    return function


def pick(rng: Rng, options: Sequence) -> object:
    """One of the options; quicker than Generator.choice, and of any type."""
    return options[int(rng.integers(len(options)))]


def chance(rng: Rng, probability: float) -> bool:
    return rng.random() < probability


def everyday_size(rng: Rng) -> int:
    """Mostly small, some around powers of two, a few hundred now and then, thousands rarely."""
    kind = rng.random()
    if kind < 0.45:
        return int(rng.integers(1, 13))
    if kind < 0.85:
        return int(rng.integers(2, 65))
    if kind < 0.92:
        return pick(rng, POWERS) + int(rng.integers(-1, 2))
    if kind < 0.9949:
        return int(rng.integers(65, 301))
    return pick(rng, LARGE) if kind < 0.9999 else pick(rng, LARGEST)


# --- parts of strategies ---


def cast(x: np.ndarray, dtype: type) -> np.ndarray:
    """Round float64 to the dtype; what lies beyond its range becomes its end."""
    largest = float(np.finfo(dtype).max)
    return np.clip(x, -largest, largest).astype(dtype)


def shape_of_one(rng: Rng, n: int) -> np.ndarray:
    """Numbers of the size of one: normal, uniform, one-sided, or a few integers."""
    kind = rng.integers(4)
    if kind == 0:
        return rng.standard_normal(n)
    if kind == 1:
        return rng.uniform(-1, 1, n)
    if kind == 2:
        return rng.exponential(1.0, n) - 1
    return rng.integers(-3, 4, n).astype(np.float64)


def sign(rng: Rng) -> int:
    return 1 - 2 * int(rng.integers(2))


def exponents(dtype: type) -> tuple[int, int]:
    """The exponents of the smallest subnormal and of the largest power of two."""
    about = np.finfo(dtype)
    return about.minexp - about.nmant, about.maxexp - 1


def ascending(x: np.ndarray) -> np.ndarray:
    """Sorted, 0.0 and -0.0 in their order: the same array on every machine, whose fast sorts differ."""
    return np.sort(x, kind="stable")


def mirrored(rng: Rng, n: int, dtype: type) -> np.ndarray:
    """Three clusters, exactly symmetric about 0: where the middle one is cut off on the left, so it is on the right."""
    outer = max(n // 3, 1) if n > 1 else 0
    inner = max((n - 2 * outer) // 2, 0)
    width = 10.0 ** rng.uniform(-4, -0.7)
    far = cast(1 + width * rng.standard_normal(outer), dtype)
    near = cast(width * rng.standard_normal(inner), dtype)
    return np.concatenate([far, near, np.zeros(n - 2 * (outer + inner), dtype), -near, -far])


def tie(rng: Rng, n: int, dtype: type) -> np.ndarray:
    """Weights with two best splits, mostly: symmetric ones, and evenly spaced ones of odd number."""
    kind = rng.integers(4)
    if kind == 0:
        return mirrored(rng, n, dtype)
    whole = 2 ** int(rng.integers(1, np.finfo(dtype).nmant - 2))
    if kind == 1:  # -a, 0, a, as many of each as there are of the others
        w = np.repeat(np.array([-1.0, 0.0, 1.0]), -(-n // 3))[:n] * int(rng.integers(1, whole + 1))
    elif kind == 2:  # evenly spaced: an odd number has two best splits
        w = np.arange(n, dtype=np.float64) - n // 2
    else:  # whole numbers, symmetric about 0
        half = rng.integers(0, whole, n // 2).astype(np.float64)
        w = np.concatenate([half, -half, np.zeros(n % 2)])
    if chance(rng, 0.4):  # exact as long as the sum has few enough bits
        w = w + sign(rng) * whole
    low, high = exponents(dtype)
    room = high - math.frexp(float(np.abs(w).max()))[1]
    scale = int(rng.integers(low, room + 1)) if chance(rng, 0.3) else 0
    return cast(np.ldexp(w, max(min(scale, room), low)), dtype)


def first_alone(x: np.ndarray) -> bool:
    """Whether the best split, judged in float64, cuts off the largest alone; x falls."""
    n = x.size
    k = np.arange(1, n)
    d = np.cumsum(x - x.mean())[:-1]
    return int(np.argmax(d * d / (k * (n - k)))) == 0


def finite_pattern(rng: Rng, n: int, dtype: type) -> np.ndarray:
    """Any finite bit patterns; those of infinity and NaN lose the highest bit of the exponent."""
    bits = np.frombuffer(rng.bytes(n * np.dtype(dtype).itemsize), UNSIGNED[np.dtype(dtype).itemsize]).copy()
    bad = ~np.isfinite(bits.view(dtype))
    bits[bad] &= ~bits.dtype.type(1 << (8 * bits.itemsize - 2))
    return bits.view(dtype)


# --- strategies ---


@strategy
def gaussian(rng: Rng, n: int) -> np.ndarray:
    return rng.standard_normal(n).astype(pick(rng, FLOATS))


@strategy
def offset(rng: Rng, n: int) -> np.ndarray:
    """1e4 to 1e15 with a spread of a few units in the last place, or of about one; also across a power of two."""
    dtype = pick(rng, FLOATS)
    size = 10.0 ** rng.uniform(*((1, 4.7) if dtype is np.float16 else (4, 15)))
    if chance(rng, 0.3):
        size = 2.0 ** math.floor(math.log2(size))
    spread = 10.0 ** rng.uniform(-3, 3)
    if chance(rng, 0.7):
        spread = float(np.spacing(dtype(size))) * 10.0 ** rng.uniform(0, 4)
    return cast(sign(rng) * size + spread * shape_of_one(rng, n), dtype)


@strategy
def tiny_spread(rng: Rng, n: int) -> np.ndarray:
    """About 1e-170, whose squares underflow in float64; now and then beside an offset of the same kind."""
    scale = 1e-170 if chance(rng, 0.4) else 10.0 ** rng.uniform(-307, -150)
    shift = sign(rng) * 10.0 ** rng.uniform(0, 12) if chance(rng, 0.3) else 0.0
    return scale * (shift + shape_of_one(rng, n))


@strategy
def huge(rng: Rng, n: int) -> np.ndarray:
    """Up to the largest number, whose squares, sums and differences overflow."""
    dtype = pick(rng, FLOATS)
    x = shape_of_one(rng, n)
    x = x / max(float(np.abs(x).max()), 1e-300)
    scale = float(np.finfo(dtype).max)
    if chance(rng, 0.5):
        scale = 1e300 if dtype is np.float64 else scale / 10.0 ** rng.uniform(0, 4)
    return cast(x * scale, dtype)


@strategy
def subnormal(rng: Rng, n: int) -> np.ndarray:
    """Subnormals only."""
    dtype = pick(rng, FLOATS)
    about = np.finfo(dtype)
    most = min(pick(rng, (1, 2, 5, 100, 2**about.nmant - 1)), 2**about.nmant - 1)
    size = rng.integers(0, most, n, endpoint=True)
    return np.ldexp(np.where(rng.random(n) < pick(rng, (0.0, 0.5)), -size, size), exponents(dtype)[0]).astype(dtype)


@strategy
def exact_tie(rng: Rng, n: int) -> np.ndarray:
    return tie(rng, n, pick(rng, FLOATS))


@strategy
def ulp_from_tie(rng: Rng, n: int) -> np.ndarray:
    """Two equally good splits, then one element moved by one unit in the last place."""
    w = tie(rng, n, pick(rng, FLOATS))
    i = int(rng.integers(n))
    moved = np.nextafter(w[i], w.dtype.type(-np.inf if chance(rng, 0.5) else np.inf))
    w[i] = moved if np.isfinite(moved) else w[i]
    return w


@strategy
def least_from_tie(rng: Rng, n: int) -> np.ndarray:
    """Two equally good splits of symmetric weights, and beside them a number as small as there is."""
    dtype = pick(rng, FLOATS)
    w = mirrored(rng, n, dtype)
    low, high = exponents(dtype)
    w[n // 2] += dtype(sign(rng) * math.ldexp(1.0, int(rng.integers(low, min(high, 0)))))
    return w


@strategy
def balanced(rng: Rng, n: int) -> np.ndarray:
    """The largest element is where cutting it off alone is as good as the best other split, as near as can be."""
    dtype = pick(rng, FLOATS)
    shift = pick(rng, (0.0, 0.0, 1e3, 1e3 if dtype is np.float16 else 1e6))
    rest = ascending(cast(shape_of_one(rng, max(n - 1, 1)) + shift, dtype).astype(np.float64))[::-1]
    spread = max(float(rest[0] - rest[-1]), float(np.spacing(dtype(rest[0]))))
    low, high = float(rest[0]), float(rest[0]) + 100 * n * spread
    while low < (middle := low + (high - low) / 2) < high:
        if first_alone(np.concatenate([[middle], rest])):
            high = middle
        else:
            low = middle
    return cast(np.append(rest, pick(rng, (low, high)))[-n:] * sign(rng), dtype)


@strategy
def duplicates(rng: Rng, n: int) -> np.ndarray:
    """A few values, each many times; some of them neighbours."""
    dtype = pick(rng, FLOATS)
    values = cast(shape_of_one(rng, int(rng.integers(1, 7))) * 10.0 ** rng.uniform(-3, 3), dtype)
    if chance(rng, 0.3):
        values = np.append(values, np.nextafter(values[0], dtype(1)))
    return values[rng.integers(0, values.size, n)]


@strategy
def decimals(rng: Rng, n: int) -> np.ndarray:
    """Multiples of 0.1 or 0.01, which are nearly evenly spaced, and not quite."""
    step = pick(rng, (0.1, 0.01, 0.3))
    w = np.arange(n) - n // 2 if chance(rng, 0.5) else rng.integers(-20, 21, n)
    return (w * step).astype(pick(rng, FLOATS))


@strategy
def skewed(rng: Rng, n: int) -> np.ndarray:
    """One-sided tails, and mixtures of a large and a small part."""
    kind = rng.integers(3)
    if kind == 0:
        w = rng.gamma(0.5, 1.0, n) - 2
    elif kind == 1:
        w = np.exp(rng.uniform(0.5, 4) * np.minimum(rng.standard_normal(n), 5))
    else:
        rare = rng.random(n) < rng.uniform(0.01, 0.2)
        w = np.where(rare, 5 + 0.2 * rng.standard_normal(n), rng.standard_normal(n))
    return cast(sign(rng) * w, pick(rng, FLOATS))


@strategy
def bimodal(rng: Rng, n: int) -> np.ndarray:
    centres = np.where(rng.random(n) < rng.uniform(0.1, 0.9), -1.0, rng.uniform(0, 3))
    return (centres + 10.0 ** rng.uniform(-3, 0) * rng.standard_normal(n)).astype(pick(rng, FLOATS))


@strategy
def trimodal(rng: Rng, n: int) -> np.ndarray:
    """Three clusters at equal distances, exactly symmetric or nearly so."""
    if chance(rng, 0.5):
        return mirrored(rng, n, pick(rng, FLOATS))
    return (rng.integers(-1, 2, n) + 10.0 ** rng.uniform(-6, -1) * rng.standard_normal(n)).astype(pick(rng, FLOATS))


@strategy
def geometric(rng: Rng, n: int) -> np.ndarray:
    """Sequences of ratio 2, 1/2, 1.5 and others, through the whole range of exponents and round again."""
    dtype = pick(rng, FLOATS)
    low, high = exponents(dtype)
    ratio = pick(rng, (2.0, 0.5, 1.5, 4.0, 1.1, 1 + 2.0**-10))
    powers = (rng.integers(0, high - low) + np.arange(n) * math.log2(ratio)) % (high - low)
    whole = np.floor(powers)
    w = np.ldexp(np.exp2(powers - whole), whole.astype(np.int64) + low)
    signs = pick(rng, (np.ones(n), -np.ones(n), (-1.0) ** np.arange(n)))
    return cast(w * signs, dtype)


@strategy
def scales(rng: Rng, n: int) -> np.ndarray:
    """Huge and tiny in one array: any exponents, or two or three of them."""
    dtype = pick(rng, FLOATS)
    low, high = exponents(dtype)
    powers = rng.integers(low, high, n, endpoint=True)
    if chance(rng, 0.6):
        powers = powers[rng.integers(0, min(n, int(rng.integers(2, 4))), n)]
    return cast(np.ldexp(rng.uniform(1, 2, n) * (1 - 2 * rng.integers(0, 2, n)), powers), dtype)


@strategy
def patterns(rng: Rng, n: int) -> np.ndarray:
    """Random bits, read as finite floats."""
    return finite_pattern(rng, n, pick(rng, FLOATS))


@strategy
def outliers(rng: Rng, n: int) -> np.ndarray:
    """One or two elements far from the others."""
    w = rng.standard_normal(n)
    w[rng.integers(0, n, int(rng.integers(1, 3)))] *= 10.0 ** rng.uniform(1, 9)
    return cast(w, pick(rng, FLOATS))


@strategy
def constant(rng: Rng, n: int) -> np.ndarray:
    """One value; or all but one element of one value, and that one its neighbour."""
    dtype = pick(rng, FLOATS + INTEGERS)
    if np.dtype(dtype).kind in "iu":
        about = np.iinfo(dtype)
        return np.full(n, int(rng.integers(about.min, about.max, dtype=dtype, endpoint=True)), dtype)
    value = 0.1 if chance(rng, 0.3) else finite_pattern(rng, 1, dtype)[0]
    w = np.full(n, value, dtype)
    if chance(rng, 0.5):
        w[rng.integers(n)] = np.nextafter(w[0], dtype(0))
    return w


@strategy
def zeros(rng: Rng, n: int) -> np.ndarray:
    """0.0 and -0.0, alone or beside a few others."""
    dtype = pick(rng, FLOATS)
    w = np.where(rng.random(n) < 0.5, 0.0, -0.0).astype(dtype)
    if chance(rng, 0.6):
        others = rng.random(n) < rng.uniform(0, 0.5)
        values = (0.1, -1.0, 1.0, math.ldexp(1.0, exponents(dtype)[0]), -math.ldexp(1.0, exponents(dtype)[0]))
        w[others] = pick(rng, values)
    return w


@strategy
def integers(rng: Rng, n: int) -> np.ndarray:
    """Every width: the whole range, its ends, or a few small numbers."""
    dtype = pick(rng, INTEGERS)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    kind = rng.integers(3)
    if kind == 0:
        return rng.integers(low, high, n, dtype=dtype, endpoint=True)
    if kind == 1:
        ends = np.array([low, low + 1, high // 2, high - 1, high], dtype)
        return ends[rng.integers(0, ends.size, n)]
    return rng.integers(max(low, -5), 6, n).astype(dtype)


@strategy
def close_integers(rng: Rng, n: int) -> np.ndarray:
    """Neighbours beyond 2^53, which float64 cannot tell apart, up to the ends of 64 bits."""
    dtype = pick(rng, (np.int64, np.uint64))
    about = np.iinfo(dtype)
    reach = 2 ** int(rng.integers(1, 12))
    near = (2**53, 2**53 + 1, 2**60, 2**62 + 3, about.max - reach, about.min + reach, about.max // 2)
    centre = pick(rng, near)
    if dtype is np.int64 and chance(rng, 0.5):
        centre = max(-centre, about.min + reach)
    steps = rng.integers(-reach, reach, n, endpoint=True).tolist()
    return np.array([min(max(centre + step, about.min), about.max) for step in steps], dtype)


NAMES = tuple(STRATEGIES)


def case(seed: int, sizes: Sequence[int] | None = None) -> tuple[str, np.ndarray]:
    """The name of the strategy and the weights, one-dimensional, that belong to a seed."""
    rng = np.random.default_rng([seed, 0])
    name = pick(rng, NAMES)
    n = everyday_size(rng) if sizes is None else int(pick(rng, sizes))
    w = STRATEGIES[name](rng, n)
    order = rng.random()
    if order < 0.5:
        w = rng.permutation(w)
    elif order < 0.7:
        w = ascending(w)[:: sign(rng)].copy()
    return name, w


class Arranged(NamedTuple):
    """Weights as they are passed to `project`."""

    w: np.ndarray
    channel_axis: int | None
    max_ones: int | None

    def rows(self) -> np.ndarray:
        """The weights of each channel, in C order; one row without a channel axis."""
        if self.channel_axis is None:
            return self.w.reshape(1, -1)
        axis = self.channel_axis
        return np.array([self.w.take(i, axis).ravel() for i in range(self.w.shape[axis])])


def divisor(rng: Rng, n: int) -> int:
    """A divisor of n of at most 16, so that there are few channels."""
    return pick(rng, [d for d in range(1, min(n, 16) + 1) if n % d == 0])


def spaced(rng: Rng, w: np.ndarray) -> np.ndarray:
    """The same elements, every second or third of an array whose others are large."""
    step = int(rng.integers(2, 4))
    fill = np.finfo(w.dtype).max if w.dtype.kind == "f" else np.iinfo(w.dtype).max
    wide = np.full(w.size * step, fill, w.dtype)
    wide[::step] = w
    return wide[::step]


def arrange(seed: int, w: np.ndarray) -> Arranged:
    """The weights in some layout: half of them flat, else views, transposed arrays, 2-D and 3-D, by channel or not."""
    rng = np.random.default_rng([seed, 1])
    kind = rng.random()
    axis: int | None = None
    if kind < 0.5:
        pass
    elif kind < 0.58:
        w = w[::-1].copy()[::-1]
    elif kind < 0.66:
        w = spaced(rng, w)
    elif kind < 0.70:
        w = w.astype(w.dtype.newbyteorder())
    elif kind < 0.80:
        w = np.asfortranarray(w.reshape(divisor(rng, w.size), -1))
    else:
        channels = divisor(rng, w.size)
        blocks = w.reshape(channels, divisor(rng, w.size // channels), -1)
        axis = int(rng.integers(3))
        w = np.moveaxis(blocks, 0, axis)
        if chance(rng, 0.4):
            w = np.asfortranarray(w)
        elif chance(rng, 0.5):
            w = np.ascontiguousarray(w)
        axis -= 3 * int(rng.integers(2))
    n = w.size if axis is None else w.size // w.shape[axis]
    limit = int(rng.integers(0, n, endpoint=True)) if chance(rng, 0.1) else None
    return Arranged(w, axis, limit)
