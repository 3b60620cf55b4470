"""Lays a folded network out as a program, see `bbdg_ref.ops.packed_program`."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec.conv2d import output_size
from ..spec.evaluation import BinaryLayer, Block, Classifier, FoldedNetwork, RealLayer
from .column_plan import column_geometry, column_weights
from .packed_plan import PIECE, Geometry, Lists, columns_are_faster, counting_lists, geometry
from .packed_program import Program, Step, aligned_zeros

__all__ = ["build", "fits"]

STEM, REAL, STRIDE_PAD, BINARY, COLUMNS, CLASSIFIER = range(6)
MOST_LISTS = 256  # of all layers and sizes, that a network keeps
Shape = tuple[int, int, int]
Found = list[tuple[int, tuple[int, ...]]]  # offsets and shapes


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


@dataclass(eq=False)
class Places:
    """Where maps or bits lie between the layers: two places used in turn, or one for each that is to be kept."""

    largest: int
    keep: bool
    size: int = 0

    def take(self, size: int, *used: int) -> int:
        """Return the offset of a place that is not among those used."""
        if self.keep:
            begin = self.size
            self.size += -(-size // 16) * 16
            return begin
        step = -(-self.largest // 16) * 16
        self.size = 2 * step
        return next(begin for begin in range(0, self.size, step) if begin not in used)


def fits(folded: FoldedNetwork, shape: Shape) -> bool:
    """Tell whether a program can be made of a network: maps of whole pieces, counts that fit int16, and the JIT on.

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
        elif short is not None:
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
    batch : int
        Images of a run.
    known : dict
        Lists of the layers by what they depend on; other batch sizes share them.
    """

    def __init__(self, batch: int, known: dict[Any, Lists]) -> None:
        self.batch, self.known = batch, known
        self.steps: list[Step] = []
        self.border = 0  # size of the largest map with its border, of one image
        self.gathered = 0  # size of what the taps of `PIECE` pixels of a real convolution read
        self.integers, self.reals = Arena(np.int64), Arena(np.float32)
        self.places, self.starts, self.masks = Arena(np.uint32), Arena(np.int16), Arena(np.uint64)

    def real(self, layer: RealLayer, source: int, shape: Shape, result: int, target: int) -> Shape:
        """Add a real convolution; with a target of bits (not -1) it is the stem."""
        kind = REAL if target < 0 else STEM
        _, channels, kh, kw = layer.weight.shape
        (pv, ph), after = layer.padding, _after(layer, layer.weight.shape, shape)
        height, width = shape[1] + 2 * pv, shape[2] + 2 * ph
        rows, columns = np.arange(after[1]) * layer.stride[0], np.arange(after[2]) * layer.stride[1]
        pixels = rows[:, None] * width + columns
        # Pixels two apart are read with what lies between and behind them: not from the caller's images.
        far = layer.stride[1] > 2 or (layer.stride[1] == 2 and kind == STEM and not (pv or ph))
        run = 1 if far else next(run for run in (16, 8, 4, 1) if after[2] % run == 0)
        self.border = max(self.border, channels * height * width if pv or ph else 0)
        self.gathered = max(self.gathered, PIECE * channels * kh * kw)
        c, i, j = np.indices((channels, kh, kw)).reshape(3, -1)
        weight, bias = grouped(layer.weight.reshape(after[0], -1), layer.bias)
        self.steps.append(
            Step(
                kind, batch=self.batch,
                source=source, target=target, result=result, channels=channels,
                height=shape[1], width=shape[2], outputs=after[0], stride_or_padding_v=pv, stride_or_padding_h=ph,
                words=run, grid_width=layer.stride[1] if run > 1 else 1,
                out_pixels=after[1] * after[2], taps=c.size, tap_phase=self.integers.add(pixels),
                tap_shift=self.integers.add((c * height + i) * width + j), weight=self.reals.add(weight),
                bias_or_masks=self.reals.add(bias),
            )
        )  # fmt: skip
        return after

    def binary(self, layer: BinaryLayer, source: int, shape: Shape, target: int, shortcut: int, result: int) -> None:
        """Add a binary layer, with or without (-1) a shortcut; without, no result is written."""
        after = _after(layer, layer.bits.shape, shape)
        plan = geometry(self.batch, shape[1:], layer.bits.shape[2:], layer.stride, layer.padding)
        if columns_are_faster(layer.bits, plan):
            self.columns(layer, source, shape, target, shortcut, result)
            return
        key = id(layer), plan.words, plan.kinds.tobytes()
        lists = self.known.get(key)
        if lists is None:
            if len(self.known) >= MOST_LISTS:
                self.known.clear()
            self.known[key] = lists = counting_lists(layer.bits, plan)
        self.steps.append(
            Step(
                BINARY, batch=self.batch, source=source, target=target, shortcut=shortcut, result=result,
                channels=shape[0], height=shape[1], width=shape[2], outputs=after[0],
                **self.layout(plan, after), **self.weights(layer, lists),
            )
        )  # fmt: skip

    def columns(self, layer: BinaryLayer, source: int, shape: Shape, target: int, shortcut: int, result: int) -> None:
        """Add a binary layer that is counted along the channels."""
        plan = column_geometry(self.batch, shape[0], shape[1:], layer.bits.shape[2:], layer.stride, layer.padding)
        weights = column_weights(layer.bits, plan)
        pieces = np.arange(plan.pitch // PIECE)
        self.steps.append(
            Step(
                COLUMNS, batch=self.batch, source=source, target=target, shortcut=shortcut, result=result,
                channels=shape[0], height=shape[1], width=shape[2], outputs=len(layer.bits),
                stride_or_padding_v=plan.rows, stride_or_padding_h=plan.run, words=plan.words,
                grid_width=plan.row_step, length=plan.length, out_pixels=plan.pitch,
                tap_phase=self.integers.add(plan.pixel_place), tap_shift=self.integers.add(plan.windows),
                float_places=self.integers.add(pieces * PIECE), bit_places=self.integers.add(pieces),
                weight=self.reals.add(np.concatenate((layer.scale, layer.shared, layer.shift))),
                bias_or_masks=self.masks.add(weights.words), start=self.starts.add(weights.start),
            )
        )  # fmt: skip

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

    def weights(self, layer: BinaryLayer, lists: Lists) -> dict[str, int]:
        """Add what depends on the weights of a binary layer."""
        return {
            "rows": self.integers.add(lists.rows),
            "weight": self.reals.add(np.concatenate((layer.scale, layer.shared, layer.shift))),
            "places": self.places.add(lists.places), "start": self.starts.add(lists.start),
            "start_row": lists.start.shape[1],
        }  # fmt: skip

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
        self.steps.append(
            Step(
                CLASSIFIER, batch=self.batch, source=source, channels=shape[0], height=shape[1] * shape[2],
                outputs=len(head.bias), weight=self.reals.add(head.weight.T), bias_or_masks=self.reals.add(head.bias),
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
    every = list(_maps(folded, shape))
    builder = Builder(batch, known)
    maps = Places(batch * max(math.prod(shape) for shape in every), keep)
    planes = Places(batch * max(_stored(shape) for shape in every), keep)
    x, u = maps.take(batch * math.prod(every[0])), planes.take(batch * _stored(every[0]))
    shape = builder.real(folded.stem, 0, shape, x, u)
    features: Found = [(x, (batch, *shape))]
    bits: Found = []
    for block in folded.blocks:
        bits.append((u, (batch, *shape)))
        x, u, shape, inner = _block(builder, block, x, u, shape, maps, planes)
        bits += inner
        features.append((x, (batch, *shape)))
    builder.classifier(folded.classifier, x, shape)
    table = np.array([step.row() for step in builder.steps], np.int64)
    arenas = builder.integers, builder.reals, builder.places, builder.starts, builder.masks
    sizes = maps.size, planes.size, builder.border, builder.gathered
    return Program(table, tuple(arena.array() for arena in arenas), *sizes, features, bits)


def _block(
    builder: Builder, block: Block, x: int, u: int, shape: Shape, maps: Places, planes: Places
) -> tuple[int, int, Shape, Found]:
    """Add a residual block that reads the map x and its bits u; return its own, their shape, and bits inside it."""
    batch, after = builder.batch, shape
    for layer in block.layers:
        after = _after(layer, layer.bits.shape, after)
    shortcut = x if block.shortcut is None else maps.take(batch * math.prod(after), x)
    if isinstance(block.shortcut, RealLayer):
        builder.real(block.shortcut, x, shape, shortcut, -1)
    elif block.shortcut is not None:
        builder.stride_pad(block.shortcut.stride, x, shape, after, shortcut)
    # The sum may take the shortcut's place: nothing reads that again.
    result = maps.take(batch * math.prod(after)) if maps.keep else shortcut
    inner: Found = []
    for number, layer in enumerate(block.layers, 1):
        last = number == len(block.layers)
        following = _after(layer, layer.bits.shape, shape)
        target = planes.take(batch * _stored(following), u)
        builder.binary(layer, u, shape, target, shortcut if last else -1, result)
        u, shape = target, following
        if not last:
            inner.append((u, (batch, *shape)))
    return result, u, shape, inner


def _stored(shape: Shape) -> int:
    """Return the words of an image's bits."""
    return shape[0] * -(-shape[1] * shape[2] // 64)


def grouped(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a matrix (out, taps) as (groups, taps, `PIECE`) and its bias alike, zeros for what is missing."""
    missing = -len(bias) % PIECE
    weight = np.pad(weight, ((0, missing), (0, 0))).reshape(-1, PIECE, weight.shape[1])
    return weight.transpose(0, 2, 1), np.pad(bias, (0, missing))
