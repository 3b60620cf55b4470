import inspect

import pytest

from bbdg_ref.pruning import DensityPenalty, GlobalTopK, Pruning, SignOfLatent, TopK


@pytest.mark.parametrize("strategy", [SignOfLatent, TopK, GlobalTopK, DensityPenalty])
@pytest.mark.parametrize("method", ["choose", "penalty"])
def test_every_strategy_has_the_protocols_signatures(strategy, method):
    own, wanted = (inspect.signature(getattr(kind, method)) for kind in (strategy, Pruning))
    assert list(own.parameters) == list(wanted.parameters)
    assert own.return_annotation == wanted.return_annotation
