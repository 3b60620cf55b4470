import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bbdg_ref.conformance import FLAGS, STAGES, Vector, registry, write
from bbdg_ref.conformance import command as command_line

PROGRAM = [sys.executable, "-m", "bbdg_ref.conformance"]
GOOD = "def sign_bits(x): return x > 0\ndef sign(x): return (x > 0) * 2.0 - 1\n"


@cache
def vectors(stage: str | None = None) -> list[Vector]:
    """The cases, built once for all tests."""
    return registry.vectors(stage)


BAD = "def sign_bits(x): return x >= 0\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The vectors as files."""
    path = tmp_path_factory.mktemp("vectors")
    write(path)
    return path


@pytest.fixture
def port(tmp_path):
    def make(source: str) -> str:
        (tmp_path / "port_under_test.py").write_text(source)
        return str(tmp_path / "port_under_test.py")

    return make


@pytest.fixture
def command(capsys, monkeypatch):
    """Run the command line in this process: status, output, errors."""
    monkeypatch.setattr(command_line, "vectors", vectors)

    def go(*words) -> tuple[int, str, str]:
        try:
            status = command_line.main([str(word) for word in words])
        except SystemExit as stop:
            status = stop.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return go


# ------------------------------------------------------------------------------------------------------------- run


def test_a_good_port_passes(command, port):
    status, out, err = command("run", port(GOOD), "--stage", "sign_bits", "--stage", "sign")
    count = len(vectors("sign_bits")) + len(vectors("sign"))
    assert (status, err) == (0, "") and out.splitlines()[-1] == f"{count} cases: {count} passed, 0 failed"
    assert out.splitlines()[0].split() == ["stage", "passed", "failed"]


def test_a_bad_port_fails_with_names_and_flags(command, port):
    status, out, err = command("run", port(BAD), "--stage", "sign_bits", "--stage", "sign")
    assert (status, err) == (1, "")
    assert "FAIL " in out and "flag zero: " in out and "wrong: bits" in out
    assert all(f"FAIL {case.id} (sign)" in out for case in vectors("sign"))
    assert "missing: the port has no function sign" in out
    status, out, err = command("run", port(BAD), "--stage", "sign_bits", "-q")
    assert status == 1 and all(line.startswith("FAIL ") for line in out.splitlines()[:-1])
    status, out, _ = command("run", port(GOOD), "--stage", "sign_bits", "-v")
    assert status == 0 and out.startswith(f"ok {vectors('sign_bits')[0].id}\n")


def test_an_id_a_pattern_and_a_flag_select(command, port):
    first, second = vectors("sign_bits")[0], vectors("sign")[0]
    assert "1 case: 1 passed" in command("run", port(GOOD), "--id", first.id)[1]
    assert "2 cases: 2 passed" in command("run", port(GOOD), "--id", first.id, "--id", second.id)[1]
    pattern = first.id[:-1] + "?"
    assert json.loads(command("list", "--json", "--id", pattern)[1])[0]["id"] == first.id
    listed = json.loads(command("list", "--flag", first.flags[0], "--json")[1])
    assert listed == [
        {"id": case.id, "stage": case.stage, "flags": list(case.flags), "comment": case.comment}
        for case in vectors()
        if first.flags[0] in case.flags
    ]


def test_expected_failures_pass_and_stale_ones_fail(command, port, tmp_path):
    known = tmp_path / "port.xfail"
    failed = [line.split()[1] for line in command("run", port(BAD), "--stage", "sign_bits", "-q")[1].splitlines()[:-1]]
    known.write_text("".join(f"{name}: counts zero as a one\n" for name in failed))
    words = "run", port(BAD), "--stage", "sign_bits", "--xfail", known
    status, out, _ = command(*words)
    assert status == 0 and f"{len(failed)} expected to fail" in out and "FAIL" not in out
    assert "expected to fail: counts zero as a one" in command(*words, "-v")[1]
    status, out, _ = command("run", port(GOOD), *words[2:])
    assert status == 1 and out.count("STALE") == len(failed) > 0
    assert command("run", port(BAD), "--stage", "sign", "--xfail", known)[0] == 1  # says nothing about others


def test_reports_are_written(command, port, tmp_path):
    junit, report = tmp_path / "report.xml", tmp_path / "report.json"
    assert command("run", port(BAD), "--stage", "sign_bits", "--junit", junit, "--json", report)[0] == 1
    content = json.loads(report.read_text())
    root = ElementTree.parse(junit).getroot()
    assert int(root.attrib["failures"]) == content["counts"]["failed"] > 0
    assert content["port"] == port(BAD)


def test_a_command_is_a_port_and_files_are_vectors(command, script, folder):
    words = subprocess.list2cmdline(script()) if os.name == "nt" else " ".join(f"'{word}'" for word in script())
    status, out, err = command("run", "--exec", words, "--vectors", folder, "--stage", "sign_bits")
    assert (status, err) == (0, "") and f"{len(vectors('sign_bits'))} passed" in out


def test_a_hang_takes_its_own_time_only(command, port):
    source = "import time\ndef sign_bits(x): time.sleep(60)\n" + GOOD.splitlines()[1]
    case, other = vectors("sign_bits")[0].id, vectors("sign")[0].id
    begin = time.monotonic()
    status, out, _ = command("run", port(source), "--id", case, "--id", other, "--timeout", "0.5")
    assert status == 1 and "hang: no answer within 0.5 s" in out and "2 cases: 1 passed, 1 failed" in out
    assert time.monotonic() - begin < 30


@pytest.mark.parametrize("words", [["nowhere.py"], ["no_such_module_anywhere"], ["--exec", "./no_such_port"]])
def test_a_port_that_cannot_be_started_ends_with_2_said_once(command, words, tmp_path):
    status, out, err = command("run", *words)
    assert status == 2 and not out and err.count("the port cannot be started") == 1


@pytest.mark.skipif(os.name != "posix", reason="the file of a running program may be removed")
def test_a_port_that_is_lost_on_the_way_ends_with_2_and_reports(command, script, tmp_path):
    words = script("pass")
    path = Path(words[1])
    leave = "    if stage == 'sign': os.remove(__file__); sys.exit(1)\n"
    path.write_text(path.read_text().replace("    if stage !=", f"{leave}    if stage !="))
    stages = [f"--stage={stage}" for stage in ("sign_bits", "sign")]
    report = tmp_path / "report.json"
    status, out, _ = command("run", "--exec", " ".join(words), *stages, "--json", report)
    assert status == 2 and out.count("the port cannot be started") == 1
    counts = json.loads(report.read_text())["counts"]
    assert counts["passed"] == len(vectors("sign_bits")) and counts["failed"] == 1
    assert counts["not run"] == len(vectors("sign")) - 1 > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "give one port"),
        (["run", "a.py", "--exec", "b"], "give one port"),
        (["run", "--exec", "'"], "cannot be split"),
        (["run", "--exec", " "], "--exec must name a command"),
        (["run", "a.py", "--stage", "nothing"], "--stage must be one of"),
        (["run", "a.py", "--flag", "nothing"], "--flag must be one of"),
        (["run", "a.py", "--id", "nothing*"], "no case has the id nothing*"),
        (["run", "a.py", "--stage", "sign", "--id", "project_*"], "leave one of the options out"),
        (["run", "a.py", "--timeout", "0"], "a number of seconds above 0"),
        (["run", "a.py", "--timeout", "nan"], "a number of seconds above 0"),
        (["run", "a.py", "--timeout", "soon"], "a number of seconds above 0"),
        (["run", "a.py", "--xfail", "nowhere.xfail"], "nowhere.xfail"),
        (["run", "a.py", "--vectors", "nowhere"], "nowhere"),
        (["run", "a.py", "--junit", "nowhere/report.xml"], "nowhere/report.xml"),
        (["run", "a.py", "-q", "-v"], "not allowed with"),
        (["show", "nothing"], "no case has the id nothing"),
        (["frobnicate"], "invalid choice"),
        ([], "required"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_message(command, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = command(*words)
    assert (status, out) == (2, "") and message in err and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [(["serve", "nowhere.py"], "there is no such adapter"), (["run", "--exec", " "], "--exec must name a command")],
)
def test_a_process_of_wrong_usage_ends_with_2_and_a_message(words, message, tmp_path):
    done = subprocess.run([*PROGRAM, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "") and message in done.stderr
    assert "Traceback" not in done.stderr and list(tmp_path.iterdir()) == []


def test_a_bad_line_of_expected_failures_ends_with_2(command, port, tmp_path):
    (tmp_path / "port.xfail").write_text("no_such_case: why\n")
    status, out, err = command("run", port(GOOD), "--stage", "sign_bits", "--xfail", tmp_path / "port.xfail")
    assert status == 2 and not out and "port.xfail:1: no case has the id no_such_case" in err


def test_damaged_vectors_end_with_2(command, port, tmp_path):
    (tmp_path / "sign.json").write_text("{}")
    status, _, err = command("run", port(GOOD), "--vectors", tmp_path)
    assert status == 2 and "sign.json" in err


# ----------------------------------------------------------------------------------------------------- looking at them


def test_list_shows_every_case(command):
    status, out, _ = command("list")
    assert status == 0 and [line.split()[0] for line in out.splitlines()[1:]] == [case.id for case in vectors()]


def test_show_tells_all_about_a_case(command, folder):
    case = vectors("fit_domain")[0]
    for words in ([], ["--vectors", folder]):
        status, out, _ = command("show", case.id, *words)
        assert status == 0 and out.startswith(f"{case.id}: {case.comment}\n")
        assert all(f"flag {flag}: {FLAGS[flag]}" in out for flag in case.flags)
        assert STAGES[case.stage].title in out and "bbdg_ref.spec." in out
        assert "[exact]" in out and float(case.expected["alpha"]).hex() in out
        content = json.loads(command("show", case.id, "--json", *words)[1])
        assert content["stage"] == case.stage
        assert content["expected"]["alpha"]["float64"] == case.expected["alpha"].hex()


def test_a_case_of_every_stage_can_be_shown(command):
    for case in {case.stage: case for case in vectors()}.values():
        status, out, _ = command("show", case.id)
        assert status == 0 and all(f"\n  {name} " in out for name in [*case.inputs, *case.expected])


def test_stages_are_listed(command):
    status, out, _ = command("stages")
    assert status == 0 and all(f"\n{name}: {stage.title}\n" in f"\n{out}" for name, stage in STAGES.items())
    forms = json.loads(command("stages", "--json")[1])
    assert list(forms) == list(STAGES) and forms["sign"]["inputs"][0]["name"] == "x"


def test_write_writes_the_files(command, tmp_path, folder):
    assert command("write", tmp_path / "new") == (0, "", "")
    assert (tmp_path / "new" / "sign.json").read_bytes() == (folder / "sign.json").read_bytes()


def test_help_has_examples_that_are_understood(command):
    status, out, _ = command("--help")
    assert status == 0 and "exit status: 0" in out
    shown = [line.split("bbdg_ref.conformance ")[1] for line in out.splitlines() if line.startswith("  python -m")]
    assert len(shown) >= 4
    for line in shown:
        words = line.split()
        if words[0] in ("list", "show"):
            assert command(*words)[0] == 0
    for name in ("run", "list", "show", "stages", "serve", "write"):
        assert f"    {name} " in out and command(name, "--help")[0] == 0


# -------------------------------------------------------------------------------------------- how a process may end


@pytest.mark.skipif(os.name != "posix", reason="signals of another kind")
def test_ctrl_c_ends_the_run_and_the_port(port, tmp_path):
    source = """
import os, pathlib, time
def sign_bits(x):
    pathlib.Path(__file__).with_name("pid").write_text(str(os.getpid()))
    time.sleep(60)
"""
    command = [*PROGRAM, "run", port(source), "--stage", "sign_bits", "--timeout", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        pid = tmp_path / "pid"
        while not (pid.exists() and pid.read_text()):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.skipif(os.name != "posix", reason="pipes of another kind")
@pytest.mark.parametrize("words", [["list"], ["run", "{}", "--stage", "sign_bits", "-v"]])
def test_a_reader_that_goes_away_ends_it_quietly(port, words):
    read, out = os.pipe()
    os.close(read)
    command = [*PROGRAM, *(word.format(port(GOOD)) for word in words)]
    with subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True) as process:
        os.close(out)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error():
    pipe = subprocess.PIPE
    with open("/dev/full", "w") as full:
        done = subprocess.run([*PROGRAM, "list"], stdout=full, stderr=pipe, text=True, timeout=60, check=False)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
