import pytest
from sweep_cases import BASE, TASK, finished, grid
from training_runs import experiment

from bbdg_ref.training.sweep.estimate import duration, seconds_a_run


def test_what_runs_took_is_what_the_next_will_take():
    known = seconds_a_run(
        TASK, BASE, [finished(run, seconds=s) for run, s in zip(grid(seeds=[0, 1]), (100, 500), strict=True)], "auto"
    )
    assert known.seconds == 300 and known.text == "a run took 5 min on the mean of 2"


def test_before_the_first_has_ended_it_is_a_guess_in_proportion_to_the_work():
    def guess(data="auto", **changes):
        return seconds_a_run(TASK, experiment(density=0.05, **changes), [], data).seconds

    one = guess()
    assert one > 0 and "a guess" in seconds_a_run(TASK, BASE, [], "auto").text
    assert guess(epochs=6) == pytest.approx(3 * one) and guess(limit_train=56) == pytest.approx(2 * one)
    assert guess(width=4) > 3 * one
    whole = guess(limit_train=None)
    assert whole == pytest.approx(one * (50_000 - 12) / 28)
    assert guess("synthetic", limit_train=None) == pytest.approx(one * (20_000 - 12) / 28)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (99.4, "99 s"), (120, "2 min"), (5990, "100 min"), (36000, "10.0 h")]
)
def test_durations_are_told_in_a_fitting_unit(seconds, text):
    assert duration(seconds) == text
