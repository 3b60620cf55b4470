import inspect

import numpy as np
import pytest

from bbdg_ref.pruning import (
    DensityPenalty,
    EntropyPenalty,
    Filters,
    GlobalTopK,
    Kernels,
    NofM,
    Penalty,
    Pruning,
    RandomBits,
    SignOfLatent,
    SubBit,
    TopK,
    Within,
    WithPenalty,
)
from bbdg_ref.pruning.protocol import check_strategy, layers

ALL = [
    SignOfLatent(), TopK(0.1), GlobalTopK(0.1), DensityPenalty(0.1, 0.2), EntropyPenalty(0.1, 0.2), NofM(1, 2),
    RandomBits(0.1, 0), Filters(0.5), Kernels(0.5), SubBit(4), SubBit(4, 0.1), Within(Filters(0.5), TopK(0.1)),
    WithPenalty(SubBit(4), DensityPenalty(0.1, 0.2)),
]  # fmt: skip
each_strategy = pytest.mark.parametrize("strategy", ALL, ids=repr)
GOOD = np.linspace(-1, 1, 144).reshape(4, 4, 3, 3)


@each_strategy
@pytest.mark.parametrize("method", ["choose", "penalty"])
def test_every_strategy_has_the_protocols_signatures(strategy, method):
    own, wanted = (inspect.signature(getattr(kind, method)) for kind in (type(strategy), Pruning))
    assert list(own.parameters) == list(wanted.parameters)
    assert own.return_annotation == wanted.return_annotation


@each_strategy
def test_lists_and_whole_numbers_are_weights(strategy):
    whole = np.random.default_rng(0).integers(-4, 5, (4, 6, 3, 3))
    wanted = strategy.choose([whole.astype(np.float64)], step=0)
    for same in ([whole], [whole.astype(np.int8)], [whole.tolist()], (whole,), iter([whole]), [whole.astype(">f8")]):
        (got,), (first,) = strategy.choose(same, step=0), wanted
        assert np.array_equal(got.bits, first.bits) and got.threshold == first.threshold


@each_strategy
@pytest.mark.parametrize("shape", [(), (7,), (6, 8), (3, 4, 5), (2, 3, 4, 3, 3)])
def test_any_number_of_axes_is_taken_or_refused_by_name(strategy, shape):
    latent = np.random.default_rng(0).standard_normal(shape)
    needed = {Filters: 1, Within: 1, NofM: 2, Kernels: 2}.get(type(strategy), 0)
    if len(shape) >= needed:
        (got,) = strategy.choose([latent], step=0)
        assert got.bits.shape == shape and got.bits.dtype == bool
    else:
        with pytest.raises(ValueError, match=r"\.choose: latents\[0\] must be an array with \d axes or more"):
            strategy.choose([latent], step=0)


@each_strategy
@pytest.mark.parametrize(
    ("bad", "error", "text"),
    [
        (np.empty((0, 4, 3, 3)), ValueError, "an empty array"),
        (np.where(GOOD == GOOD.max(), np.nan, GOOD), ValueError, r"first bad value nan at index \(3, 3, 2, 2\)"),
        (np.where(GOOD == GOOD.max(), -np.inf, GOOD), ValueError, "first bad value -inf"),
        (GOOD > 0, TypeError, "bool"),
        (GOOD * 1j, TypeError, "complex"),
        ([[1.0], [2.0, 3.0]], TypeError, "NumPy cannot read"),
        ("weights", TypeError, "string"),
    ],
    ids=["empty", "nan", "infinite", "bits", "complex", "ragged", "text"],
)
def test_a_layer_that_holds_no_weights_is_refused_by_its_number(strategy, bad, error, text):
    name = type(strategy).__name__
    with pytest.raises(error, match=rf"^{name}\.choose: latents\[1\] must be .*; got .*{text}.*; "):
        strategy.choose([GOOD, bad], step=0)


@each_strategy
@pytest.mark.parametrize("bad", [GOOD, None, 3, "weights"], ids=["array", "None", "number", "text"])
def test_one_array_or_none_is_no_sequence_of_layers(strategy, bad):
    with pytest.raises(TypeError, match=r"\.choose: latents must be a sequence of arrays, one for each layer; got "):
        strategy.choose(bad, step=0)


@each_strategy
def test_no_layers_have_no_selections_and_add_nothing(strategy):
    assert strategy.choose([], step=0) == [] and strategy.penalty([], loss=2.0) == Penalty(0.0, 0.0)


def test_arrays_of_floats_are_not_copied():
    given = [GOOD, GOOD.astype(np.float32), GOOD.astype(np.float16)]
    assert all(mine is array for mine, array in zip(layers(TopK(0.1), given), given, strict=True))


@pytest.mark.parametrize("strange", [0.1, None, TopK, "topk", object()])
def test_what_is_no_strategy_is_refused(strange):
    with pytest.raises(TypeError, match="Within: mask must be a strategy"):
        check_strategy("Within", "mask", strange)


@each_strategy
def test_strategies_are_strategies(strategy):
    check_strategy("Within", "mask", strategy)
