"""What a run is reported as: text for people, JUnit's XML for CI systems, JSON for programs.

The JSON object has the keys::

    format, version     "bbdg_ref conformance report", 1
    package             {"name": "bbdg_ref", "version": ...}: whose vectors these are, if they are not of a folder
    port                the command that ran
    passed              true if every case passed or failed as expected
    counts              status -> number of cases; statuses: passed, failed, expected, stale, not run
    stages              stage -> the same counts
    cases               in order, each {"id", "stage", "flags", "comment", "status", "fault", "messages", "stderr",
                        "reason", "seconds"}; fault is "" or wrong, missing, error, crash, hang, protocol, start

A status "expected" is an expected failure that did fail, "stale" one that passed.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from .._terminal import number_table
from .._version import __version__
from .flags import FLAGS
from .run import NOT_ASKED, STATUSES, Result

__all__ = ["case_text", "json_text", "junit_text", "passed", "progress_text", "summary_text"]

#: How a status is shown before the id of a case, and above its column in the summary.
WORDS = {"passed": "ok", "failed": "FAIL", "expected": "expected", "stale": "STALE", "not run": "NOT RUN"}
TITLES = {
    "passed": "passed",
    "failed": "failed",
    "expected": "expected to fail",
    "stale": "stale",
    "not run": "not run",
}

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def passed(results: Iterable[Result]) -> bool:
    """Return whether every case passed, or failed as expected.

    Parameters
    ----------
    results : iterable of Result

    Returns
    -------
    bool
    """
    return not any(result.bad for result in results)


def case_text(result: Result) -> str:
    """Return all that is to be said about a case: what differs, what it hunts, what the port wrote.

    Parameters
    ----------
    result : Result

    Returns
    -------
    str
        Several lines.
    """
    vector = result.vector
    lines = [f"{WORDS[result.status]} {vector.id} ({vector.stage}): {vector.comment}"]
    lines += [f"  {result.fault + ': ' if result.fault else ''}{message}" for message in result.messages]
    if result.reason and result.status == "expected":
        lines.append(f"  expected to fail: {result.reason}")
    lines += [f"  flag {flag}: {FLAGS.get(flag, 'not explained by this version of bbdg_ref')}" for flag in vector.flags]
    if result.stderr:
        lines += ["  the port wrote to standard error:", *(f"  | {line}" for line in result.stderr)]
    return "\n".join(lines)


def progress_text(result: Result, *, quiet: bool, verbose: bool) -> str:
    """Return what is printed as soon as a case has come to a result; empty for nothing.

    Parameters
    ----------
    result : Result
    quiet, verbose : bool
        Less or more than all about the cases that failed.

    Returns
    -------
    str
    """
    later = result.status == "not run" and not verbose and result.messages[0] == NOT_ASKED  # said once
    if later or (not result.bad and not verbose):
        return ""
    if quiet or result.status == "passed":
        return f"{WORDS[result.status]} {result.vector.id}"
    return case_text(result)


def summary_text(results: Sequence[Result]) -> str:
    """Return a table of the counts of each stage, and one line about all.

    Parameters
    ----------
    results : sequence of Result

    Returns
    -------
    str
    """
    total = _counts(results)
    shown = [status for status in STATUSES if total[status] or status in ("passed", "failed")]
    stages = _stages(results)
    rows = [[stage, *(str(counts[status]) for status in shown)] for stage, counts in stages.items()]
    text = number_table(["stage", *(TITLES[status] for status in shown)], rows)
    faults = Counter(result.fault for result in results if result.bad and result.fault)
    told = ", ".join(f"{total[status]} {TITLES[status]}" for status in shown)
    kinds = "; failures: " + ", ".join(f"{count} {fault}" for fault, count in faults.items()) if faults else ""
    cases = "case" if len(results) == 1 else "cases"
    return f"{text}\n\n{len(results)} {cases}: {told}{kinds}"


def json_text(results: Sequence[Result], port: str) -> str:
    """Return the report as JSON, in the form that the module's description gives.

    Parameters
    ----------
    results : sequence of Result
    port : str
        The command that ran.

    Returns
    -------
    str
    """
    report = {
        "format": "bbdg_ref conformance report",
        "version": 1,
        "package": {"name": "bbdg_ref", "version": __version__},
        "port": port,
        "passed": passed(results),
        "counts": _counts(results),
        "stages": _stages(results),
        "cases": [
            {
                "id": result.vector.id,
                "stage": result.vector.stage,
                "flags": list(result.vector.flags),
                "comment": result.vector.comment,
                "status": result.status,
                "fault": result.fault,
                "messages": list(result.messages),
                "stderr": list(result.stderr),
                "reason": result.reason,
                "seconds": round(result.seconds, 6),
            }
            for result in results
        ],
    }
    return json.dumps(report, indent=1) + "\n"


def junit_text(results: Sequence[Result], port: str) -> str:
    """Return the report as JUnit's XML: a suite for each stage; an expected failure is skipped, a crash an error.

    Parameters
    ----------
    results : sequence of Result
    port : str
        The command that ran.

    Returns
    -------
    str
    """
    root = ElementTree.Element(
        "testsuites", {"name": f"bbdg_ref conformance: {_clean(port)}", **_junit_counts(results)}
    )
    for stage in _stages(results):
        of_stage = [result for result in results if result.vector.stage == stage]
        suite = ElementTree.SubElement(root, "testsuite", {"name": stage, **_junit_counts(of_stage)})
        for result in of_stage:
            attributes = {"classname": stage, "name": result.vector.id, "time": f"{result.seconds:.6f}"}
            case = ElementTree.SubElement(suite, "testcase", attributes)
            kind = _junit_kind(result)
            if kind == "skipped":
                ElementTree.SubElement(case, kind, {"message": _clean(f"expected to fail: {result.reason}")})
            elif kind:
                what = {"type": result.fault or result.status, "message": _clean("; ".join(result.messages))}
                ElementTree.SubElement(case, kind, what).text = _clean(case_text(result))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _junit_kind(result: Result) -> str:
    if result.status == "expected":
        return "skipped"
    if not result.bad:
        return ""
    return "error" if result.fault in ("crash", "hang", "protocol", "start") else "failure"


def _junit_counts(results: Sequence[Result]) -> dict[str, str]:
    kinds = Counter(map(_junit_kind, results))
    seconds = sum(result.seconds for result in results)
    plural = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    counts = {name: str(kinds[kind]) for name, kind in plural.items()}
    return {"tests": str(len(results)), **counts, "time": f"{seconds:.6f}"}


def _clean(text: str) -> str:
    """Return a text without the characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)


def _counts(results: Iterable[Result]) -> dict[str, int]:
    found = Counter(result.status for result in results)
    return {status: found[status] for status in STATUSES}


def _stages(results: Sequence[Result]) -> dict[str, dict[str, int]]:
    stages = dict.fromkeys(result.vector.stage for result in results)
    return {stage: _counts(x for x in results if x.vector.stage == stage) for stage in stages}
