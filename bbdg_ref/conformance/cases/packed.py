"""Cases of packing and of the binary convolution on counts of bits."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec import packing
from ...spec.conv2d import conv2d
from ...spec.estimators import sign
from ...spec.popcount_conv import binary_counts, popcount_conv2d
from ..registry import Expected, case
from .bounds import of_steps
from .drawn import bell, chosen, integers

__all__: list[str] = []  # the cases are reached through the registry

Bits = npt.NDArray[np.bool_]
Floats = npt.NDArray[Any]
Pair = tuple[int, int]


def _pack(bits: Bits) -> Expected:
    return Expected({"bits": bits}, {"words": packing.pack_bits(bits)})


def _unpack(bits: Bits) -> Expected:
    count = bits.shape[-1]
    words = packing.pack_bits(bits)
    return Expected({"words": words, "count": count}, {"bits": packing.unpack_bits(words, count)})


def _kernels(bits: Bits) -> Expected:
    return Expected({"bits": bits}, {"words": packing.pack_kernels(bits)})


@case("pack_bits", "tail_bits")
def pack_bits_width_1() -> Expected:
    """One bit: it is bit 0 of the word, and 63 tail bits are 0."""
    return _pack(np.array([True]))


@case("pack_bits", "bit_order", "tail_bits")
def pack_bits_width_3() -> Expected:
    """Three bits, 1 0 0: element 0 is the lowest bit."""
    return _pack(np.array([True, False, False]))


@case("pack_bits", "bit_order", "sign_of_words")
def pack_bits_byte_ff() -> Expected:
    """Eight ones, eight zeros, eight ones and one more: bytes of 0xFF, 0 and 0xFF from the lowest up."""
    return _pack(np.array([True] * 8 + [False] * 8 + [True] * 9))


@case("pack_bits", "bit_order")
def pack_bits_one_at_a_time() -> Expected:
    """64 rows, in each a single bit at another place: all powers of two."""
    return _pack(np.eye(64, dtype=bool))


@case("pack_bits", "word_boundary", "tail_bits")
def pack_bits_width_63() -> Expected:
    """63 ones: bit 63 stays 0."""
    return _pack(np.ones(63, bool))


@case("pack_bits", "word_boundary", "sign_of_words")
def pack_bits_width_64() -> Expected:
    """64 ones fill one word, and there is no second; beside it a row with element 63 alone."""
    return _pack(np.stack([np.ones(64, bool), np.arange(64) == 63]))


@case("pack_bits", "word_boundary", "tail_bits")
def pack_bits_width_65() -> Expected:
    """65 ones: the last is bit 0 of the second word."""
    return _pack(np.ones((2, 65), bool))


@case("pack_bits", "word_boundary", "generic")
def pack_bits_width_128() -> Expected:
    """Two full words of drawn bits."""
    return _pack(chosen(301, (3, 128)))


@case("pack_bits", "word_boundary", "tail_bits", "generic")
def pack_bits_width_130() -> Expected:
    """Two full words and two bits, in rows of an array of three axes."""
    return _pack(chosen(302, (2, 2, 130)))


@case("unpack_bits", "tail_bits", "bit_order")
def unpack_bits_width_3() -> Expected:
    """Three bits of 1 0 0."""
    return _unpack(np.array([True, False, False]))


@case("unpack_bits", "sign_of_words", "word_boundary")
def unpack_bits_width_64() -> Expected:
    """Element 63 is the highest bit: an arithmetic shift would fill the word."""
    return _unpack(np.stack([np.arange(64) == 63, np.ones(64, bool)]))


@case("unpack_bits", "word_boundary", "generic")
def unpack_bits_width_130() -> Expected:
    """Two full words and two bits."""
    return _unpack(chosen(303, (2, 130)))


@case("unpack_bits", "tail_bits")
def unpack_bits_ignores_the_tail() -> Expected:
    """All 64 bits of the word are set, but only five are asked for."""
    words = np.array([2**64 - 1], np.uint64)
    return Expected({"words": words, "count": 5}, {"bits": packing.unpack_bits(words, 5)})


@case("pack_kernels", "packed_axis", "tail_bits")
def pack_kernels_three_channels() -> Expected:
    """Three input channels: one word for each tap, of three bits, rows of taps before columns."""
    return _kernels(chosen(304, (2, 3, 2, 3)))


@case("pack_kernels", "packed_axis", "word_boundary")
def pack_kernels_65_channels() -> Expected:
    """65 input channels: two words for each tap, one after the other."""
    return _kernels(chosen(305, (2, 65, 1, 3)))


@case("pack_kernels", "packed_axis", "bit_order")
def pack_kernels_64_channels() -> Expected:
    """64 input channels of a 1 x 1 kernel: a word for each output channel."""
    return _kernels(chosen(306, (3, 64, 1, 1)))


# --- convolution ---


def _geometry(stride: Pair, padding: Pair) -> dict[str, Any]:
    return {"stride": np.array(stride), "padding": np.array(padding)}


def _counts(u: Bits, bits: Bits, stride: Pair = (1, 1), padding: Pair = (0, 0)) -> Expected:
    made = binary_counts(u, bits, stride=stride, padding=padding)
    inputs = {"u": u, "bits": bits, **_geometry(stride, padding)}
    return Expected(inputs, {"ones": made.ones, "total": made.total})


def _conv(
    x: Floats, bits: Bits, alpha: Any, beta: Any, stride: Pair = (1, 1), padding: Pair = (0, 0), *, real: bool = False
) -> Expected:
    low, high = (np.broadcast_to(np.asarray(level, np.float64), len(bits)).copy() for level in (alpha, beta))
    y = popcount_conv2d(x, bits, low, high, stride=stride, padding=padding)
    inputs = {"x": x, "bits": bits, "alpha": low, "beta": high, **_geometry(stride, padding)}
    # In float64 another order is off by far less than one unit of float32, which the rounding can make one.
    return Expected(inputs, {"y": y}, {"y": of_steps(1)} if real else {})


def _shared(x: Floats, bits: Bits, alpha: float, beta: float, stride: Pair, padding: Pair) -> Expected:
    where = {"stride": stride, "padding": padding}
    made = binary_counts(x > 0, bits, **where)
    y = conv2d(sign(x).astype(np.float64), np.where(bits, beta, alpha), **where)
    # The identity that this stage is about; alpha and beta are such that nothing is rounded.
    assert np.array_equal(y, (beta - alpha) * made.ones + alpha * made.total)
    low, high = (np.full(len(bits), level) for level in (alpha, beta))
    inputs = {"x": x, "bits": bits, "alpha": low, "beta": high, **_geometry(stride, padding)}
    return Expected(inputs, {"ones": made.ones, "total": made.total, "y": y})


@case("binary_counts", "count_to_sum", "border")
def binary_counts_one_row() -> Expected:
    """Activations +1, -1, +1 and a 1 x 2 kernel of ones, padded: sums of signs, with nothing at the border."""
    u = np.array([[[[True, False, True]]]])
    return _counts(u, np.ones((1, 1, 1, 2), bool), padding=(0, 1))


@case("binary_counts", "border_count", "border")
def binary_counts_all_minus() -> Expected:
    """All activations -1: every output is minus the number of valid taps, which is smaller at the border."""
    return _counts(np.zeros((1, 1, 4, 4), bool), np.ones((1, 1, 3, 3), bool), padding=(1, 1))


@case("binary_counts", "tail_bits", "odd_channels")
def binary_counts_all_minus_3_channels() -> Expected:
    """Three channels of -1: inverted tail bits would count as 61 channels of +1."""
    return _counts(np.zeros((1, 3, 2, 2), bool), np.ones((2, 3, 1, 1), bool))


@case("binary_counts", "missing_class", "shared_term")
def binary_counts_no_ones() -> Expected:
    """No weight has bit 1: `ones` is 0 everywhere, `total` is not."""
    return _counts(chosen(311, (1, 5, 3, 3)), np.zeros((2, 5, 3, 3), bool), padding=(1, 1))


@case("binary_counts", "odd_channels", "word_boundary", "border_count")
def binary_counts_63_channels() -> Expected:
    """63 input channels, 3 x 3, padding 1."""
    return _counts(chosen(312, (1, 63, 3, 4)), chosen(313, (2, 63, 3, 3), 0.3), padding=(1, 1))


@case("binary_counts", "odd_channels", "word_boundary", "batch")
def binary_counts_65_channels() -> Expected:
    """65 input channels, two images, three output channels."""
    return _counts(chosen(314, (2, 65, 3, 3)), chosen(315, (3, 65, 3, 3), 0.3), padding=(1, 1))


@case("binary_counts", "word_boundary")
def binary_counts_128_channels() -> Expected:
    """Two full words of channels; a 1 x 1 kernel of many ones."""
    return _counts(chosen(316, (1, 128, 2, 2)), chosen(317, (3, 128, 1, 1), 0.9))


@case("binary_counts", "stride", "border_count", "unreached")
def binary_counts_stride_2() -> Expected:
    """Stride 2, padding 1 on an even map: the border counts on two sides only."""
    return _counts(chosen(318, (1, 7, 6, 6)), chosen(319, (2, 7, 3, 3)), (2, 2), (1, 1))


@case("binary_counts", "asymmetric", "border_count")
def binary_counts_asymmetric() -> Expected:
    """Kernel 2 x 3, stride 2 and 1, padding 0 and 2."""
    return _counts(chosen(320, (2, 5, 5, 4)), chosen(321, (3, 5, 2, 3)), (2, 1), (0, 2))


@case("binary_counts", "large_kernel", "border_count")
def binary_counts_seven_by_seven() -> Expected:
    """A 7 x 7 kernel on a 3 x 3 map with padding 3."""
    return _counts(chosen(322, (1, 3, 3, 3)), chosen(323, (2, 3, 7, 7)), (1, 1), (3, 3))


@case("popcount_conv2d", "alpha_beta_swapped", "shared_term", "zero")
def popcount_conv2d_one_row() -> Expected:
    """Activations +1, -1, -1 (from 0) and weights {-1, 3}."""
    x = np.array([[[[0.5, -0.1, 0.0]]]], np.float32)
    return _conv(x, np.array([[[[True, False]]]]), -1.0, 3.0)


@case("popcount_conv2d", "zero", "negative_zero", "subnormal")
def popcount_conv2d_zeros() -> Expected:
    """Inputs of both zeros are -1, the smallest subnormal number is +1."""
    x = np.array([0.0, -0.0, 2.0**-149, -(2.0**-149)], np.float32).reshape(1, 1, 2, 2)
    return _conv(x, np.ones((1, 1, 1, 1), bool), -0.5, 1.0)


@case("popcount_conv2d", "alpha_above_beta")
def popcount_conv2d_alpha_above_beta() -> Expected:
    """{3/2, -1/4}: bit 1 has the smaller value."""
    return _conv(integers(324, (1, 3, 4, 4), -2, 2), chosen(325, (2, 3, 3, 3)), 1.5, -0.25, padding=(1, 1))


@case("popcount_conv2d", "constant", "shared_term")
def popcount_conv2d_equal_levels() -> Expected:
    """alpha = beta: the bits do not matter, the shared term is all."""
    return _conv(integers(326, (1, 3, 3, 3), -2, 2), chosen(327, (2, 3, 3, 3)), 0.75, 0.75, padding=(1, 1))


@case("popcount_conv2d", "per_channel")
def popcount_conv2d_per_channel() -> Expected:
    """A domain for each of three output channels, on maps of three rows and columns."""
    levels = np.array([-1.0, -0.5, 0.25]), np.array([1.0, 0.25, 2.0])
    return _conv(integers(328, (3, 3, 3, 3), -2, 2), chosen(329, (3, 3, 3, 3)), *levels, padding=(1, 1))


@case("popcount_conv2d", "border", "border_count", "shared_term")
def popcount_conv2d_border() -> Expected:
    """{0.25, 1} with padding: a border that counted as -1 would add alpha times the missing taps."""
    return _conv(integers(330, (1, 2, 4, 4), -2, 2), chosen(331, (2, 2, 3, 3)), 0.25, 1.0, padding=(1, 1))


@case("popcount_conv2d", "level_precision", "offset_cancellation")
def popcount_conv2d_common_offset() -> Expected:
    """{2^26, 2^26 + 1/2}: rounded to float32 the two values are the same."""
    x, bits = integers(332, (1, 4, 3, 3), -2, 2), chosen(333, (3, 4, 1, 1))
    return _conv(x, bits, 2.0**26, 2.0**26 + 0.5)


@case("popcount_conv2d", "odd_channels", "stride", "generic")
def popcount_conv2d_layer() -> Expected:
    """67 channels, stride 2, the domain {-0.0123, 0.0871} and 10 % ones."""
    x, bits = bell(334, (1, 67, 5, 5)), chosen(335, (3, 67, 3, 3), 0.1)
    return _conv(x, bits, -0.0123, 0.0871, (2, 2), (1, 1), real=True)


@case("shared_map", "shared_term", "border", "border_count")
def shared_map_border() -> Expected:
    """Padding 1, {-1/4, 5/4}: the real convolution and the two counts agree at the border too."""
    return _shared(integers(336, (2, 3, 4, 5), -2, 2), chosen(337, (2, 3, 3, 3), 0.3), -0.25, 1.25, (1, 1), (1, 1))


@case("shared_map", "shared_term", "asymmetric", "stride")
def shared_map_asymmetric() -> Expected:
    """Kernel 2 x 3, stride 2 and 1, padding 1 and 2, alpha above beta."""
    return _shared(integers(338, (1, 5, 5, 4), -2, 2), chosen(339, (3, 5, 2, 3)), 0.5, -2.0, (2, 1), (1, 2))


@case("shared_map", "large_kernel", "border", "zero")
def shared_map_five_by_five() -> Expected:
    """A 5 x 5 kernel on a 3 x 3 map of which a third is 0."""
    return _shared(integers(340, (1, 2, 3, 3), -1, 1), chosen(341, (1, 2, 5, 5)), -1.0, 1.0, (1, 1), (2, 2))
