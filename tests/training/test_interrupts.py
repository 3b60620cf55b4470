import os
import signal
import threading

import pytest

from bbdg_ref.training.interrupts import stop_requests


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_becomes_a_request_and_the_second_acts_at_once(number):
    def act(*_):
        raise InterruptedError

    before = signal.signal(number, act)
    try:
        with stop_requests() as stop:
            assert not stop.is_set()
            os.kill(os.getpid(), number)
            assert stop.wait(1)
            with pytest.raises(InterruptedError):
                os.kill(os.getpid(), number)
    finally:
        assert signal.signal(number, before) is act


def test_the_handlers_are_put_back():
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyError), stop_requests():
        raise KeyError
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_outside_the_main_thread_no_handler_is_set():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with stop_requests() as stop:
            seen.append((stop.is_set(), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]
