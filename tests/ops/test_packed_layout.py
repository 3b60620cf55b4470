"""Networks laid out as programs: which ones the kernels run, and that a program keeps to its own memory."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import event, given
from packed_cases import WAYS, NetworkCase, check_network, counting, network_cases

from bbdg_ref.kernels.compiled import jit_is_on
from bbdg_ref.ops import packed_layout, packed_program
from bbdg_ref.spec.evaluation import BinaryLayer, Block, Classifier, FoldedNetwork, RealLayer, evaluate

needs_the_jit = pytest.mark.skipif(not jit_is_on(), reason="kernels made of LLVM intrinsics cannot be interpreted")


@given(network_cases())
def test_programs_equal_the_definition(case):
    shape = case.images.shape[1:]
    fits = packed_layout.fits(case.folded, shape)
    event(f"served by {'the kernels' if fits else 'the definition'}")
    check_network(case)


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
    for keep in (False, True):
        with counting(case.way):
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
