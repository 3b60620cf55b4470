"""Programs of packed networks, and the memory that they leave for one another."""

from packed_cases import check_threads_forget

from bbdg_ref.ops import packed_program


def test_of_many_programs_a_few_are_kept():
    known: dict = {}
    for number in range(30):
        packed_program.remember(known, number, str(number))
        assert known[number] == str(number) and len(known) <= packed_program.KEPT


def test_threads_forget_for_one_another():
    check_threads_forget(packed_program.remember, packed_program.KEPT)
