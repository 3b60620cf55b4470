"""The pages of results show what their scripts make of the committed files."""

import json
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"


def test_the_page_of_strategies_is_what_its_script_makes_of_the_results():
    script = runpy.run_path(str(ROOT / "examples" / "compare_strategies.py"))
    results = script["found_in"](RESULTS / "strategies")
    assert {result["name"] for result in results} == set(script["RUNS"])
    assert all(result["flags"] == script["RUNS"][result["name"]] for result in results)
    page = (RESULTS / "strategies.md").read_text(encoding="utf-8")
    assert f"begin -->\n{script['generated']('strategies', results)}<!--" in page


def test_the_page_on_pruning_without_training_shows_its_results():
    page = (RESULTS / "sparsify.md").read_text(encoding="utf-8")
    found = json.loads((RESULTS / "sparsify" / "sparsify.json").read_text())
    for row in found["rows"]:
        cells = row["density"], row["domain"], f"{row['reached']:.4f}", f"{100 * row['test']:.2f}"
        assert "| " + " | ".join(map(str, cells)) + f" | {100 * row['test_old_statistics']:.2f} |" in page
    for name in ("0.1", "0.25"):
        trained = json.loads((RESULTS / "sparsify" / f"trained-{name}.json").read_text())
        assert f"| prune topk, density {name} | 1 |" in page and f"| {100 * trained['test_accuracy']:.2f} |" in page
