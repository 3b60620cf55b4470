"""A folded network as two arrays and a header: what a model file holds.

The arrays hold everything in the order stem, blocks (layers, then the shortcut), classifier:

- ``numbers``, float32: every real array of the network, flat, in C order (a real layer: weight, bias; a binary layer:
  scale, shared, shift; the classifier: weight, bias);
- ``bits``, uint8: the coded bits of all binary layers, one after another.

The header holds shapes, strides and paddings, and for every binary layer the name of its code, its bytes, and the
CRC-32 of its bits as `encode_raw` packs them, so that a decoder is checked end to end. Nothing holds an offset: what
is next in the header is next in the arrays, so that no part can overlap another, lie outside or be left over.
"""

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec.evaluation import BinaryLayer, Block, Classifier, FoldedNetwork, RealLayer, StridePad
from .bitstream import Coded
from .coding import MAX_BITS, decode_bits, encode_bits
from .lossless import encode_raw

__all__ = ["Content", "folded_from_arrays", "folded_to_arrays"]

MAX_CHANNELS = 1 << 20
MAX_SIDE = 255  # of a kernel, and of strides and paddings
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
    numbers: list[Real] = []
    streams: list[NDArray[np.uint8]] = []

    def add(name: str, shape: tuple[int, ...], *arrays: Real) -> None:
        for array in arrays:
            if array.dtype != np.float32 or array.shape != shape:
                raise ValueError(f"{name} must have float32 of shape {shape}; got {array.dtype}, {array.shape}")
            numbers.append(array.reshape(-1))

    def real(name: str, layer: RealLayer | Classifier) -> tuple[int, ...]:
        shape = layer.weight.shape
        add(f"{name}.weight", shape, layer.weight)
        add(f"{name}.bias", shape[:1], layer.bias)
        return shape

    def convolution(name: str, layer: RealLayer) -> Header:
        return _window(real(name, layer), layer.stride, layer.padding)

    def binary(name: str, layer: BinaryLayer) -> Header:
        add(name, layer.bits.shape[:1], layer.scale, layer.shared, layer.shift)
        coded = encode_bits(layer.bits)
        streams.append(coded.data)
        code = {"method": coded.method, "bytes": coded.data.size, "crc32": _checksum(layer.bits)}
        return _window(layer.bits.shape, layer.stride, layer.padding) | {"code": code}

    def shortcut(name: str, short: RealLayer | StridePad | None) -> Header | None:
        if isinstance(short, StridePad):
            return {"in": int(short.in_channels), "out": int(short.out_channels), "stride": int(short.stride)}
        return None if short is None else convolution(name, short)

    stem = convolution("stem", network.stem)
    blocks = [
        {
            "layers": [binary(f"blocks.{b}.layers.{i}", layer) for i, layer in enumerate(block.layers)],
            "shortcut": shortcut(f"blocks.{b}.shortcut", block.shortcut),
        }
        for b, block in enumerate(network.blocks)
    ]
    classifier = real("classifier", network.classifier)
    header = {
        "network": network.name,
        "image_shape": None if network.image_shape is None else [int(n) for n in network.image_shape],
        "bit_rule": "b = (x > 0); a weight of bit 1 is beta",
        "padding": "zeros that contribute nothing",
        "stem": stem,
        "blocks": blocks,
        "classifier": {"shape": list(classifier)},
    }
    bits = np.concatenate([np.empty(0, np.uint8), *streams])
    return Content({"numbers": np.concatenate(numbers), "bits": bits}, header)


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

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        if set(arrays) != {"numbers", "bits"}:
            raise ValueError(f"arrays must be 'bits' and 'numbers'; got {sorted(arrays)}")
        self.numbers, self.bits = arrays["numbers"], arrays["bits"]
        for name, array, dtype in (("numbers", self.numbers, np.float32), ("bits", self.bits, np.uint8)):
            if array.dtype != dtype or array.ndim != 1:
                raise ValueError(f"{name} must be flat {np.dtype(dtype)}; got {array.dtype} of shape {array.shape}")
        self.left = MAX_BITS

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


def _binary(name: str, value: object, channels: int, source: _Source) -> BinaryLayer:
    header = _record(name, value, {"shape", "stride", "padding", "code"})
    shape, stride, padding = _window_of(name, header, channels)
    if math.prod(shape[1:]) > MAX_TAPS:
        raise ValueError(f"{name} must have at most {MAX_TAPS} bits per output channel; got shape {shape}")
    scale, shared, shift = (source.real(name, shape[0]) for _ in range(3))
    return BinaryLayer(source.coded(name, header["code"], shape), scale, shared, shift, stride, padding)


def _shortcut(name: str, value: object, before: int, after: int, source: _Source) -> RealLayer | StridePad | None:
    """Return the shortcut of a block from `before` to `after` channels."""
    short: RealLayer | StridePad | None = None
    out = before
    if isinstance(value, dict) and "shape" in value:
        short = _real(name, value, before, source)
        out = len(short.bias)
    elif value is not None:
        header = _record(name, value, {"in", "out", "stride"})
        sizes = [header["in"], header["out"], header["stride"]]
        _, out, stride = _integers(name, sizes, (before, before), (before, MAX_CHANNELS), (1, MAX_SIDE))
        short = StridePad(before, out, stride)
    if out != after:
        raise ValueError(f"{name} must lead to the {after} channels of the layers beside it; got {out}")
    return short


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
    source = _Source(arrays)
    _record("header", header, {"network", "image_shape", "stem", "blocks", "classifier"})
    if not isinstance(header["network"], str):
        raise ValueError(f"network must be a name; got {_shown(header['network'])}")
    first = _record("stem", header["stem"], {"shape"})["shape"]
    _, colours, *_ = _integers("stem.shape", first, *[(1, MAX_CHANNELS)] * 4)
    stem = _real("stem", header["stem"], colours, source)
    channels, blocks = len(stem.bias), []
    for b, value in enumerate(_list("blocks", header["blocks"])):
        name, before, layers = f"blocks.{b}", channels, []
        block = _record(name, value, {"layers", "shortcut"})
        for i, layer in enumerate(_list(f"{name}.layers", block["layers"])):
            layers.append(_binary(f"{name}.layers.{i}", layer, channels, source))
            channels = len(layers[-1].bits)
        if not layers:
            raise ValueError(f"{name}.layers must be at least one; got none")
        shortcut = _shortcut(f"{name}.shortcut", block["shortcut"], before, channels, source)
        blocks.append(Block(tuple(layers), shortcut))
    shape = _record("classifier", header["classifier"], {"shape"})["shape"]
    classes, _ = _integers("classifier.shape", shape, (1, MAX_CHANNELS), (channels, channels))
    head = Classifier(source.real("classifier", classes, channels), source.real("classifier", classes))
    source.end()
    return FoldedNetwork(stem, tuple(blocks), head, header["network"], _image_shape(header["image_shape"], colours))


def _image_shape(value: object, colours: int) -> tuple[int, int, int] | None:
    if value is None:
        return None
    sides = (1, MAX_CHANNELS)
    channels, height, width = _integers("image_shape", value, (colours, colours), sides, sides)
    return channels, height, width
