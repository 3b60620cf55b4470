import os
import subprocess
import sys
import threading

import pytest

from bbdg_ref.training.sweep.lock import only_here


def test_a_folder_is_for_one_at_a_time_and_nothing_is_left_of_it(tmp_path):
    folder = tmp_path / "new" / "general-0.05"
    for _ in range(2):
        with only_here(folder):
            with only_here(folder.with_name("general-0.5")):
                pass
            with pytest.raises(BlockingIOError, match=r"another sweep is at it, in .*general-0\.05; let it end"):
                with only_here(folder):
                    raise AssertionError("two at once")
    assert not os.listdir(tmp_path / "new")


def test_an_error_in_the_block_frees_the_folder(tmp_path):
    with pytest.raises(ZeroDivisionError):
        with only_here(tmp_path / "a"):
            _ = 1 / 0
    with only_here(tmp_path / "a"):
        pass


def test_the_lock_of_a_process_that_is_killed_ends_with_it(tmp_path):
    code = (
        "import sys; from pathlib import Path; from bbdg_ref.training.sweep.lock import only_here\n"
        "with only_here(Path(sys.argv[1])): print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        with pytest.raises(BlockingIOError):
            with only_here(tmp_path / "a"):
                raise AssertionError("two at once")
        child.kill()
        child.wait()
        assert os.listdir(tmp_path) == ["a.lock"]
        with only_here(tmp_path / "a"):
            pass
    assert not os.listdir(tmp_path)


def test_many_that_want_a_folder_have_it_one_after_the_other(tmp_path):
    """A lock on a file that its holder has just removed is none."""
    inside, most, had = [0], [0], [0] * 4

    def work(who: int) -> None:
        while had[who] < 200:
            try:
                with only_here(tmp_path / "a"):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    had[who] += 1
                    inside[0] -= 1
            except BlockingIOError:
                pass

    threads = [threading.Thread(target=work, args=(who,)) for who in range(len(had))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] and had == [200] * 4
