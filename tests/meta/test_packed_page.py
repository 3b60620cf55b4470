"""docs/packed-inference.md: its examples run, its links lead somewhere, its pictures are what the script draws."""

import doctest
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "packed-inference.md"
CROSSOVER = ROOT / "benchmarks" / "results" / "crossover.json"
DRAWN_BY_BENCHMARKS = {"packed-density.svg"}

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_packed", ROOT / "docs" / "draw_packed.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DRAW = script()


def targets() -> list[str]:
    found = LINK.findall(PAGE.read_text(encoding="utf-8"))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchor(heading: str) -> str:
    """The fragment that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_examples_run():
    result = doctest.testfile(
        str(PAGE), module_relative=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, encoding="utf-8"
    )
    assert result.attempted > 20
    assert result.failed == 0


def test_links_and_pictures_exist():
    files = [target for target in targets() if not target.startswith("#")]
    assert files
    assert [target for target in files if not (PAGE.parent / target).exists()] == []


def test_links_within_the_page_lead_to_headings():
    headings = {anchor(heading) for heading in HEADING.findall(PAGE.read_text(encoding="utf-8"))}
    inner = [target[1:] for target in targets() if target.startswith("#")]
    assert inner
    assert set(inner) - headings == set()


@pytest.mark.parametrize("name", DRAW.PICTURES)
def test_a_picture_is_what_the_script_draws(name):
    assert (DRAW.IMAGES / name).read_text(encoding="utf-8") == DRAW.PICTURES[name]().svg(), (
        f"docs/images/{name} is not what docs/draw_packed.py draws; run it"
    )


def test_the_page_shows_every_picture():
    shown = {Path(target).name for target in targets() if target.startswith("images/")}
    assert shown == set(DRAW.PICTURES) | DRAWN_BY_BENCHMARKS


def test_the_drawn_planes_are_those_of_the_example():
    assert DRAW.example_planes() == [[0, 1, 0, 1], [1, 0, 1, 1], [0, 1, 1, 0]]


def test_the_crossovers_of_the_page_are_those_measured():
    text = PAGE.read_text(encoding="utf-8")
    rows = json.loads(CROSSOVER.read_text(encoding="utf-8"))["rows"]
    shapes = {row["shape"] for row in rows}
    table = {
        shape: [cell.strip() for cell in re.search(rf"^\| {shape} \|(.+)\|$", text, re.MULTILINE)[1].split("|")]
        for shape in shapes
    }
    heads = re.search(r"^\| \| (batch.+) \|$", text, re.MULTILINE)[1]
    batches = [int(number) for number in re.findall(r"batch (\d+)", heads)]
    assert {row["batch"] for row in rows} == set(batches)
    for row in rows:
        told = table[row["shape"]][batches.index(row["batch"])]
        least = {name: min(values) for name, values in row["_seconds"]}
        if told in ("any", "none"):
            assert row["_measured"] is None
            assert (least["columns"] < least[0.01]) == (told == "any")
        else:
            assert row["_measured"] == pytest.approx(float(told), abs=0.05)
