import os
from pathlib import Path

import pytest

from bbdg_ref.conformance.port import CannotStart, Port
from bbdg_ref.conformance.run import NOT_ASKED, STATUSES, run
from bbdg_ref.conformance.xfail import ExpectedFailures


def outcome(results) -> list[tuple[str, str, str]]:
    return [(result.vector.id, result.status, result.fault) for result in results]


def test_each_case_comes_to_its_own_result(script, vector):
    body = """
    if name == "bad_wrong": good["outputs"]["bits"]["data"][0] = 0; say(good)
    if name == "bad_crash": sys.exit(1)
    if name == "bad_hang": time.sleep(60)
    if name == "bad_missing": say({"id": name, "missing": True})
    if name == "bad_error": say({"id": name, "error": "oh"})
    if name == "bad_garbage": say("oh")
    if name == "bad_empty": say({"id": name, "outputs": {}})
    """
    names = "wrong crash hang missing error garbage empty".split()
    cases = [case for name in names for case in (vector(f"bad_{name}"), vector(f"good_{name}"))]
    with Port(script(body), timeout=1) as port:
        results = list(run(cases, port))
    faults = dict(zip(names, "wrong crash hang missing error protocol wrong".split(), strict=True))
    assert outcome(results) == [
        line for name in names for line in ((f"bad_{name}", "failed", faults[name]), (f"good_{name}", "passed", ""))
    ]
    assert all(result.messages and result.bad for result in results[::2])
    assert results[0].messages[0].startswith("bits[0]: got")
    assert results[-2].messages == ("bits: missing from the outputs",)
    assert not any(result.messages or result.bad for result in results[1::2])
    assert all(result.seconds > 0 for result in results) and results[4].seconds >= 1
    assert {result.status for result in results} < set(STATUSES)


def test_an_expected_failure_must_fail(script, vector):
    expected = ExpectedFailures((("bad_*", "no bits here"), ("good_1", "it did fail")))
    body = "good['outputs']['bits']['data'][0] = 0; say(good)"
    with Port(script(body)) as port:
        results = list(run([vector("bad_1"), vector("good_1"), vector("good_2")], port, expected))
    assert outcome(results) == [("bad_1", "expected", "wrong"), ("good_1", "stale", ""), ("good_2", "passed", "")]
    assert [result.bad for result in results] == [False, True, False]
    assert results[0].reason == "no bits here" and results[0].messages[0].startswith("bits[0]")
    assert results[1].messages == ("passed, but was expected to fail: it did fail; remove its line",)


def test_a_port_that_never_starts_is_told_before_any_case(vector):
    with Port(["./there_is_no_such_port"]) as port, pytest.raises(CannotStart):
        next(run([vector()], port))


@pytest.mark.skipif(os.name != "posix", reason="the file of a running program may be removed")
def test_what_a_port_that_does_not_start_again_was_not_asked_is_not_run(script, vector):
    command = script("os.remove(__file__); sys.exit(1)")
    with Port(command) as port:
        results = list(run([vector("good_1"), *map(vector, ("bad", "good_2", "good_3"))], port))
    assert outcome(results) == [
        ("good_1", "passed", ""),
        ("bad", "failed", "crash"),
        ("good_2", "not run", "start"),
        ("good_3", "not run", "start"),
    ]
    assert "the port cannot be started" in results[2].messages[0] and Path(command[1]).name in results[2].messages[0]
    assert results[3].messages == (NOT_ASKED,)
