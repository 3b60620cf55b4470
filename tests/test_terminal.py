import argparse
import errno
import io
import os
import sys
from pathlib import Path

import pytest

from bbdg_ref._terminal import end_well, number_table, text_table


def ended(work, status: int = 3, **options) -> int:
    return end_well(work, failures=(ValueError, MemoryError), status=status, **options)


def raising(error: BaseException):
    def work() -> int:
        raise error

    return work


def saying(text: str, status: int = 0):
    def work() -> int:
        print(text)
        return status

    return work


# ------------------------------------------------------------------------------------------- how a process ends


def test_the_status_is_the_work_s_and_all_it_printed_is_out(tmp_path, monkeypatch):
    with open(tmp_path / "out", "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert ended(saying("done", 7)) == 7
        assert (tmp_path / "out").read_text() == "done\n"  # though the file is still open


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("x must be 1"), "x must be 1"),
        (UnicodeError("no text"), "no text"),  # a kind of ValueError
        (MemoryError("1 EiB"), "out of memory; 1 EiB"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.npy"), "a.npy: No such file"),
        (OSError("damaged"), "damaged"),
    ],
)
@pytest.mark.parametrize("status", [1, 2])
def test_a_failure_is_told_in_a_line(capsys, error, message, status):
    assert ended(raising(error), status) == status
    assert capsys.readouterr() == ("", f"error: {message}\n")


@pytest.mark.parametrize("error", [KeyError("a bug"), TypeError("a bug"), SystemExit(2)])
def test_all_else_is_raised(capsys, error):
    with pytest.raises(type(error)):
        ended(raising(error))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("options", "message"), [({}, "interrupted\n"), ({"interrupted": "stopped"}, "stopped\n")])
def test_an_interrupt_ends_with_130(capsys, options, message):
    assert ended(raising(KeyboardInterrupt()), **options) == 130
    assert capsys.readouterr() == ("", message)


def helped() -> int:
    argparse.ArgumentParser().parse_args(["--help"])
    raise AssertionError("argparse goes on")


@pytest.mark.skipif(os.name == "nt", reason="pipes of another kind")
@pytest.mark.parametrize("work", [saying("lost"), saying("lost" * 10**5), helped])
def test_a_reader_that_went_away_ends_with_141_in_silence(capsys, monkeypatch, work):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as output:  # to close it would raise if anything were left to write to the pipe
        monkeypatch.setattr(sys, "stdout", output)
        assert ended(work) == 141
        monkeypatch.undo()
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_once(capsys, monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert ended(saying("lost")) == 3
        monkeypatch.undo()
    err = capsys.readouterr().err
    assert err.startswith("error: ") and len(err.splitlines()) == 1


@pytest.mark.parametrize(("work", "status"), [(saying("lost"), 0), (raising(OSError("damaged")), 3)])
def test_a_process_without_standard_output_ends_as_others_do(capsys, monkeypatch, work, status):
    monkeypatch.setattr(sys, "stdout", None)
    assert ended(work) == status
    monkeypatch.undo()
    assert capsys.readouterr().err == ("error: damaged\n" if status else "")


def test_what_is_no_text_is_printed_escaped(monkeypatch):
    written = io.BytesIO()
    output = io.TextIOWrapper(written, encoding="utf-8", newline="\n")
    monkeypatch.setattr(sys, "stdout", output)
    assert ended(saying("a\udcff")) == 0
    assert written.getvalue() == b"a\\udcff\n"


# ------------------------------------------------------------------------------------------------------- tables


def test_columns_are_as_wide_as_their_widest_cell():
    cells = ["a", "long title", "b"], [["name", "1", "22"], ["b", "", ""]]
    assert number_table(*cells).splitlines() == [
        "a     long title   b",
        "name           1  22",
        "b",
    ]
    assert text_table(*cells).splitlines() == [
        "a     long title  b",
        "name  1           22",
        "b",
    ]


@pytest.mark.parametrize("table", [number_table, text_table])
def test_a_table_without_rows_is_its_titles(table):
    assert table(["a", "b"], iter([])) == "a  b"


@pytest.mark.parametrize("table", [number_table, text_table])
@pytest.mark.parametrize("row", [["1"], ["1", "2", "3"]])
def test_a_row_of_another_length_is_refused(table, row):
    with pytest.raises(ValueError, match="argument 2 is"):
        table(["a", "b"], [row])
