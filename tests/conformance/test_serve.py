import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from bbdg_ref.conformance import STAGES
from bbdg_ref.conformance.port import CannotStart, Port
from bbdg_ref.conformance.serve import answer, load_adapter
from bbdg_ref.conformance.values import to_json

SERVE = [sys.executable, "-m", "bbdg_ref.conformance", "serve"]


@pytest.fixture
def adapter(tmp_path, monkeypatch):
    """Write an adapter; its path. What one that is loaded into this process leaves behind is removed."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", {**sys.modules})

    def write(source: str, name: str = "adapter_under_test.py") -> str:
        (tmp_path / name).write_text(textwrap.dedent(source), encoding="utf-8")
        return str(tmp_path / name)

    return write


def ask(path: str, vector) -> object:
    with Port([*SERVE, path], timeout=20) as port:
        return port.ask(vector)


def question(vector, **changes) -> str:
    inputs = {name: to_json(value) for name, value in vector.inputs.items()}
    return json.dumps({"id": vector.id, "stage": vector.stage, "inputs": inputs} | changes)


def test_a_dict_or_the_value_itself_is_an_answer(adapter, vector):
    for source in ("def sign_bits(x): return x > 0", "def sign_bits(*, x): return {'bits': x > 0, 'more': None}"):
        np.testing.assert_array_equal(ask(adapter(source), vector()).outputs["bits"], [True, False, False])


def test_what_the_adapter_prints_does_not_get_into_the_protocol(adapter, vector):
    source = """
        import os, subprocess, sys
        print("loading")
        def sign_bits(x):
            print("x is", x)
            sys.stdout.write("no end of line")
            sys.__stdout__.write("{}\\n")
            os.write(1, b"raw\\n")
            subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
            assert sys.stdin.read() == "" and os.read(0, 10) == b""
            return x > 0 if x[0] > 0 else 1 / 0
    """
    path = adapter(source)
    with Port([*SERVE, path], timeout=20) as port:
        for _ in range(2):
            assert port.ask(vector()).fault == ""
        told = port.ask(vector(values=(-1.0,)))
    assert told.message == "the port reports: ZeroDivisionError: division by zero"
    text = "\n".join(told.stderr)
    assert all(part in text for part in ("x is [-1.]", "raw", "from a child", "no end of line", "in sign_bits"))


def test_a_missing_function_and_an_unknown_stage_are_missing(adapter, vector):
    module = load_adapter(adapter("def start(): return 1\nsign_bits = 3\ndef sign(x): return x", "without.py"))
    assert answer(module, question(vector())) == {"id": "good", "missing": True}
    assert answer(module, question(vector(), stage="start")) == {"id": "good", "missing": True}
    assert "outputs" in answer(module, question(vector(), stage="sign"))


def test_exceptions_and_wrong_results_are_errors_of_the_port(adapter, vector):
    source = """
        def sign_bits(x): raise KeyError("no such layer")
        def sign(x): return object()
        def project(w): return 1.0
        def hardtanh(y): return y
    """
    module = load_adapter(adapter(source, "errors.py"))

    def error(stage: str, **inputs) -> str:
        return answer(module, question(vector(), stage=stage, inputs=inputs))["error"]

    x = to_json(np.ones(1))
    assert error("sign_bits", x=x) == "KeyError: 'no such layer'"
    assert error("sign", x=x).startswith("TypeError: to_json: value must be")
    assert error("project", w=x).startswith("TypeError: project must return a dict of its outputs alpha, beta, bits")
    assert error("hardtanh", x=x).startswith("TypeError: hardtanh() got an unexpected keyword argument 'x'")


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", "no JSON", '{"id": 1}', '{"id": 1, "stage": "sign", "inputs": {"x": 0.5}}',
             '{"id": 1, "stage": "sign", "inputs": []}', '{"id": 1, "stage": [], "inputs": {}}'],
)  # fmt: skip
def test_a_question_that_cannot_be_read_is_answered(adapter, line):
    module = load_adapter(adapter("", "empty.py"))
    assert answer(module, line)["error"].startswith("the question cannot be read: ")


def test_every_stage_of_the_reference_is_there():
    module = load_adapter("bbdg_ref.conformance.reference")
    assert [name for name in STAGES if not callable(getattr(module, name, None))] == []


def test_an_adapter_finds_its_neighbours_and_dataclasses_work(adapter, vector):
    adapter("def positive(x): return x > 0", "neighbour.py")
    source = """
        from __future__ import annotations
        from dataclasses import dataclass
        import neighbour

        @dataclass
        class Bits:
            x: object

        def sign_bits(x): return neighbour.positive(Bits(x).x)
    """
    assert ask(adapter(source), vector()).fault == ""


def test_an_adapter_that_leaves_is_a_crash(adapter, vector):
    assert "exit status 7" in ask(adapter("import sys\ndef sign_bits(x): sys.exit(7)"), vector()).message


def test_a_crash_in_compiled_code_tells_where(adapter, vector):
    told = ask(adapter("import ctypes\ndef sign_bits(x): ctypes.string_at(0)"), vector())
    assert told.fault == "crash" and any("in sign_bits" in line for line in told.stderr)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.py", "there is no such adapter: 'nowhere.py'"),
        ("no_such_module_anywhere", "No module named 'no_such_module_anywhere'"),
        ("not/a/module", "not/a/module"),
        ("os.path.join", "an adapter must be a module or a .py file; 'os.path.join' is a function"),
    ],
)
def test_an_adapter_that_is_not_there_is_told_in_one_line(name, message, vector):
    with pytest.raises(CannotStart) as caught:
        ask(name, vector())
    lines = str(caught.value).splitlines()
    assert len(lines) == 3 and lines[-1].startswith("  error: ") and message in lines[-1]


def test_an_error_within_an_adapter_shows_where(adapter, vector):
    for source in ("import no_such_module_anywhere", "1 / 0", "def ("):
        with pytest.raises(CannotStart, match=r"adapter_under_test\.py"):
            ask(adapter(source), vector())


def test_a_session_by_hand(adapter, vector):
    lines = "\n".join([question(vector("a")), "oh", question(vector("b"), stage="sign")])
    path = adapter("def sign_bits(x): return x > 0")
    done = subprocess.run([*SERVE, path], input=lines, capture_output=True, text=True, timeout=60, check=True)
    first, second, third = map(json.loads, done.stdout.splitlines())
    assert first == {"id": "a", "outputs": {"bits": {"dtype": "bool", "shape": [3], "data": [1, 0, 0]}}}
    assert second["id"] is None and "error" in second and third == {"id": "b", "missing": True}
