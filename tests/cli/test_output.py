import math

import pytest

from bbdg_ref.cli.arguments import Refused
from bbdg_ref.cli.output import check_target, number, progress, write_bytes


def test_json_gets_no_infinity():
    assert [number(value) for value in (1.5, math.inf, -math.inf, math.nan)] == [1.5, None, None, None]


def test_a_file_is_replaced_only_if_asked(tmp_path):
    path = tmp_path / "out"
    write_bytes(path, b"one", force=False)
    with pytest.raises(Refused, match="add --force"):
        write_bytes(path, b"two", force=False)
    assert path.read_bytes() == b"one"
    write_bytes(path, b"2", force=True)
    assert path.read_bytes() == b"2"


def test_a_folder_is_no_target_even_with_force(tmp_path):
    with pytest.raises(IsADirectoryError, match="name a file"):
        check_target(tmp_path, force=True)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        check_target(tmp_path / "nowhere" / "out", force=True)


def test_no_bar_is_drawn_where_there_is_no_terminal(capsys):
    with progress(10, "working", "step") as bar:
        bar.update(10)
    assert capsys.readouterr() == ("", "")
