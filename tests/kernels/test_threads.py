"""Work is shared out completely, once, and its errors arrive."""

import os

import numba
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbdg_ref.kernels.threads import share_out


@given(pieces=st.integers(1, 70))
def test_the_ranges_cover_every_piece_once(pieces):
    done = []
    share_out(lambda first, last: done.extend(range(first, last)), pieces)
    assert sorted(done) == list(range(pieces))


def test_as_many_ranges_as_threads_at_most():
    before = numba.get_num_threads()
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            for pieces in (1, 2, 9):
                ranges = []
                share_out(lambda first, last, ranges=ranges: ranges.append((first, last)), pieces)
                assert len(ranges) == min(threads, pieces)
    finally:
        numba.set_num_threads(before)


def test_an_error_in_any_range_is_raised():
    def work(first, last):
        if last == 10:
            raise ArithmeticError("the last range")

    with pytest.raises(ArithmeticError, match="the last range"):
        share_out(work, 10)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_makes_threads_of_its_own():
    share_out(lambda first, last: None, 8)
    child = os.fork()
    if child == 0:
        done = []
        try:
            share_out(lambda first, last: done.extend(range(first, last)), 8)
        finally:
            os._exit(0 if sorted(done) == list(range(8)) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
