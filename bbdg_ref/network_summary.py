"""What a network's binary layers hold and cost: layer by layer and in total, as text, dict and CSV.

Every number stands under the name of its accounting; the accountings are defined in `bbdg_ref.spec.cost`.
"""

import csv
import io
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _checks
from .cost import Cost, layer_cost, total_cost
from .ops.folded_shapes import folded_shapes
from .spec.conv2d import Pair
from .spec.cost import codebook_bits
from .spec.evaluation import FoldedNetwork

if TYPE_CHECKING:  # not at run time: nn loads h5py, and importing the package shall stay fast
    from .nn.networks import Network

__all__ = ["LayerSummary", "Summary", "own_image_shape", "summary"]

Shape = tuple[int, int, int]

#: Height and width of the images that a network is made for, by its name; 32 for all others.
SIDES = {"reactnet-a": 224}

#: What the columns of sizes and of operations mean; `Summary.as_dict` repeats it beside the numbers.
ACCOUNTINGS = {
    "fp32_bits": "32 n: n binary weights as float32",
    "raw_bits": "n: one bit a weight",
    "packed_bits": "64-bit words of the layout (out, kh, kw, ceil(in/64)), tail bits included",
    "entropy_bits": "n H(p), p the layer's density",
    "huffman_bits": "Huffman code over the 512 patterns of a 3x3 kernel, one code a layer, code table not counted",
    "huffman_table_bits": "the code tables: 512 code lengths a layer",
    "dense_bops": "one binary operation a weight and output pixel",
    "sparse_bops": "ones only, plus the shared map, once where layers side by side read one input: c_in + kh kw "
    "additions an output pixel",
    "kernel_skip_bops": "dense, but all-zero kernels cost nothing; the shared map not counted",
    "subbit_bops": "H W c_in (9 2^b + c_out/2) if 2^b < c_out, else dense; 2^b >= the patterns in the layer",
    "disk_bytes": "bytes of the file; in total all that it holds",
}


@dataclass(frozen=True, eq=False)
class LayerSummary:
    """One binary layer, or all of them together.

    Attributes
    ----------
    name : str
        The layer's name in the network; "total" for all.
    shape : tuple of int or None
        (out, in, kernel height, kernel width); None for all.
    output_size : tuple of int or None
        Height and width of the output for one image; None for all.
    cost : Cost
        What it holds and costs.
    disk_bytes : int or None
        Bytes in the file, where known.
    """

    name: str
    shape: tuple[int, ...] | None
    output_size: Pair | None
    cost: Cost
    disk_bytes: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers under the names of their accountings, in plain types; None for what there is not."""
        cost, bits, bops = self.cost, self.cost.bits, self.cost.bops
        sizes = {"raw": bits.raw, "packed": bits.packed, "entropy": bits.entropy, "huffman": bits.huffman}
        return {
            "layer": self.name,
            **_named("out_channels in_channels kernel_height kernel_width", self.shape),
            **_named("output_height output_width", self.output_size),
            **{key: getattr(cost, key) for key in "weights ones density kernels filters".split()},
            **{key: getattr(cost, key) for key in "zero_kernels zero_filters one_kernels one_filters".split()},
            "pattern_entropy_bits": cost.pattern_entropy,
            "fp32_bits": bits.fp32,
            **{f"{name}_bits": value for name, value in sizes.items()},
            "huffman_table_bits": bits.huffman_table,
            **{f"fp32_over_{name}": bits.fp32 / value if value else None for name, value in sizes.items()},
            **{f"{key}_bops": getattr(bops, key) for key in "dense sparse kernel_skip subbit".split()},
            "subbit_b": codebook_bits(cost.patterns) if cost.patterns is not None and self.shape else None,
            "disk_bytes": self.disk_bytes,
            "pattern_histogram": None if cost.patterns is None else cost.patterns.tolist(),
        }


@dataclass(frozen=True, eq=False)
class Summary:
    """What a network's binary layers hold and cost; ``str()`` gives the table.

    Attributes
    ----------
    name : str
        The network's.
    image_shape : tuple of int
        (channels, height, width) of the image that the operations are counted for.
    layers : tuple of LayerSummary
        The binary layers in the order of the data flow.
    total : LayerSummary
        All binary layers together; its `disk_bytes` are those of the whole file.
    real_numbers : int
        How many other numbers the network holds, which no size but that of the file includes: of a trained network
        its parameters (stem, shortcuts, batch norm, classifier, tau, phi), of a folded one its float32 arrays.

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref import nn
    >>> result = summary(nn.resnet20(width=4, rng=np.random.default_rng(0)))
    >>> len(result.layers), result.total.shape, result.name
    (18, None, 'resnet20')
    """

    name: str
    image_shape: Shape
    layers: tuple[LayerSummary, ...]
    total: LayerSummary
    real_numbers: int

    def as_dict(self) -> dict[str, Any]:
        """Return everything in plain types, ready for ``json.dumps``."""
        return {
            "network": self.name,
            "image_shape": list(self.image_shape),
            "real_numbers": self.real_numbers,
            "accountings": dict(ACCOUNTINGS),
            "layers": [layer.as_dict() for layer in self.layers],
            "total": self.total.as_dict(),
        }

    def as_csv(self) -> str:
        """Return CSV: a header, a line for each layer, a line for the total.

        The columns are the keys of `LayerSummary.as_dict`; what there is not is an empty field, and the pattern
        histogram one field with 512 numbers between blanks.
        """
        records = [row.as_dict() for row in (*self.layers, self.total)]
        text = io.StringIO()
        writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
        writer.writeheader()
        for record in records:
            histogram = record["pattern_histogram"]
            writer.writerow(
                record | {"pattern_histogram": None if histogram is None else " ".join(map(str, histogram))}
            )
        return text.getvalue()

    def table(self) -> str:
        """Return three tables, at most 120 columns wide: what the layers hold, their sizes, their operations."""
        rows, total = self.layers, self.total.cost
        image = " x ".join(map(str, self.image_shape))
        parts = [
            f"{self.name}, image {image}: {len(rows)} binary layers, {total.weights:,} binary weights, "
            f"density {total.density:.4f}",
            "",
            *_layout(_CONTENTS, [_contents(row) for row in (*rows, self.total)]),
            "kernels, one for each (out, in) pair, and filters, one for each output, whose bits are all 0 or all 1;",
            f"patterns: how many of the 512 of a 3x3 kernel occur; H: their entropy{_most_frequent(total)}",
            "",
            "Size of the binary weights in bytes, rounded up; times: fp32 over the column before",
            *_layout(_SIZES, [_sizes(row) for row in (*rows, self.total)]),
            "raw: one bit a weight; packed: 64-bit words (out, kh, kw, ceil(in/64)); n H(p): p the layer's density;",
            "Huffman: over the 512 patterns, one code a layer, without its table; the table: 512 code lengths",
            self._beside(),
            "",
            "Binary operations (BOPs) for one image; times: dense over the column before",
            *_layout(_OPERATIONS, [_operations(row) for row in (*rows, self.total)]),
            "dense: every weight; sparse: ones, plus c_in + kh kw additions a pixel for the shared map,",
            "which layers side by side that read one input have once;",
            "kernel-skip: all-zero kernels cost nothing, without the shared map;",
            "sub-bit: H W c_in (9 2^b + c_out/2) if 2^b < c_out, else dense; 2^b: at least the layer's patterns",
        ]
        if any(row.cost.patterns is None for row in rows):
            parts.append(
                "-: patterns, Huffman and sub-bit are defined for 3x3 kernels, and summed if all layers have them"
            )
        return "\n".join(parts)

    def _beside(self) -> str:
        """Return the line about what the sizes leave out."""
        text = f"not in these sizes: {self.real_numbers:,} real numbers ({4 * self.real_numbers:,} bytes as float32)"
        if self.total.disk_bytes is None:
            return text
        times = _times(self.total.cost.bits.fp32 // 8 + 4 * self.real_numbers, self.total.disk_bytes)
        return f"{text};\non disk in total: the whole file; all as float32 over it: {times}"

    __str__ = table


def own_image_shape(network: "Network | FoldedNetwork") -> Shape:
    """Return the shape of the images that a network is made for.

    Parameters
    ----------
    network : Network, FoldedNetwork or PackedNetwork
        As for `summary`.

    Returns
    -------
    tuple of int
        (channels, height, width): what a folded network is bound to, if it is; else, by its name, 224×224 pixels for
        ReActNet-A and 32×32 for all others.

    Raises
    ------
    TypeError
        If `network` is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref import nn
    >>> own_image_shape(nn.reactnet_a(width=2, rng=np.random.default_rng(0)))
    (3, 224, 224)
    """
    network = _unpacked("own_image_shape", network)
    if isinstance(network, FoldedNetwork):
        if network.image_shape is not None:
            return network.image_shape
        channels = network.stem.weight.shape[1]
    else:
        channels = _image_channels(network)
    side = SIDES.get(network.name, 32)
    return channels, side, side


def _unpacked(function: str, network: Any) -> Any:
    """Return the folded network of a packed one, any other as it is."""
    network = getattr(network, "folded", network)
    if isinstance(network, FoldedNetwork) or (hasattr(network, "binary_layers") and hasattr(network, "walk")):
        return network
    expected, mend = "a Network, a FoldedNetwork or a PackedNetwork", "build one with bbdg_ref.nn, or load it"
    raise TypeError(_checks.message(function, "network", expected, type(network).__name__, mend))


def summary(
    network: "Network | FoldedNetwork",
    image_shape: Shape | None = None,
    path: str | os.PathLike[str] | None = None,
    *,
    layer_bytes: Mapping[str, int] | None = None,
) -> Summary:
    """Return what each binary layer of a network holds and costs, and all of them together.

    Parameters
    ----------
    network : Network, FoldedNetwork or PackedNetwork
        As it is trained, or with batch norm folded in. The binary layers of a folded network are called
        ``block1.conv1`` and so on.
    image_shape : tuple of int, optional
        (channels, height, width) of an image; without it `own_image_shape`.
    path : str or path-like, optional
        A file that holds the network: its size is the total's bytes on disk.
    layer_bytes : mapping of str to int, optional
        Bytes on disk of single layers by name, where the format of the file has such a figure.

    Returns
    -------
    Summary

    Raises
    ------
    TypeError
        If `network` is neither.
    ValueError
        If it has no binary layers, the images do not fit it, or `layer_bytes` names a layer that it has not.
    OSError
        If there is no such file.

    Notes
    -----
    Linear in the number of weights.

    Binary layers side by side that read one input in the same windows, as the two 1x1 convolutions of a widening block
    of ReActNet-A, share one map ``a * 1``. Its additions are counted for the first of them alone, so that the sparse
    operations of the trained network are those of the folded one, which holds such layers as one.

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref import nn
    >>> result = summary(nn.resnet20(width=4, rng=np.random.default_rng(0)))
    >>> result.total.cost.bops.dense, result.layers[0].name
    (2506752, 'stage1.0.main.0')
    >>> print(str(result).splitlines()[0])
    resnet20, image 3 x 32 x 32: 18 binary layers, 16,704 binary weights, density 0.5...
    """
    network = _unpacked("summary", network)
    shape = own_image_shape(network) if image_shape is None else _image_shape(image_shape)
    if isinstance(network, FoldedNetwork):
        channels, entries, real = network.stem.weight.shape[1], _folded_layers(network, shape), _folded_numbers(network)
    else:
        channels, entries, real = _image_channels(network), _layers(network, shape), _numbers(network)
    if channels != shape[0]:
        expected, mend = f"(channels, height, width) with {channels} channels", "give the shape of one image"
        raise ValueError(_checks.message("summary", "image_shape", expected, str(shape), mend))
    stored = dict(layer_bytes or {})
    layers = tuple(
        LayerSummary(name, bits.shape, size, _cost(bits, size, has_map), stored.pop(name, None))
        for name, bits, size, has_map in entries
    )
    if stored:
        got, mend = repr(next(iter(stored))), "use the names of the layers"
        raise ValueError(_checks.message("summary", "layer_bytes", "bytes by the names of binary layers", got, mend))
    if not layers:
        mend = "there is nothing to account for"
        raise ValueError(_checks.message("summary", "network", "a network with binary layers", "none", mend))
    size = None if path is None else os.path.getsize(path)
    total = LayerSummary("total", None, None, total_cost(layer.cost for layer in layers), size)
    return Summary(network.name, shape, layers, total, real)


# --- what a network holds, from either form ---

Entry = tuple[str, NDArray[np.bool_], Pair, bool]  # name, bits, output size, whether another has made its shared map


def _cost(bits: NDArray[np.bool_], output_size: Pair, has_map: bool) -> Cost:
    """Return what a layer costs, without the shared map where another has made it."""
    cost = layer_cost(bits, output_size)
    if not has_map:
        return cost
    _, channels, kh, kw = bits.shape
    sparse = cost.bops.sparse - (channels + kh * kw) * math.prod(output_size)
    return replace(cost, bops=replace(cost.bops, sparse=sparse))


def _image_shape(value: Shape) -> Shape:
    """Check (channels, height, width)."""
    if np.shape(value) != (3,):
        mend = "give the shape of one image"
        raise ValueError(_checks.message("summary", "image_shape", "(channels, height, width)", repr(value), mend))
    channels, height, width = (_checks.integer("summary", "image_shape", item, 1) for item in value)
    return channels, height, width


def _image_channels(network: "Network") -> int:
    """Return the input channels of the first convolution, the stem's."""
    return next(parameter.value.shape[1] for parameter in network.parameters().values() if parameter.value.ndim == 4)


def _layers(network: "Network", image_shape: Shape) -> Iterator[Entry]:
    """Yield the binary layers of a trained network."""
    inputs, others = {id(module): shape for module, shape in network.walk(image_shape)}, _side_by_side(network)
    for name, layer in network.binary_layers().items():
        _, height, width = layer.output_shape(inputs[id(layer)])
        yield name, layer.bits, (height, width), id(layer) in others


def _side_by_side(network: "Network") -> set[int]:
    """Return the ids of the binary layers that read what one beside them, in a branch of a `Parallel`, has read."""
    found: set[int] = set()
    for _, module in network.modules():
        seen = set()
        for branch in getattr(module, "branches", ()):
            leaf: Any = next((part for _, part in branch.modules() if not hasattr(part, "layers")), None)
            if not hasattr(leaf, "bits"):
                continue
            windows = leaf.bits.shape[2:], leaf.stride, leaf.padding
            if windows in seen:
                found.add(id(leaf))
            seen.add(windows)
    return found


def _folded_layers(network: FoldedNetwork, image_shape: Shape) -> Iterator[Entry]:
    """Yield the binary layers of a folded network."""
    if not network.blocks:
        return
    try:
        shapes = iter(folded_shapes(network, image_shape).layers)
    except ValueError as error:
        expected, mend = "the shape of images that the network fits", "give the shape of one image"
        raise ValueError(
            _checks.message("summary", "image_shape", expected, f"{image_shape}: {error}", mend)
        ) from error
    for number, block in enumerate(network.blocks, 1):
        for index, layer in enumerate(block.layers, 1):
            _, height, width = next(shapes)
            yield f"block{number}.conv{index}", layer.bits, (height, width), False


def _numbers(network: "Network") -> int:
    """Count the learned numbers that are not latent weights."""
    latent = sum(layer.latent.value.size for layer in network.binary_layers().values())
    return sum(parameter.value.size for parameter in network.parameters().values()) - latent


def _folded_numbers(network: FoldedNetwork) -> int:
    """Count the float32 numbers."""
    parts: list[Any] = [network.stem, *(network.opening or ()), network.classifier]
    for block in network.blocks:
        parts += [*block.layers, *block.pool, block.shortcut, getattr(block.shortcut, "layer", None), block.activation]
    arrays = [value for part in parts if part is not None for value in vars(part).values()]
    return sum(a.size for a in arrays if isinstance(a, np.ndarray) and a.dtype == np.float32)


# --- text ---

# In two lines, at the bar.
_CONTENTS = "layer,shape,output,ones,density,kernels|all 0,kernels|all 1,filters|all 0,filters|all 1,patterns,H|bits"
_SIZES = "layer,fp32,raw,packed,times,entropy|n H(p),times,Huffman,times,Huffman|table,on disk"
_OPERATIONS = "layer,dense,sparse,times,kernel-|skip,times,sub-bit,times,sub-bit|b"


def _named(names: str, values: tuple[int, ...] | None) -> dict[str, int | None]:
    """Return the values by name; None for each where there are none."""
    keys = names.split()
    return dict(zip(keys, values or [None] * len(keys), strict=True))


def _whole(value: float | None) -> str:
    """Write a number of bytes or operations, rounded up to an integer."""
    return "-" if value is None else f"{int(-(-value // 1)):,}"


def _times(whole: float, part: float | None) -> str:
    """Write how many times smaller the part is."""
    return f"{whole / part:.1f}x" if part else "-"


def _contents(row: LayerSummary) -> list[str]:
    cost, entropy = row.cost, row.cost.pattern_entropy
    return [
        row.name,
        "x".join(map(str, row.shape or [])),
        "x".join(map(str, row.output_size or [])),
        _whole(cost.ones),
        f"{cost.density:.4f}",
        *(_whole(value) for value in (cost.zero_kernels, cost.one_kernels, cost.zero_filters, cost.one_filters)),
        _whole(None if cost.patterns is None else int(np.count_nonzero(cost.patterns))),
        "-" if entropy is None else f"{entropy:.3f}",
    ]


def _sizes(row: LayerSummary) -> list[str]:
    bits = row.cost.bits
    byte = {name: None if value is None else value / 8 for name, value in vars(bits).items()}
    cells = [row.name, _whole(byte["fp32"]), _whole(byte["raw"])]
    for name in ("packed", "entropy", "huffman"):
        cells += [_whole(byte[name]), _times(bits.fp32, getattr(bits, name))]
    return [*cells, _whole(byte["huffman_table"]), _whole(row.disk_bytes)]


def _operations(row: LayerSummary) -> list[str]:
    bops, patterns = row.cost.bops, row.cost.patterns
    cells = [row.name, _whole(bops.dense)]
    for value in (bops.sparse, bops.kernel_skip, bops.subbit):
        cells += [_whole(value), _times(bops.dense, value)]
    return [*cells, "" if row.shape is None else "-" if patterns is None else str(codebook_bits(patterns))]


def _most_frequent(total: Cost) -> str:
    """Return the text that names the most frequent patterns."""
    if total.patterns is None:
        return ""
    codes = np.argsort(-total.patterns, kind="stable")[:4]
    shares = [f"{code} ({total.patterns[code] / total.kernels:.1%})" for code in codes if total.patterns[code]]
    return f";\nmost frequent patterns by code, the sum of b[i,j] 2^(3i+j): {', '.join(shares)}"


def _layout(header: str, rows: Iterable[list[str]]) -> list[str]:
    """Align the first column left and the others right, with a rule below the header and above the last row."""
    titles = [title.rpartition("|") for title in header.split(",")]
    every = [[upper for upper, _, _ in titles], [lower for _, _, lower in titles], *rows]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    lines = []
    for first, *rest in every:
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    rule = "-" * (sum(widths) + 2 * len(widths) - 2)
    return [*lines[:2], rule, *lines[2:-1], rule, lines[-1]]
