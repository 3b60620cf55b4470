"""An implementation under test as a process of its own, which a crash, a hang or garbage cannot harm the run from.

The protocol
------------
One line of JSON on standard input asks, one line on standard output answers, in order; both in UTF-8, values in the
form of `bbdg_ref.conformance.values`::

    {"id": "...", "stage": "sign_bits", "inputs": {"x": {"dtype": "float32", "shape": [1], "data": ["0x1p+0"]}}}
    {"id": "...", "outputs": {"bits": {"dtype": "bool", "shape": [1], "data": [1]}}}

or ``{"id": "...", "missing": true}`` where the port has no such function, or ``{"id": "...", "error": "text"}``. Every
answer is flushed. The first question to a new process has the id ``start``, the stage ``start`` and no inputs: a stage
that no port has, so "missing" is the answer; it tells that the port has started. At the end of its standard input the
port ends. What it writes to standard error is shown with the case during which it did.
"""

import json
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from .values import from_json, to_json
from .vector import Vector

__all__ = ["Answer", "CannotStart", "Port"]

LONGEST_ANSWER = 1 << 26  # bytes
STDERR_BYTES = 1 << 14
STDERR_LINES = 20
GRACE = 2.0  # seconds for a process to end whose pipe is closed


class CannotStart(Exception):
    """The port does not start, or does not answer its first question; the message says why."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What became of one question.

    Attributes
    ----------
    outputs : dict of str to array, float, int or bool
        What the port returned; empty if it did not.
    fault : str
        Empty if there are outputs; else "missing", "error" (the port's own), "crash", "hang" or "protocol".
    message : str
        Says what the fault is.
    stderr : tuple of str
        The last lines that the port wrote to standard error meanwhile.
    """

    outputs: dict[str, Any]
    fault: str = ""
    message: str = ""
    stderr: tuple[str, ...] = ()


class _Fault(Exception):
    """The exchange of two lines failed; the fault and the message of an `Answer`."""

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(fault, message)
        self.fault = fault
        self.message = message


class _Output:
    """What a process writes to standard output, read in a thread: line by line, each before a deadline."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._data = bytearray()
        self._ended = self._released = False
        self._change = threading.Condition()
        self._stream = stream
        self.thread = threading.Thread(target=self._collect, daemon=True)
        self.thread.start()

    def _collect(self) -> None:
        with self._stream, suppress(OSError):
            while chunk := self._stream.read(1 << 16):
                with self._change:
                    self._data += chunk
                    self._change.notify_all()
                    self._change.wait_for(lambda: len(self._data) <= LONGEST_ANSWER or self._released)
        with self._change:
            self._ended = True
            self._change.notify_all()

    def line(self, seconds: float) -> bytes:
        """Return the next line, without its end."""
        deadline = time.monotonic() + seconds
        seen = 0
        with self._change:
            while (end := self._data.find(b"\n", seen)) < 0:
                seen = len(self._data)
                if seen > LONGEST_ANSWER:
                    what = f"answered with a line longer than {LONGEST_ANSWER} bytes, which begins {self._start()}"
                    raise _Fault("protocol", what)
                if self._ended:
                    raise EOFError(f" in the middle of a line, {self._start()}" if seen else " without an answer")
                left = deadline - time.monotonic()
                if left <= 0:
                    part = f", but the beginning of a line, {self._start()}" if self._data else ""
                    raise _Fault("hang", f"no answer within {seconds:g} s{part}")
                self._change.wait(left)
            found = bytes(self._data[:end])
            del self._data[: end + 1]
            if self._data:
                raise _Fault("protocol", f"wrote more than one line; behind the answer stands {self._start()}")
        return found

    def _start(self) -> str:
        return _quoted(bytes(self._data[:200]))

    def release(self) -> None:
        """Let the thread read on to the end, whatever the amount."""
        with self._change:
            self._released = True
            self._data.clear()
            self._change.notify_all()


class _Tail:
    """The last of what a process writes to standard error, read in a thread."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._data = b""
        self._stream = stream
        self.thread = threading.Thread(target=self._collect, daemon=True)
        self.thread.start()

    def _collect(self) -> None:
        with self._stream, suppress(OSError):
            while chunk := self._stream.read(1 << 14):
                self._data = (self._data + chunk)[-STDERR_BYTES:]

    def clear(self) -> None:
        """Forget what was written so far."""
        self._data = b""

    def lines(self) -> tuple[str, ...]:
        """Return the last lines."""
        return tuple(self._data.decode(errors="backslashreplace").splitlines()[-STDERR_LINES:])


class Port:
    """A port: a process, started when it is first asked and again after a fault. A context manager, which ends it.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    timeout : float
        Seconds for an answer.
    start_timeout : float
        Seconds for the first answer of a new process, in which it loads what it needs.

    Examples
    --------
    >>> import sys
    >>> from bbdg_ref.conformance import vectors
    >>> vector = vectors("sign_bits")[0]
    >>> with Port([sys.executable, "-m", "bbdg_ref.conformance", "serve", "bbdg_ref.conformance.reference"]) as port:
    ...     list(port.ask(vector).outputs)
    ['bits']
    """

    def __init__(self, command: Sequence[str], *, timeout: float = 10.0, start_timeout: float = 60.0) -> None:
        self.command = list(command)
        self.timeout = timeout
        self.start_timeout = start_timeout
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Port":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._kill()

    def start(self) -> None:
        """Start the process, unless it runs, and wait until it answers.

        Raises
        ------
        CannotStart
            If it does not.
        """
        if self._process is not None:
            return
        shown = shlex.join(self.command)
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                self.command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True
            )
        except (OSError, ValueError) as error:  # ValueError: a null character in a name
            why = getattr(error, "strerror", None) or error
            raise CannotStart(f"the port cannot be started: {shown}\n  {why}") from None
        assert self._process.stdout is not None and self._process.stderr is not None
        self._writer: threading.Thread | None = None
        self._output = _Output(self._process.stdout)
        self._tail = _Tail(self._process.stderr)
        try:
            self._exchange({"id": "start", "stage": "start", "inputs": {}}, self.start_timeout)
        except _Fault as fault:
            self._kill()
            lines = "".join(f"\n  {line}" for line in self._tail.lines())
            raise CannotStart(f"the port cannot be started: {shown}\n  {fault.message}{lines}") from None
        except BaseException:  # Ctrl-C above all
            self._kill()
            raise

    def ask(self, vector: Vector) -> Answer:
        """Ask for the outputs of a vector.

        Parameters
        ----------
        vector : Vector
            Its id, stage and inputs are sent.

        Returns
        -------
        Answer
            After a crash, a hang or a breach of the protocol the process is ended; the next call starts it again.

        Raises
        ------
        CannotStart
            If the process has to be started and cannot be.
        """
        inputs = {name: to_json(value) for name, value in vector.inputs.items()}
        self.start()
        self._tail.clear()
        try:
            answer = self._exchange({"id": vector.id, "stage": vector.stage, "inputs": inputs}, self.timeout)
        except _Fault as fault:
            self._kill()
            return Answer({}, fault.fault, fault.message, self._tail.lines())
        except BaseException:
            self._kill()
            raise
        if "error" in answer:
            return Answer({}, "error", f"the port reports: {answer['error']}", self._settled())
        if "missing" in answer:
            return Answer({}, "missing", f"the port has no function {vector.stage}", self._settled())
        try:
            return Answer({name: _value(name, value) for name, value in answer["outputs"].items()})
        except ValueError as error:
            return Answer({}, "protocol", str(error), self._settled())

    def close(self) -> None:
        """End the process: at the end of its input, if it does within two seconds, else by force."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE)
        self._kill()

    def _settled(self) -> tuple[str, ...]:
        """Return what stands in standard error, a moment after the answer came: another pipe may be behind."""
        time.sleep(0.02)
        return self._tail.lines()

    def _exchange(self, question: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send a question and return the answer, an object with its id and one of outputs, missing and error."""
        line = json.dumps(question, separators=(",", ":")).encode() + b"\n"
        self._writer = threading.Thread(target=self._send, args=(line,), daemon=True)  # the port may not read it
        self._writer.start()
        try:
            answer = self._output.line(seconds)
        except EOFError as end:
            raise _Fault("crash", self._ending(str(end))) from None
        self._writer.join(GRACE)
        if self._writer.is_alive():
            raise _Fault("protocol", "it answered before it read the whole question")
        return _parse(answer, question["id"])

    def _send(self, line: bytes) -> None:
        """Write a question. That the port went away is seen by its output's end."""
        assert self._process is not None and self._process.stdin is not None
        rest = memoryview(line)
        with suppress(OSError, ValueError):
            descriptor = self._process.stdin.fileno()
            while rest:
                rest = rest[os.write(descriptor, rest) :]

    def _ending(self, how: str) -> str:
        """Return how the process ended whose standard output did."""
        assert self._process is not None
        try:
            status = self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return f"the port closed its standard output{how}, but did not end"
        if status >= 0:
            return f"the port ended{how}, with exit status {status}"
        names = {one.value: one.name for one in signal.Signals}
        return f"the port ended{how}, by signal {-status} ({names.get(-status, 'unknown')})"

    def _kill(self) -> None:
        """End the process and what it started in its group; standard error stays readable."""
        process, self._process = self._process, None
        if process is None:
            return
        if os.name == "posix":
            with suppress(ProcessLookupError, PermissionError):  # all have ended
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
        self._output.release()
        # A process that left the group may hold the pipes open; their threads then go on until it ends.
        for thread in filter(None, (self._writer, self._output.thread, self._tail.thread)):
            thread.join(GRACE)
        if self._writer is None or not self._writer.is_alive():  # else it might write to the number's next owner
            assert process.stdin is not None
            process.stdin.close()


def _parse(line: bytes, asked: str) -> dict[str, Any]:
    """Return the object that an answer holds, or say how it breaks the protocol."""
    try:
        answer = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise _Fault("protocol", f"answered with a line that is no JSON: {_quoted(line)}") from None
    if not isinstance(answer, dict):
        raise _Fault("protocol", f"answered with JSON that is no object: {_quoted(line)}")
    if answer.get("id") != asked:
        raise _Fault("protocol", f"answered with the id {answer.get('id')!r}, asked for {asked!r}")
    good = {
        "outputs": isinstance(answer.get("outputs"), dict),
        "missing": answer.get("missing") is True,
        "error": isinstance(answer.get("error"), str),
    }
    if [good[name] for name in good if name in answer] != [True]:
        must = 'one of "outputs" (an object), "missing" (true) and "error" (a string)'
        raise _Fault("protocol", f"answered with an object that does not have {must}: {_quoted(line)}")
    return answer


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _value(name: str, value: Any) -> Any:
    try:
        return from_json(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{name}: {error}") from None


def _quoted(data: bytes) -> str:
    text = repr(data.decode(errors="backslashreplace"))
    return text if len(text) <= 120 else text[:117] + "..."
