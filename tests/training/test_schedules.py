import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bbdg_ref.training import SCHEDULES, constant, cosine, linear, step_decay

PLACES = st.integers(1, 10_000).flatmap(lambda steps: st.tuples(st.integers(0, steps), st.just(steps)))
BASES = st.floats(1e-6, 10)


@given(place=PLACES, base=BASES)
def test_the_rate_is_half_a_cosine(place, base):
    step, steps = place
    event(f"in part {4 * step // steps} of four")
    # 1 + cos(x) = 2 cos(x/2)^2
    want = base * math.cos(math.pi * float(Fraction(step, 2 * steps))) ** 2
    assert abs(cosine(step, steps, base) - want) <= 8 * 2.0**-52 * base


@given(place=PLACES, base=BASES)
def test_the_linear_rate_is_the_share_of_steps_that_are_left(place, base):
    step, steps = place
    event(f"in part {4 * step // steps} of four")
    want = Fraction(base) * Fraction(steps - step, steps)
    assert abs(Fraction(linear(step, steps, base)) - want) <= Fraction(2.0**-51) * Fraction(base)


@pytest.mark.parametrize("schedule", [cosine, linear])
@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
def test_it_starts_at_the_base_ends_at_zero_and_falls(schedule, steps):
    rates = [schedule(step, steps, 0.25) for step in range(steps + 1)]
    assert rates[0] == 0.25 and rates[-1] == 0.0
    assert all(a > b for a, b in itertools.pairwise(rates))


@given(
    place=PLACES, base=BASES, factor=st.sampled_from([0.1, 0.5, 1.0]),
    milestones=st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), unique=True, max_size=3),
)  # fmt: skip
def test_every_milestone_that_is_reached_multiplies_the_rate(place, base, factor, milestones):
    step, steps = place
    want = base
    reached = [m for m in milestones if Fraction(step) >= Fraction(m) * steps]
    event(f"{len(reached)} of {len(milestones)} reached")
    for _ in reached:
        want *= factor
    got = step_decay(step, steps, base, milestones=milestones, factor=factor)
    assert abs(got - want) <= 8 * 2.0**-52 * want


def test_the_usual_steps_are_at_one_half_and_three_quarters():
    rates = [step_decay(step, 100, 1.0) for step in (0, 49, 50, 74, 75, 100)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01], rel=1e-14)
    # with 6 steps the second milestone, 4.5, is reached at step 5
    assert [round(step_decay(step, 6, 1.0), 3) for step in range(6)] == [1, 1, 1, 0.1, 0.1, 0.01]


@given(place=PLACES, base=BASES)
def test_a_constant_rate_is_the_base(place, base):
    assert constant(*place, base) == base


def test_the_names_are_those_of_the_command_line():
    assert SCHEDULES == {"cosine": cosine, "linear": linear, "step": step_decay, "constant": constant}
    assert all(schedule(0, 10, 0.25) == 0.25 for schedule in SCHEDULES.values())
