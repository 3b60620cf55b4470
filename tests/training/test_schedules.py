import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbdg_ref.training import cosine


@given(steps=st.integers(1, 10_000), base=st.floats(1e-6, 10), data=st.data())
def test_the_rate_is_half_a_cosine(steps, base, data):
    step = data.draw(st.integers(0, steps))
    # 1 + cos(x) = 2 cos(x/2)^2
    want = base * math.cos(math.pi * float(Fraction(step, 2 * steps))) ** 2
    assert abs(cosine(step, steps, base) - want) <= 8 * 2.0**-52 * base


@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
def test_it_starts_at_the_base_ends_at_zero_and_falls(steps):
    rates = [cosine(step, steps, 0.25) for step in range(steps + 1)]
    assert rates[0] == 0.25 and rates[-1] == 0.0
    assert all(a > b for a, b in itertools.pairwise(rates))
