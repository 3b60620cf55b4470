"""A run: every case is put to a port, its answer compared, and the outcome judged against what was expected."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .compare import differences
from .port import Answer, CannotStart, Port
from .vector import Vector
from .xfail import ExpectedFailures

__all__ = ["NOT_ASKED", "STATUSES", "Result", "run"]

#: What a case can come to. "expected" is an expected failure, "stale" a case that passed though it was expected to
#: fail, "not run" one that the port, which did not start again, was not asked.
STATUSES = ("passed", "failed", "expected", "stale", "not run")
NOT_ASKED = "not asked: the port could not be started again"


@dataclass(frozen=True, eq=False)
class Result:
    """What a case came to.

    Attributes
    ----------
    vector : Vector
        The case.
    status : str
        One of `STATUSES`.
    fault : str
        Empty for a case that passed; else "wrong" (an output differs), "missing" (no such function), "error" (reported
        by the port), "crash", "hang", "protocol" (an answer that is none) or "start".
    messages : tuple of str
        What is wrong.
    stderr : tuple of str
        The last lines that the port wrote to standard error in a case that it did not answer.
    reason : str
        Why the case was expected to fail, if it was.
    seconds : float
        From the question to the answer; a new start of the port counts.
    """

    vector: Vector
    status: str
    fault: str = ""
    messages: tuple[str, ...] = ()
    stderr: tuple[str, ...] = ()
    reason: str = ""
    seconds: float = 0.0

    @property
    def bad(self) -> bool:
        """Whether the run has failed with this case."""
        return self.status not in ("passed", "expected")


def run(cases: Iterable[Vector], port: Port, expected: ExpectedFailures | None = None) -> Iterator[Result]:
    """Put every case to a port, in order.

    Parameters
    ----------
    cases : iterable of Vector
    port : Port
        Is started when it does not run, so after each crash or hang; closing it is the caller's.
    expected : ExpectedFailures, optional

    Yields
    ------
    Result
        Of each case, as soon as it is known. Where the port cannot be started again, all that remain are "not run",
        and the first of them says why.

    Raises
    ------
    CannotStart
        If the port cannot be started at all.

    Examples
    --------
    >>> import sys
    >>> from bbdg_ref.conformance import vectors
    >>> serve = [sys.executable, "-m", "bbdg_ref.conformance", "serve", "bbdg_ref.conformance.reference"]
    >>> with Port(serve) as port:
    ...     {result.status for result in run(vectors("sign_bits"), port)}
    {'passed'}
    """
    expected = expected or ExpectedFailures()
    port.start()
    lost = ""
    for vector in cases:
        if lost:
            yield Result(vector, "not run", "start", (NOT_ASKED,))
            continue
        begin = time.monotonic()
        try:
            answer = port.ask(vector)
        except CannotStart as error:
            lost = str(error)
            yield Result(vector, "not run", "start", (f"not asked, nor the cases after it: {lost}",))
            continue
        yield _judged(vector, answer, expected.reason(vector.id), time.monotonic() - begin)


def _judged(vector: Vector, answer: Answer, reason: str | None, seconds: float) -> Result:
    messages = (answer.message,) if answer.fault else tuple(differences(vector, answer.outputs))
    fault = answer.fault or ("wrong" if messages else "")
    if reason is None:
        status = "failed" if fault else "passed"
    elif fault:
        status = "expected"
    else:
        status, messages = "stale", (f"passed, but was expected to fail: {reason}; remove its line",)
    return Result(vector, status, fault, messages, answer.stderr, reason or "", seconds)
