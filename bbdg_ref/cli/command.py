"""The command line as a whole: which sub-commands there are, and what becomes of errors."""

import argparse
import pkgutil
import sys
from collections.abc import Sequence

from .._terminal import end_well
from .._version import __version__
from .arguments import Command, Refused

__all__ = ["PURPOSES", "main", "make_parser"]

PROGRAM = "python -m bbdg_ref"
PURPOSES = {
    "summary": "what the binary layers hold and cost",
    "pack": "write a small model file for inference",
    "predict": "classify images",
    "bench": "time inference",
    "project": "the nearest weights of two values",
}
EXIT_STATUS = (
    "exit status: 0 done; 1 a file is missing, unreadable or damaged, or does not fit; 2 wrong usage; "
    "130 interrupted (Ctrl-C); 141 whoever read the output went away"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; the process's by default.

    Returns
    -------
    int
        Exit status: 0 done, 1 after an error, 2 for wrong usage, 130 when interrupted, 141 when the reader of the
        output went away. Where the words cannot be parsed, argparse ends the process itself, with 2, and after
        ``--help`` with 0.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    return end_well(lambda: _run(words), failures=(MemoryError, ValueError, TypeError), status=1)


def _run(words: list[str]) -> int:
    args = make_parser(words).parse_args(words)
    args.words = words
    command: Command = args.command
    try:
        return command.run(args)
    except Refused as refusal:
        args.parser.print_usage(sys.stderr)
        print(f"{args.parser.prog}: error: {refusal}", file=sys.stderr)
        return 2


def make_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of some words.

    The module of a sub-command is loaded, as a plug-in is, only if it is asked for: help stays instant.

    Parameters
    ----------
    words : sequence of str
        What will be parsed.

    Returns
    -------
    argparse.ArgumentParser
    """
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Sparse binary neural networks over the general binary domain {alpha, beta}: what a trained "
        "network costs, small files, fast inference, exact projection.",
        epilog=f"{PROGRAM} SUB-COMMAND --help tells more, with examples. {EXIT_STATUS}.",
    )
    parser.add_argument("--version", action="version", version=f"bbdg_ref {__version__}")
    group = parser.add_subparsers(metavar="SUB-COMMAND", required=True, title="sub-commands")
    asked = next((word for word in words if not word.startswith("-")), None)
    for name, purpose in PURPOSES.items():
        sub = group.add_parser(name, help=purpose, formatter_class=_Formatter)
        if name == asked:
            command: Command = pkgutil.resolve_name(f"{__package__}.{name}:COMMAND")
            sub.description = command.description
            sub.epilog = f"examples:\n{command.examples}\n{EXIT_STATUS}"
            command.add(sub)
            sub.set_defaults(command=command, parser=sub)
    return parser


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Wraps paragraphs, but leaves lines that are indented, the examples, as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        wrap = argparse.HelpFormatter._fill_text
        lines = text.splitlines()
        return "\n".join(x if x.startswith("  ") else wrap(self, x, width, indent) for x in lines)  # type: ignore[arg-type]
