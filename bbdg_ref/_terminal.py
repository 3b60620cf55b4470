"""What every command line of the package shares: how a process ends, and tables in aligned columns."""

import io
import os
import sys
from collections.abc import Callable, Iterable, Sequence

__all__ = ["end_well", "number_table", "text_table"]


def end_well(
    work: Callable[[], int],
    *,
    failures: tuple[type[Exception], ...],
    status: int,
    interrupted: str = "interrupted",
) -> int:
    """Call a command's work, and turn the ways in which it can fail into a message and an exit status.

    Parameters
    ----------
    work : callable
        Does the work, prints to standard output, returns the exit status.
    failures : tuple of exception types
        What is the user's to mend: told in one line on standard error. Failures of the operating system (`OSError`)
        always are. All else is a fault of the program and is raised.
    status : int
        Exit status after a failure.
    interrupted : str
        What is told on standard error after Ctrl-C.

    Returns
    -------
    int
        What `work` returns; `status` after a failure, 130 when interrupted, 141 when the reader of the output went
        away: the statuses of a shell for SIGINT and SIGPIPE.

    Examples
    --------
    >>> end_well(lambda: 0, failures=(ValueError,), status=1)
    0
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the name of a file, say, may be no text
    try:
        try:
            return work()
        finally:
            if sys.stdout is not None:  # it is None where the process was started without one
                sys.stdout.flush()
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return 130
    except BrokenPipeError:
        _drop_output()
        return 141
    except OSError as error:
        _drop_output()
        return _told(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error), status)
    except failures as error:
        return _told(f"out of memory; {error}" if isinstance(error, MemoryError) else str(error), status)


def _told(what: str, status: int) -> int:
    print(f"error: {what}", file=sys.stderr)
    return status


def _drop_output() -> None:
    """Send what is left in standard output's buffer nowhere if it cannot be written: the interpreter would complain."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def text_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose columns are aligned left.

    Parameters
    ----------
    header : sequence of str
        Titles.
    rows : iterable of sequences of str
        Cells, as many in a row as there are titles.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If a row has more or fewer cells than there are titles.

    Examples
    --------
    >>> print(text_table(["id", "stage"], [["one_weight", "sign"], ["tie", "project"]]))
    id          stage
    one_weight  sign
    tie         project
    """
    return _aligned([header, *rows], str.ljust)


def number_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, the first column aligned left and the others, of numbers, right.

    Parameters
    ----------
    header : sequence of str
        Titles.
    rows : iterable of sequences of str
        Cells, as many in a row as there are titles.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If a row has more or fewer cells than there are titles.

    Examples
    --------
    >>> print(number_table(["layer", "bytes"], [["a", "10"], ["b", "200"]]))
    layer  bytes
    a         10
    b        200
    """
    return _aligned([header, *rows], str.rjust)


def _aligned(lines: Sequence[Sequence[str]], justify: Callable[[str, int], str]) -> str:
    """Justify all columns but the first, which stands left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    justified = []
    for first, *rest in lines:
        cells = [justify(cell, width) for cell, width in zip(rest, widths[1:], strict=True)]
        justified.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(justified)
