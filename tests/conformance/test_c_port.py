"""The port to C in examples/ports/c: it builds, passes every vector, and survives what is no question."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bbdg_ref.conformance import vectors

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "examples" / "ports" / "c"
PORTING = ROOT / "docs" / "porting.md"
CC = shutil.which("cc")

pytestmark = pytest.mark.skipif(CC is None, reason="the port to C needs a C compiler named cc")

ASK = '{"id": "a", "stage": "%s", "inputs": {%s}}'


def built(program: Path, sources: Path = SOURCES, options: tuple[str, ...] = ()) -> str:
    """Compile a port with the command of docs/porting.md, its -O2 replaced; the path of the program."""
    line = next(line for line in PORTING.read_text(encoding="utf-8").splitlines() if line.startswith("cc "))
    files = sorted(map(str, sources.glob("*.c")))
    places = {"cc": [CC], "-O2": options or ["-O2"], "c_port": [str(program)], "examples/ports/c/*.c": files}
    command = [word for given in line.split() for word in places.get(given, [given])]
    assert set(places) < set(line.split())
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return str(program)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    return built(tmp_path_factory.mktemp("c_port") / "port", options=("-O0",))  # compiles in half the time


def run(port: str, *more: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "bbdg_ref.conformance", "run", "--exec", port, *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def ask(port: str, *lines: str | bytes) -> list[dict]:
    text = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    done = subprocess.run([port], input=text, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return [json.loads(line) for line in done.stdout.splitlines()]


def array(dtype: str, shape: list[int], *data: str | int) -> str:
    return json.dumps({"dtype": dtype, "shape": shape, "data": data})


def passes_every_vector(port: str) -> bool:
    done = run(port, "--timeout", "60")
    count = len(vectors())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1] == f"{count} cases: {count} passed, 0 failed"


def test_the_port_to_c_passes_every_vector(port):
    assert passes_every_vector(port)


@pytest.mark.slow
def test_the_optimized_port_compiles_without_warnings_and_passes_every_vector(tmp_path):
    assert passes_every_vector(built(tmp_path / "port", options=("-O2", "-Werror")))


@pytest.mark.slow
def test_a_wrong_bit_of_zero_in_the_port_is_found(tmp_path):
    shutil.copytree(SOURCES, tmp_path / "c")
    path = tmp_path / "c" / "estimators.c"
    right = "bits->i[i] = x->f[i] > 0;"
    text = path.read_text(encoding="utf-8")
    assert text.count(right) == 1
    path.write_text(text.replace(right, right.replace(">", ">=").replace("->=", "->")), encoding="utf-8")
    done = run(built(tmp_path / "port", tmp_path / "c", ("-O0",)), "--stage", "sign_bits", "--stage", "sign")
    assert done.returncode == 1
    assert "flag zero:" in done.stdout and "FAIL sign_bits_float32" in done.stdout
    assert "FAIL sign_float32" not in done.stdout


def test_the_files_of_the_port_are_short():
    files = [*SOURCES.glob("*.c"), *SOURCES.glob("*.h")]
    assert len(files) > 20
    texts = {path.name: path.read_text(encoding="ascii").splitlines() for path in files}
    assert [name for name, lines in texts.items() if len(lines) > 300] == []
    assert [(name, line) for name, lines in texts.items() for line in lines if len(line) > 120] == []


def test_questions_that_cannot_be_answered_get_an_error_and_the_port_goes_on(port):
    wrong = [
        "", "{", "[]", "1.5", "01", '"a', '{"id": "a"', "[" * 1000, '{"id": "a", "stage": "sign"} 1', b'{"id": "\0"}',
        ASK % ("sign", ""),
        ASK % ("sign", '"x": 3'),
        ASK % ("sign", f'"x": {array("float32", [2], "0x1p+0")}'),
        ASK % ("sign", f'"x": {array("float32", [1], "1.5")}'),
        ASK % ("sign", f'"x": {array("float80", [1], "0x1p+0")}'),
        ASK % ("sign", f'"x": {array("float32", [1 << 62, 1 << 62], "0x1p+0")}'),
        ASK % ("pack_bits", f'"bits": {array("bool", [1], 2)}'),
        ASK % ("unpack_bits", f'"words": {array("uint64", [1], "0x" + "f" * 16)}, "count": 65'),
        ASK % ("project", f'"w": {array("float64", [0])}'),
        ASK % ("project", f'"w": {array("float64", [1], "inf")}'),
    ]  # fmt: skip
    answers = ask(port, *wrong, '{"id": "\\u00e9 \\ud83d\\ude00 \\"\\\\", "stage": "start", "inputs": {}}')
    assert len(answers) == len(wrong) + 1
    assert all(set(answer) == {"id", "error"} and answer["error"] for answer in answers[:-1])
    assert answers[-1] == {"id": 'é 😀 "\\', "missing": True}


@pytest.mark.slow
def test_the_port_is_clean_under_the_sanitizers_of_the_compiler(tmp_path):
    sanitize = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "none.c").write_text("int main(void) { return 0; }\n", encoding="utf-8")
    try:
        ask(built(tmp_path / "nothing", tmp_path / "none", sanitize))
    except AssertionError:
        pytest.skip("cc has no sanitizers for addresses and undefined behaviour here")
    port = built(tmp_path / "port", options=sanitize)
    assert passes_every_vector(port)
    assert ask(port, "{", ASK % ("sign", f'"x": {array("float32", [2, 0])}'))[1]["outputs"]["y"]["shape"] == [2, 0]
