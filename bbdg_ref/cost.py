"""Cost accounting of binary convolutions: bits to store them, binary operations (BOPs) to run them.

Which function when:

`layer_cost`
    Everything about one layer, under every accounting.
`total_cost`
    The same for several layers together.
`pattern_histogram`
    How often each of the 512 patterns of a 3x3 kernel occurs.
`huffman_lengths`
    The code lengths of a Huffman code, for these patterns or any symbols.
`subbit_bops`
    BOPs of a layer whose kernels come from a codebook of 2^b patterns, for any b.

The accountings (fp32, raw, packed, entropy, Huffman; dense, sparse, kernel-skip, sub-bit) are defined in
`bbdg_ref.spec.cost`. For a whole network with its table, see `bbdg_ref.network_summary`.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from bbdg_ref import _checks
from bbdg_ref.spec import cost as spec
from bbdg_ref.spec.cost import Bits, BOPs, Cost

__all__ = [
    "BOPs", "Bits", "Cost", "huffman_lengths", "layer_cost", "pattern_histogram", "subbit_bops", "total_cost",
]  # fmt: skip

_COUNTS = "an array of integers of at least 0, not all 0, of shape (symbols,)"


def layer_cost(bits: npt.ArrayLike, output_size: tuple[int, int]) -> Cost:
    """Return what a binary convolution holds and costs for one image, under every accounting.

    Parameters
    ----------
    bits : array of bool, or of integers 0 and 1, of shape (out, in, kernel height, kernel width)
        True is beta, a connection. A linear layer is a 1x1 convolution: pass ``bits[:, :, None, None]``.
    output_size : (int, int)
        Height and width of the layer's output; (1, 1) for a linear layer.

    Returns
    -------
    Cost
        Pattern histogram, Huffman bits and sub-bit BOPs are None unless the kernels are 3x3.

    Raises
    ------
    TypeError, ValueError
        If the bits are not bits, not of four axes or empty, or the output size is not two positive integers.

    Notes
    -----
    O(out·in·kh·kw) time.

    Examples
    --------
    >>> import numpy as np
    >>> bits = np.zeros((128, 64, 3, 3), bool)
    >>> bits[:, ::2, 1, 1] = True
    >>> cost = layer_cost(bits, (16, 16))
    >>> cost.ones, cost.density, cost.zero_kernels
    (4096, 0.05555555555555555, 4096)
    >>> cost.bops
    BOPs(dense=18874368, sparse=1067264, kernel_skip=9437184, subbit=1343488)
    >>> cost.bits.raw, round(cost.bits.entropy), cost.bits.huffman
    (73728, 22822, 8192)
    """
    b = _bits("layer_cost", bits)
    return spec.layer_cost(b, _size("layer_cost", output_size))


def total_cost(costs: Iterable[Cost]) -> Cost:
    """Return the cost of several layers together: the sum of each number.

    Parameters
    ----------
    costs : iterable of Cost
        At least one.

    Returns
    -------
    Cost
        Entropy bits are the sum of ``n H(p)`` with each layer's own p, and Huffman bits of each layer's own code. What
        one of the layers does not have (because its kernels are not 3x3) the total does not have either.

    Raises
    ------
    TypeError, ValueError
        If there is no cost, or something else than a `Cost`.

    Examples
    --------
    >>> import numpy as np
    >>> first = layer_cost(np.ones((4, 2, 3, 3), bool), (8, 8))
    >>> total = total_cost([first, first])
    >>> total.weights, total.bops.dense, int(total.patterns[511])
    (144, 9216, 16)
    """
    layers = list(costs)
    for item in layers:
        if not isinstance(item, Cost):
            got = type(item).__name__
            raise TypeError(_checks.message("total_cost", "costs", "Cost objects", got, "call layer_cost first"))
    if not layers:
        raise ValueError(_checks.message("total_cost", "costs", "at least one Cost", "none", "pass one for each layer"))
    histograms = [item.patterns for item in layers if item.patterns is not None]
    bits, bops = [item.bits for item in layers], [item.bops for item in layers]
    return Cost(
        weights=sum(item.weights for item in layers),
        kernels=sum(item.kernels for item in layers),
        filters=sum(item.filters for item in layers),
        ones=sum(item.ones for item in layers),
        zero_kernels=sum(item.zero_kernels for item in layers),
        one_kernels=sum(item.one_kernels for item in layers),
        zero_filters=sum(item.zero_filters for item in layers),
        one_filters=sum(item.one_filters for item in layers),
        patterns=np.sum(histograms, axis=0) if len(histograms) == len(layers) else None,
        bits=Bits(
            fp32=sum(item.fp32 for item in bits),
            raw=sum(item.raw for item in bits),
            packed=sum(item.packed for item in bits),
            entropy=sum(item.entropy for item in bits),
            huffman=_sum(item.huffman for item in bits),
            huffman_table=_sum(item.huffman_table for item in bits),
        ),
        bops=BOPs(
            dense=sum(item.dense for item in bops),
            sparse=sum(item.sparse for item in bops),
            kernel_skip=sum(item.kernel_skip for item in bops),
            subbit=_sum(item.subbit for item in bops),
        ),
    )


def pattern_histogram(bits: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Count how often each of the 512 patterns of a 3x3 kernel occurs.

    Parameters
    ----------
    bits : array of bool, or of integers 0 and 1, of shape (out, in, 3, 3)

    Returns
    -------
    ndarray of int64 (512,)
        By kernel code, ``sum over i, j of b[i, j] 2^(3 i + j)``.

    Raises
    ------
    TypeError, ValueError
        If the bits are not bits, not of that shape, or empty.

    Examples
    --------
    >>> import numpy as np
    >>> histogram = pattern_histogram(np.eye(3, dtype=bool)[None, None])
    >>> np.flatnonzero(histogram)  # 1 + 16 + 256
    array([273])
    """
    b = _bits("pattern_histogram", bits)
    if b.shape[2:] != (3, 3):
        mend = "larger and smaller kernels have no pattern of 9 bits"
        raise ValueError(_checks.message("pattern_histogram", "bits", "3x3 kernels", f"shape {b.shape}", mend))
    return spec.pattern_histogram(b)


def huffman_lengths(counts: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the lengths of the code words of a Huffman code.

    Parameters
    ----------
    counts : array of integers, of shape (symbols,)
        How often each symbol occurs; not all 0.

    Returns
    -------
    ndarray of int64 (symbols,)
        In bits; 0 where a symbol does not occur, 1 where it alone occurs. Equal counts give the lengths that
        `bbdg_ref.spec.cost` fixes.

    Raises
    ------
    TypeError, ValueError
        If the counts are not integers, negative or all 0.

    Notes
    -----
    O(symbols log symbols) time.

    Examples
    --------
    >>> huffman_lengths([45, 13, 12, 16, 9, 5])
    array([1, 3, 3, 3, 4, 4])
    """
    array = _checks.real_array("huffman_lengths", "counts", counts)
    if array.dtype.kind not in "iu":
        got = f"dtype {array.dtype}"
        raise TypeError(_checks.message("huffman_lengths", "counts", _COUNTS, got, "pass counts, not probabilities"))
    if array.ndim != 1 or not array.any():
        got = f"shape {array.shape}" if array.ndim != 1 else "zeros only"
        raise ValueError(_checks.message("huffman_lengths", "counts", _COUNTS, got, "count at least one symbol"))
    if (array < 0).any():
        index = int(np.argmax(array < 0))
        got = f"dtype {array.dtype}, first bad value {array[index]} at index {index}"
        raise ValueError(_checks.message("huffman_lengths", "counts", _COUNTS, got, "pass how often each occurs"))
    return spec.huffman_lengths(array)


def subbit_bops(out_channels: int, in_channels: int, output_size: tuple[int, int], codebook_bits: int) -> int:
    """Return the BOPs of a 3x3 layer whose kernels are 2^b patterns, each applied to an input channel once.

    Parameters
    ----------
    out_channels, in_channels : int
        Channels of the output and of the input.
    output_size : (int, int)
        Height H and width W of the output.
    codebook_bits : int
        b, from 0 to 9.

    Returns
    -------
    int
        ``H W c_in (9 2^b + c_out / 2)`` if ``2^b < c_out``, else ``H W c_in 9 c_out``; half an operation is rounded up.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a positive integer, or b not from 0 to 9.

    Notes
    -----
    The accounting of sub-bit networks, arXiv 2110.09195.

    Examples
    --------
    >>> subbit_bops(512, 512, (7, 7), codebook_bits=5)
    13647872
    """
    out = _checks.integer("subbit_bops", "out_channels", out_channels, 1)
    channels = _checks.integer("subbit_bops", "in_channels", in_channels, 1)
    size = _size("subbit_bops", output_size)
    return spec.subbit_bops(out, channels, size, _checks.integer("subbit_bops", "codebook_bits", codebook_bits, 0, 9))


def _sum(values: Iterable[int | None]) -> int | None:
    """Return the sum, or None where a value is None."""
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)


def _bits(function: str, value: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Check the bits of a convolution."""
    expected = "a non-empty array of bits of shape (out, in, kernel height, kernel width)"
    try:
        shape = np.shape(value)
    except ValueError:  # nested lists of different lengths
        got, mend = "a ragged sequence", "pass a rectangular array"
        raise TypeError(_checks.message(function, "bits", expected, got, mend)) from None
    if len(shape) != 4 or 0 in shape:
        mend = "write bits[:, :, None, None] for a linear layer"
        raise ValueError(_checks.message(function, "bits", expected, f"shape {shape}", mend))
    return _checks.bits(function, "bits", value, shape)


def _size(function: str, value: tuple[int, int]) -> tuple[int, int]:
    """Check the height and width of an output."""
    try:
        height, width = value
    except (TypeError, ValueError):
        got, mend = repr(value), "pass (height, width)"
        raise TypeError(_checks.message(function, "output_size", "a pair of integers", got, mend)) from None
    return _checks.integer(function, "output_size", height, 1), _checks.integer(function, "output_size", width, 1)
