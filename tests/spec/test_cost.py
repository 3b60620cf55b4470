import dataclasses

import hypothesis.strategies as st
import numpy as np
import oracles.cost as oracle
import pytest
from hypothesis import event, example, given, target
from hypothesis.extra.numpy import arrays

from bbdg_ref.spec.cost import (
    codebook_bits,
    entropy,
    huffman_lengths,
    huffman_table_bits,
    kernel_codes,
    layer_cost,
    pattern_histogram,
    subbit_bops,
)

COUNTS = st.lists(st.integers(0, 60) | st.sampled_from([2**k for k in range(40)]), min_size=1, max_size=40).filter(any)


@st.composite
def layers(draw, kernel=None):
    """Bits (out, in, kh, kw) of any density, constant kernels and filters among them."""
    kh, kw = kernel or draw(st.sampled_from([(3, 3), (3, 3), (1, 1), (1, 3), (2, 5), (5, 5)]))
    out, channels = draw(st.integers(1, 5)), draw(st.sampled_from([1, 2, 3, 7]) | st.sampled_from([63, 64, 65, 129]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bits = rng.random((out, channels, kh, kw)) < draw(st.sampled_from([0.0, 0.01, 0.05, 0.5, 0.95, 1.0]))
    for value in (False, True):
        if draw(st.booleans()):
            bits[draw(st.integers(0, out - 1))] = value
        if draw(st.booleans()):
            bits[draw(st.integers(0, out - 1)), draw(st.integers(0, channels - 1))] = value
    return bits


@given(layers(kernel=(3, 3)))
def test_histogram_against_digits(bits):
    found = oracle.patterns(bits)
    event(f"patterns: {'1' if len(found) == 1 else 'few' if len(found) < 9 else 'many'}")
    histogram = pattern_histogram(bits)
    assert histogram.shape == (512,)
    assert {int(code): int(histogram[code]) for code in np.flatnonzero(histogram)} == found
    assert 2 ** codebook_bits(histogram) >= len(found) > 2 ** (codebook_bits(histogram) - 1)


def test_codes_of_all_512_patterns():
    digits = np.arange(512)[:, None] >> np.arange(9) & 1
    kernels = (digits == 1).reshape(2, 256, 3, 3)
    assert np.array_equal(kernel_codes(kernels), np.arange(512).reshape(2, 256))
    assert np.array_equal(pattern_histogram(kernels), np.ones(512))
    assert codebook_bits(pattern_histogram(kernels)) == 9


@pytest.mark.parametrize(("i", "j"), [divmod(place, 3) for place in range(9)])
def test_each_bit_has_its_place_in_the_code(i, j):
    bits = np.zeros((1, 1, 3, 3), bool)
    bits[0, 0, i, j] = True
    assert kernel_codes(bits)[0, 0] == 2 ** (3 * i + j)


@given(COUNTS)
def test_entropy(counts):
    found = entropy(np.array(counts))
    assert found == pytest.approx(oracle.entropy(counts), abs=1e-12 * (1 + max(counts).bit_length()))
    assert 0 <= found <= np.log2(len(counts)) + 1e-12


@pytest.mark.parametrize(
    ("counts", "bits"), [([1, 1], 1.0), ([3, 3, 3, 3], 2.0), ([5], 0.0), ([0, 7], 0.0), ([2, 1, 0, 1], 1.5)]
)
def test_entropy_of_known_distributions(counts, bits):
    found = entropy(np.array(counts))
    assert found == bits and not np.signbit(found)


@given(COUNTS)
@example([1, 1, 2, 3, 5, 8, 13, 21, 34, 55])  # the deepest tree
@example([4] * 8)
@example([0, 3, 0])
def test_huffman_lengths_are_an_optimal_complete_prefix_code(counts):
    lengths = huffman_lengths(np.array(counts))
    used = [n for n in counts if n]
    total = sum(n * int(length) for n, length in zip(counts, lengths, strict=True))
    event(f"symbols: {min(len(used), 3)}")
    target(float(lengths.max()))
    assert [length > 0 for length in lengths] == [n > 0 for n in counts]
    assert total == oracle.huffman_total(counts)
    kraft = sum(2 ** (64 - int(length)) for length in lengths if length)
    assert kraft == (2**64 if len(used) > 1 else 2**63)
    bound = oracle.entropy(counts) * sum(used)
    assert bound * (1 - 1e-12) - 1e-9 <= total <= bound + sum(used) + 1e-9


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any))
def test_no_prefix_code_is_shorter(counts):
    lengths = huffman_lengths(np.array(counts))
    assert np.array(counts) @ lengths == oracle.best_prefix_total(counts)


@given(COUNTS)
def test_more_frequent_symbols_have_no_longer_words(counts):
    lengths = huffman_lengths(np.array(counts))
    pairs = sorted((-n, int(length)) for n, length in zip(counts, lengths, strict=True) if n)
    assert [length for _, length in pairs] == sorted(length for _, length in pairs)


def test_ties_are_broken_for_the_least_greatest_length():
    """Both {1, 2, 3, 3} and {2, 2, 2, 2} are optimal here; which symbol gets which length is fixed as well."""
    assert huffman_lengths(np.array([2, 1, 1, 2])).tolist() == [2, 2, 2, 2]
    assert huffman_lengths(np.array([1, 1, 1])).tolist() == [2, 2, 1]


@pytest.mark.parametrize(("longest", "width"), [(1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (15, 4)])
def test_the_code_table_spends_what_the_longest_length_needs(longest, width):
    assert huffman_table_bits(np.array([0, 1, longest])) == 3 * width


@given(layers(), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_layer_cost_against_counting(bits, size):
    cost = layer_cost(bits, size)
    out, channels, kh, kw = bits.shape
    ones = sum(bool(bit) for bit in bits.flat)
    event(f"{kh}x{kw}, {'no ones' if ones == 0 else 'all ones' if ones == bits.size else 'mixed'}")
    assert (cost.weights, cost.kernels, cost.filters, cost.ones) == (bits.size, out * channels, out, ones)
    assert cost.zero_kernels == sum(not bits[o, c].any() for o in range(out) for c in range(channels))
    assert cost.one_kernels == sum(bool(bits[o, c].all()) for o in range(out) for c in range(channels))
    assert cost.zero_filters == sum(not bits[o].any() for o in range(out))
    assert cost.one_filters == sum(bool(bits[o].all()) for o in range(out))
    assert cost.density == ones / bits.size

    assert (cost.bits.fp32, cost.bits.raw) == (32 * bits.size, bits.size)
    assert cost.bits.packed == 64 * oracle.packed_words(*bits.shape)
    assert cost.bits.entropy == pytest.approx(bits.size * oracle.entropy([ones, bits.size - ones]), rel=1e-11, abs=1e-9)

    counted = dataclasses.asdict(cost.bops)
    subbit = counted.pop("subbit")
    assert counted == oracle.bops(bits, size)
    if (kh, kw) == (3, 3):
        assert cost.patterns is not None and int(cost.patterns.sum()) == cost.kernels
        assert cost.bits.huffman == oracle.huffman_total(cost.patterns)
        assert cost.pattern_entropy == pytest.approx(oracle.entropy(cost.patterns), abs=1e-11)
        exact = oracle.subbit(out, channels, size, codebook_bits(cost.patterns))
        assert subbit - exact in (0, 0.5)
    else:
        found = (cost.patterns, cost.pattern_entropy, subbit, cost.bits.huffman, cost.bits.huffman_table)
        assert found == (None,) * 5


@given(arrays(np.bool_, (3, 70, 3, 3)))
def test_costs_do_not_depend_on_the_order_of_the_kernels(bits):
    first, second = layer_cost(bits, (4, 5)), layer_cost(bits[::-1, ::-1], (4, 5))
    assert (first.bits, first.bops, first.zero_kernels) == (second.bits, second.bops, second.zero_kernels)


def test_kinds_of_one_layer_by_hand():
    bits = np.zeros((3, 2, 3, 3), bool)
    bits[1] = True
    bits[2, 0, 0, 0] = True
    cost = layer_cost(bits, (2, 5))
    assert (cost.ones, cost.zero_kernels, cost.one_kernels, cost.zero_filters, cost.one_filters) == (19, 3, 2, 1, 1)
    assert (cost.bits.packed, cost.bits.huffman, cost.bits.huffman_table) == (64 * 27, 3 * 1 + 2 * 2 + 1 * 2, 1024)
    # three patterns, so b = 2, and 2^2 >= 3 filters: dense
    assert dataclasses.astuple(cost.bops) == (540, (19 + 2 + 9) * 10, 3 * 9 * 10, 540)


def test_one_pattern_takes_one_bit_a_kernel():
    cost = layer_cost(np.zeros((4, 6, 3, 3), bool), (1, 1))
    assert (cost.bits.huffman, cost.bits.entropy, cost.pattern_entropy, cost.bops.kernel_skip) == (24, 0.0, 0.0, 0)


@given(st.integers(1, 600), st.integers(1, 600), st.tuples(st.integers(1, 60), st.integers(1, 60)), st.integers(0, 9))
@example(16, 3, (1, 1), 4)  # 2^b = c_out: dense
@example(17, 3, (1, 1), 4)  # 2^b < c_out, and half an operation
def test_subbit_formula(out, channels, size, b):
    exact = oracle.subbit(out, channels, size, b)
    event("shared" if 2**b < out else "dense")
    assert subbit_bops(out, channels, size, b) - exact == exact.denominator / 2 - 0.5


@pytest.mark.parametrize(("b", "published"), [(9, 1.676), (6, 0.884), (5, 0.501), (4, 0.297)])
def test_published_figures_of_imagenet_resnet18(b, published):
    """All sixteen 3x3 layers, those with stride 2 included; stem, 1x1 shortcuts and classifier are real."""
    layers = oracle.resnet18_imagenet()
    assert len(layers) == 16
    total = sum(subbit_bops(out, channels, size, b) for out, channels, size in layers)
    assert round(total / 1e9, 3) == published


def test_dense_operations_of_imagenet_resnet18():
    """The figure for 9 bits is the dense one: 2^9 patterns are not fewer than 512 filters."""
    total = 0
    for out, channels, size in oracle.resnet18_imagenet():
        total += layer_cost(np.zeros((out, channels, 3, 3), bool), size).bops.dense
    assert total == 1_676_279_808
