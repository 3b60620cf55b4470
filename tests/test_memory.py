import gc
import itertools
import mmap
import os
import subprocess
import sys
import threading
from unittest import mock

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bbdg_ref import _memory, nn
from bbdg_ref._memory import LINE, SMALLEST, empty, held, release

LARGE = SMALLEST // 4  # float32 values


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


@pytest.fixture(autouse=True, scope="module")
def few_objects_to_collect():
    """Leave what other tests have made out of the collections here, of which there are many."""
    gc.collect()
    gc.freeze()


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


@pytest.mark.parametrize("spare", [0, 3 * SMALLEST])
@given(sizes=st.lists(st.integers(0, 7), min_size=1, max_size=40), random=st.randoms(use_true_random=False))
def test_no_more_is_held_than_agreed_above_what_was_once_in_use(sizes, random, spare):
    release()
    arrays, most = [], _memory._pool.used()
    for size in sizes:
        with mock.patch.object(_memory, "SPARE", spare):
            arrays.append(empty((LARGE * (1 + size) + size,)))
        most = max(most, _memory._pool.used())
        if random.random() < 0.5:
            del arrays[random.randrange(len(arrays))]
        assert _memory._pool.used() + held() <= most + max(most // 8, spare)
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


def test_users_release_memory_by_the_name_in_nn():
    del (array := [empty((LARGE,))])[0]
    assert array == [] and held() > 0
    nn.release_memory()
    assert held() == 0


class Scarce:
    """The system when only so many bytes are left for new blocks; what dies is free again."""

    def __init__(self, patch, size):
        self.fresh, self.size, self.calls = _memory._fresh, size, 0
        self.before = _memory._pool.total()
        patch.setattr(_memory, "_fresh", self)

    def __call__(self, size):
        self.calls += 1
        if _memory._pool.total() - self.before + size > self.size:
            raise OSError(12, "Cannot allocate memory")
        return self.fresh(size)


def test_what_is_kept_is_given_up_where_memory_is_scarce(monkeypatch):
    scarce = Scarce(monkeypatch, 4 * 5 * LARGE)
    kept, small = empty((4 * LARGE,)), empty((LARGE,))
    del kept
    assert held() == 16 * LARGE
    large = empty((2 * LARGE,))  # only in place of what is kept
    assert held() == 0 and scarce.calls == 4
    assert address(large) != address(small)


@pytest.mark.filterwarnings("error")  # also of what __del__ raises
def test_without_memory_there_is_a_memory_error_as_from_numpy(monkeypatch):
    Scarce(monkeypatch, 4 * 3 * LARGE)
    one = empty((LARGE,))
    used = _memory._pool.used()
    with pytest.raises(MemoryError, match=f"empty: .* {4 * 3 * LARGE} bytes"):
        empty((3 * LARGE,))
    gc.collect()
    assert _memory._pool.used() == used and one.size == LARGE
    assert empty((2 * LARGE,)).size == 2 * LARGE


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the system may promise what it has not")
def test_more_than_the_address_space_is_a_memory_error():
    with pytest.raises(MemoryError):
        empty((1 << 60,))


@pytest.mark.parametrize("moment", ["before the lease", "in the lease", "in __del__"])
def test_an_interrupt_leaves_nothing_in_use(moment, monkeypatch):
    """A block that is lost on the way to its array, or back, is returned to the system and not counted any more."""
    used = _memory._pool.used()

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if moment == "before the lease":
            take = _memory._Pool.take
            patch.setattr(_memory._Pool, "take", lambda pool, size: interrupted(take(pool, size)))
        elif moment == "in the lease":
            patch.setattr(_memory.np, "frombuffer", interrupted)
        else:
            patch.setattr(_memory._Lease, "__del__", lambda lease: None)  # as if interrupted at its first step
        if moment == "in __del__":
            empty((LARGE,))
        else:
            with pytest.raises(KeyboardInterrupt):
                empty((LARGE,))
    gc.collect()
    assert _memory._pool.used() == used
    assert empty((LARGE,)).size == LARGE


def test_a_block_taken_by_a_signal_handler_is_not_taken_twice(monkeypatch):
    """Between the choice of a block and its removal, Python code of another kind may run in the same thread."""
    del (array := [empty((LARGE,))])[0]
    assert array == [] and held() > 0
    inner = []

    def smallest(blocks, key):
        found = min(blocks, key=key)
        if not inner:
            inner.append(None)
            inner[0] = empty((LARGE,))
        return found

    monkeypatch.setattr(_memory, "min", smallest, raising=False)
    outer = empty((LARGE,))
    assert address(outer) != address(inner[0])


AFTER_FORK = """
import os, signal, threading
from bbdg_ref import _memory
holds, done = threading.Event(), threading.Event()
def hold():
    with _memory._pool.lock:
        holds.set()
        done.wait()
thread = threading.Thread(target=hold)
thread.start()
holds.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)  # ends a child that hangs
    array = _memory.empty((1 << 20,))
    array[...] = 1
    os._exit(0 if array.sum() == array.size else 1)
status = os.waitpid(child, 0)[1]
done.set()
thread.join()
print("status", status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_while_a_thread_takes_memory_can_take_some():
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", AFTER_FORK], capture_output=True, text=True, check=True, timeout=60
    )  # fmt: skip
    assert run.stdout.split() == ["status", "0"], run.stderr


def test_a_block_is_counted_as_long_as_it_exists():
    pool = _memory._Pool()
    blocks = [pool.take(SMALLEST), pool.take(2 * SMALLEST)]
    assert all(isinstance(block, mmap.mmap) for block in blocks)
    assert pool.used() == pool.total() == pool.most == 3 * SMALLEST
    pool.free.append(blocks.pop())
    assert (pool.used(), pool.held()) == (SMALLEST, 2 * SMALLEST)
    blocks.clear()
    assert (pool.used(), pool.total(), pool.most) == (0, 2 * SMALLEST, 3 * SMALLEST)
