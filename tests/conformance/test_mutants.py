"""Ports with one planted bug each: the run catches every one, names its flag, and blames no other stage.

A mutant is a file of mutants/. Its docstring says what is wrong and ends with the flag that must name it. It holds the
wrong functions only and takes all others from the right port, so that the stages that must fail are those of the
functions in it. By hand: python -m bbdg_ref.conformance run tests/conformance/mutants/sign_of_zero.py
"""

import ast
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from bbdg_ref.conformance import FLAGS, STAGES, vectors
from bbdg_ref.conformance.command import main


@dataclass(frozen=True)
class Mutant:
    """What a file of mutants/ says about itself."""

    path: Path
    bug: str
    flag: str
    stages: frozenset[str]


def read(path: Path) -> Mutant:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    text = re.fullmatch(r"(.+)\n\nFlag: (\w+)\.", ast.get_docstring(tree))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return Mutant(path, text[1], text[2], frozenset(functions & STAGES.keys()))


MUTANTS = {path.stem: read(path) for path in sorted(Path(__file__).with_name("mutants").glob("*.py"))}


def relatives(mutant: Mutant) -> list[str]:
    """Return the mutant's stages and those that the same part of the specification defines."""
    modules = {module for stage in mutant.stages for module in STAGES[stage].spec}
    return [name for name, stage in STAGES.items() if modules & set(stage.spec)]


def judge(mutant: Mutant, status: int, text: str, report: dict) -> None:
    """Check what the run of a mutant has come to, by its status, its text and its report."""
    assert status == 1 and not report["passed"]
    failed = [case for case in report["cases"] if case["status"] != "passed"]
    assert {case["stage"] for case in failed} == mutant.stages
    assert {case["fault"] for case in failed} == {"wrong"}  # no crash, no missing function: another number
    named = [case["id"] for case in failed if mutant.flag in case["flags"]]
    assert named, f"{mutant.flag} is no flag of {[case['id'] for case in failed]}"
    told = {block.split()[0]: block for block in re.split(r"^FAIL ", text, flags=re.MULTILINE)[1:]}
    assert told.keys() == {case["id"] for case in failed}
    assert all(f"  flag {mutant.flag}: {FLAGS[mutant.flag]}" in told[name] for name in named)


def test_there_are_mutants_of_most_stages_and_flags():
    flags = {mutant.flag for mutant in MUTANTS.values()}
    stages = frozenset().union(*(mutant.stages for mutant in MUTANTS.values()))
    assert len(MUTANTS) >= 60 and len(flags) >= 45 and len(stages) >= 0.6 * len(STAGES)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_says_what_it_does(name):
    mutant = MUTANTS[name]
    assert mutant.stages and mutant.flag in FLAGS and mutant.bug.endswith(".")
    assert any(mutant.flag in vector.flags for stage in mutant.stages for vector in vectors(stage))


@pytest.mark.slow
def test_the_right_port_that_the_mutants_change_passes(capsys):
    assert main(["run", "bbdg_ref.conformance.reference", "-q"]) == 0
    assert capsys.readouterr().out == f"{len(vectors())} cases: {len(vectors())} passed, 0 failed\n"


@pytest.mark.slow
def test_a_mutant_fails_in_its_stage_alone_in_a_run_over_everything(tmp_path):
    """As a user runs it: in a process of its own, over all cases."""
    mutant, report = MUTANTS["ede_without_k"], tmp_path / "report.json"
    words = [sys.executable, "-m", "bbdg_ref.conformance", "run", str(mutant.path), "--json", str(report)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    content = json.loads(report.read_text(encoding="utf-8"))
    assert done.stderr == "" and [case["id"] for case in content["cases"]] == [vector.id for vector in vectors()]
    judge(mutant, done.returncode, done.stdout, content)


@pytest.mark.slow  # each starts a port
@pytest.mark.parametrize("name", MUTANTS)
def test_the_run_catches_the_mutant_and_names_its_flag(name, tmp_path, capsys):
    mutant, report = MUTANTS[name], tmp_path / "report.json"
    asked = [word for stage in relatives(mutant) for word in ("--stage", stage)]
    status = main(["run", str(mutant.path), "--json", str(report), *asked])
    text, errors = capsys.readouterr()
    assert errors == ""
    judge(mutant, status, text, json.loads(report.read_text(encoding="utf-8")))
