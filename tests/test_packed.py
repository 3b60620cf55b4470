"""Packed layers equal the popcount definition to the last bit, and refuse what they cannot read."""

import hashlib
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import packed_cases as cases
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from layer_strategies import SEEDS
from packed_cases import Case, check_counts, check_floats, check_linear, conv_cases, same_floats

from bbdg_ref import ops
from bbdg_ref.packed import PackedActivations, PackedConv, PackedLinear, packed_conv2d, packed_linear
from bbdg_ref.spec.domain import Domain
from bbdg_ref.spec.packing import pack_bits, pack_kernels
from bbdg_ref.spec.popcount_conv import popcount_conv2d, popcount_linear


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return rng(seed).standard_normal(shape).astype(np.float32)


def layer(*shape: int, density: float = 0.3, domain: Domain | None = None, seed: int = 1) -> PackedConv:
    return PackedConv.from_bits(rng(seed).random(shape) < density, domain or Domain(0.1, 0.3))


# ------------------------------------------------------------------------------------------------------ equality


@settings(max_examples=2 * settings().max_examples)
@given(conv_cases())
def test_counts_are_exact(case):
    check_counts(case)


@settings(max_examples=2 * settings().max_examples)
@given(cases.with_domains(conv_cases()))
def test_floats_are_those_of_the_definition(case):
    check_floats(*case)


@given(cases.linear_cases())
def test_linear_floats_are_those_of_the_definition(case):
    check_linear(*case)


@given(conv_cases(largest=200_000))
@settings(max_examples=settings().max_examples // 2)
def test_one_layer_serves_calls_of_any_shapes_in_turn(case):
    cases.check_calls(case)


@given(conv_cases(strides=st.just(2), sides=st.sampled_from([8, 16, 32, 4, 12, 24, 64]), largest=1_000_000))
@settings(max_examples=settings().max_examples // 2)
def test_every_second_pixel_of_images_of_any_width(case):
    check_floats(case, Domain(0.1, 0.3))


@pytest.mark.parametrize("way", cases.WAYS[1:])
@pytest.mark.parametrize("channels", range(1, 131))
def test_every_number_of_channels(channels, way):
    x, bits = normal(2, channels, 5, 3, seed=channels), rng(channels).random((9, channels, 3, 2)) < 0.5
    check_counts(Case(x, bits, 1, 1, way))


@pytest.mark.parametrize("kernel", range(1, 8))
@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("kind", ["positive", "negative"])
@pytest.mark.parametrize("way", cases.WAYS[1:])
def test_every_bit_the_same(kernel, weights, kind, way):
    x = cases.activations(rng(), (3, 65, 8, 9), kind)
    check_counts(Case(x, np.full((2, 65, kernel, kernel), weights), 1, kernel // 2, way))


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 8, 9, 31, 32, 33, 63, 64, 65, 100])
@pytest.mark.parametrize(("height", "width"), [(4, 4), (7, 7), (8, 8), (5, 16)])
@pytest.mark.parametrize("way", cases.WAYS[1:])
def test_batches_that_fill_blocks_and_chunks_or_do_not(batch, height, width, way):
    check_counts(Case(normal(batch, 3, height, width), rng(1).random((9, 3, 3, 3)) < 0.5, 1, 1, way))


@pytest.mark.parametrize("size", [(64, 64), (67, 65), (130, 33)])
@pytest.mark.parametrize("stride", [1, 2, (3, 1)])
@pytest.mark.parametrize("way", cases.WAYS[1:])
def test_an_image_of_many_blocks(size, stride, way):
    check_floats(Case(normal(3, 5, *size), rng(1).random((10, 5, 3, 3)) < 0.4, stride, 1, way), Domain(0.1, 0.3))


ONES = [0, 1, 15, 16, 17, 239, 240, 241, 255, 256, 257, 479, 480, 481, 511, 512, 513, 4095, 4097]


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("batch", [1, 20])
@pytest.mark.parametrize("way", cases.WAYS[1:])
def test_lists_of_any_length(batch, zeros, way):
    """As many ones as make a step, the longest count of 8 bits, and more; with `zeros`, the complement's list."""
    bits = np.zeros((len(ONES), 8200), np.bool_)
    for row, count in zip(bits, ONES, strict=True):
        row[rng(count).permutation(8200)[:count]] = True
    bits = bits.reshape(-1, 8200, 1, 1) ^ zeros
    for kind in ("positive", "negative", "normal"):
        check_counts(Case(cases.activations(rng(2), (batch, 8200, 3, 3), kind), bits, way=way))


@pytest.mark.parametrize("shape", [(32767, 1, 1), (32768, 1, 1), (3640, 3, 3), (3641, 3, 3), (668, 7, 7), (669, 7, 7)])
@pytest.mark.parametrize("density", [0.5, 1.0])
@pytest.mark.parametrize("way", cases.WAYS[1:])
def test_counts_up_to_the_range_of_16_bits_and_beyond(shape, density, way):
    channels, kh, kw = shape
    bits = rng().random((3, channels, kh, kw)) < density
    for kind in ("positive", "negative"):
        check_counts(Case(cases.activations(rng(1), (2, channels, kh, kw), kind), bits, 1, (0, 1), way))


@pytest.mark.parametrize(
    "domain",
    [Domain(0.1, 0.3), Domain(-1.0, 1.0), Domain(3.0, -2.0), Domain(-0.0, 0.0), Domain(5e-324, 1e-310),
     Domain(np.array([0.1, 0.1, -7.0, 0.1, 1e300]), np.array([0.3, 0.7, -7.0, -1e-300, -1e300]), channel_axis=0)],
)  # fmt: skip
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("way", cases.WAYS[1:])
def test_domains(domain, padding, way):
    check_floats(Case(normal(3, 70, 6, 7), rng(3).random((5, 70, 3, 3)) < 0.5, 1, padding, way), domain)


def test_a_large_result_written_past_the_cache():
    """From a megabyte on, whole cache lines are stored past the cache; memory that does not begin at one is not."""
    x, weight = normal(2, 3, 64, 64), layer(32, 3, 3, 3)
    want = popcount_conv2d(x, weight.bits(), 0.1, 0.3, padding=1)
    assert want.nbytes >= 1 << 20
    same_floats(packed_conv2d(x, weight, padding=1), want)
    for offset in (0, 1, 3, 4, 15):
        memory = np.full(want.size + 32, 77, np.float32)
        out = memory[offset : offset + want.size].reshape(want.shape)
        packed_conv2d(x, weight, padding=1, out=out)
        same_floats(out, want)
        assert (np.delete(memory, np.s_[offset : offset + want.size]) == 77).all()


@given(conv_cases(largest=300_000), SEEDS)
def test_an_image_is_answered_alike_in_any_batch(case, seed):
    weight = PackedConv.from_bits(case.bits, Domain(0.1, 0.3))
    chosen = rng(seed).integers(0, len(case.x), rng(seed).integers(1, 2 * len(case.x) + 1))
    with cases.counting(case.way):
        whole = packed_conv2d(case.x, weight, **case.steps)
        same_floats(packed_conv2d(case.x[chosen], weight, **case.steps), whole[chosen])


# --------------------------------------------------------------------------------------------- what is accepted


@pytest.mark.parametrize(
    "values",
    [np.array([[[[0.0, -0.0, 5e-324, -5e-324, 1e-60, -1e-60, 1e300, -1e300]]]]),
     np.array([[[[0, 1, -1, 7]]]], np.int8), np.array([[[[2**63, 0]]]], np.uint64),
     np.array([[[[0.0, -0.0, 6e-8, -6e-8]]]], np.float16), [[[[1.5, 0, -3]]]],
     np.array([[[[1.0, -1.0, 0.0]]]], ">f4")],
)  # fmt: skip
def test_other_dtypes_keep_their_signs(values):
    weight = PackedConv.from_bits(np.ones((1, 1, 1, 1), bool), Domain(0.0, 1.0))
    signs = np.where(np.asarray(values) > 0, 1, -1)
    assert packed_conv2d(values, weight).tolist() == signs.tolist()
    assert packed_conv2d(PackedActivations.from_values(values), weight).tolist() == signs.tolist()
    rows = np.asarray(values).reshape(1, -1)
    identity = PackedLinear.from_bits(np.eye(rows.size, dtype=bool), Domain(0.0, 1.0))
    assert packed_linear(rows, identity).tolist() == signs.reshape(1, -1).tolist()


def test_zeros_subnormals_and_infinities():
    x = np.array(cases.CORNERS, np.float32).reshape(1, 1, 3, 4)
    weight = PackedConv.from_bits(np.ones((1, 1, 1, 1), bool), Domain(0.0, 1.0))
    assert packed_conv2d(x, weight).ravel().tolist() == [-1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1]


@pytest.mark.parametrize("way", ["planes", "columns"])
@pytest.mark.parametrize("byte", [2, 3, 255])
@pytest.mark.parametrize("density", [0.1, 0.9])
def test_bits_of_any_bytes_are_those_of_numpy(density, byte, way):
    """As `mask.view(bool)` of a mask of 0 and 255 has them."""
    bits, x, domain = rng(2).random((7, 70, 3, 3)) < density, normal(2, 70, 5, 6), Domain(-0.25, 0.5)
    other = (bits * np.uint8(byte)).view(np.bool_)
    want = popcount_conv2d(x, bits, -0.25, 0.5, padding=1)
    with cases.counting(way):
        weight = PackedConv.from_bits(other, domain)
        same_floats(packed_conv2d(x, weight, padding=1), want)
        same_floats(ops.popcount_conv2d(x, other, -0.25, 0.5, padding=1), want)
    assert np.array_equal(weight.bits().view(np.uint8), bits) and weight.density == bits.mean()
    assert np.array_equal(weight.words, pack_kernels(bits)) and weight.holds(bits)
    linear = PackedLinear.from_bits(other[:, :, 0, 0], domain)
    assert np.array_equal(linear.bits().view(np.uint8), bits[:, :, 0, 0])
    same_floats(packed_linear(x[:, :, 0, 0], linear), popcount_linear(x[:, :, 0, 0], bits[:, :, 0, 0], -0.25, 0.5))


VIEWS = {
    "reversed": lambda x: x[..., ::-1],
    "every second row": lambda x: np.repeat(x, 2, axis=2)[:, :, ::2],
    "Fortran": np.asfortranarray,
    "channels last": lambda x: x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
    "unaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape),
}


@pytest.mark.parametrize("view", VIEWS)
def test_views_are_read_and_left_as_they_are(view):
    x, weight = VIEWS[view](normal(5, 3, 7, 6)), layer(4, 3, 3, 3)
    before, flags = x.copy(), x.flags.writeable
    y = packed_conv2d(x, weight, padding=1)
    same_floats(y, popcount_conv2d(before, weight.bits(), 0.1, 0.3, padding=1))
    assert np.array_equal(x, before) and x.flags.writeable == flags
    assert np.array_equal(PackedActivations.from_values(x).bits(), before > 0)
    rows = x.reshape(5, -1)
    dense = PackedLinear.from_bits(rng(5).random((6, rows.shape[1])) < 0.5, Domain(0.1, 0.3))
    same_floats(packed_linear(rows, dense), popcount_linear(rows, dense.bits(), 0.1, 0.3))


def test_what_is_only_readable_is_read():
    x, bits = normal(2, 3, 5, 5), rng().random((4, 3, 3, 3)) < 0.5
    alpha = np.linspace(-1, 0, 4)
    domain = Domain(alpha, alpha + 1, channel_axis=0)
    x.flags.writeable = bits.flags.writeable = False
    check_floats(Case(x, bits), domain)
    packed = PackedActivations.from_values(x)
    packed.words.flags.writeable = False
    same_floats(packed_conv2d(packed, PackedConv.from_bits(bits, domain)), popcount_conv2d(x, bits, alpha, alpha + 1))


def test_inputs_are_unchanged():
    x, bits = normal(33, 5, 9, 8), rng().random((4, 5, 3, 3)) < 0.7
    before, given_bits = x.copy(), bits.copy()
    weight = PackedConv.from_bits(bits, Domain(0.1, 0.3))
    packed = PackedActivations.from_values(x)
    words = packed.words.copy()
    for given_x in (x, packed):
        packed_conv2d(given_x, weight, stride=2, padding=2)
    assert np.array_equal(x, before) and np.array_equal(bits, given_bits) and np.array_equal(packed.words, words)
    bits[...] = False  # nor do later changes reach the layer
    assert np.array_equal(weight.bits(), given_bits)
    weight.bits()[...] = False
    assert np.array_equal(weight.bits(), given_bits)


def test_numbers_of_numpy_serve_as_stride_and_padding():
    x, weight = normal(2, 3, 9, 8), layer(4, 3, 3, 3)
    want = popcount_conv2d(x, weight.bits(), 0.1, 0.3, stride=2, padding=(1, 2))
    same_floats(packed_conv2d(x, weight, stride=np.int64(2), padding=[np.uint8(1), 2]), want)


@given(conv_cases(largest=300_000), st.booleans())
@example(Case(np.ones((1, 40000, 1, 1), np.float32), np.ones((1, 40000, 1, 1), bool)), False)  # by the definition
def test_out_is_where_the_result_is_written(case, packed):
    weight = PackedConv.from_bits(case.bits, Domain(0.1, 0.3))
    x = PackedActivations.from_values(np.clip(case.x, -1, 1)) if packed else case.x
    shape = (len(case.x), len(case.bits), *case.output)
    memory = np.full(int(np.prod(shape)) + 34, 77, np.float32)
    out = memory[17:-17].reshape(shape)
    with cases.counting(case.way):
        want = packed_conv2d(x, weight, **case.steps)
        for _ in range(2):
            out[...] = 77
            assert packed_conv2d(x, weight, out=out, **case.steps) is out
            same_floats(out, want)
    assert (memory[:17] == 77).all() and (memory[-17:] == 77).all()


# ---------------------------------------------------------------------------------------------------- containers


@given(conv_cases(largest=100_000))
def test_a_layer_holds_the_interchange_words(case):
    weight = PackedConv.from_bits(case.bits, Domain(-1.0, 1.0))
    assert np.array_equal(weight.words, pack_kernels(case.bits)) and weight.words.dtype == np.uint64
    assert weight.shape == case.bits.shape and weight.in_channels == case.bits.shape[1]
    assert np.array_equal(weight.bits(), case.bits) and weight.bits().dtype == np.bool_
    assert weight.density == case.bits.mean()
    rows = case.bits.reshape(len(case.bits), -1)
    dense = PackedLinear.from_bits(rows.astype(np.int8), Domain(-1.0, 1.0))
    assert np.array_equal(dense.words, pack_bits(rows, axis=1)) and np.array_equal(dense.bits(), rows)
    assert dense.shape == rows.shape and dense.in_features == rows.shape[1] and dense.density == rows.mean()


@given(conv_cases(largest=100_000))
def test_activations_hold_a_plane_a_channel(case):
    x = np.clip(case.x, -1, 1)
    packed = PackedActivations.from_values(x)
    assert np.array_equal(packed.words, pack_bits((x > 0).reshape(*x.shape[:2], -1), axis=2))
    assert packed.shape == x.shape and np.array_equal(packed.bits(), x > 0)


def test_words_cannot_be_changed():
    weight, dense = layer(2, 3, 3, 3), PackedLinear.from_bits(np.ones((2, 3), bool), Domain(0.0, 1.0))
    for words in (weight.words, dense.words):
        with pytest.raises(ValueError, match="read-only"):
            words[...] = 0


# ------------------------------------------------------------------------------------------------------ refusals

DOMAIN = Domain(0.1, 0.3)
PER_CHANNEL = Domain(np.zeros(4), np.ones(4), channel_axis=0)
X, WEIGHT = normal(2, 3, 5, 5), layer(4, 3, 3, 3)
DENSE = PackedLinear.from_bits(np.ones((4, 3), bool), DOMAIN)


def conv(x=X, weight=WEIGHT, **others):
    return packed_conv2d(x, weight, **others)


def with_nan(*place: int) -> np.ndarray:
    x = np.ones(X.shape, np.float32)
    x[place] = np.nan
    return x


REFUSED = [
    (lambda: conv(x=normal(2, 4, 5, 5)), ValueError, "packed_conv2d: x must be of 3 channels; got 4 channels"),
    (lambda: conv(x=PackedActivations.from_values(normal(2, 2, 5, 5))), ValueError, "x must be of 3 channels; got 2"),
    (lambda: conv(x=X[0]), ValueError, r"packed_conv2d: x must be a non-empty array of shape \(batch, in, .*got shape"),
    (lambda: conv(x=X[:0]), ValueError, r"x must be a non-empty array .*\(0, 3, 5, 5\)"),
    (lambda: conv(x=X > 0), TypeError, r"packed_conv2d: x must be .* got bool \(bool\)"),
    (lambda: conv(x=X.astype(complex)), TypeError, r"packed_conv2d: x must be .* got complex"),
    (lambda: conv(x="abc"), TypeError, "packed_conv2d: x must be"),
    (lambda: conv(x=np.ma.masked_array(X, X > 0)), TypeError, "packed_conv2d: x must be .* got a masked array"),
    (lambda: conv(x=np.full(X.shape, np.nan)), ValueError, r"packed_conv2d: x .* first bad value nan at index \(0, 0"),
    (lambda: conv(x=np.full(X.shape, np.inf)), ValueError, "packed_conv2d: x .* first bad value inf"),
    (lambda: conv(x=with_nan(1, 2, 4, 3)), ValueError, r"x must be free of NaN.*value nan at index \(1, 2, 4, 3\)"),
    (lambda: conv(x=with_nan(0, 0, 0, 0), stride=2), ValueError, r"first bad value nan at index \(0, 0, 0, 0\)"),
    (lambda: conv(weight=WEIGHT.bits()), TypeError, "weight must be a PackedConv; got ndarray; use PackedConv"),
    (lambda: conv(weight=DENSE), TypeError, "packed_conv2d: weight must be a PackedConv; got PackedLinear"),
    (lambda: conv(stride=0), ValueError, "packed_conv2d: stride must be an integer from 1 to 4096; got 0"),
    (lambda: conv(stride=(1, 0)), ValueError, "stride must be an integer from 1 to 4096; got 0"),
    (lambda: conv(stride=True), TypeError, "stride must be an integer from 1 to 4096; got bool True"),
    (lambda: conv(stride=1.0), TypeError, "stride must be an integer from 1 to 4096; got float"),
    (lambda: conv(stride=(1, 1, 1)), TypeError, "stride must be an integer from 1 to 4096; got tuple"),
    (lambda: conv(padding=-1), ValueError, "packed_conv2d: padding must be an integer from 0 to 4096; got -1"),
    (lambda: conv(padding=(0, True)), TypeError, "padding must be an integer from 0 to 4096; got bool"),
    (lambda: conv(x=X[:, :, :2]), ValueError, r"x must be at least as large.* \(3, 3\); got 2 x 5 pixels, padded by"),
    (lambda: conv(x=X[:, :, :, :1], padding=(1, 0)), ValueError, "x must be at least as large"),
    (lambda: conv(out=np.empty((2, 4, 3, 2), np.float32)), ValueError, r"out must .*shape \(2, 4, 3, 3\); got float32"),
    (lambda: conv(out=np.empty((2, 4, 3, 3))), ValueError, r"packed_conv2d: out must be .*; got float64 of shape"),
    (lambda: conv(out=np.empty((2, 4, 3, 3), ">f4")), ValueError, "out must be a writeable contiguous array"),
    (lambda: conv(out=np.empty((2, 4, 3, 6), np.float32)[..., ::2]), ValueError, "out must be a writeable contiguous"),
    (lambda: conv(out=np.broadcast_to(np.float32(0), (2, 4, 3, 3))), ValueError, "out must be a writeable contiguous"),
    (lambda: conv(out=[0.0]), ValueError, "out must be .*; got list; leave it out"),
    (lambda: packed_linear(normal(2, 4), DENSE), ValueError, "packed_linear: x must be of 3 columns; got 4 columns"),
    (lambda: packed_linear(normal(3), DENSE), ValueError, r"packed_linear: x .*\(batch, in\); got shape \(3,\)"),
    (lambda: packed_linear(normal(0, 3), DENSE), ValueError, r"packed_linear: x must be a non-empty .*\(0, 3\)"),
    (lambda: packed_linear(X, DENSE), ValueError, r"packed_linear: x must be a non-empty array of shape \(batch, in\)"),
    (lambda: packed_linear(normal(2, 3), WEIGHT), TypeError, "weight must be a PackedLinear; got PackedConv; use"),
    (lambda: PackedConv.from_bits(np.ones((2, 3), bool), DOMAIN), ValueError, r"PackedConv.from_bits: bits .*\(2, 3\)"),
    (lambda: PackedConv.from_bits(np.ones((2, 0, 1, 1), bool), DOMAIN), ValueError, "bits must be a non-empty array"),
    (lambda: PackedConv.from_bits(np.ones((1, 1, 1, 1)), DOMAIN), TypeError, "bits must be .*; got dtype float64"),
    (lambda: PackedConv.from_bits(np.full((1, 1, 1, 2), 2), DOMAIN), ValueError, r"first bad value 2 at index \(0, 0"),
    (lambda: PackedConv.from_bits(np.ones((4, 1, 1, 1), bool), (0.0, 1.0)), TypeError, "domain must be a Domain; got"),
    (lambda: PackedConv.from_bits(np.ones((3, 4, 1, 1), bool), PER_CHANNEL), ValueError, r"each of its 3 .*\(4,\)"),
    (lambda: PackedConv.from_bits(np.ones((4, 4, 1, 1), bool), Domain(np.zeros(4), np.ones(4), channel_axis=1)),
     ValueError, "PackedConv.from_bits: domain must be .* along channel_axis=1; fit it with channel_axis=0"),
    (lambda: PackedLinear.from_bits(np.ones((2, 3, 1), bool), DOMAIN), ValueError, "PackedLinear.from_bits: bits must"),
    (lambda: PackedLinear.from_bits(np.ones((3, 4), bool), PER_CHANNEL), ValueError, "PackedLinear.from_bits: domain"),
    (lambda: PackedActivations.from_values(X[0]), ValueError, r"PackedActivations.from_values: x .*shape \(3, 5, 5\)"),
    (lambda: PackedActivations.from_values(with_nan(0, 1, 2, 3)), ValueError, r"nan at index \(0, 1, 2, 3\)"),
    (lambda: PackedActivations.from_values(X[:0]), ValueError, "PackedActivations.from_values: x must be a non-empty"),
    (lambda: PackedActivations.from_values(X > 0), TypeError, "PackedActivations.from_values: x must be"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "text"), REFUSED, ids=range(len(REFUSED)))
def test_what_does_not_fit_is_refused(call, error, text):
    """Also after calls that were in order."""
    conv(), conv(stride=1, padding=1), conv(out=np.empty((2, 4, 3, 3), np.float32))
    with pytest.raises(error, match=text):
        call()


@given(conv_cases(largest=300_000), SEEDS)
def test_nan_is_refused_wherever_it_stands(case, seed):
    """Also where no tap reads it: whether x is refused does not depend on the layer."""
    x = case.x.copy()
    place = tuple(int(i) for i in rng(seed).integers(0, x.shape))
    x[place] = np.nan
    weight = PackedConv.from_bits(case.bits, Domain(0.1, 0.3))
    with cases.counting(case.way):
        for _ in range(2):
            with pytest.raises(ValueError, match="x must be free of NaN") as refused:
                packed_conv2d(x, weight, **case.steps)
            assert f"first bad value nan at index {place};" in str(refused.value)
            packed_conv2d(case.x, weight, **case.steps)


@pytest.mark.parametrize("row", [0, 4])
def test_nan_in_a_row_is_refused_at_its_own_index(row):
    x = np.ones((5, 3), np.float32)
    x[row, 2] = np.nan
    with pytest.raises(ValueError, match=rf"^packed_linear: x .*first bad value nan at index \({row}, 2\)"):
        packed_linear(x, DENSE)


def test_nan_is_refused_where_the_definition_serves():
    x = np.ones((1, 40000, 1, 1), np.float32)
    x[0, 39999, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"first bad value nan at index \(0, 39999, 0, 0\)"):
        packed_conv2d(x, PackedConv.from_bits(np.ones((1, 40000, 1, 1), bool), Domain(0.1, 0.3)))


# ------------------------------------------------------------------------------------------------------- threads


def results() -> str:
    """A digest of many results; several chunks, so that threads share them."""
    digest = hashlib.sha256()
    for batch, size, stride in ((1, 9, 1), (40, 16, 1), (67, 16, 2), (50, 15, 3)):
        x = normal(batch, 7, size, size, seed=batch)
        y = packed_conv2d(x, layer(9, 7, 3, 3, density=0.5), stride=stride, padding=1)
        digest.update(y.tobytes())
    digest.update(packed_linear(normal(9000, 20), PackedLinear.from_bits(np.eye(20, dtype=bool), DOMAIN)).tobytes())
    return digest.hexdigest()


@pytest.mark.slow  # a process each
@pytest.mark.parametrize(
    "environment", [{"NUMBA_NUM_THREADS": "1"}, {"NUMBA_NUM_THREADS": "3"}, {"NUMBA_DISABLE_JIT": "1"}]
)
def test_neither_threads_nor_the_jit_change_a_bit(environment):
    path = os.pathsep.join(entry for entry in sys.path if entry)
    code = "import test_packed; print(test_packed.results())"
    child = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=os.path.dirname(__file__),
        env={**os.environ, "NUMBA_DISABLE_JIT": "0", "PYTHONPATH": path, **environment},
    )  # fmt: skip
    assert child.stdout.strip() == results()


def test_a_layer_serves_several_threads_at_once():
    """More shapes than a layer remembers, so that threads also forget for one another."""
    weight = layer(6, 5, 3, 3)
    inputs = [normal(batch, 5, side, side, seed=side) for batch in (1, 9) for side in range(3, 12)]
    wanted = [popcount_conv2d(x, weight.bits(), 0.1, 0.3, padding=1) for x in inputs]
    order = [i for seed in range(20) for i in rng(seed).permutation(len(inputs))]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda i: packed_conv2d(inputs[i], weight, padding=1), order))
    finally:
        sys.setswitchinterval(interval)
    for i, answer in zip(order, answers, strict=True):
        same_floats(answer, wanted[i])


def test_packed_weights_are_pickled_without_their_plans():
    weight = PackedConv.from_bits(np.random.default_rng(0).random((4, 3, 3, 3)) < 0.5, DOMAIN)
    x = np.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype(np.float32)
    fresh = len(pickle.dumps(weight))
    y = packed_conv2d(x, weight)
    assert len(pickle.dumps(weight)) == fresh
    assert "PackedWeights" not in repr(weight)
    np.testing.assert_array_equal(packed_conv2d(x, pickle.loads(pickle.dumps(weight))), y)


@pytest.mark.parametrize("size", [(-8, -8), (8.0, 8), (8, 8, 1), 8])
def test_packed_activations_refuse_a_size_that_is_none(size):
    with pytest.raises((ValueError, TypeError), match="PackedActivations: size must be"):
        PackedActivations(np.zeros((1, 1, 1), np.uint64), size)
