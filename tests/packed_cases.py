"""Packed layers and networks: shapes and weights that reach every path of the kernels, and what must be equal."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import event, target
from hypothesis import strategies as st
from layer_strategies import SEEDS, both

from bbdg_ref.inference.network import PackedNetwork
from bbdg_ref.ops import packed_conv2d as conv_ops
from bbdg_ref.ops import packed_layout
from bbdg_ref.packed import PackedActivations, PackedConv, PackedLinear, packed_conv2d, packed_linear
from bbdg_ref.spec.conv2d import output_size
from bbdg_ref.spec.domain import Domain
from bbdg_ref.spec.evaluation import (
    BinaryLayer,
    Block,
    Classifier,
    FoldedNetwork,
    RealLayer,
    StridePad,
    evaluate,
)
from bbdg_ref.spec.popcount_conv import binary_counts, popcount_conv2d, popcount_linear

LARGEST = 3_000_000  # operations of the definition that one case may take

CHANNELS = st.sampled_from([1, 2, 3, 15, 16, 17, 31, 32, 63, 64, 65, 127, 128, 129, 130]) | st.integers(1, 130)
KERNELS = st.sampled_from([(3, 3), (1, 1), (5, 5), (7, 7), (1, 3)]) | st.tuples(st.integers(1, 7), st.integers(1, 7))
STRIDES = st.sampled_from([1, 1, 1, 2, 2, 2, 3, (1, 2), (2, 1), (3, 1), (4, 3), (9, 2), (1, 70)])
PADDINGS = st.sampled_from([0, 1, 1, 2, 3, (0, 1), (3, 0), (4, 2), (9, 0), (2, 11)])
BATCHES = st.sampled_from([1, 2, 9, 33, 40]) | st.integers(1, 40)
SIDES = st.sampled_from([4, 8, 16, 32]) | st.integers(1, 14)
DENSITIES = st.sampled_from([0.0, 0.02, 0.3, 0.49, 0.5, 0.51, 0.7, 0.98, 1.0])
CORNERS = [0.0, -0.0, 1e-45, -1e-45, 1e-38, -1e-38, 1.0, -1.0, np.inf, -np.inf, 3e38, -3e38]
HUGE = float(np.finfo(np.float64).max)


@dataclass(frozen=True, eq=False)
class Case:
    """A convolution."""

    x: np.ndarray
    bits: np.ndarray
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0
    way: str = "planned"

    def __repr__(self) -> str:  # of the arrays, a report shows the shapes
        steps = f"stride={self.stride}, padding={self.padding}, way={self.way!r}"
        return f"Case(x {self.x.shape}, bits {self.bits.shape}, {steps})"

    def _repr_pretty_(self, printer, cycle) -> None:  # what hypothesis asks first
        printer.text(repr(self))

    @property
    def steps(self) -> dict:
        return {"stride": self.stride, "padding": self.padding}

    @property
    def output(self) -> tuple[int, int]:
        return output_size(self.x.shape[2:], self.bits.shape[2:], both(self.stride), both(self.padding))


WAYS = ("planned", "planes", "columns")


@contextmanager
def counting(way: str) -> Iterator[None]:
    """Let the plan choose how to count, or choose for it."""
    with pytest.MonkeyPatch.context() as patch:
        if way != "planned":
            for module in (conv_ops, packed_layout):
                patch.setattr(module, "columns_are_faster", lambda bits, plan: way == "columns")
        yield


def activations(rng: np.random.Generator, shape: tuple[int, ...], kind: str) -> np.ndarray:
    """Return float32 activations of a kind."""
    if kind == "corners":
        return rng.choice(np.array(CORNERS, np.float32), shape)
    x = rng.standard_normal(shape).astype(np.float32)
    if kind == "normal":
        return x
    return np.abs(x) if kind == "positive" else -np.abs(x)


def weight_bits(rng: np.random.Generator, shape: tuple[int, ...], densities: list[float]) -> np.ndarray:
    """Return bits whose output channels have the given densities, in turn."""
    each = np.resize(np.array(densities), shape[0])
    return rng.random(shape) < each.reshape(-1, *[1] * (len(shape) - 1))


@st.composite
def shapes(draw, *, strides=STRIDES, sides=SIDES) -> tuple[int, tuple, tuple, tuple, tuple]:
    """(batch, size, kernel, stride, padding) of a convolution."""
    kernel, stride, padding, batch = draw(KERNELS), both(draw(strides)), both(draw(PADDINGS)), draw(BATCHES)
    kind = draw(st.sampled_from(["any", "any", "same", "many"]))
    if kind == "same":  # output pixels are the input's, or every second of them
        kernel = draw(st.sampled_from([(3, 3), (1, 1), (5, 5), (3, 1)]))
        padding, stride = (kernel[0] // 2, kernel[1] // 2), min(stride, (2, 2))
        sides = st.sampled_from([4, 8, 16, 32])
    if kind == "many":  # pixels, so that a batch takes several chunks
        kernel, batch, sides = (
            min(kernel, (3, 3)),
            draw(st.sampled_from([33, 40, 65])),
            st.sampled_from([8, 12, 13, 16]),
        )
    side = draw(sides)
    size = tuple(
        max(1, k - 2 * p, side if draw(st.booleans()) else draw(sides)) for k, p in zip(kernel, padding, strict=True)
    )
    event(f"shapes: {kind}")
    return batch, size, kernel, stride, padding


@st.composite
def conv_cases(draw, *, largest: int = LARGEST, strides=STRIDES, sides=SIDES) -> Case:
    """Convolutions of every kind that the plan tells apart."""
    batch, size, kernel, stride, padding = draw(shapes(strides=strides, sides=sides))
    rows, columns = output_size(size, kernel, stride, padding)
    channels, out = draw(CHANNELS), draw(st.integers(1, 20))
    if batch > 32:
        channels = min(channels, 12)
    each = rows * columns * kernel[0] * kernel[1] * -(-channels // 64)
    out = max(1, min(out, largest // (each * min(batch, 40))))
    batch = max(1, min(batch, largest // (out * each)))
    rng = np.random.default_rng(draw(SEEDS))
    kind = draw(st.sampled_from(["normal", "normal", "corners", "positive", "negative"]))
    densities = draw(st.lists(DENSITIES, min_size=1, max_size=4))
    case = Case(
        activations(rng, (batch, channels, *size), kind),
        weight_bits(rng, (out, channels, *kernel), densities),
        *((stride[0], padding[0]) if stride[0] == stride[1] and padding[0] == padding[1] else (stride, padding)),
        draw(st.sampled_from(WAYS)),
    )
    describe(case, kind)
    return case


def describe(case: Case, kind: str) -> None:
    """Tell hypothesis what a case reaches, and let it look for long lists."""
    rows, columns = case.output
    batch, pixels = len(case.x), rows * columns
    fan_in = case.bits[0].size
    ones = case.bits.reshape(len(case.bits), -1).sum(axis=1)
    listed = int(np.minimum(ones, fan_in - ones).max())
    length = "up to 240" if listed <= 240 else "up to 255" if listed <= 255 else "above 255"
    target(float(listed), label="longest list of an output channel")
    target(float(batch * pixels), label="output pixels of the batch")
    event(f"activations: {kind}")
    event(f"counted: as {case.way}" if case.way == "planned" else f"counted: by {case.way}")
    event(f"longest list: {length}")
    event(f"taps: {'up to 255' if fan_in < 256 else 'above 255'}")
    event(f"more ones than zeros in {'some' if (2 * ones > fan_in).any() else 'no'} channel")
    all_pixels = "up to 128" if batch * pixels <= 128 else "up to 4096" if batch * pixels <= 4096 else "more"
    event(f"batch * output pixels: {all_pixels}")
    event(f"images are {'whole' if pixels % 16 == 0 else 'not whole'} pieces of 16 pixels")
    event(f"stride {both(case.stride)}" if max(both(case.stride)) <= 2 else "stride above 2")
    beyond = any(p >= k for p, k in zip(both(case.padding), case.bits.shape[2:], strict=True))
    event(f"padding: {'none' if both(case.padding) == (0, 0) else 'as large as the kernel' if beyond else 'some'}")


LEVEL = st.floats(-4, 4) | st.sampled_from([0.1, 0.3, -0.0, 0.0, 1.0, -1.0, 1e-320, 5e-324, 1e-30, 1e30, -1e300, HUGE])
TWO_LEVELS = st.sampled_from([(0.1, 0.3), (0.3, 0.1), (-HUGE, HUGE), (1e-30, 1e30)]) | st.tuples(LEVEL, LEVEL)


@st.composite
def domains(draw, out: int) -> Domain:
    """A domain for the layer, or one for each of its output channels."""
    if draw(st.booleans()):
        event("domain: of the layer")
        return Domain(*draw(TWO_LEVELS))
    few = draw(st.lists(TWO_LEVELS, min_size=1, max_size=3))
    event("domain: of every output channel")
    alpha, beta = np.array([few[i % len(few)] for i in range(out)]).T
    return Domain(alpha, beta, channel_axis=0)


def with_domains(cases: st.SearchStrategy[Case]) -> st.SearchStrategy[tuple[Case, Domain]]:
    return cases.flatmap(lambda case: st.tuples(st.just(case), domains(len(case.bits))))


@st.composite
def linear_cases(draw) -> tuple[np.ndarray, np.ndarray, Domain]:
    """Rows, bits and domain of a linear layer."""
    batch, features, out = draw(BATCHES | st.just(200)), draw(CHANNELS | st.just(700)), draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(SEEDS))
    kind = draw(st.sampled_from(["normal", "corners", "positive", "negative"]))
    bits = weight_bits(rng, (out, features), draw(st.lists(DENSITIES, min_size=1, max_size=4)))
    event(f"activations: {kind}")
    return activations(rng, (batch, features), kind), bits, draw(domains(out))


def same_floats(got: np.ndarray, want: np.ndarray) -> None:
    """Every float32 equals, the sign of a zero included; NaN equals NaN."""
    assert got.dtype == want.dtype == np.float32
    assert got.shape == want.shape
    numbers = ~np.isnan(want)
    assert np.array_equal(np.isnan(got), ~numbers)
    assert np.array_equal(got.view(np.uint32)[numbers], want.view(np.uint32)[numbers])


def check_counts(case: Case) -> None:
    """The domain {0, 1} shows a * b, and bits that are all ones show a * 1."""
    want = binary_counts(case.x > 0, case.bits, **case.steps)
    with counting(case.way):
        ones = packed_conv2d(case.x, PackedConv.from_bits(case.bits, Domain(0.0, 1.0)), **case.steps)
        every = PackedConv.from_bits(np.ones_like(case.bits[:1]), Domain(0.0, 1.0))
        total = packed_conv2d(case.x, every, **case.steps)
    assert ones.dtype == total.dtype == np.float32  # which holds the counts, up to 2^24, exactly
    assert np.array_equal(ones, want.ones) and np.array_equal(total, want.total)


def check_floats(case: Case, domain: Domain) -> None:
    """What runs equals the definition, bit for bit, from floats, from packed bits, and when it is called again."""
    with np.errstate(over="ignore", invalid="ignore"):  # of alpha and beta near the largest float64
        want = popcount_conv2d(case.x, case.bits, domain.alpha, domain.beta, **case.steps)
        weight = PackedConv.from_bits(case.bits, domain)
        finite = np.clip(case.x, -1, 1)
        with counting(case.way):
            for x in (case.x, PackedActivations.from_values(finite), finite):
                same_floats(packed_conv2d(x, weight, **case.steps), want)


def check_calls(case: Case) -> None:
    """One layer answers calls of several shapes, strides and paddings, in turn, as the definition does."""
    weight = PackedConv.from_bits(case.bits, Domain(0.1, 0.3))
    longer = np.concatenate((case.x, -case.x[:1]))
    calls = [(x, {"stride": stride, "padding": (p + more, q + more)}) for more in (0, 1) for stride in (case.stride, 1)
             for x in (case.x, longer) for p, q in [both(case.padding)]]  # fmt: skip
    calls += [(x, {**steps, "padding": max(steps["padding"])}) for x, steps in calls]
    with counting(case.way):
        for x, steps in calls + calls:
            rows, columns = output_size(x.shape[2:], case.bits.shape[2:], both(steps["stride"]), both(steps["padding"]))
            if min(rows, columns) > 0:
                same_floats(packed_conv2d(x, weight, **steps), popcount_conv2d(x, case.bits, 0.1, 0.3, **steps))


def check_linear(x: np.ndarray, bits: np.ndarray, domain: Domain) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        want = popcount_linear(x, bits, domain.alpha, domain.beta)
        same_floats(packed_linear(x, PackedLinear.from_bits(bits, domain)), want)


# --------------------------------------------------------------------------------------------------------- networks

# Most are made of whole pieces of 16 pixels, and so run on the kernels; the last ones do not.
SIZES = [(16, 16), (32, 32), (16, 32), (32, 8), (64, 16), (8, 8), (48, 16), (16, 4), (20, 20), (12, 4), (16, 1), (9, 7)]


def numbers(rng: np.random.Generator, shape: tuple[int, ...], kind: str) -> np.ndarray:
    """Return float32 parameters: any, or quarters, with which sums meet 0, 1 and -1 exactly."""
    if kind == "quarters":
        return (rng.integers(-4, 5, shape) / 4).astype(np.float32)
    return rng.standard_normal(shape).astype(np.float32)


@st.composite
def folded_networks(draw) -> FoldedNetwork:
    """Networks of any structure that the definition allows, not only those that `nn` builds."""
    rng = np.random.default_rng(draw(SEEDS))
    kind = draw(st.sampled_from(["quarters", "normal"]))
    widths = st.sampled_from([1, 2, 3, 8, 15, 16, 17, 33])
    in_channels, channels = draw(st.integers(1, 4)), draw(widths)
    kernel = draw(st.sampled_from([(3, 3), (1, 1), (5, 3), (3, 7)]))
    stride = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 2), (1, 3)]))
    stem = RealLayer(
        numbers(rng, (channels, in_channels, *kernel), kind),
        numbers(rng, (channels,), kind),
        stride,
        (kernel[0] // 2, kernel[1] // 2),
    )
    blocks = []
    for _ in range(draw(st.integers(1, 3))):
        block, channels = draw(_blocks(rng, channels, kind, widths))
        blocks.append(block)
    classes = draw(st.sampled_from([1, 3, 10, 100]))
    head = Classifier(numbers(rng, (classes, channels), kind), numbers(rng, (classes,), kind))
    opening = draw(st.sampled_from([None, ()]))
    event(f"after the stem: {'hardtanh' if opening is None else 'nothing'}")
    event(f"parameters: {kind}")
    event(f"blocks: {len(blocks)}, layers: {max(len(block.layers) for block in blocks)}")
    return FoldedNetwork(stem, tuple(blocks), head, "drawn", None, opening)


@st.composite
def _blocks(draw, rng: np.random.Generator, channels: int, kind: str, widths) -> tuple[Block, int]:
    """A residual block and its channels."""
    shortcut = draw(st.sampled_from(["identity", "identity", "pad", "real"]))
    layers, before, step = [], channels, 1
    count = draw(st.integers(1, 3))
    for number in range(count):
        last = number == count - 1
        after = before if last and shortcut == "identity" else draw(widths)
        if last and shortcut == "pad":
            after = before + draw(st.integers(0, 5))
        stride = draw(st.sampled_from([1, 2, 2] if number == 0 else [1, 1, 1, 2])) if shortcut != "identity" else 1
        step *= stride
        k = draw(st.sampled_from([3, 3, 1, 5]))
        bits = weight_bits(rng, (after, channels, k, k), draw(st.lists(DENSITIES, min_size=1, max_size=3)))
        scale, shared, shift = (numbers(rng, (after,), kind) for _ in range(3))
        layers.append(BinaryLayer(bits, scale, shared, shift, (stride, stride), (k // 2, k // 2)))
        channels = after
    event(f"shortcut: {shortcut}, stride {step}")
    if shortcut == "identity":
        return Block(tuple(layers), None), channels
    if shortcut == "pad":
        return Block(tuple(layers), StridePad(before, channels, step)), channels
    k = draw(st.sampled_from([1, 3]))
    weight = numbers(rng, (channels, before, k, k), kind)
    real = RealLayer(weight, numbers(rng, (channels,), kind), (step, step), (k // 2, k // 2))
    return Block(tuple(layers), real), channels


def shown(folded: FoldedNetwork) -> str:
    """The layers of a network, without their numbers."""

    def layer(part: BinaryLayer | RealLayer) -> str:
        weight = part.bits if isinstance(part, BinaryLayer) else part.weight
        return f"{weight.shape} stride {part.stride} padding {part.padding}"

    blocks = []
    for block in folded.blocks:
        shortcut = layer(block.shortcut) if isinstance(block.shortcut, RealLayer) else block.shortcut
        blocks.append(f"block of {'; '.join(map(layer, block.layers))}, shortcut {shortcut}")
    opening = "hardtanh" if folded.opening is None else "open"
    return f"stem {layer(folded.stem)}, {opening}; {'; '.join(blocks)}; classifier {folded.classifier.weight.shape}"


@dataclass(frozen=True, eq=False)
class NetworkCase:
    """A network, images for it, and how to count."""

    folded: FoldedNetwork
    images: np.ndarray
    way: str = "planned"

    def __repr__(self) -> str:
        return f"NetworkCase({shown(self.folded)}, images {self.images.shape}, way={self.way!r})"

    def _repr_pretty_(self, printer, cycle) -> None:
        printer.text(repr(self))


@st.composite
def network_cases(draw) -> NetworkCase:
    """Networks of any structure, with images."""
    folded = draw(folded_networks())
    batch, size = draw(st.sampled_from([1, 2, 3, 8, 32, 33, 65])), draw(st.sampled_from(SIZES))
    shape = batch, folded.stem.weight.shape[1], *size
    images = numbers(np.random.default_rng(draw(SEEDS)), shape, draw(st.sampled_from(["quarters", "normal"])))
    way = draw(st.sampled_from(WAYS))
    event(f"images of {size[0]} x {size[1]} pixels")
    event(f"counted: {way}")
    return NetworkCase(folded, images, way)


def check_network(case: NetworkCase) -> None:
    """Every bit, every map and the logits are those of the definition, twice from the same memory."""
    want = evaluate(case.folded, case.images)
    packed = PackedNetwork(case.folded)
    with counting(case.way):
        got = packed.trace(case.images)
        answers = [packed(case.images) for _ in range(2)]
    assert len(got.bits) == len(want.bits) and len(got.features) == len(want.features)
    for number, (bits, right) in enumerate(zip(got.bits, want.bits, strict=True)):
        assert bits.dtype == np.bool_ and np.array_equal(bits, right), f"bits that binary layer {number} reads"
    for number, (feature, right) in enumerate(zip(got.features, want.features, strict=True)):
        assert feature.dtype == np.float32 and np.array_equal(feature, right), f"map {number}"
    assert got.logits.dtype == np.float32 and np.array_equal(got.logits, want.logits)
    for logits in answers:
        assert logits.dtype == np.float32 and np.array_equal(logits, want.logits)


def check_threads_forget(keep: Callable[[dict, tuple[int, int], int], None], most: int) -> None:
    """Threads that add to one dict of so many entries do not disturb one another, switched as often as can be."""
    known: dict[tuple[int, int], int] = {}
    errors = []

    def work(thread: int) -> None:
        try:
            for number in range(30_000):
                keep(known, (thread, number), number)
        except Exception as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-7)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []
    assert len(known) <= most + len(threads)
