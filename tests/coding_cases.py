"""Bits to code, and small folded networks with every kind of part."""

from dataclasses import is_dataclass, replace

import numpy as np
from hypothesis import strategies as st

from bbdg_ref.spec.evaluation import (
    BinaryLayer,
    Block,
    Classifier,
    FoldedNetwork,
    MaxPool,
    Pooled,
    RealLayer,
    RPReLU,
    StridePad,
)

DENSITIES = [0.0, 0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 0.99, 1.0]
SHAPES = [(1,), (7,), (8,), (65,), (1, 1), (3, 5, 1, 1), (2, 3, 5, 7), (1, 1, 3, 3), (5, 3, 3, 3), (33, 40, 3, 3)]


@st.composite
def bits_to_code(draw, shapes=tuple(SHAPES)) -> np.ndarray:
    """Independent bits, a single one or zero, few patterns, long repetitions."""
    shape = draw(st.sampled_from(shapes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["independent", "single", "patterns", "repeated"]))
    size = int(np.prod(shape))
    if kind == "single":
        bits = np.arange(size) == draw(st.sampled_from([0, size // 2, size - 1]))
        bits = bits ^ draw(st.booleans())
    elif kind == "patterns":
        patterns = rng.random((draw(st.integers(1, 4)), shape[-1])) < 0.5
        bits = patterns[rng.integers(len(patterns), size=-(-size // shape[-1]))]
    elif kind == "repeated":
        bits = np.arange(size) % draw(st.integers(1, 20)) == 0
    else:
        bits = rng.random(size) < draw(st.sampled_from(DENSITIES))
    return bits.reshape(-1)[:size].reshape(shape)


def reals(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def binary(rng: np.random.Generator, shape, density: float, stride=(1, 1), padding=(1, 1)) -> BinaryLayer:
    out = shape[0]
    return BinaryLayer(rng.random(shape) < density, reals(rng, out), reals(rng, out), reals(rng, out), stride, padding)


def folded(seed: int = 0, width: int = 4) -> FoldedNetwork:
    """Identity, padded and real shortcuts, one and two layers to a block, kernels that are not 3x3 or not square."""
    rng, w = np.random.default_rng(seed), width
    wide = binary(rng, (w, 2 * w, 1, 5), 0.05, stride=(2, 1), padding=(0, 2))
    full = binary(rng, (w, w, 1, 1), 1.0, padding=(0, 0))
    blocks = (
        Block((binary(rng, (w, w, 3, 3), 0.1), binary(rng, (w, w, 3, 3), 0.5)), None),
        Block((binary(rng, (2 * w, w, 3, 3), 0.0, stride=(2, 2)),), StridePad(w, 2 * w, 2)),
        Block((wide, full), RealLayer(reals(rng, w, 2 * w, 1, 1), reals(rng, w), (2, 1), (0, 0))),
    )
    stem = RealLayer(reals(rng, w, 3, 3, 3), reals(rng, w), (1, 1), (1, 1))
    return FoldedNetwork(stem, blocks, Classifier(reals(rng, 5, w), reals(rng, 5)), "by hand", (3, 8, 6))


def shifted(seed: int = 0, width: int = 4) -> FoldedNetwork:
    """Thresholds, poolings, shortcuts that average, copy or are not there, RPReLU; images of 16 x 16 pixels."""
    rng, w = np.random.default_rng(seed), width

    def layer(shape, stride, pad, threshold=True) -> BinaryLayer:
        made = binary(rng, shape, 0.2, stride=(stride, stride), padding=(pad, pad))
        return replace(made, threshold=reals(rng, shape[1])) if threshold else made

    def signs(channels: int) -> np.ndarray:
        return rng.choice([-1, 1], channels).astype(np.float32)

    def relu(channels: int) -> RPReLU:
        return RPReLU(reals(rng, channels), reals(rng, channels), reals(rng, channels))

    real = RealLayer(reals(rng, 2 * w, w, 1, 1), reals(rng, 2 * w), (1, 1), (0, 0))
    blocks = (
        Block((layer((w, w, 3, 3), 1, 1),), None, (), relu(w)),
        Block((layer((2 * w, w, 3, 3), 2, 1),), Pooled(2, 1, real), (), relu(2 * w)),
        Block((layer((2 * w, 2 * w, 3, 3), 2, 1),), Pooled(2, 1), (), relu(2 * w)),
        Block((layer((4 * w, 2 * w, 1, 1), 1, 0),), Pooled(1, 2), (), relu(4 * w)),
        Block((layer((w, 4 * w, 3, 3), 1, 1, False),), Pooled(1, 0), (MaxPool(2, 1, 0, signs(w)),)),
    )
    stem = RealLayer(reals(rng, w, 3, 3, 3), reals(rng, w), (1, 1), (1, 1))
    opening = (MaxPool(3, 2, 1, signs(w)),)
    return FoldedNetwork(stem, blocks, Classifier(reals(rng, 5, w), reals(rng, 5)), "shifted", None, opening)


def _arrays(part: object) -> list[np.ndarray]:
    """The arrays of a part and of the parts in it."""
    if isinstance(part, np.ndarray):
        return [part]
    inside = part if isinstance(part, tuple) else vars(part).values() if is_dataclass(part) else ()
    return [array for each in inside for array in _arrays(each)]


def _numbers(part: object) -> object:
    """A part without its arrays."""
    if isinstance(part, np.ndarray):
        return None
    if isinstance(part, tuple):
        return tuple(_numbers(each) for each in part)
    if is_dataclass(part):
        return type(part).__name__, {name: _numbers(value) for name, value in vars(part).items()}
    return part


def parts(network: FoldedNetwork) -> list[np.ndarray]:
    """All arrays of a network."""
    return _arrays(network)


def plain(network: FoldedNetwork) -> object:
    """All of a network that is not an array."""
    return _numbers(network)


def same(first: FoldedNetwork, second: FoldedNetwork) -> bool:
    """Equal to the bit."""
    pairs = list(zip(parts(first), parts(second), strict=True))
    equal = all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)
    return equal and plain(first) == plain(second)
