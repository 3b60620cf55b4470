"""Expected failures of a port: a text file with one line for each id, or pattern of ids, and the reason.

    # lines that begin with a hash sign, and empty lines, say nothing
    project_offset_1e6: sums run in float32 on this device
    ede_backward_*: the schedule is not implemented yet

In a pattern ``*`` stands for any characters, ``?`` for one, ``[ab]`` for a or b. The first line that fits a case gives
its reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

__all__ = ["ExpectedFailures", "read_expected_failures"]


@dataclass(frozen=True)
class ExpectedFailures:
    """Which cases are expected to fail.

    Attributes
    ----------
    entries : tuple of (str, str)
        Ids or patterns, each with its reason.
    """

    entries: tuple[tuple[str, str], ...] = ()

    def reason(self, name: str) -> str | None:
        """Return why a case is expected to fail; None if it is not.

        Parameters
        ----------
        name : str
            The id of the case.

        Returns
        -------
        str or None

        Examples
        --------
        >>> ExpectedFailures((("sign_*", "no minus zero"),)).reason("sign_bits_zero")
        'no minus zero'
        """
        return next((reason for pattern, reason in self.entries if fnmatchcase(name, pattern)), None)


def read_expected_failures(path: Path, names: Iterable[str]) -> ExpectedFailures:
    """Read a file of expected failures.

    Parameters
    ----------
    path : Path
        The file, UTF-8.
    names : iterable of str
        The ids of all cases.

    Returns
    -------
    ExpectedFailures

    Raises
    ------
    ValueError
        For a line that is not ``id: reason``, an entry that fits no case, or one that is there twice. The message
        names the file and the line.
    OSError
        If the file cannot be read.
    """
    known = list(names)
    entries: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        pattern, _, reason = (part.strip() for part in line.partition(":"))
        fault = _fault(pattern, reason, known, entries)
        if fault:
            raise ValueError(f"{path}:{number}: {fault}")
        entries[pattern] = reason
    return ExpectedFailures(tuple(entries.items()))


def _fault(pattern: str, reason: str, known: list[str], earlier: dict[str, str]) -> str | None:
    if not pattern or not reason:
        return "a line must be `id: reason`, with a reason"
    if pattern in earlier:
        return f"{pattern} is there twice; leave one"
    if not any(fnmatchcase(name, pattern) for name in known):
        return f"no case has the id {pattern}; remove the line or mend the id"
    return None
