import sys

import pytest
from sweep_cases import finished, grid

from bbdg_ref.training.sweep import DOMAIN_ORDER, ROUTES, plot_densities

RUNS = grid(densities=[0.5, 0.05], domains=DOMAIN_ORDER, seeds=[0, 1])
RESULTS = [finished(run, 0.5 + 0.01 * n) for n, run in enumerate([*RUNS, *grid(routes=list(ROUTES)[1:])])]


def test_every_domain_has_a_line_and_every_other_route_a_mark(tmp_path):
    pytest.importorskip("matplotlib")
    plot_densities(tmp_path / "a.svg", RESULTS)
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "<svg" in text and "CIFAR-10 (JPEG)" in text
    for wanted in (*DOMAIN_ORDER, "general, penalty (0.05)", "general, start (0.05)", "general, topk-global (0.05)"):
        assert f">{wanted}<" in text
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_the_same_results_give_the_same_bytes(tmp_path):
    pytest.importorskip("matplotlib")
    plot_densities(tmp_path / "a.svg", RESULTS)
    plot_densities(tmp_path / "b.svg", RESULTS[::-1])
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_one_result_can_be_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    plot_densities(tmp_path / "a.svg", RESULTS[:1])
    assert (tmp_path / "a.svg").stat().st_size > 1000


def test_without_matplotlib_it_is_an_import_error(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError):
        plot_densities(tmp_path / "a.svg", RESULTS)
    assert not list(tmp_path.iterdir())
