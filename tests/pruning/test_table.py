import doctest
from pathlib import Path

import numpy as np
import pytest

from bbdg_ref.pruning import STRATEGIES, Cubic

PAGE = Path(__file__).parents[2] / "docs" / "strategies.md"
VALUES = {"density": 0.1, "gamma": 0.2, "n_m": "1:4", "subbit": 4, "seed": 3}


def made(name, **changes):
    values = VALUES | changes
    return STRATEGIES[name].make(*(values[setting] for setting in STRATEGIES[name].takes))


def latents(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, shape).astype(np.float32) for shape in ((16, 8, 3, 3), (32, 16, 3, 3), (8, 32, 1, 1))]


def densities(selections):
    return [float(selection.bits.mean()) for selection in selections]


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_takes_given_weights_without_training(name):
    layers = latents()
    selections = made(name).choose(layers, step=0)
    for layer, selection in zip(layers, selections, strict=True):
        assert selection.bits.shape == layer.shape and selection.bits.dtype == bool
        assert isinstance(selection.threshold, float) and np.isfinite(selection.threshold)
    assert all(np.array_equal(layer, copy) for layer, copy in zip(layers, latents(), strict=True))
    again = made(name).choose(layers, step=0)
    assert all(
        np.array_equal(a.bits, b.bits) and a.threshold == b.threshold for a, b in zip(selections, again, strict=True)
    )
    penalty = made(name).penalty(selections, loss=2.0)
    assert (penalty.value > 0) == (penalty.push > 0) or name == "penalty-entropy"
    assert (penalty.value > 0) == ("gamma" in STRATEGIES[name].takes)


@pytest.mark.parametrize("name", [n for n, s in STRATEGIES.items() if "density" in s.takes and "gamma" not in s.takes])
def test_the_density_is_reached(name):
    layers = latents()
    reached = densities(made(name).choose(layers, step=0))
    if name == "topk-global":
        reached = [np.average(reached, weights=[layer.size for layer in layers])]
    assert reached == pytest.approx([0.1] * len(reached), abs=0.01)


def test_half_of_the_weights_of_kept_filters_and_kernels_are_ones():
    for name, blocks in (("filters", 16), ("kernels", 128)):
        bits = made(name, density=0.125).choose(latents()[:1], step=0)[0].bits.reshape(blocks, -1)
        kept = bits.any(axis=1)
        assert kept.sum() <= blocks // 4 and 0.5 <= bits[kept].mean() < 0.75
        assert made(name, density=0.9).choose(latents()[:1], step=0)[0].bits.mean() == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_schedule_is_taken_where_the_table_says_so(name):
    if not STRATEGIES[name].scheduled:
        return
    layers = latents()
    level = Cubic(0.1, 0.1, 0, 1)
    assert densities(made(name, density=level).choose(layers, 4)) == densities(made(name).choose(layers, 4))
    falling = [densities(made(name, density=Cubic(0.5, 0.1, 0, 10)).choose(layers, step)) for step in (0, 5, 10)]
    assert np.all(np.diff(np.mean(falling, axis=1)) < 0) and falling[2] == densities(made(name).choose(layers, 0))


@pytest.mark.parametrize("name", STRATEGIES)
def test_bits_that_stay_under_a_common_shift_are_marked(name):
    layers = [np.round(layer * 64) / 64 for layer in latents()]  # shifts are exact
    shifted = [layer + np.float32(0.25) for layer in layers]
    first, second = (made(name).choose(given, step=0) for given in (layers, shifted))
    same = all(np.array_equal(a.bits, b.bits) for a, b in zip(first, second, strict=True))
    assert same == (STRATEGIES[name].relative or name == "topk-global")  # which sees the same shift in all layers


def test_every_text_fits_into_a_help():
    assert all(strategy.text and ";" not in strategy.text for strategy in STRATEGIES.values())


def test_the_page_has_a_row_for_every_strategy_and_its_example_runs():
    rows = [line.split("`")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert [name for name in rows if name in STRATEGIES] == list(STRATEGIES)
    result = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert result.attempted >= 4 and result.failed == 0
