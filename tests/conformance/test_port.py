import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from bbdg_ref.conformance import port as module
from bbdg_ref.conformance.port import CannotStart, Port

posix = pytest.mark.skipif(os.name != "posix", reason="signals and process groups of another kind")

pytestmark = pytest.mark.slow  # processes that hang on purpose


def children() -> set[int]:
    """The processes that this one has started and not taken the end of, zombies among them."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(path.parent.name))
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_port_answers(script, vector):
    with Port(script()) as port:
        answer = port.ask(vector())
        assert (answer.fault, answer.message) == ("", "")
        np.testing.assert_array_equal(answer.outputs["bits"], [True, False, False])
        assert port.ask(vector(stage="sign")).fault == "missing"


FAULTS = [
    ("sys.exit(3)", "crash", "the port ended without an answer, with exit status 3"),
    ("sys.exit(0)", "crash", "exit status 0"),
    ("say('{\"id\": ', end=''); sys.exit(1)", "crash", "in the middle of a line, '{\"id\": ', with exit status 1"),
    ("os.close(1); time.sleep(60)", "crash", "closed its standard output without an answer, but did not end"),
    ("time.sleep(60)", "hang", "no answer within 1 s"),
    ("say('{\"id', end=''); time.sleep(60)", "hang", "no answer within 1 s, but the beginning of a line, '{\"id'"),
    ("say('hello')", "protocol", "a line that is no JSON: 'hello'"),
    ("say('')", "protocol", "a line that is no JSON: ''"),
    ("say('[' * 100000)", "protocol", "no JSON"),
    ("say('\\x00')", "protocol", "no JSON"),
    ("sys.stdout.buffer.write(b'\\xff\\xfe\\n'); sys.stdout.flush()", "protocol", r"no JSON: '\\xff\\xfe'"),
    ("say('{\"id\": NaN}')", "protocol", "no JSON"),
    ("say([good])", "protocol", "JSON that is no object"),
    ("say(good | {'id': 'other'})", "protocol", "the id 'other', asked for 'bad'"),
    ("del good['id']; say(good)", "protocol", "the id None, asked for 'bad'"),
    ("say({'id': name})", "protocol", 'one of "outputs" (an object), "missing" (true) and "error" (a string)'),
    ("say(good | {'missing': True})", "protocol", "one of"),
    ("say({'id': name, 'missing': False})", "protocol", "one of"),
    ("say({'id': name, 'outputs': []})", "protocol", "one of"),
    ("say({'id': name, 'error': None})", "protocol", "one of"),
    ("say(json.dumps(good) + '\\n' + json.dumps(good))", "protocol", "more than one line; behind the answer stands"),
    ("outputs['bits']['data'] = [0.5, 0, 0]; say(good)", "protocol", "bits: from_json: element 0"),
    ("outputs['bits'] = 0.5; say(good)", "protocol", "bits: from_json: 0.5 is a plain number"),
    ("outputs['bits']['data'] = 7; say(good)", "protocol", "bits: from_json: data must be a list"),
    ("outputs['bits']['dtype'] = ['bool']; say(good)", "protocol", "bits: from_json: dtype must be"),
    ("outputs['bits']['shape'] = [3, True]; say(good)", "protocol", "bits: from_json: shape must be"),
    ("say({'id': name, 'error': 'no memory'})", "error", "the port reports: no memory"),
    ("say({'id': name, 'missing': True})", "missing", "the port has no function sign_bits"),
]


@pytest.mark.parametrize(("body", "fault", "message"), FAULTS)
def test_a_fault_is_that_of_its_case_and_the_next_is_answered(script, vector, body, fault, message):
    with Port(script("print('so far so good', file=sys.stderr, flush=True)\n" + body), timeout=1) as port:
        answer = port.ask(vector("bad"))
        assert answer.fault == fault and message in answer.message
        assert answer.stderr == ("so far so good",) and answer.outputs == {}
        after = port.ask(vector())
        assert (after.fault, list(after.outputs), after.stderr) == ("", ["bits"], ())


@posix
@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGABRT"])
def test_the_signal_that_ended_a_port_is_named(script, vector, name):
    with Port(script(f"os.kill(os.getpid(), signal.{name})")) as port:
        assert port.ask(vector("bad")).message.endswith(f"by signal {int(getattr(signal, name))} ({name})")


def test_an_answer_without_end_is_cut_off(script, vector, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_ANSWER", 1 << 20)
    with Port(script("while True: say('x' * 65536, end='')")) as port:
        begin = time.monotonic()
        answer = port.ask(vector("bad"))
        assert answer.fault == "protocol" and "longer than 1048576 bytes, which begins 'xxx" in answer.message
        assert len(answer.message) < 300 and time.monotonic() - begin < 8
        assert port.ask(vector()).fault == ""


def test_lines_without_end_on_standard_error_do_no_harm(script, vector):
    body = "for i in range(100000): print(i, 'x' * 100, file=sys.stderr)\nsys.exit(4)"
    with Port(script(body)) as port:
        answer = port.ask(vector("bad"))
        assert answer.fault == "crash" and len(answer.stderr) == 20 and answer.stderr[-1].startswith("99999 x")


def test_a_port_that_does_not_read_cannot_block_the_run(tmp_path, vector):
    path = tmp_path / "deaf.py"
    path.write_text(
        "import os, sys, time\n"
        "os.read(0, 100)\n"
        'print(\'{"id": "start", "missing": true}\', flush=True)\n'
        "time.sleep(60)\n"
    )
    with Port([sys.executable, str(path)], timeout=0.5) as port:
        assert port.ask(vector(values=np.ones(100000))).fault == "hang"  # far more than a pipe holds


def test_an_answer_before_the_question_was_read_is_no_answer(tmp_path, vector, monkeypatch):
    monkeypatch.setattr(module, "GRACE", 0.2)
    path = tmp_path / "hasty.py"
    path.write_text(
        "import os, time\n"
        "os.read(0, 100)\n"
        'print(\'{"id": "start", "missing": true}\', flush=True)\n'
        "os.read(0, 10)\n"
        'print(\'{"id": "good", "missing": true}\', flush=True)\n'
        "time.sleep(60)\n"
    )
    with Port([sys.executable, str(path)]) as port:
        answer = port.ask(vector(values=np.ones(100000)))
        assert (answer.fault, answer.message) == ("protocol", "it answered before it read the whole question")


@posix
def test_a_hung_port_is_ended_with_what_it_started(script, vector):
    body = """
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print(os.getpid(), child.pid, file=sys.stderr, flush=True)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
    """
    before = children() if Path("/proc").exists() else set()
    with Port(script(body), timeout=1) as port:
        pids = [int(word) for word in port.ask(vector("bad")).stderr[0].split()]
        assert len(pids) == 2
        for _ in range(100):  # the grandchild's end is taken by another process
            if not any(map(alive, pids)):
                break
            time.sleep(0.02)
        assert not any(map(alive, pids))
    if Path("/proc").exists():
        assert children() <= before


@posix
def test_what_left_the_port_s_group_and_holds_its_pipes_does_not_block_the_run(script, vector):
    body = """
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(8)"], start_new_session=True)
    sys.exit(5)
    """
    with Port(script(body), timeout=0.5) as port:
        assert port.ask(vector("bad")).fault == "hang"  # the pipe is not at its end
        assert port.ask(vector()).fault == ""


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["./there_is_no_such_port"], "./there_is_no_such_port\n  No such file or directory"),
        ([sys.executable, "-c", "import sys; sys.exit('no licence')"], "with exit status 1\n  no licence"),
        ([sys.executable, "-c", "print('Welcome!')"], "a line that is no JSON: 'Welcome!'"),
        ([sys.executable, "-c", "import time; time.sleep(60)"], "no answer within 1 s"),
        (["a\0b"], "null"),
    ],
)
def test_a_port_that_cannot_be_started_is_told(vector, command, message):
    with Port(command, start_timeout=1) as port:
        with pytest.raises(CannotStart, match="the port cannot be started") as caught:
            port.ask(vector())
        assert message in str(caught.value)


@posix
def test_a_folder_and_a_file_that_is_no_program_cannot_be_started(tmp_path, vector):
    (tmp_path / "text").write_text("no program")
    for path in (tmp_path, tmp_path / "text"):
        with Port([str(path)]) as port, pytest.raises(CannotStart, match="Permission denied"):
            port.ask(vector())


def test_at_the_end_of_its_input_the_port_ends_by_itself(tmp_path, script, vector):
    command = script()
    path = Path(command[1])
    path.write_text(path.read_text() + f"open({str(tmp_path / 'ended')!r}, 'w').close()\n")
    with Port(command) as port:
        port.ask(vector())
    assert (tmp_path / "ended").exists()


def test_a_port_that_does_not_end_is_ended(script, vector, monkeypatch):
    monkeypatch.setattr(module, "GRACE", 0.2)
    command = script()
    path = Path(command[1])
    path.write_text(path.read_text() + "time.sleep(60)\n")
    begin = time.monotonic()
    with Port(command) as port:
        port.ask(vector())
        pid = port._process.pid
    assert time.monotonic() - begin < 10 and not (os.name == "posix" and alive(pid))


def test_an_exception_ends_the_port_at_once(script, vector):
    with pytest.raises(KeyboardInterrupt), Port(script()) as port:
        port.ask(vector())
        process = port._process
        raise KeyboardInterrupt
    assert process.returncode is not None


def test_closing_is_allowed_before_the_start_and_twice(script):
    port = Port(script())
    port.close()
    port.start()
    port.start()
    port.close()
    port.close()


def test_no_thread_is_left(script, vector):
    before = set(threading.enumerate())
    with Port(script("sys.exit(1)")) as port:
        port.ask(vector("bad"))
        port.ask(vector())
    assert set(threading.enumerate()) <= before
