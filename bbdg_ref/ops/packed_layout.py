"""Lays a folded network out as a program, see `bbdg_ref.ops.packed_program`."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec.conv2d import output_size
from ..spec.evaluation import BinaryLayer, Block, Classifier, FoldedNetwork, RealLayer, StridePad
from .column_plan import column_geometry, column_weights
from .folded_shapes import all_clipped
from .packed_plan import PIECE, Geometry, Lists, columns_are_faster, counting_lists, geometry
from .packed_program import Program, Step, aligned_zeros

__all__ = ["build", "fits"]

STEM, CLIPPED_STEM, REAL, STRIDE_PAD, BINARY, COLUMNS, CLASSIFIER = range(7)
MOST_LISTS = 256  # of all layers and sizes, that a network keeps
Shape = tuple[int, int, int]
CACHED = 1 << 21  # bytes of a map that stays in a core's caches until it is read again
FULL = 512  # pixels of a block


@dataclass(eq=False)
class Arena:
    """Arrays of one dtype, one after the other."""

    dtype: Any
    parts: list[NDArray[Any]] = field(default_factory=list)
    size: int = 0

    def add(self, values: Any) -> int:
        """Append an array and return where it begins: at a cache line."""
        flat = np.ascontiguousarray(values, self.dtype).ravel()
        line = 64 // np.dtype(self.dtype).itemsize
        self.parts += [flat, np.zeros(-flat.size % line, self.dtype)]
        begin = self.size
        self.size += flat.size + self.parts[-1].size
        return begin

    def array(self) -> NDArray[Any]:
        """Return them all."""
        together = aligned_zeros(self.size + 16, self.dtype)
        np.concatenate(self.parts or [together[:0]], out=together[: self.size])
        return together


@dataclass(frozen=True, eq=False)
class Found:
    """Offsets and shapes of the maps after stem and blocks, and of the bits that the binary layers read."""

    features: list[tuple[int, tuple[int, ...]]]
    bits: list[tuple[int, tuple[int, ...]]]


@dataclass(frozen=True)
class Map:
    """A map between the layers: offsets of its floats and of its bits (-1 for none), and the shape of one image."""

    x: int
    u: int
    shape: Shape

    def image(self, number: int) -> "Map":
        """Return the part that begins with the image of that number."""
        bits = self.u if self.u < 0 else self.u + number * _stored(self.shape)
        return Map(self.x + number * math.prod(self.shape), bits, self.shape)


@dataclass(eq=False)
class Places:
    """Where maps or bits lie between the layers: two places used in turn, and places of their own for what is to stay.

    With `keep`, everything is to stay.
    """

    largest: int
    keep: bool
    size: int = 0

    def __post_init__(self) -> None:
        self.largest = -(-self.largest // 16) * 16
        self.size = 0 if self.keep else 2 * self.largest

    def take(self, size: int, *used: int) -> int:
        """Return the offset of a place that is not among those used."""
        return self.own(size) if self.keep else next(begin for begin in (0, self.largest) if begin not in used)

    def own(self, size: int) -> int:
        """Return the offset of a place that is used for nothing else."""
        begin = self.size
        self.size += -(-size // 16) * 16
        return begin


def fits(folded: FoldedNetwork, shape: Shape) -> bool:
    """Tell whether a program can be made of a network.

    It needs signs at 0, hardtanh or nothing after the stem, hardtanh after every block, maps of whole pieces, counts
    that fit int16, and the JIT on.

    Parameters
    ----------
    folded : FoldedNetwork
        The network.
    shape : (int, int, int)
        Channels, height and width of an image.

    Returns
    -------
    bool
    """
    from ..kernels.compiled import jit_is_on  # not at the top: importing bbdg_ref does not import Numba

    if folded.opening not in (None, ()) or not all_clipped(replace(folded, opening=None)):
        return False
    try:
        shapes = list(_maps(folded, shape))
    except ValueError:
        return False
    whole = all(map_shape[1] * map_shape[2] % PIECE == 0 for map_shape in shapes)
    counts = (layer.bits[0].size for block in folded.blocks for layer in block.layers)
    return whole and all(count <= np.iinfo(np.int16).max for count in counts) and jit_is_on()


def _maps(folded: FoldedNetwork, shape: Shape) -> Iterable[Shape]:
    """Yield the shape after the stem and after every binary layer; a ValueError says that no program fits them."""
    shape = _after(folded.stem, folded.stem.weight.shape, shape)
    yield shape
    for block in folded.blocks:
        before = shape
        for layer in block.layers:
            grid = [-(-size // step) for size, step in zip(shape[1:], layer.stride, strict=True)]
            shape = _after(layer, layer.bits.shape, shape)
            if list(shape[1:]) != grid:
                raise ValueError("the grid of the input's phases and the output differ")
            yield shape
        short = block.shortcut
        if isinstance(short, RealLayer):
            before = _after(short, short.weight.shape, before)
        elif isinstance(short, StridePad):
            before = short.out_channels, -(-before[1] // short.stride), -(-before[2] // short.stride)
        if before != shape:
            raise ValueError(f"the shortcut leads to {before}, the layers to {shape}")


def _after(layer: BinaryLayer | RealLayer, weight: tuple[int, ...], shape: Shape) -> Shape:
    rows, columns = output_size(shape[1:], (weight[2], weight[3]), layer.stride, layer.padding)
    if min(rows, columns) < 1:
        raise ValueError("a map vanishes")
    return weight[0], rows, columns


class Builder:
    """Lays a network out for one batch size.

    Parameters
    ----------
    known : dict
        Lists of the layers by what they depend on; other batch sizes share them.
    clip : bool
        Whether a hardtanh follows the stem.

    Attributes
    ----------
    batch : int
        Images of the steps that are added.
    """

    def __init__(self, known: dict[Any, Lists], clip: bool) -> None:
        self.batch, self.known, self.stem = 1, known, CLIPPED_STEM if clip else STEM
        self.steps: list[Step] = []
        self.added: dict[Any, dict[str, int]] = {}  # constants of layers: steps for other images share them
        self.border = 0  # size of the largest map with its border, of one image
        self.gathered = 0  # size of what the taps of two pieces of a real convolution read, or of the means of all maps
        self.integers, self.reals = Arena(np.int64), Arena(np.float32)
        self.places, self.starts, self.masks = Arena(np.uint32), Arena(np.int16), Arena(np.uint64)

    def real(self, layer: RealLayer, source: int, shape: Shape, result: int, target: int) -> Shape:
        """Add a real convolution; with a target of bits (not -1) it is the stem."""
        after = _after(layer, layer.weight.shape, shape)
        kind = REAL if target < 0 else self.stem
        key = id(layer), shape
        if key not in self.added:
            self.added[key] = self.real_constants(layer, kind, shape, after)
        self.steps.append(
            Step(
                kind, batch=self.batch, source=source, target=target, result=result, channels=shape[0],
                height=shape[1], width=shape[2], outputs=after[0], out_pixels=after[1] * after[2], **self.added[key],
            )
        )  # fmt: skip
        return after

    def real_constants(self, layer: RealLayer, kind: int, shape: Shape, after: Shape) -> dict[str, int]:
        """Add the constants of a real convolution."""
        _, channels, kh, kw = layer.weight.shape
        pv, ph = layer.padding
        height, width = shape[1] + 2 * pv, shape[2] + 2 * ph
        rows, columns = np.arange(after[1]) * layer.stride[0], np.arange(after[2]) * layer.stride[1]
        pixels = rows[:, None] * width + columns
        # Pixels two apart are read with what lies between and behind them: not from the caller's images.
        far = layer.stride[1] > 2 or (layer.stride[1] == 2 and kind == self.stem and not (pv or ph))
        run = 1 if far else next(run for run in (16, 8, 4, 1) if after[2] % run == 0)
        self.border = max(self.border, channels * height * width if pv or ph else 0)
        self.gathered = max(self.gathered, 2 * PIECE * channels * kh * kw)
        c, i, j = np.indices((channels, kh, kw)).reshape(3, -1)
        weight, bias = grouped(layer.weight.reshape(after[0], -1), layer.bias)
        return {
            "stride_or_padding_v": pv, "stride_or_padding_h": ph, "words": run,
            "grid_width": layer.stride[1] if run > 1 else 1, "taps": c.size, "tap_phase": self.integers.add(pixels),
            "tap_shift": self.integers.add((c * height + i) * width + j), "weight": self.reals.add(weight),
            "bias_or_masks": self.reals.add(bias),
        }  # fmt: skip

    def binary(self, layer: BinaryLayer, source: int, shape: Shape, target: int, shortcut: int, result: int) -> None:
        """Add a binary layer, with or without (-1) a shortcut; without, no result is written."""
        after = _after(layer, layer.bits.shape, shape)
        key = id(layer), shape, self.batch
        if key not in self.added:
            plan = geometry(self.batch, shape[1:], layer.bits.shape[2:], layer.stride, layer.padding)
            if columns_are_faster(layer.bits, plan):
                self.added[key] = self.columns(layer, shape)
            else:
                self.added[key] = {"kind": BINARY, **self.layout(plan, after), **self.weights(layer, plan)}
        self.steps.append(
            Step(
                batch=self.batch, source=source, target=target, shortcut=shortcut, result=result,
                channels=shape[0], height=shape[1], width=shape[2], outputs=after[0], **self.added[key],
            )
        )  # fmt: skip

    def columns(self, layer: BinaryLayer, shape: Shape) -> dict[str, int]:
        """Add the constants of a binary layer that is counted along the channels."""
        key = id(layer), shape
        if key not in self.added:
            plan = column_geometry(self.batch, shape[0], shape[1:], layer.bits.shape[2:], layer.stride, layer.padding)
            weights = column_weights(layer.bits, plan)
            pieces = np.arange(plan.pitch // PIECE)
            self.added[key] = {
                "kind": COLUMNS, "stride_or_padding_v": plan.rows, "stride_or_padding_h": plan.run,
                "words": plan.words, "grid_width": plan.row_step, "length": plan.length, "out_pixels": plan.pitch,
                "tap_phase": self.integers.add(plan.pixel_place), "tap_shift": self.integers.add(plan.windows),
                "float_places": self.integers.add(pieces * PIECE), "bit_places": self.integers.add(pieces),
                "weight": self.reals.add(np.concatenate((layer.scale, layer.shared, layer.shift))),
                "bias_or_masks": self.masks.add(weights.words), "start": self.starts.add(weights.start),
            }  # fmt: skip
        return self.added[key]

    def layout(self, plan: Geometry, after: Shape) -> dict[str, int]:
        """Add what depends on the shapes of a binary layer."""
        pixels = after[1] * after[2]
        stored = -(-pixels // 64) * (64 // PIECE)
        return {
            "stride_or_padding_v": plan.stride[0], "stride_or_padding_h": plan.stride[1], "words": plan.words,
            "grid_width": plan.grid_width, "pitch": plan.pitch, "front": plan.front, "length": plan.length,
            "chunk": plan.chunk, "out_pixels": pixels, "taps": len(plan.tap_phase),
            "tap_phase": self.integers.add(plan.tap_phase), "tap_shift": self.integers.add(plan.tap_shift),
            "starts": self.integers.add(plan.starts),
            "float_places": self.integers.add(plan.piece_image * (after[0] * pixels) + plan.piece_pixel),
            "bit_places": self.integers.add(plan.piece_image * (after[0] * stored) + plan.piece_pixel // PIECE),
            "bias_or_masks": self.masks.add(plan.masks),
        }  # fmt: skip

    def weights(self, layer: BinaryLayer, plan: Geometry) -> dict[str, int]:
        """Add what depends on the weights of a binary layer."""
        key = id(layer), plan.words, plan.kinds.tobytes()
        if key not in self.added:
            lists = self.known.get(key)
            if lists is None:
                if len(self.known) >= MOST_LISTS:
                    self.known.clear()
                self.known[key] = lists = counting_lists(layer.bits, plan)
            self.added[key] = {
                "rows": self.integers.add(lists.rows),
                "weight": self.reals.add(np.concatenate((layer.scale, layer.shared, layer.shift))),
                "places": self.places.add(lists.places), "start": self.starts.add(lists.start),
                "start_row": lists.start.shape[1],
            }  # fmt: skip
        return self.added[key]

    def stride_pad(self, stride: int, source: int, shape: Shape, after: Shape, result: int) -> None:
        """Add a shortcut without parameters."""
        self.steps.append(
            Step(
                STRIDE_PAD, batch=self.batch, source=source, result=result, channels=shape[0], height=shape[1],
                width=shape[2], outputs=after[0], stride_or_padding_v=stride,
            )
        )  # fmt: skip

    def classifier(self, head: Classifier, source: int, shape: Shape) -> None:
        """Add the last step."""
        weight, bias = _groups(head.weight), _filled(head.bias)
        self.gathered = max(self.gathered, -(-shape[0] // PIECE) * PIECE)
        self.steps.append(
            Step(
                CLASSIFIER, batch=self.batch, source=source, channels=shape[0], height=shape[1] * shape[2],
                outputs=len(head.bias), weight=self.reals.add(weight), bias_or_masks=self.reals.add(bias),
            )
        )  # fmt: skip


def build(folded: FoldedNetwork, shape: Shape, batch: int, known: dict[Any, Lists], *, keep: bool = False) -> Program:
    """Lay a network out for a batch size.

    Parameters
    ----------
    folded : FoldedNetwork
        The network; it must `fits`.
    shape : (int, int, int)
        Channels, height and width of an image.
    batch : int
        Images of a run.
    known : dict
        Lists of the layers by what they depend on; other batch sizes share them.
    keep : bool
        Whether maps and bits between the layers remain after the run.

    Returns
    -------
    Program
    """
    segments = _segments(folded, shape, batch, keep)
    largest = max(segment.images * math.prod(shape) for segment in segments for shape in segment.shapes)
    words = max(segment.images * _stored(shape) for segment in segments for shape in segment.shapes)
    builder, maps, planes = Builder(known, folded.opening is None), Places(largest, keep), Places(words, keep)
    found = Found([], [])
    whole = Map(0, -1, shape)
    for segment in segments:
        after = segment.shapes[-1]
        end = Map(maps.own(batch * math.prod(after)), planes.own(batch * _stored(after)), after)
        for first in range(0, batch, segment.images):
            builder.batch = min(segment.images, batch - first)
            here = whole.image(first)
            for part in segment.parts:
                target = end.image(first) if part is segment.parts[-1] else None
                here = _part(builder, part, here, target, maps, planes, found)
        whole = end
    builder.batch = batch
    builder.classifier(folded.classifier, whole.x, whole.shape)
    table = np.array([step.row() for step in builder.steps], np.int64)
    arenas = builder.integers, builder.reals, builder.places, builder.starts, builder.masks
    sizes = maps.size, planes.size, builder.border, builder.gathered
    return Program(table, tuple(arena.array() for arena in arenas), *sizes, found.features, found.bits)


@dataclass(frozen=True, eq=False)
class Segment:
    """Stem and blocks that a few images pass before the next few: their maps then stay in a cache.

    Attributes
    ----------
    images : int
        How many images.
    parts : list of RealLayer or Block
        The stem (only first) and blocks.
    shapes : list of tuple
        The shapes of all maps written there; the last one is what the segment leads to.
    """

    images: int
    parts: list[RealLayer | Block]
    shapes: list[Shape]


def _segments(folded: FoldedNetwork, shape: Shape, batch: int, keep: bool) -> list[Segment]:
    """Cut a network where more images at a time are needed to fill the vectors; whole, if all maps are to be kept."""
    maps = iter(_maps(folded, shape))
    segments: list[Segment] = []
    parts: list[RealLayer | Block] = [folded.stem, *folded.blocks]
    for part in parts:
        shapes = [next(maps) for _ in (part.layers if isinstance(part, Block) else (part,))]
        least = max(-(-FULL // (rows * columns)) for _, rows, columns in shapes)
        before = segments[-1].shapes[-1:] if segments else shapes
        most = CACHED // (4 * max(math.prod(each) for each in (*before, *shapes)))
        images = batch if keep else min(batch, max(least, most))
        if segments and min(batch, least) <= segments[-1].images:
            segments[-1].parts.append(part)
            segments[-1].shapes.extend(shapes)
        else:
            segments.append(Segment(images, [part], shapes))
    return segments


def _part(
    builder: Builder, part: RealLayer | Block, given: Map, target: Map | None, maps: Places, planes: Places,
    found: Found,
) -> Map:  # fmt: skip
    """Add the stem or a block, which reads a map, and return the map it writes: the target, or wherever is room."""
    batch = builder.batch
    if isinstance(part, RealLayer):
        after = _after(part, part.weight.shape, given.shape)
        x = target.x if target else maps.take(batch * math.prod(after))
        u = target.u if target else planes.take(batch * _stored(after))
        builder.real(part, given.x, given.shape, x, u)
        result = Map(x, u, after)
    else:
        result = _block(builder, part, given, target, maps, planes, found)
    found.features.append((result.x, (batch, *result.shape)))
    return result


def _block(
    builder: Builder, block: Block, given: Map, target: Map | None, maps: Places, planes: Places, found: Found
) -> Map:
    """Add a residual block, see `_part`."""
    batch, after = builder.batch, given.shape
    for layer in block.layers:
        after = _after(layer, layer.bits.shape, after)
    shortcut = given.x if block.shortcut is None else maps.take(batch * math.prod(after), given.x)
    if isinstance(block.shortcut, RealLayer):
        builder.real(block.shortcut, given.x, given.shape, shortcut, -1)
    elif isinstance(block.shortcut, StridePad):
        builder.stride_pad(block.shortcut.stride, given.x, given.shape, after, shortcut)
    if target:
        result = target.x
    else:  # the sum may take the shortcut's place: nothing reads that again
        result = maps.take(batch * math.prod(after)) if maps.keep else shortcut
    u, shape = given.u, given.shape
    for number, layer in enumerate(block.layers, 1):
        last = number == len(block.layers)
        found.bits.append((u, (batch, *shape)))
        following = _after(layer, layer.bits.shape, shape)
        bits = target.u if target and last else planes.take(batch * _stored(following), u)
        builder.binary(layer, u, shape, bits, shortcut if last else -1, result)
        u, shape = bits, following
    return Map(result, u, shape)


def _stored(shape: Shape) -> int:
    """Return the words of an image's bits."""
    return shape[0] * -(-shape[1] * shape[2] // 64)


def grouped(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a real layer's matrix (out, taps) as (groups, taps, `PIECE`) and its bias, zeros for what is missing."""
    return _groups(weight), _filled(bias)


def _groups(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    return _filled(matrix).reshape(-1, PIECE, matrix.shape[1]).transpose(0, 2, 1)


def _filled(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an array with zeros appended along its first axis up to a whole number of pieces."""
    return np.pad(array, [(0, -len(array) % PIECE), *[(0, 0)] * (array.ndim - 1)])
