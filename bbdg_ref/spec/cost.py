"""What a binary convolution costs: bits to store its weights, binary operations (BOPs) to apply it.

A number of bits or of BOPs means nothing without the accounting it comes from, so every accounting has its
name here, and results carry all of them side by side.

Bits, for n weights of which a fraction p are ones:

fp32
    ``32 n``.
raw
    ``n``: one bit a weight.
packed
    64-bit words of the interchange layout (out, kh, kw, ceil(in/64)), tail bits included.
entropy
    ``n H(p)``, the limit for a code that knows p and nothing else of the weights.
Huffman
    A Huffman code over the 512 patterns of a 3x3 kernel, one code for each layer. Its code table is not in it,
    but stated beside it.

BOPs for one image, for H x W output pixels (the pixels of the border count like all others):

dense
    One for every weight and output pixel: the binary multiply-accumulates.
sparse
    Ones only, plus the map shared by all output channels, ``a * 1``: c_in additions a pixel for the sum over the
    channels, kh kw for the sum over the window.
kernel-skip
    Dense, but all-zero kernels cost nothing, and the shared map is not counted (as it is published).
sub-bit
    Dense where 2^b >= c_out; else each of the 2^b patterns of a codebook is applied to each input channel once and
    shared by the output channels (sub-bit networks, arXiv 2110.09195).

The values alpha, beta and batch norm are in none of them. An all-one filter needs the shared map only, as an all-zero
filter does; no accounting here makes use of that, so all-one kernels and filters are counted, but cost what they hold.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bbdg_ref.spec.conv2d import Pair

__all__ = [
    "BOPs", "Bits", "Cost", "codebook_bits", "entropy", "huffman_lengths", "huffman_table_bits", "kernel_codes",
    "layer_cost", "pattern_histogram", "subbit_bops",
]  # fmt: skip

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Bits:
    """Bits that the weights take under each accounting."""

    fp32: int  # 32 n
    raw: int  # n
    packed: int  # in 64-bit words
    entropy: float  # n H(p)
    huffman: int | None  # without the code table; None unless the kernels are 3x3
    huffman_table: int | None  # of the code table alone, `huffman_table_bits`; None likewise


@dataclass(frozen=True)
class BOPs:
    """Binary operations for one image under each accounting."""

    dense: int  # every weight
    sparse: int  # ones, plus the shared map
    kernel_skip: int  # kernels with a one
    subbit: int | None  # with b = `codebook_bits` of the patterns that occur; None unless the kernels are 3x3


@dataclass(frozen=True, eq=False)
class Cost:
    """What a binary layer, or several together, hold and cost.

    Attributes
    ----------
    weights, kernels, filters : int
        How many there are: out·in·kh·kw, out·in and out.
    ones : int
        Weights with bit 1.
    zero_kernels, one_kernels, zero_filters, one_filters : int
        Kernels and filters whose bits are all 0, all 1.
    patterns : ndarray of int64 (512,) or None
        How often each kernel code occurs; None unless the kernels are 3x3.
    bits : Bits
    bops : BOPs
    """

    weights: int
    kernels: int
    filters: int
    ones: int
    zero_kernels: int
    one_kernels: int
    zero_filters: int
    one_filters: int
    patterns: Counts | None
    bits: Bits
    bops: BOPs

    @property
    def density(self) -> float:
        """The fraction of ones."""
        return self.ones / self.weights

    @property
    def pattern_entropy(self) -> float | None:
        """Entropy of the 512 patterns in bits a kernel, from 0 to 9."""
        return None if self.patterns is None else entropy(self.patterns)


def kernel_codes(bits: NDArray[np.bool_]) -> Counts:
    """Return the number of each kernel's pattern: ``sum over i, j of b[i, j] 2^(3 i + j)``.

    Parameters
    ----------
    bits : ndarray of bool (out, in, 3, 3)

    Returns
    -------
    ndarray of int64 (out, in)
        From 0 (no ones) to 511 (all ones).

    Examples
    --------
    >>> bits = np.zeros((1, 2, 3, 3), bool)
    >>> bits[0, 0, 0, 1] = bits[0, 1, 2, 2] = True
    >>> kernel_codes(bits)
    array([[  2, 256]])
    """
    return bits.reshape(*bits.shape[:2], 9) @ (np.int64(1) << np.arange(9))


def pattern_histogram(bits: NDArray[np.bool_]) -> Counts:
    """Count how often each of the 512 patterns occurs.

    Parameters
    ----------
    bits : ndarray of bool (out, in, 3, 3)

    Returns
    -------
    ndarray of int64 (512,)
        By kernel code.

    Examples
    --------
    >>> pattern_histogram(np.ones((2, 3, 3, 3), bool))[511]
    np.int64(6)
    """
    return np.bincount(kernel_codes(bits).ravel(), minlength=512)


def codebook_bits(patterns: Counts) -> int:
    """Return the least b such that 2^b patterns are enough for those that occur.

    Parameters
    ----------
    patterns : ndarray of int64 (512,)
        Of `pattern_histogram`.

    Returns
    -------
    int
        ``ceil(log2(patterns that occur))``, from 0 to 9.

    Examples
    --------
    >>> codebook_bits(np.array([5, 1, 0, 2]))
    2
    """
    return int(np.count_nonzero(patterns) - 1).bit_length()


def entropy(counts: NDArray[np.integer]) -> float:
    """Return the entropy in bits of the distribution ``p = counts / sum(counts)``.

    Parameters
    ----------
    counts : ndarray of int (symbols,)
        How often each symbol occurs; not all 0.

    Returns
    -------
    float
        ``H = sum over p > 0 of p log2(1/p)``, from 0 to log2(symbols).

    Examples
    --------
    >>> entropy(np.array([2, 1, 0, 1]))
    1.5
    """
    used, total = counts[counts > 0], int(counts.sum())
    return float(np.sum(used / total * np.log2(total / used)))


def huffman_lengths(counts: NDArray[np.integer]) -> Counts:
    """Return the lengths of the code words of a Huffman code.

    Parameters
    ----------
    counts : ndarray of int (symbols,)
        How often each symbol occurs; not all 0.

    Returns
    -------
    ndarray of int64 (symbols,)
        In bits; 0 where a symbol does not occur. The least ``sum(counts * lengths)`` of all prefix codes, and
        ``sum over the used symbols of 2^-length = 1``. But where one symbol alone occurs its length is 1, not 0:
        so that the lengths still say which symbol it is.

    Notes
    -----
    The two lightest trees are joined into one, until one is left. The trees come from two queues, both
    in order of weight: single symbols (equal counts: lower symbol first) and joined trees. Of equal weights the single
    symbol goes first, which makes the lengths unique and the greatest length the least. O(symbols log symbols) time.

    Source: Huffman (1952); two queues: van Leeuwen (1976).

    Examples
    --------
    >>> huffman_lengths(np.array([8, 1, 0, 1, 2]))
    array([1, 3, 0, 3, 2])
    >>> huffman_lengths(np.array([0, 5]))
    array([0, 1])
    """
    used = np.flatnonzero(counts)
    symbols = used[np.argsort(counts[used], kind="stable")]
    single, joined, leaves = 0, len(symbols), len(symbols)  # the fronts of the two queues, one behind the other
    weight = [int(counts[symbol]) for symbol in symbols]
    parent = [0] * (2 * leaves - 1)
    for new in range(leaves, 2 * leaves - 1):
        weight.append(0)
        for _ in range(2):
            if single < leaves and (joined == new or weight[single] <= weight[joined]):
                node, single = single, single + 1
            else:
                node, joined = joined, joined + 1
            parent[node] = new
            weight[new] += weight[node]
    depth = [0] * (2 * leaves - 1)
    for node in reversed(range(2 * leaves - 2)):  # a parent comes after its children; the root is last
        depth[node] = depth[parent[node]] + 1
    lengths = np.zeros(len(counts), np.int64)
    lengths[symbols] = np.maximum(depth[:leaves], 1)
    return lengths


def huffman_table_bits(lengths: NDArray[np.integer]) -> int:
    """Return the bits that a plain code table takes: every symbol's length, each in as many bits as the longest needs.

    Parameters
    ----------
    lengths : ndarray of int (symbols,)
        Of `huffman_lengths`; they say all about a canonical code.

    Returns
    -------
    int
        ``symbols (floor(log2(max length)) + 1)``.

    Examples
    --------
    >>> huffman_table_bits(np.array([1, 3, 0, 3, 2]))
    10
    """
    return len(lengths) * int(lengths.max()).bit_length()


def subbit_bops(out_channels: int, in_channels: int, output_size: Pair, codebook_bits: int) -> int:
    """Return the BOPs of a 3x3 layer whose kernels are 2^b patterns, each applied to an input channel once.

    Parameters
    ----------
    out_channels, in_channels : int
    output_size : (int, int)
        Height H and width W of the output.
    codebook_bits : int
        b, from 0 to 9.

    Returns
    -------
    int
        ``H W c_in (9 2^b + c_out / 2)`` if ``2^b < c_out``, else the dense ``H W c_in 9 c_out``. Half an operation is
        rounded up.

    Notes
    -----
    As sub-bit networks (arXiv 2110.09195) are accounted for: 1.676, 0.884, 0.501 and 0.297 G for the 3x3 layers of
    ImageNet ResNet-18 with b = 9, 6, 5, 4. For 2^b just below c_out, the formula gives more than dense.

    Examples
    --------
    >>> subbit_bops(64, 64, (56, 56), 9), subbit_bops(64, 64, (56, 56), 4)
    (115605504, 35323904)
    """
    each = in_channels * math.prod(output_size)
    if 2**codebook_bits >= out_channels:
        return each * 9 * out_channels
    return (each * (18 * 2**codebook_bits + out_channels) + 1) // 2


def layer_cost(bits: NDArray[np.bool_], output_size: Pair) -> Cost:
    """Return what a binary convolution holds and costs for one image, under every accounting.

    Parameters
    ----------
    bits : ndarray of bool (out, in, kernel height, kernel width)
        Not empty.
    output_size : (int, int)
        Height and width of the output.

    Returns
    -------
    Cost

    Notes
    -----
    O(out·in·kh·kw) time.

    Examples
    --------
    >>> cost = layer_cost(np.arange(144).reshape(2, 8, 3, 3) % 8 == 0, (4, 4))
    >>> cost.ones, cost.density, cost.zero_kernels
    (18, 0.125, 0)
    >>> cost.bits
    Bits(fp32=4608, raw=144, packed=1152, entropy=78.27..., huffman=48, huffman_table=1024)
    >>> cost.bops
    BOPs(dense=2304, sparse=560, kernel_skip=2304, subbit=2304)
    """
    out, channels, kh, kw = bits.shape
    n, area, pixels = bits.size, kh * kw, math.prod(output_size)
    held = np.count_nonzero(bits, axis=(2, 3))  # (out, in): the ones of each kernel
    each = held.sum(axis=1)  # (out,): the ones of each filter
    ones, zero_kernels = int(held.sum()), int(np.count_nonzero(held == 0))
    patterns = huffman = table = subbit = None
    if (kh, kw) == (3, 3):
        patterns = pattern_histogram(bits)
        lengths = huffman_lengths(patterns)
        huffman, table = int(patterns @ lengths), huffman_table_bits(lengths)
        subbit = subbit_bops(out, channels, output_size, codebook_bits(patterns))
    packed = 64 * out * area * math.ceil(channels / 64)
    sparse, kernel_skip = (ones + channels + area) * pixels, (held.size - zero_kernels) * area * pixels
    return Cost(
        n, held.size, out, ones, zero_kernels, int(np.count_nonzero(held == area)),
        int(np.count_nonzero(each == 0)), int(np.count_nonzero(each == channels * area)), patterns,
        bits=Bits(32 * n, n, packed, n * entropy(np.array([ones, n - ones])), huffman, table),
        bops=BOPs(n * pixels, sparse, kernel_skip, subbit),
    )  # fmt: skip
