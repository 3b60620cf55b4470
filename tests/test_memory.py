import gc
import itertools
import threading

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bbdg_ref import _memory
from bbdg_ref._memory import LINE, SMALLEST, empty, held, release

LARGE = SMALLEST // 4  # float32 values


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


@pytest.fixture(autouse=True)
def nothing_kept():
    gc.collect()
    release()
    yield
    release()


@given(st.sampled_from([(0,), (1,), (3, 5), (LARGE,), (LARGE - 1,), (2, 3, LARGE), (LARGE + 7, 2)]))
def test_an_array_is_whole_aligned_and_writeable(shape):
    array = empty(shape)
    event("large" if array.nbytes >= SMALLEST else "small")
    assert array.shape == shape and array.dtype == np.float32 and array.flags.carray
    assert address(array) % LINE == 0 or array.size == 0
    array[...] = 1
    assert array.sum(dtype=np.float64) == array.size


def test_memory_is_used_again_when_nothing_refers_to_it():
    first = empty((LARGE,))
    place = address(first)
    assert address(empty((LARGE,))) != place
    del first
    assert held() >= 4 * LARGE
    assert address(empty((LARGE,))) == place


@pytest.mark.parametrize("view", [lambda a: a[3:9], lambda a: a.reshape(2, -1).T, lambda a: a[::2].view(np.int32)])
def test_a_view_keeps_the_memory(view):
    whole = empty((LARGE,))
    whole[...] = 7
    part, place = view(whole), address(whole)
    kept = part.copy()
    del whole
    others = [empty((LARGE,)) for _ in range(4)]
    for other in others:
        other[...] = 0
    assert place not in map(address, others)
    assert np.array_equal(part, kept)


def test_a_block_is_not_wasted_on_a_much_smaller_array():
    large = empty((4 * LARGE,))
    place = address(large)
    del large
    assert address(empty((LARGE,))) != place
    assert address(empty((4 * LARGE - 100,))) == place


@given(st.lists(st.integers(0, 7), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_no_more_is_held_than_a_sixteenth_above_what_was_once_in_use(sizes, random):
    release()
    arrays, most = [], _memory._pool.used
    for size in sizes:
        arrays.append(empty((LARGE * (1 + size) + size,)))
        most = max(most, _memory._pool.used)
        if random.random() < 0.5:
            del arrays[random.randrange(len(arrays))]
        assert _memory._pool.used + held() <= most + most // 16
        places = sorted((address(a), a.nbytes) for a in arrays)
        assert all(x + n <= y for (x, n), (y, _) in itertools.pairwise(places))
    event(f"{'some' if held() else 'none'} kept")


def test_release_gives_everything_back():
    del (array := [empty((LARGE,))])[0]
    assert array == [] and held() > 0
    release()
    assert held() == 0


def test_threads_never_share_memory():
    failures = []

    def work(number: int) -> None:
        for _ in range(200):
            array = empty((LARGE,))
            array[:: LARGE // 16] = number
            if not (array[:: LARGE // 16] == number).all():
                failures.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
