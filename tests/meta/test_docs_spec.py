"""docs/: a page for every file of spec/, which names all it exports; examples run; what porting.md shows is real."""

import ast
import doctest
import importlib
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import bbdg_ref
from bbdg_ref.conformance import STAGES, reference, vectors
from bbdg_ref.conformance.command import main
from bbdg_ref.conformance.serve import answer
from bbdg_ref.conformance.values import to_json
from bbdg_ref.conformance.xfail import read_expected_failures

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PORTING = DOCS / "porting.md"
MODULES = sorted(path.stem for path in (ROOT / "bbdg_ref" / "spec").glob("*.py") if path.stem != "__init__")
PAGES = [DOCS / "spec" / f"{name}.md" for name in MODULES]
READING_ORDER = (
    "domain projection density pruning estimators packing popcount_conv conv2d linear batchnorm activation pooling "
    "loss adam evaluation cost"
).split()
SECTIONS = ["Definition", "Conventions", "Edge cases", "Examples", "Vectors"]

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def toctree(page: Path) -> list[str]:
    """The entries of a page's toctrees."""
    blocks = re.findall(r"^```\{toctree\}\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith(":")]


def exported(module: str) -> list[str]:
    """The names in `__all__` of a module of spec."""
    tree = ast.parse(text_of(ROOT / "bbdg_ref" / "spec" / f"{module}.py"))
    lists = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    return ast.literal_eval(lists[0])


def missing(names: list[str], text: str) -> list[str]:
    """The names that do not stand in the text as words."""
    return [name for name in names if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]


def anchor(heading: str) -> str:
    """The fragment that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    found = []
    for target in LINK.findall(FENCE.sub("", text_of(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        leads = page.parent / path if path else page
        if not leads.exists() or (fragment and fragment not in map(anchor, HEADING.findall(text_of(leads)))):
            found.append(target)
    return found


def shown(kind: str, name: str) -> str:
    """The fenced block of porting.md that follows `<!-- kind: name -->`."""
    found = re.search(rf"^<!-- {kind}: {name} -->\n\n```\w+\n(.*?)^```$", text_of(PORTING), re.MULTILINE | re.DOTALL)
    assert found, f"docs/porting.md must hold a block after <!-- {kind}: {name} -->"
    return found[1]


# --- the pages of the specification ---


def test_every_module_of_spec_has_a_page_and_every_page_a_module():
    assert len(MODULES) > 15
    assert sorted(path.stem for path in (DOCS / "spec").glob("*.md") if path.stem != "index") == MODULES


def test_the_pages_stand_in_the_reading_order():
    order = toctree(DOCS / "spec" / "index.md")
    assert sorted(order) == MODULES
    assert [name for name in order if name in READING_ORDER] == READING_ORDER


def test_every_page_is_reachable():
    entries = {f"{entry}.md" for entry in toctree(DOCS / "index.md")}
    pages = {str(path.relative_to(DOCS)) for path in [*DOCS.glob("*.md"), *DOCS.glob("results/*.md")]}
    assert entries == (pages - {"index.md"}) | {"spec/index.md"}


@pytest.mark.parametrize("page", PAGES, ids=MODULES)
def test_a_page_names_everything_that_its_module_exports(page):
    names = exported(page.stem)
    assert names
    assert missing(names, text_of(page)) == []
    assert f"(../../bbdg_ref/spec/{page.stem}.py)" in text_of(page)


@pytest.mark.parametrize("page", PAGES, ids=MODULES)
def test_a_page_has_the_sections_of_the_others_in_order_and_is_short(page):
    headings = HEADING.findall(FENCE.sub("", text_of(page)))
    assert headings[0].startswith(f"{page.stem}: ")
    assert [heading for heading in headings if heading in SECTIONS] == SECTIONS
    assert 50 <= len(text_of(page).splitlines()) <= 170


@pytest.mark.parametrize("page", PAGES, ids=MODULES)
def test_a_page_lists_its_vectors_if_there_are_any(page):
    directives = re.findall(r"^```\{conformance-vectors\} (\w+)\n```$", text_of(page), re.MULTILINE)
    assert directives == ([page.stem] if any(page.stem in stage.spec for stage in STAGES.values()) else [])


def test_the_public_functions_are_all_described():
    documented = re.findall(r"^\.\. auto(?:function|class):: (\w+)$", text_of(DOCS / "api.md"), re.MULTILINE)
    assert sorted(documented) == sorted(set(bbdg_ref.__all__) - {"__version__"})


# --- examples and links ---

WITH_EXAMPLES = [*PAGES, PORTING, DOCS / "projection.md"]
WRITTEN_HERE = [*PAGES, PORTING, DOCS / "projection.md", DOCS / "index.md", DOCS / "api.md", DOCS / "spec" / "index.md"]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page):
    result = doctest.testfile(str(page), module_relative=False, optionflags=FLAGS, encoding="utf-8")
    assert result.attempted >= 4
    assert result.failed == 0


@pytest.mark.parametrize("page", WRITTEN_HERE, ids=lambda page: str(page.relative_to(DOCS)))
def test_links_lead_to_files_and_headings(page):
    assert LINK.findall(text_of(page))
    assert broken(page) == []


# --- porting.md ---


def test_the_request_and_the_answer_are_those_of_the_protocol():
    name = "project_0_3_4"
    vector = next(vector for vector in vectors("project") if vector.id == name)
    request = {"id": name, "stage": "project", "inputs": {key: to_json(value) for key, value in vector.inputs.items()}}
    assert shown("request", name) == json.dumps(request) + "\n"
    assert shown("answer", name) == json.dumps(answer(reference, json.dumps(request))) + "\n"


def test_the_failing_run_prints_what_the_page_shows(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_port.py").write_text(shown("file", "my_port.py"), encoding="utf-8")
    assert main(["run", "my_port.py", "--id", "sign_bits_float32"]) == 1
    assert capfd.readouterr().out == shown("output", "sign_bits_float32")


def test_the_stages_of_the_page_exist():
    table = re.search(r"^\| step .*?\n\n", text_of(PORTING), re.MULTILINE | re.DOTALL)[0]
    named = [name for row in table.split("\n")[2:-2] for name in re.findall(r"`(\w+)`", row.split("|")[3])]
    assert len(named) > 20
    assert set(named) - set(STAGES) == {"_backward"}


def test_the_expected_failures_of_the_page_can_be_read(tmp_path):
    path = tmp_path / "my_port.xfail"
    path.write_text(re.search(r"^# my_port\.xfail\n(.*?)^```$", text_of(PORTING), re.MULTILINE | re.DOTALL)[1])
    expected = read_expected_failures(
        path, [vector.id for stage in ("sign_bits", "project") for vector in vectors(stage)]
    )
    assert len(expected.entries) == 2


# --- the extensions of Sphinx, where Sphinx is installed ---


@pytest.fixture
def extension(monkeypatch):
    """Import an extension of docs/_ext."""
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))

    def load(name: str) -> ModuleType:
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return load


@pytest.mark.parametrize("module", ["projection", "packing", "conv2d"])
def test_the_directive_lists_every_vector_of_a_module_and_no_other(extension, module):
    rows = extension("conformance_vectors").rows(module)
    wanted = [vector for vector in vectors() if module in STAGES[vector.stage].spec]
    assert [(stage, name) for stage, name, _, _ in rows] == [(vector.stage, vector.id) for vector in wanted]
    assert all(flags == ", ".join(vector.flags) for (_, _, flags, _), vector in zip(rows, wanted, strict=True))
    assert rows and all(comment for *_, comment in rows)


def test_links_are_mended_for_sphinx(extension, tmp_path):
    pages = tmp_path / "docs"
    (pages / "folder").mkdir(parents=True)
    for path in (pages / "other.md", tmp_path / "table.md", tmp_path / "code.py"):
        path.touch()
    text = "[a](other.md#x) [b](../table.md#y) [c](folder) [d](../code.py) [e](https://e) ![f](../table.md) [g](none)"
    mended = extension("repository").mended(text, pages / "page.md", pages)
    assert mended == text.replace("(../table.md#y) [c](folder)", "(path:../table.md#y) c")


def test_bars_are_escaped_in_text_but_not_in_literals(extension):
    assert extension("repository").escaped(["mean |w|, ``|w|``, a | b"]) == [r"mean \|w\|, ``|w|``, a | b"]


def build(folder: Path, page: str) -> tuple[str, str]:
    """The HTML of a page, built with the settings of docs/, and the warnings."""
    from sphinx.cmd.build import build_main

    source, log = folder / "source", folder / "warnings.txt"
    source.mkdir()
    (source / "index.md").write_text(page, encoding="utf-8")
    build_main(["-q", "-c", str(DOCS), "-D", "html_theme=basic", "-w", str(log), str(source), str(folder / "html")])
    return (folder / "html" / "index.html").read_text(encoding="utf-8"), log.read_text(encoding="utf-8")


@pytest.mark.filterwarnings("default")  # those of the libraries that Sphinx imports
def test_a_page_is_built_with_vectors_and_formulas(tmp_path):
    pytest.importorskip("myst_parser")
    page = "# Title\n\n$x^2$\n\n$$ \\frac{1}{2} $$\n\n```{conformance-vectors} packing\n```\n"
    html, warnings = build(tmp_path, page)
    assert warnings == ""
    assert html.count("<math ") == 2 and "<mfrac>" in html
    assert missing([vector.id for vector in vectors("pack_bits")], html) == []


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("```{conformance-vectors} nothing\n```", "no conformance vector belongs to 'nothing'"),
        (r"$\nonsense{x}$", "cannot read the formula"),
        ("[gone](gone.md)", "target not found"),
    ],
)
def test_a_page_that_is_wrong_gets_a_warning(tmp_path, text, warning):
    pytest.importorskip("myst_parser")
    assert warning in build(tmp_path, f"# Title\n\n{text}\n")[1]


# --- the checks themselves ---


def test_a_wrong_example_is_found(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("```python\n>>> 1 + 1\n2\n>>> 1 + 1\n3\n\n```\n", encoding="utf-8")
    result = doctest.testfile(str(page), module_relative=False, optionflags=FLAGS)
    assert (result.attempted, result.failed) == (2, 1)
    assert "Expected:\n    3" in capsys.readouterr().out


def test_broken_links_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One, two\n[a](#one-two) [b](#three) [c](page.md#one-two) [d](gone.md) [e](https://e)\n")
    assert broken(page) == ["#three", "gone.md"]


def test_missing_names_are_found():
    assert missing(["pack_bits", "sign", "Bits"], "`unpack_bits`, `sign_bits`, `Bits(...)`") == ["pack_bits", "sign"]
