import json
from xml.etree import ElementTree

import pytest

from bbdg_ref.conformance import FLAGS
from bbdg_ref.conformance.report import case_text, json_text, junit_text, passed, progress_text, summary_text
from bbdg_ref.conformance.run import NOT_ASKED, Result


@pytest.fixture
def results(vector) -> list[Result]:
    return [
        Result(vector("right"), "passed", seconds=0.25),
        Result(
            vector("wrong", stage="sign"), "failed", "wrong", ("y[0]: got 2, expected 1", "z: missing"), (), "", 0.5
        ),
        Result(vector("crashed"), "failed", "crash", ("ended by signal 11",), ("\x1b[1mSegmentation <fault>\x00", "")),
        Result(vector("known"), "expected", "wrong", ("bits[0]: got 0",), reason="no \x07 bell & whistle"),
        Result(vector("mended"), "stale", "", ("passed, but was expected to fail: x",), reason="x"),
        Result(vector("after"), "not run", "start", ("not asked, nor the cases after it: it is gone",)),
        Result(vector("later"), "not run", "start", (NOT_ASKED,)),
    ]


def test_a_failure_is_told_with_what_it_hunts_and_what_the_port_wrote(results, vector):
    flag = next(iter(FLAGS), "zero")
    result = Result(vector("crashed", flags=(flag,)), "failed", "crash", ("ended by signal 11",), ("first", "last"))
    explained = FLAGS.get(flag, "not explained by this version of bbdg_ref")
    assert case_text(result).splitlines() == [
        "FAIL crashed (sign_bits): numbers around zero",
        "  crash: ended by signal 11",
        f"  flag {flag}: {explained}",
        "  the port wrote to standard error:",
        "  | first",
        "  | last",
    ]
    assert "  expected to fail: no \x07 bell" in case_text(results[3])
    assert case_text(results[1]).count("\n  wrong: ") == 2


def test_what_is_printed_during_a_run(results):
    def shown(**amount) -> list[str]:
        lines = [progress_text(result, **amount).partition("\n")[0] for result in results]
        return [line.partition(" (")[0] for line in lines if line]

    assert shown(quiet=False, verbose=False) == ["FAIL wrong", "FAIL crashed", "STALE mended", "NOT RUN after"]
    assert shown(quiet=True, verbose=False) == ["FAIL wrong", "FAIL crashed", "STALE mended", "NOT RUN after"]
    assert shown(quiet=False, verbose=True) == [
        "ok right", "FAIL wrong", "FAIL crashed", "expected known", "STALE mended", "NOT RUN after", "NOT RUN later",
    ]  # fmt: skip
    assert progress_text(results[1], quiet=True, verbose=False) == "FAIL wrong"
    assert "flag zero" in progress_text(results[1], quiet=False, verbose=False)


def test_the_summary_counts_by_stage(results):
    assert summary_text(results).splitlines() == [
        "stage      passed  failed  expected to fail  stale  not run",
        "sign_bits       1       1                 1      1        2",
        "sign            0       1                 0      0        0",
        "",
        "7 cases: 1 passed, 2 failed, 1 expected to fail, 1 stale, 2 not run; failures: 1 wrong, 1 crash, 2 start",
    ]
    assert summary_text(results[:1]).splitlines()[-1] == "1 case: 1 passed, 0 failed"


def test_a_run_has_passed_without_bad_cases(results):
    assert passed([results[0], results[3]])
    assert not any(passed([result]) for result in results if result.status not in ("passed", "expected"))


def test_json(results):
    report = json.loads(json_text(results, "./port"))
    assert (report["format"], report["version"], report["port"]) == ("bbdg_ref conformance report", 1, "./port")
    assert report["passed"] is False and json.loads(json_text(results[:1], ""))["passed"] is True
    counts = {"passed": 1, "failed": 2, "expected": 1, "stale": 1, "not run": 2}
    assert report["counts"] == counts and sum(report["stages"]["sign_bits"].values()) == 6
    assert report["cases"][1] == {
        "id": "wrong", "stage": "sign", "flags": ["zero"], "comment": "numbers around zero", "status": "failed",
        "fault": "wrong", "messages": ["y[0]: got 2, expected 1", "z: missing"], "stderr": [], "reason": "",
        "seconds": 0.5,
    }  # fmt: skip


def test_junit(results):
    root = ElementTree.fromstring(junit_text(results, "./port \x00"))
    assert root.tag == "testsuites" and root.attrib["name"] == "bbdg_ref conformance: ./port \ufffd"
    assert {key: root.attrib[key] for key in ("tests", "failures", "errors", "skipped", "time")} == {
        "tests": "7", "failures": "2", "errors": "3", "skipped": "1", "time": "0.750000",
    }  # fmt: skip
    assert [(suite.attrib["name"], suite.attrib["tests"]) for suite in root] == [("sign_bits", "6"), ("sign", "1")]
    cases = {case.attrib["name"]: case for case in root.iter("testcase")}
    assert list(cases["right"]) == [] and cases["right"].attrib["time"] == "0.250000"
    tags = {name: case[0].tag for name, case in cases.items() if len(case)}
    assert tags == {
        "wrong": "failure", "crashed": "error", "known": "skipped", "mended": "failure", "after": "error",
        "later": "error",
    }  # fmt: skip
    assert cases["wrong"][0].attrib == {"type": "wrong", "message": "y[0]: got 2, expected 1; z: missing"}
    assert "\ufffd[1mSegmentation <fault>\ufffd" in cases["crashed"][0].text
    assert cases["known"][0].attrib["message"] == "expected to fail: no \ufffd bell & whistle"
    assert all(case.attrib["classname"] in ("sign_bits", "sign") for case in cases.values())


def test_no_cases_make_reports_all_the_same():
    assert ElementTree.fromstring(junit_text([], "x")).attrib["tests"] == "0"
    assert json.loads(json_text([], "x"))["cases"] == []
