"""Whether the parts of a folded network fit together: the kernels take them at their word."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..spec.conv2d import Pair
from ..spec.evaluation import Block, FoldedNetwork, MaxPool, Pooled, RealLayer, StridePad

__all__ = ["check_whole"]


def _whole(value: object, low: int) -> bool:
    """Tell whether a value is an integer from a number on."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= low)


def _pair(value: object, low: int) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(_whole(each, low) for each in value)


class _Parts:
    """Notes what is wrong with the parts, by name."""

    def __init__(self) -> None:
        self.wrong: list[str] = []

    def real(self, name: str, array: NDArray[Any], *shape: int) -> None:
        if array.dtype != np.float32 or array.shape != shape:
            self.wrong.append(f"{name} of {array.dtype} {array.shape}, not float32 {shape}")

    def kernels(self, name: str, array: NDArray[Any], inputs: int) -> int:
        if array.ndim != 4 or array.shape[1] != inputs or array.size == 0:
            self.wrong.append(f"{name} of shape {array.shape}, not (out, {inputs}, kernel height, kernel width)")
        return len(array)

    def steps(self, name: str, stride: Pair, padding: Pair) -> None:
        if not _pair(stride, 1):
            self.wrong.append(f"{name}.stride of {stride!r}, not two integers from 1 on")
        if not _pair(padding, 0):
            self.wrong.append(f"{name}.padding of {padding!r}, not two integers from 0 on")

    def layer(self, name: str, layer: RealLayer, inputs: int) -> int:
        self.steps(name, layer.stride, layer.padding)
        out = self.kernels(f"{name}.weight", layer.weight, inputs)
        self.real(f"{name}.weight", layer.weight, *layer.weight.shape)
        self.real(f"{name}.bias", layer.bias, out)
        return out

    def pools(self, name: str, pools: tuple[MaxPool, ...], channels: int) -> None:
        for pool in pools:
            self.real(f"{name}.sign", pool.sign, channels)
            sizes = _whole(pool.size, 1) and _whole(pool.stride, 1) and _whole(pool.padding, 0)
            if not sizes or pool.padding >= pool.size:
                got = f"size {pool.size!r}, stride {pool.stride!r}, padding {pool.padding!r}"
                self.wrong.append(f"{name} of {got}, not of integers from 1, 1 and 0 on, the padding below the size")

    def block(self, name: str, block: Block, channels: int) -> int:
        """Note what is wrong with a block that reads so many channels; return how many it gives."""
        before = channels
        for index, binary in enumerate(block.layers):
            here, inputs = f"{name}.layers[{index}]", channels
            channels = self.kernels(f"{here}.bits", binary.bits, inputs)
            self.steps(here, binary.stride, binary.padding)
            for part in ("scale", "shared", "shift"):
                self.real(f"{here}.{part}", getattr(binary, part), channels)
            if binary.threshold is not None:
                self.real(f"{here}.threshold", binary.threshold, inputs)
            if binary.bits.dtype != np.bool_:
                self.wrong.append(f"{here}.bits of {binary.bits.dtype}, not bool")
        if not block.layers:
            self.wrong.append(f"{name} without layers")
        self.pools(f"{name}.pool", block.pool, channels)
        self.shortcut(f"{name}.shortcut", block, before, channels)
        for part in ("before", "slope", "after") if block.activation is not None else ():
            self.real(f"{name}.activation.{part}", getattr(block.activation, part), channels)
        return channels

    def shortcut(self, name: str, block: Block, before: int, after: int) -> None:
        """Note what is wrong with a shortcut round layers that read and give so many channels."""
        short, out = block.shortcut, before
        if isinstance(short, RealLayer):
            out = self.layer(name, short, before)
        elif isinstance(short, StridePad):
            out = short.out_channels
            if short.in_channels != before or not _whole(out, before) or not _whole(short.stride, 1):
                wanted = f"StridePad({before}, {after}, a stride from 1 on)"
                self.wrong.append(f"{name} of {short!r}, not {wanted}")
        elif isinstance(short, Pooled):
            if not (_whole(short.size, 1) and _whole(short.copies, 0)):
                got = f"windows of {short.size!r} and {short.copies!r} copies"
                self.wrong.append(f"{name} of {got}, not integers from 1 and 0 on")
                return
            out = short.copies * before if short.layer is None else self.layer(f"{name}.layer", short.layer, before)
            out = out or after  # of no copies, nothing is added
        if out != after:
            self.wrong.append(f"{name} that leads to {out} channels, not to {after}")


def check_whole(folded: FoldedNetwork) -> None:
    """Refuse a network whose parts do not fit together.

    Parameters
    ----------
    folded : FoldedNetwork

    Raises
    ------
    ValueError
        If an array has another dtype or shape than its place asks for, a stride, padding or window is none, or the two
        paths of a block lead to different numbers of channels; the message names the first.
    """
    parts, head = _Parts(), folded.classifier
    channels = parts.layer("stem", folded.stem, folded.stem.weight.shape[1] if folded.stem.weight.ndim > 1 else 0)
    parts.pools("opening", folded.opening or (), channels)
    for number, block in enumerate(folded.blocks):
        channels = parts.block(f"blocks[{number}]", block, channels)
    columns = head.weight.shape[1] if head.weight.ndim == 2 and head.weight.shape[1] > 0 else 0
    whole = columns if channels and columns % channels == 0 else channels  # a column for every pixel of every map
    parts.real("classifier.weight", head.weight, len(head.bias), whole or channels)
    parts.real("classifier.bias", head.bias, len(head.bias))
    if parts.wrong:
        expected = "a network whose parts fit together"
        raise ValueError(_checks.message("PackedNetwork", "folded", expected, parts.wrong[0], "use fold"))
