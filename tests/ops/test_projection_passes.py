import numpy as np
import pytest
from oracles.fast_projection import solve
from projection_cases import case

from bbdg_ref.ops import projection_passes as passes
from bbdg_ref.spec.projection import assemble

GATHERED = (passes.GATHERED, 30, 4, 1)
CASES = 16_000
SHARDS = 8


def in_passes(w, *, gathered=passes.GATHERED):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "GATHERED", gathered)
        bits = np.empty(w.shape, np.bool_)
        return assemble([passes.project_in_passes(w, bits)], bits, None)


def wrong(w, gathered=passes.GATHERED):
    """What of the projection in passes is not as it must be; floats are compared bit for bit."""
    p, answer = in_passes(w, gathered=gathered), solve(w)
    found = [name for name in ("n_ones", "tied") if getattr(p, name) != getattr(answer, name)]
    for name in ("alpha", "beta", "threshold", "error"):
        got, want = float(getattr(p, name)).hex(), getattr(answer, name).hex()
        found += [f"{name}: {got}, must be {want}"] if got != want else []
    return found + (["bits"] if p.bits.tolist() != answer.bits else [])


@pytest.mark.parametrize("shard", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in range(1, SHARDS))])
def test_passes_are_exact(shard):
    failures = []
    for seed in range(shard, CASES, SHARDS):
        name, w = case(seed)
        gathered = GATHERED[seed // SHARDS % len(GATHERED)]
        found = wrong(w, gathered)
        if found:
            failures.append(f"case({seed}), {name}, {w.dtype}, GATHERED = {gathered}:\n  " + "\n  ".join(found))
    assert not failures, f"{len(failures)} cases fail, the first of them:\n\n" + "\n\n".join(failures[:3])


@pytest.mark.parametrize("steps", [0, 1, 10])
@pytest.mark.parametrize("equal", [1120, 4480, 17920])
def test_one_zero_far_below_very_many_equal_ones_in_its_bin(equal, steps):
    """The best split cuts off the least number of a bin whose other numbers are all its greatest one.

    Its triangle's corner has p = c - 1; the number of zeros there, n - K - p = 1, is lost if p is rounded first.
    """
    w = np.full(equal + 3, -1.0)  # the greatest number of its bin
    w[3] = -np.nextafter(1.0625, 0)  # the least one
    w[5] = -0.9375 - 2.0**-52 - steps * 2.0**-53  # as far away on the other side, and a little less
    w[7] = -np.nextafter(1.0, 0)  # an edge that is not best lies between them
    assert wrong(w) == []
