"""The parameter-free shortcut as a list of (output index, input index) that carry the same number."""

from collections.abc import Iterator
from itertools import product


def links(in_shape, out_channels: int, stride) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    batch, channels, height, width = in_shape
    sv, sh = stride if isinstance(stride, tuple) else (stride, stride)
    before = (out_channels - channels) // 2
    for n, c, h, w in product(range(batch), range(channels), range(height), range(width)):
        if h % sv == 0 and w % sh == 0:
            yield (n, before + c, h // sv, w // sh), (n, c, h, w)
