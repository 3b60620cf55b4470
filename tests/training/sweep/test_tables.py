import math
import re
import statistics

import pytest
from sweep_cases import finished, grid

from bbdg_ref.training.sweep import tables

#: general and bipolar at 0.05 with three seeds, at 0.5 with one; general by all routes at 0.05
ACCURACIES = {
    "general-0.05-topk-seed0": 0.61, "general-0.05-topk-seed1": 0.60, "general-0.05-topk-seed2": 0.62,
    "bipolar-0.05-topk-seed0": 0.60, "bipolar-0.05-topk-seed1": 0.61, "bipolar-0.05-topk-seed2": 0.58,
    "general-0.5-topk-seed0": 0.70, "bipolar-0.5-topk-seed0": 0.705, "general-0.05-penalty-seed0": 0.5,
    "general-0.05-start-seed0": 0.4, "general-0.05-topk-global-seed0": 0.3, "general-0.02-topk-seed0": 0.2,
    "bipolar-0.02-topk-seed4": 0.2,
}  # fmt: skip


def results():
    runs = grid(densities=[0.5, 0.05, 0.02], domains=["bipolar", "general"], seeds=[0, 1, 2, 4],
                routes=["topk", "topk-global", "penalty", "start"])  # fmt: skip
    return [
        finished(run, ACCURACIES[run.name], seconds=10 + run.experiment.seed) for run in runs if run.name in ACCURACIES
    ]


def rows(table: str) -> list[dict[str, str]]:
    head, rule, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    assert rule == ["---"] * len(head)
    return [dict(zip(head, line, strict=True)) for line in lines]


def test_a_line_is_the_mean_over_its_seeds():
    found = results()
    assert len(found) == len(ACCURACIES)
    table = rows(tables.main_table(tables.cells(found)))
    assert len(table) == 9
    line = next(r for r in table if (r["density"], r["domain"], r["route"]) == ("0.05", "bipolar", "topk"))
    mean, deviation = statistics.fmean([60, 61, 58]), statistics.stdev([60, 61, 58])
    assert line["test accuracy, %"] == f"{mean:.2f} ± {deviation:.2f}" == "59.67 ± 1.53"
    assert (line["seeds"], line["density reached"], line["seconds"], line["epochs"]) == ("3", "0.0500", "11", "2")
    single = next(r for r in table if r["route"] == "start")
    assert (single["test accuracy, %"], single["seeds"]) == ("40.00", "1")


def test_lines_are_ordered_by_density_route_domain_whatever_order_the_results_have():
    found = results()
    assert tables.main_table(tables.cells(found)) == tables.main_table(tables.cells(found[::-1]))
    order = [(r["density"], r["route"], r["domain"]) for r in rows(tables.main_table(tables.cells(found)))]
    assert order[:4] == [("0.5", "topk", "bipolar"), ("0.5", "topk", "general"), ("0.05", "topk", "bipolar"),
                         ("0.05", "topk", "general")]  # fmt: skip
    assert [route for _, route, _ in order[4:7]] == ["topk-global", "penalty", "start"]


def test_the_sentences_hold_the_differences_of_equal_seeds():
    sentences = tables.compare_domains(tables.cells(results()))
    assert len(sentences) == 2  # at 0.02 the two domains have no seed in common
    assert sentences[0] == "At density 0.5, general − bipolar is -0.50 points (seed 0; one seed, so no spread)."
    mean, deviation = statistics.fmean([1, -1, 4]), statistics.stdev([1, -1, 4])
    assert f"At density 0.05, general − bipolar is {mean:+.2f} ± {deviation:.2f} points" in sentences[1]
    assert "seeds 0, 1, 2: +1.00, -1.00, +4.00" in sentences[1]


def test_the_standard_error_is_the_binomial_one():
    sentence = tables.sampling_error(tables.cells([finished(grid()[0], 0.6)]))
    assert "60 % of 10000" in sentence and f"{100 * math.sqrt(0.24 / 10000):.2f} points" in sentence


def test_routes_are_compared_where_there_are_several():
    (text,) = tables.route_tables(tables.cells(results()))
    intro, table = text.split("\n\n")
    assert intro == "Density 0.05, general domain:"
    lines = {r["route"]: r for r in rows(table)}
    assert list(lines) == ["topk", "topk-global", "penalty", "start"]
    assert [lines[route]["gamma"] for route in lines] == ["", "", "0.2", "0.01"]
    assert lines["penalty"]["layers' densities"] == f"{1 / 36:.4f} to {4 / 64:.4f}"
    assert tables.route_tables(tables.cells([finished(grid()[0])])) == []


def test_the_layers_of_the_general_domain_are_shown_with_their_ratio():
    table = rows(tables.layer_table(tables.cells(results())))
    assert [r["layer"] for r in table] == ["stage1.0", "stage1.1"]
    assert [r["0.05: φ/τ"] for r in table] == ["+0.40", "-0.33"]
    assert table[0]["density 0.02, seed 0: τ"] == "1.250" and table[1]["0.5: φ"] == "-0.250"
    assert tables.layer_table(tables.cells([finished(grid(domains=["bipolar"])[0])])) == ""


def test_tau_zero_has_no_ratio():
    one = finished(grid()[0])
    one.result["layers"][0]["tau"] = 0.0
    assert rows(tables.layer_table(tables.cells([one])))[0]["0.05: φ/τ"] == "-"


@pytest.mark.parametrize(("values", "text"), [([50.0], "50.00"), ([50.0, 52.0], "51.00 ± 1.41")])
def test_a_spread_needs_two_values(values, text):
    assert tables.spread(values) == text
    assert re.search("±", text) is not None or len(values) == 1
