"""Whether the arrays of a folded network fit together: the kernels take them at their word."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..spec.evaluation import Block, FoldedNetwork, MaxPool, Pooled, RealLayer

__all__ = ["check_whole"]


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

    def layer(self, name: str, layer: RealLayer, inputs: int) -> int:
        out = self.kernels(f"{name}.weight", layer.weight, inputs)
        self.real(f"{name}.weight", layer.weight, *layer.weight.shape)
        self.real(f"{name}.bias", layer.bias, out)
        return out

    def pools(self, name: str, pools: tuple[MaxPool, ...], channels: int) -> None:
        for pool in pools:
            self.real(f"{name}.sign", pool.sign, channels)
            if not 0 <= pool.padding < pool.size or pool.stride < 1:
                sizes = f"size {pool.size}, stride {pool.stride}, padding {pool.padding}"
                self.wrong.append(f"{name} of {sizes}, not of a padding below the size")

    def block(self, name: str, block: Block, channels: int) -> int:
        """Note what is wrong with a block that reads so many channels; return how many it gives."""
        before = channels
        for index, binary in enumerate(block.layers):
            here, inputs = f"{name}.layers[{index}]", channels
            channels = self.kernels(f"{here}.bits", binary.bits, inputs)
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
        short = block.shortcut
        if isinstance(short, RealLayer):
            self.layer(name, short, before)
        elif isinstance(short, Pooled):
            out = short.copies * before if short.layer is None else self.layer(f"{name}.layer", short.layer, before)
            if short.size < 1 or short.copies < 0 or out not in (0, after):
                self.wrong.append(f"{name} that leads to {out} channels by windows of {short.size}, not to {after}")


def check_whole(folded: FoldedNetwork) -> None:
    """Refuse a network whose arrays do not fit together.

    Parameters
    ----------
    folded : FoldedNetwork

    Raises
    ------
    ValueError
        If an array has another dtype or shape than its place asks for; the message names the first.
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
