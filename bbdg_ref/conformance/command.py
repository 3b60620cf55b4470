"""The command line of the conformance kit: run the cases against a port, and look at them."""

import argparse
import json
import math
import shlex
import sys
import textwrap
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from .._terminal import end_well, text_table
from .._version import __version__
from .files import read, vector_to_json, write
from .flags import FLAGS
from .port import CannotStart, Port
from .registry import vectors
from .report import json_text, junit_text, passed, progress_text, summary_text
from .run import Result, run
from .serve import serve
from .stages import STAGES
from .vector import Vector
from .xfail import ExpectedFailures, read_expected_failures

__all__ = ["main"]

PROGRAM = "python -m bbdg_ref.conformance"
EXIT_STATUS = (
    "exit status: 0 every case passed or failed as expected; 1 failures, or expected failures that passed; 2 wrong "
    "usage, a file that cannot be read or written, or a port that cannot be started; 130 interrupted (Ctrl-C); 141 "
    "whoever read the output went away"
)
EXAMPLES = f"""examples:
  {PROGRAM} run my_port.py
  {PROGRAM} run my_package.adapter --stage project --stage assign
  {PROGRAM} run --exec "./my_port --quiet" --xfail my_port.xfail --junit report.xml
  {PROGRAM} list --flag tied_optima
  {PROGRAM} show project_0_3_4"""


class _Refused(Exception):
    """What was asked for cannot be done; the message says how to mend it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line of the conformance kit.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; the process's by default.

    Returns
    -------
    int
        Exit status: 0 where all passed or failed as expected, 1 after failures, 2 for wrong usage or a port that
        cannot be started, 130 when interrupted, 141 when the reader of the output went away. Where the words cannot be
        parsed, argparse ends the process itself, with 2, and after ``--help`` with 0.
    """

    def work() -> int:
        args = _parser().parse_args(argv)
        chosen: Callable[[argparse.Namespace], int] = args.work
        return chosen(args)

    return end_well(work, failures=(_Refused, CannotStart), status=2)


# ---------------------------------------------------------------------------------------------------- the arguments


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        formatter_class=form,
        description="Put the test vectors of bbdg_ref to another implementation, a port.",
        epilog=f"{EXAMPLES}\n\n{textwrap.fill(EXIT_STATUS, 100)}",
    )
    parser.add_argument("--version", action="version", version=f"bbdg_ref {__version__}")
    group = parser.add_subparsers(metavar="SUB-COMMAND", required=True, title="sub-commands")

    def sub(name: str, text: str, work: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = group.add_parser(
            name, help=text, description=text, epilog=textwrap.fill(EXIT_STATUS, 100), formatter_class=form
        )
        made.set_defaults(work=work)
        return made

    _add_run(sub("run", "put the cases to a port and report what differs", _run))
    listing = sub("list", "list the cases: id, stage, flags, comment", _list)
    _add_selection(listing)
    _add_json(listing)
    showing = sub("show", "show a case: inputs, expected outputs, bounds, what it hunts", _show)
    showing.add_argument("id", metavar="ID", help="the id of the case")
    _add_folder(showing)
    _add_json(showing)
    _add_json(sub("stages", "list the stages: what goes in, what comes out", _stages))
    serving = sub("serve", "answer the questions of the protocol on standard input by a Python adapter", _serve)
    serving.add_argument("adapter", metavar="ADAPTER", help="a Python module or .py file")
    writing = sub("write", "write the vectors as files, with their schemas", _write)
    writing.add_argument("folder", type=Path, metavar="DIR", help="the folder; files of the same names are replaced")
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    text = "the port: a Python module or .py file with a function for each stage, named as the stage"
    add("adapter", nargs="?", metavar="ADAPTER", help=text)
    text = "the port: a command, split as a POSIX shell does, that speaks JSON lines on its standard input and output"
    add("--exec", dest="command", metavar="COMMAND", help=text)
    _add_selection(parser)
    add("--timeout", type=_seconds, default=10.0, metavar="SECONDS", help="for the answer to a case (default: 10)")
    text = "for the first answer of a port that has just started (default: 60)"
    add("--start-timeout", type=_seconds, default=60.0, metavar="SECONDS", help=text)
    text = "expected failures: a file with a line `id: reason` each; * ? [] in an id stand for others"
    add("--xfail", type=Path, metavar="FILE", help=text)
    add("--junit", type=Path, metavar="FILE", help="write a report as JUnit's XML")
    add("--json", type=Path, metavar="FILE", help="write a report as JSON")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument(
        "-q", "--quiet", action="store_true", help="print the ids of failed cases and the last line only"
    )
    amount.add_argument(
        "-v", "--verbose", action="store_true", help="print a line for every case, and expected failures"
    )


def _add_selection(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--stage", action="append", metavar="S", help="only cases of this stage; may be repeated")
    add(
        "--id",
        action="append",
        metavar="ID",
        help="only this case, or those that a pattern with * ? [] fits; may be repeated",
    )
    add("--flag", action="append", metavar="F", help="only cases with this flag; may be repeated")
    _add_folder(parser)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--vectors", type=Path, metavar="DIR", help="take the cases from files, not those built in")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0; got {text!r}")
    return value


# ---------------------------------------------------------------------------------------------------- the selection


def _cases(folder: Path | None) -> list[Vector]:
    """Return the vectors of a folder, or those built in."""
    if folder is None:
        return vectors()
    try:
        return read(folder)
    except (FileNotFoundError, ValueError) as error:
        raise _Refused(str(error)) from error


def _selected(args: argparse.Namespace) -> list[Vector]:
    """Return the cases that are asked for: of any of the stages, any of the ids and any of the flags given."""
    every = _cases(args.vectors)
    stages, flags = {case.stage for case in every}, {flag for case in every for flag in case.flags}
    for option, given, known in (("--stage", args.stage, stages), ("--flag", args.flag, flags)):
        for name in given or ():
            if name not in known:
                raise _Refused(f"{option} must be one of {', '.join(sorted(known))}; got {name}")
    for pattern in args.id or ():
        if not any(fnmatchcase(case.id, pattern) for case in every):
            raise _Refused(f"--id: no case has the id {pattern}; `{PROGRAM} list` shows them")
    found = [
        case
        for case in every
        if (not args.stage or case.stage in args.stage)
        and (not args.id or any(fnmatchcase(case.id, pattern) for pattern in args.id))
        and (not args.flag or set(args.flag) & set(case.flags))
    ]
    if not found:
        raise _Refused("no case is of those stages, ids and flags at once; leave one of the options out")
    return found


# ----------------------------------------------------------------------------------------------------- sub-commands


def _run(args: argparse.Namespace) -> int:
    command = _port_command(args.adapter, args.command)
    cases = _selected(args)
    expected = _expected(args)
    for path in (args.junit, args.json):
        if path is not None:
            path.open("ab").close()  # before the run: that it cannot be written should not be told after it
    results: list[Result] = []
    with Port(command, timeout=args.timeout, start_timeout=args.start_timeout) as port:
        for result in run(cases, port, expected):
            results.append(result)
            if text := progress_text(result, quiet=args.quiet, verbose=args.verbose):
                print(text, flush=True)
    shown = args.adapter or args.command
    if args.junit:
        args.junit.write_text(junit_text(results, shown), encoding="utf-8")
    if args.json:
        args.json.write_text(json_text(results, shown), encoding="utf-8")
    summary = summary_text(results)
    if args.quiet:
        summary = summary.splitlines()[-1]
    elif args.verbose or not passed(results):
        print()
    print(summary)
    if any(result.status == "not run" for result in results):
        return 2
    return 0 if passed(results) else 1


def _port_command(adapter: str | None, command: str | None) -> list[str]:
    if (adapter is None) == (command is None):
        raise _Refused("give one port: a Python ADAPTER or --exec COMMAND")
    if command is None:
        return [sys.executable, "-m", __package__ or "", "serve", "--", str(adapter)]
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise _Refused(f"--exec: {command!r} cannot be split into words: {error}") from error
    if not words:
        raise _Refused("--exec must name a command; got nothing")
    return words


def _expected(args: argparse.Namespace) -> ExpectedFailures:
    if args.xfail is None:
        return ExpectedFailures()
    try:
        return read_expected_failures(args.xfail, [case.id for case in _cases(args.vectors)])
    except ValueError as error:  # also of bytes that are no text
        raise _Refused(str(error)) from error


def _list(args: argparse.Namespace) -> int:
    cases = _selected(args)
    if args.json:
        keys = ("id", "stage", "flags", "comment")
        print(json.dumps([{key: getattr(case, key) for key in keys} for case in cases], indent=1))
    else:
        rows = [[case.id, case.stage, " ".join(case.flags), case.comment] for case in cases]
        print(text_table(["id", "stage", "flags", "comment"], rows))
    return 0


def _show(args: argparse.Namespace) -> int:
    case = next((case for case in _cases(args.vectors) if case.id == args.id), None)
    if case is None:
        raise _Refused(f"no case has the id {args.id}; `{PROGRAM} list` shows them")
    if args.json:
        print(json.dumps({"stage": case.stage, **vector_to_json(case)}, indent=1))
        return 0
    print(f"{case.id}: {case.comment}\n")
    fields = {}
    if case.stage in STAGES:
        stage = STAGES[case.stage]
        spec = ", ".join(f"bbdg_ref.spec.{module}" for module in stage.spec)
        print(f"stage {case.stage}: {stage.title}\ndefined by {spec}")
        fields = {field.name: field for field in (*stage.inputs, *stage.outputs)}
    for flag in case.flags:
        print(f"flag {flag}: {FLAGS.get(flag, 'not explained by this version of bbdg_ref')}")
    for title, values in (("inputs", case.inputs), ("expected", case.expected)):
        print(f"\n{title}")
        for name, value in values.items():
            about = f"  {fields[name].comment}" if name in fields else ""
            bound = f"  [{_bound_text(case, name)}]" if title == "expected" else ""
            print(f"  {name}{_kind(value)}{bound}{about}\n{_indented(value)}")
    return 0


def _kind(value: object) -> str:
    return f" {value.dtype} {value.shape}" if isinstance(value, np.ndarray) else f" {type(value).__name__}"


def _indented(value: object) -> str:
    with np.printoptions(threshold=2000, floatmode="unique", linewidth=110):
        text = str(value.astype(int) if isinstance(value, np.ndarray) and value.dtype == bool else value)
    if isinstance(value, float):
        text = f"{value!r} ({value.hex()})"
    return "\n".join(f"    {line}" for line in text.splitlines())


def _bound_text(case: Vector, name: str) -> str:
    bound = case.bounds[name]
    if bound.ulps == 0:
        return "exact"
    return f"within {bound.ulps:g} ulp" if bound.scale is None else f"within {bound.ulps:g} eps * {bound.scale:g}"


def _stages(args: argparse.Namespace) -> int:
    if args.json:
        parts = ("inputs", "outputs")
        forms = {
            name: {
                "title": stage.title,
                "spec": list(stage.spec),
                **{part: [vars(field) for field in getattr(stage, part)] for part in parts},
            }
            for name, stage in STAGES.items()
        }
        print(json.dumps(forms, indent=1))
        return 0
    for name, stage in STAGES.items():
        print(f"{name}: {stage.title}")
        rows = [
            [f"  {arrow}", field.name, f"{field.kind} {field.axes}".strip(), field.comment]
            for arrow, fields in (("in", stage.inputs), ("out", stage.outputs))
            for field in fields
        ]
        print(text_table(["", "", "", ""], rows).lstrip("\n") + "\n")
    return 0


def _serve(args: argparse.Namespace) -> int:
    return serve(args.adapter)


def _write(args: argparse.Namespace) -> int:
    write(args.folder)
    return 0
