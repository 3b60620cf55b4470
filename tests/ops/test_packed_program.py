"""Programs of packed networks, and the memory that they leave for one another."""

import sys
import threading

from bbdg_ref.ops import packed_program


def test_of_many_programs_a_few_are_kept():
    known: dict = {}
    for number in range(30):
        packed_program.remember(known, number, str(number))
        assert known[number] == str(number) and len(known) <= packed_program.KEPT


def test_threads_forget_for_one_another():
    known, errors = {}, []

    def remember(thread: int) -> None:
        try:
            for number in range(100_000):
                packed_program.remember(known, (thread, number), number)
        except Exception as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-7)
    try:
        threads = [threading.Thread(target=remember, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []
