import dataclasses

import hypothesis.strategies as st
import numpy as np
import oracles.cost as oracle
import pytest
from hypothesis import event, given

from bbdg_ref import cost as public
from bbdg_ref.cost import Bits, BOPs, Cost, huffman_lengths, layer_cost, pattern_histogram, subbit_bops, total_cost
from bbdg_ref.spec import cost as spec

KERNELS = st.sampled_from([(3, 3), (1, 1), (5, 3)])


@st.composite
def layers(draw):
    shape = (draw(st.integers(1, 4)), draw(st.sampled_from([1, 3, 64, 65])), *draw(KERNELS))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.random(shape) < draw(st.sampled_from([0.0, 0.05, 0.5, 1.0]))


SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


def same(first: Cost, second: Cost) -> None:
    one, other = vars(first), vars(second)
    assert one.keys() == other.keys()
    for key in one:
        assert type(one[key]) is type(other[key]), key
        assert np.array_equal(one[key], other[key]) if key == "patterns" else one[key] == other[key], key


@given(layers(), SIZES)
def test_layer_cost_is_the_definition(bits, size):
    same(layer_cost(bits, size), spec.layer_cost(bits, size))


@pytest.mark.parametrize("convert", [np.ndarray.tolist, lambda b: b.astype(np.uint8), lambda b: b.astype(np.int64)])
def test_bits_may_come_as_lists_and_integers(convert):
    bits = np.arange(54).reshape(2, 3, 3, 3) % 5 == 0
    same(layer_cost(convert(bits), (4, 4)), spec.layer_cost(bits, (4, 4)))
    assert np.array_equal(pattern_histogram(convert(bits)), spec.pattern_histogram(bits))


def test_the_bits_are_not_changed():
    bits = np.ones((2, 3, 3, 3), bool)
    bits.flags.writeable = False
    layer_cost(bits, (2, 2))
    assert bits.all()


def test_results_are_plain_and_frozen():
    cost = layer_cost(np.ones((2, 3, 3, 3), bool), (np.int64(2), np.int64(2)))
    numbers = [*dataclasses.astuple(cost.bits), *dataclasses.astuple(cost.bops), cost.ones, cost.one_filters]
    assert {type(number) for number in numbers} == {int, float}
    with pytest.raises(dataclasses.FrozenInstanceError):
        cost.ones = 3  # type: ignore[misc]


@given(st.lists(st.tuples(layers(), SIZES), min_size=1, max_size=4))
def test_total_is_the_sum_of_the_layers(items):
    costs = [layer_cost(bits, size) for bits, size in items]
    total = total_cost(iter(costs))
    for key in ("weights", "kernels", "filters", "ones"):
        assert getattr(total, key) == sum(getattr(cost, key) for cost in costs)
    for key in ("zero_kernels", "one_kernels", "zero_filters", "one_filters"):
        assert getattr(total, key) == sum(getattr(cost, key) for cost in costs)
    whole = all(bits.shape[2:] == (3, 3) for bits, _ in items)
    event("3x3 only" if whole else "other kernels")
    for kind, fields in (("bits", dataclasses.fields(Bits)), ("bops", dataclasses.fields(BOPs))):
        for field in fields:
            each = [getattr(getattr(cost, kind), field.name) for cost in costs]
            found = getattr(getattr(total, kind), field.name)
            assert found == (None if None in each else sum(each)), field.name
    if whole:
        assert total.patterns is not None and total.patterns.dtype == np.int64
        assert np.array_equal(total.patterns, sum(spec.pattern_histogram(bits) for bits, _ in items))
    else:
        assert total.patterns is None and total.pattern_entropy is None


def test_the_total_keeps_each_layer_s_own_density_and_code():
    """A layer without ones and a layer of ones have no entropy, though half of all bits are ones."""
    zeros, ones = (layer_cost(np.full((4, 4, 3, 3), value), (1, 1)) for value in (False, True))
    total = total_cost([zeros, ones])
    assert (total.density, total.bits.entropy, total.bits.huffman, total.pattern_entropy) == (0.5, 0.0, 32, 1.0)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=50).filter(any))
def test_huffman_lengths_are_the_definition(counts):
    assert np.array_equal(huffman_lengths(counts), spec.huffman_lengths(np.array(counts)))
    assert np.array_equal(huffman_lengths(np.array(counts, np.uint16)), spec.huffman_lengths(np.array(counts)))


def test_huffman_of_counts_near_the_end_of_int64():
    counts = [2**62, 2**62 - 1, 1, 2**61]
    assert sum(n * int(length) for n, length in zip(counts, huffman_lengths(counts), strict=True)) == (
        oracle.huffman_total(counts)
    )


@pytest.mark.parametrize("b", range(10))
def test_subbit_bops_is_the_definition(b):
    assert subbit_bops(300, 7, (3, 5), b) == spec.subbit_bops(300, 7, (3, 5), b)


GOOD = np.ones((2, 3, 3, 3), bool)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: layer_cost(GOOD[0], (1, 1)), ValueError, "layer_cost: bits must be .* got shape (3, 3, 3)"),
        (lambda: layer_cost(GOOD[:0], (1, 1)), ValueError, "got shape (0, 3, 3, 3)"),
        (lambda: layer_cost([[[[True], [True, False]]]], (1, 1)), TypeError, "got a ragged sequence"),
        (lambda: layer_cost(GOOD * 0.5, (1, 1)), TypeError, "got dtype float64"),
        (lambda: layer_cost(GOOD * 2, (1, 1)), ValueError, "first bad value 2 at index (0, 0, 0, 0)"),
        (lambda: layer_cost(GOOD, 4), TypeError, "layer_cost: output_size must be a pair of integers; got 4"),
        (lambda: layer_cost(GOOD, (4, 4, 4)), TypeError, "output_size must be a pair"),
        (lambda: layer_cost(GOOD, (4, 0)), ValueError, "output_size must be an integer of at least 1; got 0"),
        (lambda: layer_cost(GOOD, (4.0, 4)), TypeError, "got float 4.0"),
        (lambda: pattern_histogram(GOOD[..., :2]), ValueError, "pattern_histogram: bits must be 3x3 kernels"),
        (lambda: pattern_histogram(5), ValueError, "got shape ()"),
        (lambda: huffman_lengths([0.5, 0.5]), TypeError, "got dtype float64; pass counts"),
        (lambda: huffman_lengths([0, 0]), ValueError, "got zeros only"),
        (lambda: huffman_lengths([[1, 2]]), ValueError, "got shape (1, 2)"),
        (lambda: huffman_lengths([1, -2, 3]), ValueError, "first bad value -2 at index 1"),
        (lambda: huffman_lengths([]), ValueError, "an empty array"),
        (lambda: subbit_bops(0, 1, (1, 1), 4), ValueError, "out_channels must be"),
        (lambda: subbit_bops(1, True, (1, 1), 4), TypeError, "in_channels must be"),
        (lambda: subbit_bops(1, 1, "ab", 4), TypeError, "output_size must be"),
        (lambda: subbit_bops(1, 1, (1, 1), 10), ValueError, "codebook_bits must be an integer from 0 to 9; got 10"),
        (lambda: total_cost([]), ValueError, "total_cost: costs must be at least one Cost; got none"),
        (lambda: total_cost([GOOD]), TypeError, "total_cost: costs must be Cost objects; got ndarray"),
    ],
)
def test_bad_arguments_are_refused_by_name(call, kind, text):
    first, _, last = text.partition(" .* ")
    with pytest.raises(kind) as caught:
        call()
    assert first in str(caught.value) and last in str(caught.value)


def test_the_module_offers_the_value_types():
    assert (public.Cost, public.Bits, public.BOPs) == (spec.Cost, spec.Bits, spec.BOPs)
