"""The twin of the popcount convolution, and what a layer remembers."""

import numpy as np
import pytest
from hypothesis import given, settings
from packed_cases import Case, check_floats, check_threads_forget, conv_cases, counting, same_floats, with_domains

from bbdg_ref._memory import empty
from bbdg_ref.kernels.compiled import jit_is_on
from bbdg_ref.ops import packed_conv2d
from bbdg_ref.spec import popcount_conv as spec
from bbdg_ref.spec.domain import Domain


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def some_bits(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).random(shape) < 0.4


@given(with_domains(conv_cases(largest=1_000_000)))
def test_the_twin_is_the_specification(given_case):
    case, domain = given_case
    with np.errstate(over="ignore", invalid="ignore"), counting(case.way):
        want = spec.popcount_conv2d(case.x, case.bits, domain.alpha, domain.beta, **case.steps)
        got = packed_conv2d.popcount_conv2d(case.x, case.bits, domain.alpha, domain.beta, **case.steps)
    same_floats(got, want)


@given(conv_cases(largest=1_000_000))
@settings(max_examples=settings().max_examples // 2)
def test_results_of_any_size_may_be_written_past_the_cache(case):
    """The threshold is a matter of speed alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed_conv2d, "UNCACHED", 0)
        check_floats(case, Domain(0.1, 0.3))


def test_other_dtypes_and_views_and_empty_batches():
    x, bits = np.random.default_rng(0).standard_normal((3, 5, 7, 6)) * 1e-60, some_bits(4, 5, 3, 3)
    for given_x in (x, x.astype(np.float32), x[:, :, ::-1].astype(np.float32)[:, :, ::-1], x[:0], x[:0].astype("f4")):
        want = spec.popcount_conv2d(given_x, bits, 0.1, 0.3, padding=1)
        same_floats(packed_conv2d.popcount_conv2d(given_x, bits, 0.1, 0.3, padding=1), want)


def test_kernels_take_counts_of_16_bits(monkeypatch):
    assert (
        packed_conv2d.packed_kernels_take(32767, (1, 1))
        == packed_conv2d.packed_kernels_take(668, (7, 7))
        == jit_is_on()
    )
    assert not packed_conv2d.packed_kernels_take(32768, (1, 1)) and not packed_conv2d.packed_kernels_take(669, (7, 7))
    monkeypatch.setattr("bbdg_ref.kernels.compiled.jit_is_on", lambda: False)
    assert not packed_conv2d.packed_kernels_take(1, (1, 1))


def test_without_the_jit_the_definition_serves(monkeypatch):
    monkeypatch.setattr("bbdg_ref.kernels.compiled.jit_is_on", lambda: False)
    monkeypatch.setattr(packed_conv2d, "packed_affine", None)
    check_floats(Case(normal(3, 5, 7, 6), some_bits(4, 5, 3, 3), 2, 1), Domain(0.1, 0.3))


def layer() -> packed_conv2d.PackedWeights:
    return packed_conv2d.PackedWeights(some_bits(4, 5, 3, 3), np.zeros(4), np.ones(4))


def test_what_is_prepared_is_remembered():
    weights = layer()
    shapes = [(batch, (8, 8), (1, 1), (padding, 0)) for batch in (1, 32) for padding in (0, 1)]
    prepared = [weights.prepared(*shape) for shape in shapes]
    assert [weights.prepared(*shape) for shape in shapes] == prepared
    assert len({id(each) for each in prepared}) == len(shapes)
    assert [each.plan.batch for each in prepared] == [1, 1, 32, 32]


def test_batches_whose_words_are_of_the_same_kinds_share_their_lists():
    weights = layer()
    with counting("planes"):
        first, second = (weights.prepared(batch, (8, 8), (1, 1), (1, 1)) for batch in (32, 64))
        assert first.plan.words == second.plan.words and first.lists is second.lists
        assert weights.prepared(1, (8, 8), (1, 1), (1, 1)).plan.words != first.plan.words


def test_of_many_shapes_a_layer_remembers_a_few():
    weights = layer()
    for batch in range(1, 30):
        weights.prepared(batch, (batch + 2, 8), (1, 1), (1, 1))
        weights.remember((batch, 5, batch + 2, 8), 1, 1)
    for known in (weights._prepared, weights._lists, weights.calls):
        assert len(known) <= packed_conv2d.KEPT


def test_threads_forget_for_one_another():
    check_threads_forget(packed_conv2d._keep, packed_conv2d.KEPT)


@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 3, 4, 5), (1, 16)])
def test_new_memory_begins_at_a_cache_line(shape):
    for _ in range(20):
        y = empty(shape)
        assert y.shape == shape and y.dtype == np.float32 and y.flags.c_contiguous and y.ctypes.data % 64 == 0
