"""A folded network as two arrays and a header: what a model file holds.

The arrays hold everything in the order stem, opening, blocks (layers, pool, shortcut, activation), classifier:

- ``numbers``, float32: every real array of the network, flat, in C order (a real layer: weight, bias; a binary layer:
  scale, shared, shift, threshold; a pool: sign; an activation: before, slope, after; the classifier: weight, bias);
- ``bits``, uint8: the coded bits of all binary layers, one after another.

The header holds shapes, strides and paddings, and for every binary layer the name of its code, its bytes, and the
CRC-32 of its bits as `encode_raw` packs them, so that a decoder is checked end to end. Nothing holds an offset: what
is next in the header is next in the arrays, so that no part can overlap another, lie outside or be left over.

There are two structures. The first knows residual blocks of signs and hardtanh alone, and says nothing of the parts
that only others have; headers of the second hold ``"structure": 2`` and the keys ``opening``, ``threshold``, ``pool``
and ``activation`` wherever such a part could be. A network that the first can hold is written as if it were alone.
"""

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ops.folded_shapes import all_clipped
from ..spec.evaluation import (
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
from .bitstream import Coded
from .coding import MAX_BITS, decode_bits, encode_bits
from .lossless import encode_raw

__all__ = ["Content", "folded_from_arrays", "folded_to_arrays"]

MAX_CHANNELS = 1 << 20
MAX_SIDE = 255  # of a kernel, and of strides and paddings
MAX_PIXELS = 1 << 16  # of a map that a classifier reads pixel by pixel
MAX_TAPS = 1 << 24  # bits of one output channel: up to here, counts are exact in float32

Real = NDArray[np.float32]
Header = dict[str, Any]
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Content:
    """What `bbdg_ref.storage` keeps of a network: `arrays` by name, and a `header` that JSON can hold."""

    arrays: dict[str, NDArray[Any]]
    header: Header


# ---------------------------------------------------------------------------------------------------- to arrays


def _window(shape: tuple[int, ...], stride: Pair, padding: Pair) -> Header:
    return {"shape": [int(n) for n in shape], "stride": [int(n) for n in stride], "padding": [int(n) for n in padding]}


def folded_to_arrays(network: FoldedNetwork) -> Content:
    """Return a network as two arrays and a header.

    Parameters
    ----------
    network : FoldedNetwork

    Returns
    -------
    Content

    Raises
    ------
    ValueError
        If a real array is not float32, or of another shape than its layer asks for.

    Examples
    --------
    >>> from bbdg_ref import inference, nn
    >>> content = folded_to_arrays(inference.fold(nn.resnet20(width=4, rng=np.random.default_rng(0))))
    >>> content.arrays["bits"].dtype, content.header["blocks"][0]["layers"][0]["code"]["bytes"]
    (dtype('uint8'), 18)
    """
    writer = _Writer(all_clipped(network))
    stem = writer.convolution("stem", network.stem)
    opening = writer.opening(network.opening, len(network.stem.bias))
    blocks = [writer.block(f"blocks.{b}", block) for b, block in enumerate(network.blocks)]
    classifier = writer.real("classifier", network.classifier)
    header: Header = {
        "network": network.name,
        "image_shape": None if network.image_shape is None else [int(n) for n in network.image_shape],
        "bit_rule": "b = (x > 0); a weight of bit 1 is beta",
        "padding": "zeros that contribute nothing",
        "stem": stem,
        "blocks": blocks,
        "classifier": {"shape": list(classifier)},
    }
    if not writer.first:
        header |= {"structure": 2, "opening": opening}
    bits = np.concatenate([np.empty(0, np.uint8), *writer.streams])
    return Content({"numbers": np.concatenate(writer.numbers), "bits": bits}, header)


class _Writer:
    """Takes a network apart: every method adds the arrays of a part and returns its entry in the header."""

    def __init__(self, first: bool) -> None:
        self.first = first  # whether the first structure is enough
        self.numbers: list[Real] = []
        self.streams: list[NDArray[np.uint8]] = []

    def add(self, name: str, shape: tuple[int, ...], *arrays: Real) -> None:
        for array in arrays:
            if array.dtype != np.float32 or array.shape != shape:
                raise ValueError(f"{name} must have float32 of shape {shape}; got {array.dtype}, {array.shape}")
            self.numbers.append(array.reshape(-1))

    def real(self, name: str, layer: RealLayer | Classifier) -> tuple[int, ...]:
        shape = layer.weight.shape
        self.add(f"{name}.weight", shape, layer.weight)
        self.add(f"{name}.bias", shape[:1], layer.bias)
        return shape

    def convolution(self, name: str, layer: RealLayer) -> Header:
        return _window(self.real(name, layer), layer.stride, layer.padding)

    def binary(self, name: str, layer: BinaryLayer) -> Header:
        self.add(name, layer.bits.shape[:1], layer.scale, layer.shared, layer.shift)
        coded = encode_bits(layer.bits)
        self.streams.append(coded.data)
        code = {"method": coded.method, "bytes": coded.data.size, "crc32": _checksum(layer.bits)}
        header = _window(layer.bits.shape, layer.stride, layer.padding) | {"code": code}
        if self.first:
            return header
        if layer.threshold is not None:
            self.add(f"{name}.threshold", layer.bits.shape[1:2], layer.threshold)
        return header | {"threshold": layer.threshold is not None}

    def opening(self, pools: tuple[MaxPool, ...] | None, channels: int) -> list[list[int]] | None:
        return None if pools is None else self.pools("opening", pools, channels)

    def pools(self, name: str, pools: tuple[MaxPool, ...], channels: int) -> list[list[int]]:
        for pool in pools:
            self.add(f"{name}.sign", (channels,), pool.sign)
        return [[int(pool.size), int(pool.stride), int(pool.padding)] for pool in pools]

    def shortcut(self, name: str, short: RealLayer | StridePad | Pooled | None) -> Header | None:
        if isinstance(short, StridePad):
            return {"in": int(short.in_channels), "out": int(short.out_channels), "stride": int(short.stride)}
        if isinstance(short, Pooled):
            layer = None if short.layer is None else self.convolution(f"{name}.layer", short.layer)
            return {"size": int(short.size), "copies": int(short.copies), "layer": layer}
        return None if short is None else self.convolution(name, short)

    def block(self, name: str, block: Block) -> Header:
        layers = [self.binary(f"{name}.layers.{i}", layer) for i, layer in enumerate(block.layers)]
        if self.first:
            return {"layers": layers, "shortcut": self.shortcut(f"{name}.shortcut", block.shortcut)}
        channels, relu = len(block.layers[-1].bits) if block.layers else 0, block.activation
        pool = self.pools(f"{name}.pool", block.pool, channels)
        shortcut = self.shortcut(f"{name}.shortcut", block.shortcut)
        if relu is not None:
            self.add(f"{name}.activation", (channels,), relu.before, relu.slope, relu.after)
        return {"layers": layers, "pool": pool, "shortcut": shortcut, "activation": relu is not None}


def _checksum(bits: NDArray[np.bool_]) -> int:
    return zlib.crc32(encode_raw(bits).tobytes())


# -------------------------------------------------------------------------------------------------- from arrays


def _record(name: str, value: object, keys: set[str]) -> Header:
    if not isinstance(value, dict) or not keys <= set(value):
        raise ValueError(f"{name} must be a JSON object with {sorted(keys)}; got {_shown(value)}")
    return value


def _list(name: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a JSON list; got {_shown(value)}")
    return value


def _integers(name: str, value: object, *bounds: Pair) -> tuple[int, ...]:
    """Return integers, each within its (low, high)."""
    given = _list(name, value)
    if len(given) != len(bounds) or any(type(n) is not int for n in given):
        raise ValueError(f"{name} must be {len(bounds)} integers; got {_shown(value)}")
    for n, (low, high) in zip(given, bounds, strict=True):
        if not low <= n <= high:
            raise ValueError(f"{name} must have an integer from {low} to {high}; got {_shown(n)}")
    return tuple(given)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."


class _Source:
    """Takes the parts of a network off the arrays, in order; every size is checked before it is used."""

    def __init__(self, arrays: dict[str, NDArray[Any]], second: bool) -> None:
        self.second = second  # whether the header is of the second structure
        if set(arrays) != {"numbers", "bits"}:
            raise ValueError(f"arrays must be 'bits' and 'numbers'; got {sorted(arrays)}")
        self.numbers, self.bits = arrays["numbers"], arrays["bits"]
        for name, array, dtype in (("numbers", self.numbers, np.float32), ("bits", self.bits, np.uint8)):
            if array.dtype != dtype or array.ndim != 1:
                raise ValueError(f"{name} must be flat {np.dtype(dtype)}; got {array.dtype} of shape {array.shape}")
        self.left = MAX_BITS

    def keys(self, *names: str) -> set[str]:
        """Return keys that only the second structure has."""
        return set(names) if self.second else set()

    def real(self, name: str, *shape: int) -> Real:
        size = math.prod(shape)
        if size > self.numbers.size:
            raise ValueError(f"{name} must have {size} numbers, shape {shape}; got {self.numbers.size}, then the end")
        taken, self.numbers = self.numbers[:size], self.numbers[size:]
        return taken.reshape(shape)

    def coded(self, name: str, header: object, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        code = _record(f"{name}.code", header, {"method", "bytes", "crc32"})
        method, total = code["method"], math.prod(shape)
        if not isinstance(method, str):
            raise ValueError(f"{name}.code.method must be a name; got {_shown(method)}")
        size, checksum = _integers(
            f"{name}.code, bytes and crc32,", [code["bytes"], code["crc32"]], (0, self.bits.size), (0, 2**32 - 1)
        )
        self.left -= total
        if self.left < 0:
            raise ValueError(f"{name} must stay with those before it below {MAX_BITS} bits; got {total} more")
        taken, self.bits = self.bits[:size], self.bits[size:]
        try:
            bits = decode_bits(Coded(method, taken), shape)
        except ValueError as error:
            raise ValueError(f"{name} must hold whole bits; {error}") from error
        if _checksum(bits) != checksum:
            raise ValueError(f"{name} must have bits with the CRC-32 {checksum}; got {_checksum(bits)}")
        return bits

    def end(self) -> None:
        if self.numbers.size or self.bits.size:
            raise ValueError(
                f"its arrays must end with the network; got {self.numbers.size} numbers and {self.bits.size} bytes more"
            )


def _window_of(name: str, header: Header, channels: int) -> tuple[tuple[int, ...], Pair, Pair]:
    """Return shape, stride and padding of a layer that reads `channels` maps."""
    sides, steps, borders = (1, MAX_SIDE), (1, MAX_SIDE), (0, MAX_SIDE)
    shape = _integers(f"{name}.shape", header["shape"], (1, MAX_CHANNELS), (channels, channels), sides, sides)
    sv, sh = _integers(f"{name}.stride", header["stride"], steps, steps)
    pv, ph = _integers(f"{name}.padding", header["padding"], borders, borders)
    return shape, (sv, sh), (pv, ph)


def _real(name: str, value: object, channels: int, source: _Source) -> RealLayer:
    header = _record(name, value, {"shape", "stride", "padding"})
    shape, stride, padding = _window_of(name, header, channels)
    return RealLayer(source.real(name, *shape), source.real(name, shape[0]), stride, padding)


def _truth(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false; got {_shown(value)}")
    return value


def _binary(name: str, value: object, channels: int, source: _Source) -> BinaryLayer:
    header = _record(name, value, {"shape", "stride", "padding", "code"} | source.keys("threshold"))
    shape, stride, padding = _window_of(name, header, channels)
    if math.prod(shape[1:]) > MAX_TAPS:
        raise ValueError(f"{name} must have at most {MAX_TAPS} bits per output channel; got shape {shape}")
    scale, shared, shift = (source.real(name, shape[0]) for _ in range(3))
    bits = source.coded(name, header["code"], shape)
    known = source.second and _truth(f"{name}.threshold", header["threshold"])
    threshold = source.real(f"{name}.threshold", channels) if known else None
    return BinaryLayer(bits, scale, shared, shift, stride, padding, threshold)


def _pools(name: str, value: object, channels: int, source: _Source) -> tuple[MaxPool, ...]:
    """Return no pooling or one."""
    pools: list[MaxPool] = []
    for entry in _list(name, value):
        size, stride, padding = _integers(name, entry, (1, MAX_SIDE), (1, MAX_SIDE), (0, MAX_SIDE))
        if pools or padding >= size:
            raise ValueError(f"{name} must be at most one pooling, its padding below its size; got {_shown(value)}")
        pools.append(MaxPool(size, stride, padding, source.real(f"{name}.sign", channels)))
    return tuple(pools)


def _pooled(name: str, header: Header, before: int, source: _Source) -> tuple[Pooled, int]:
    """Return a shortcut that averages, and the channels that it leads to; 0 for none."""
    _record(name, header, {"size", "copies", "layer"})
    size, copies = _integers(name, [header["size"], header["copies"]], (1, MAX_SIDE), (0, MAX_SIDE))
    if header["layer"] is None:
        return Pooled(size, copies), copies * before
    layer = _real(f"{name}.layer", header["layer"], before, source)
    return Pooled(size, copies, layer), len(layer.bias)


def _shortcut(
    name: str, value: object, before: int, after: int, source: _Source
) -> RealLayer | StridePad | Pooled | None:
    """Return the shortcut of a block from `before` to `after` channels."""
    short: RealLayer | StridePad | Pooled | None = None
    out = before
    if isinstance(value, dict) and "shape" in value:
        short = _real(name, value, before, source)
        out = len(short.bias)
    elif isinstance(value, dict) and "copies" in value and source.second:
        short, out = _pooled(name, value, before, source)
        out = out or after
    elif value is not None:
        header = _record(name, value, {"in", "out", "stride"})
        sizes = [header["in"], header["out"], header["stride"]]
        _, out, stride = _integers(name, sizes, (before, before), (before, MAX_CHANNELS), (1, MAX_SIDE))
        short = StridePad(before, out, stride)
    if out != after:
        raise ValueError(f"{name} must lead to the {after} channels of the layers beside it; got {out}")
    return short


def _block(name: str, value: object, channels: int, source: _Source) -> Block:
    header = _record(name, value, {"layers", "shortcut"} | source.keys("pool", "activation"))
    before, layers = channels, []
    for i, layer in enumerate(_list(f"{name}.layers", header["layers"])):
        layers.append(_binary(f"{name}.layers.{i}", layer, channels, source))
        channels = len(layers[-1].bits)
    if not layers:
        raise ValueError(f"{name}.layers must be at least one; got none")
    pools = _pools(f"{name}.pool", header["pool"], channels, source) if source.second else ()
    shortcut = _shortcut(f"{name}.shortcut", header["shortcut"], before, channels, source)
    relu = None
    if source.second and _truth(f"{name}.activation", header["activation"]):
        relu = RPReLU(*(source.real(f"{name}.activation", channels) for _ in range(3)))
    return Block(tuple(layers), shortcut, pools, relu)


def folded_from_arrays(arrays: dict[str, NDArray[Any]], header: Header) -> FoldedNetwork:
    """Return the network that `folded_to_arrays` took apart; trust nothing.

    Parameters
    ----------
    arrays : dict of str to ndarray
    header : dict

    Returns
    -------
    FoldedNetwork
        Its channels fit from layer to layer; whether its maps do depends on the image.

    Raises
    ------
    ValueError
        If arrays and header are nothing that `folded_to_arrays` returns; the message names the layer.

    Examples
    --------
    >>> from bbdg_ref import inference, nn
    >>> content = folded_to_arrays(inference.fold(nn.resnet20(width=4, rng=np.random.default_rng(0))))
    >>> folded_from_arrays(content.arrays, content.header).blocks[0].layers[0].bits.shape
    (4, 4, 3, 3)
    """
    second = isinstance(header, dict) and "structure" in header
    source = _Source(arrays, second)
    _record("header", header, {"network", "image_shape", "stem", "blocks", "classifier"} | source.keys("opening"))
    if second and header["structure"] != 2:
        got = _shown(header["structure"])
        raise ValueError(f"structure must be 2, where it is given; got {got}; read it with a later version of bbdg_ref")
    if not isinstance(header["network"], str):
        raise ValueError(f"network must be a name; got {_shown(header['network'])}")
    first = _record("stem", header["stem"], {"shape"})["shape"]
    _, colours, *_ = _integers("stem.shape", first, *[(1, MAX_CHANNELS)] * 4)
    stem = _real("stem", header["stem"], colours, source)
    channels, blocks, opening = len(stem.bias), [], None
    if second and header["opening"] is not None:
        opening = _pools("opening", header["opening"], channels, source)
    for b, value in enumerate(_list("blocks", header["blocks"])):
        blocks.append(_block(f"blocks.{b}", value, channels, source))
        channels = len(blocks[-1].layers[-1].bits)
    shape = _record("classifier", header["classifier"], {"shape"})["shape"]
    most = channels * MAX_PIXELS if second else channels
    classes, columns = _integers("classifier.shape", shape, (1, MAX_CHANNELS), (channels, most))
    if columns % channels:
        raise ValueError(f"classifier.shape must have a multiple of the {channels} channels; got {columns}")
    head = Classifier(source.real("classifier", classes, columns), source.real("classifier", classes))
    source.end()
    image_shape = _image_shape(header["image_shape"], colours)
    return FoldedNetwork(stem, tuple(blocks), head, header["network"], image_shape, opening)


def _image_shape(value: object, colours: int) -> tuple[int, int, int] | None:
    if value is None:
        return None
    sides = (1, MAX_CHANNELS)
    channels, height, width = _integers("image_shape", value, (colours, colours), sides, sides)
    return channels, height, width
