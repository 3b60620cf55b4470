"""Networks laid out as programs: which ones the kernels run, and that a program keeps to its own memory."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import event, given
from packed_cases import WAYS, NetworkCase, check_network, counting, network_cases

from bbdg_ref.inference import PackedNetwork
from bbdg_ref.kernels.compiled import jit_is_on
from bbdg_ref.ops import packed_layout, packed_program
from bbdg_ref.spec.evaluation import (
    BinaryLayer,
    Block,
    Classifier,
    FoldedNetwork,
    MaxPool,
    RealLayer,
    StridePad,
    evaluate,
)

needs_the_jit = pytest.mark.skipif(not jit_is_on(), reason="kernels made of LLVM intrinsics cannot be interpreted")


@given(network_cases())
def test_programs_equal_the_definition(case):
    shape = case.images.shape[1:]
    fits = packed_layout.fits(case.folded, shape)
    event(f"served by {'the kernels' if fits else 'the definition'}")
    check_network(case)


@contextmanager
def segments_of_few_images() -> Iterator[None]:
    """Lay networks out as if a cache held one image at most, and the vectors of a block hardly more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed_layout, "CACHED", 1)
        patch.setattr(packed_layout, "FULL", 48)
        yield


@needs_the_jit
@given(network_cases())
def test_a_few_images_at_a_time_answer_the_same(case):
    if packed_layout.fits(case.folded, case.images.shape[1:]):
        with segments_of_few_images():
            segments = packed_layout._segments(case.folded, case.images.shape[1:], len(case.images), False)
            event(f"{len(segments)} segments")
            event("the last images are fewer" if len(case.images) % segments[0].images else "all alike")
            check_network(case)


def test_segments_are_cut_where_vectors_need_more_images():
    """Maps of 32 x 32, 16 x 16 and 4 x 4: eight images' maps of 2 MB stay in the caches, 512 pixels fill a block."""
    source = np.random.default_rng(0)

    def layer(out: int, channels: int, stride: int) -> BinaryLayer:
        bits = source.random((out, channels, 3, 3)) < 0.1
        return BinaryLayer(bits, *np.zeros((3, out), np.float32), (stride, stride), (1, 1))

    stem = RealLayer(np.zeros((64, 3, 3, 3), np.float32), np.zeros(64, np.float32), (1, 1), (1, 1))
    steps = ((64, 64, 1), (128, 64, 2), (256, 128, 2), (512, 256, 2), (512, 512, 1))
    blocks = tuple(Block((layer(*step),), None if step[2] == 1 else StridePad(step[1], step[0], 2)) for step in steps)
    head = Classifier(np.zeros((10, 512), np.float32), np.zeros(10, np.float32))
    folded = FoldedNetwork(stem, blocks, head, "segments", None)

    def cut(batch: int, keep: bool) -> list[tuple[int, int]]:
        segments = packed_layout._segments(folded, (3, 32, 32), batch, keep)
        assert [part for segment in segments for part in segment.parts] == [stem, *blocks]
        return [(segment.images, len(segment.parts)) for segment in segments]

    assert cut(32, False) == [(8, 4), (32, 2)]
    assert cut(4, False) == cut(4, True) == [(4, 6)]
    assert cut(32, True) == [(32, 6)]


def parts(channels: int, classes: int = 2, *, kernel: int = 3, stride: int = 1) -> FoldedNetwork:
    """A network of one block whose binary layer has kernels of that side."""
    source = np.random.default_rng(0)

    def real(*shape: int) -> np.ndarray:
        return source.standard_normal(shape).astype(np.float32)

    stem = RealLayer(real(channels, 3, 3, 3), real(channels), (1, 1), (1, 1))
    bits = source.random((channels, channels, kernel, kernel)) < 0.5
    half = kernel // 2
    layer = BinaryLayer(bits, real(channels), real(channels), real(channels), (stride, stride), (half, half))
    shortcut = RealLayer(real(channels, channels, 1, 1), real(channels), (stride, stride), (0, 0))
    head = Classifier(real(classes, channels), real(classes))
    return FoldedNetwork(stem, (Block((layer,), shortcut),), head, "parts", None)


@pytest.mark.parametrize(
    ("size", "stride", "fits"),
    [((8, 8), 1, True), ((8, 8), 2, True), ((4, 4), 1, True), ((4, 4), 2, False), ((16, 1), 1, True),
     ((5, 5), 1, False), ((6, 8), 1, True), ((6, 8), 2, False), ((12, 12), 1, True),
     ((1, 1), 1, False), ((20, 20), 1, True)],
)  # fmt: skip
def test_maps_of_whole_pieces_fit(size, stride, fits):
    folded = parts(2, stride=stride)
    assert packed_layout.fits(folded, (3, *size)) == (fits and jit_is_on())
    check_network(NetworkCase(folded, np.random.default_rng(1).standard_normal((2, 3, *size)).astype(np.float32)))


def test_the_stem_may_be_clipped_or_not_but_not_pooled():
    folded, images = parts(17), 3 * np.random.default_rng(1).standard_normal((3, 3, 16, 16)).astype(np.float32)
    images[2] = np.float32(3e38)  # sums that overflow, to infinity and, with terms of both signs, to no number
    with np.errstate(over="ignore", invalid="ignore"):
        for opening in (None, ()):
            network = replace(folded, opening=opening)
            assert packed_layout.fits(network, (3, 16, 16)) == jit_is_on()
            largest = evaluate(network, images[:2]).features[0]
            assert (np.abs(largest).max() > 1) == (opening == ())
            check_network(NetworkCase(network, images[:2]))
        assert np.array_equal(
            PackedNetwork(network).trace(images).features[0], evaluate(network, images).features[0], equal_nan=True
        )
    pool = MaxPool(1, 1, 0, np.ones(17, np.float32))
    assert not packed_layout.fits(replace(folded, opening=(pool,)), (3, 16, 16))


def test_counts_beyond_16_bits_do_not_fit():
    assert packed_layout.fits(parts(668, kernel=7), (3, 4, 4)) == jit_is_on()
    assert not packed_layout.fits(parts(669, kernel=7), (3, 4, 4))


def test_counts_up_to_16_bits_are_exact():
    folded = parts(668, kernel=7)
    layer = replace(folded.blocks[0].layers[0], bits=np.ones((668, 668, 7, 7), np.bool_))
    folded = replace(folded, blocks=(replace(folded.blocks[0], layers=(layer,)),))
    images = np.random.default_rng(1).standard_normal((1, 3, 8, 8)).astype(np.float32)
    for way in WAYS[1:]:
        check_network(NetworkCase(folded, images, way))


@pytest.mark.parametrize("padding", [0, 3])
def test_kernels_that_change_the_size_otherwise_do_not_fit(padding):
    folded = parts(2)
    block = folded.blocks[0]
    folded = replace(folded, blocks=(replace(block, layers=(replace(block.layers[0], padding=(padding, padding)),)),))
    assert not packed_layout.fits(folded, (3, 12, 16))


def test_maps_that_vanish_do_not_fit():
    assert not packed_layout.fits(replace(parts(2), stem=replace(parts(2).stem, padding=(0, 0))), (3, 2, 2))


WALL = 64  # elements after an arena


def poisoned(array: np.ndarray) -> np.ndarray:
    """An array as large as the given one and a wall, of values that would show in every result."""
    worst = np.nan if array.dtype.kind == "f" else np.iinfo(array.dtype).max
    return np.full(array.size + WALL, worst, array.dtype)


@needs_the_jit
@given(network_cases())
def test_a_program_keeps_within_its_memory(case):
    """Run in arenas with walls, whatever they held before, it answers the same and leaves the walls alone."""
    folded, images = case.folded, case.images
    if not packed_layout.fits(folded, images.shape[1:]):
        event("does not fit")
        return
    want = evaluate(folded, images).logits
    for keep, laid_out in ((False, nullcontext), (True, nullcontext), (False, segments_of_few_images)):
        with counting(case.way), laid_out():
            program = packed_layout.build(folded, images.shape[1:], len(images), {}, keep=keep)
        arrays = [poisoned(array) for array in vars(program.memory()).values()]
        program.give_back(packed_program.Memory(*arrays))
        logits = np.full(want.shape, np.nan, np.float32)
        memory = packed_program.run(program, images, logits)
        assert all(used is array for used, array in zip(vars(memory).values(), arrays, strict=True))
        assert np.array_equal(logits, want)
        for array in arrays:
            assert np.array_equal(array[-WALL:].view(np.uint8), poisoned(array)[-WALL:].view(np.uint8))
        program.give_back(memory)
        assert program.memory() is memory and program.memory() is not memory


def test_arrays_of_an_arena_begin_at_cache_lines():
    arena = packed_layout.Arena(np.int16)
    given_arrays = [np.arange(count, dtype=np.int16) for count in (1, 32, 33, 0, 5)]
    places = [arena.add(values) for values in given_arrays]
    whole = arena.array()
    assert whole.dtype == np.int16
    for place, values in zip(places, given_arrays, strict=True):
        assert place % 32 == 0 and np.array_equal(whole[place : place + len(values)], values)
