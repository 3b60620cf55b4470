"""What the tests of the run share: small vectors, and ports that misbehave on demand."""

import os
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from bbdg_ref.conformance import EXACT, Vector

ROOT = Path(__file__).parents[2]

# Answers sign_bits rightly, unless `body` does something else for a question first (and then goes on to the next).
PORT = """
import json, os, signal, subprocess, sys, time

def say(answer, end="\\n"):
    sys.stdout.write((answer if isinstance(answer, str) else json.dumps(answer)) + end)
    sys.stdout.flush()

while line := sys.stdin.buffer.readline():
    question = json.loads(line)
    name, stage = question["id"], question["stage"]
    if stage != "sign_bits":
        say({"id": name, "missing": True})
        continue
    x = question["inputs"]["x"]
    data = [int(float.fromhex(number) > 0) for number in x["data"]]
    outputs = {"bits": {"dtype": "bool", "shape": x["shape"], "data": data}}
    good = {"id": name, "outputs": outputs}
    if name.startswith("bad"):
BODY
        continue
    say(good)
"""


def make_vector(name: str = "good", values=(1.0, -1.0, 0.0), stage: str = "sign_bits", flags=("zero",)) -> Vector:
    x = np.array(values, np.float32)
    return Vector(name, stage, "numbers around zero", tuple(flags), {"x": x}, {"bits": x > 0}, {"bits": EXACT})


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Python ports find the package that is tested."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))


@pytest.fixture
def script(tmp_path):
    """Write a port that does what is given for questions whose id begins with `bad`; the command that starts it."""

    def write(body: str = "pass", name: str = "port.py") -> list[str]:
        path = tmp_path / name
        path.write_text(PORT.replace("BODY", textwrap.indent(textwrap.dedent(body), " " * 8)), encoding="utf-8")
        return [sys.executable, str(path)]

    return write


@pytest.fixture
def vector():
    return make_vector
