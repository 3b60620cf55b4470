import itertools

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bbdg_ref.pruning import Cubic, Filters, GlobalTopK, Kernels, RandomBits, SubBit, TopK
from bbdg_ref.pruning.schedule import count, density_at

FRACTIONS = st.floats(1e-6, 1)


@given(FRACTIONS, FRACTIONS, st.integers(0, 1000), st.integers(1, 1000), st.integers(0, 3000))
def test_the_cubic_is_its_formula_and_stays_between_its_ends(start, end, begin, steps, step):
    density = Cubic(start, end, begin, steps).at(step)
    event("before" if step <= begin else "after" if step >= begin + steps else "between")
    if step <= begin:
        assert density == start
    elif step >= begin + steps:
        assert density == end
    else:
        assert density == pytest.approx(end + (start - end) * (1 - (step - begin) / steps) ** 3, rel=1e-12)
    assert min(start, end) * (1 - 1e-12) <= density <= max(start, end) * (1 + 1e-12)


def test_the_cubic_falls_fast_at_first():
    densities = [Cubic(0.5, 0.05, 0, 10).at(step) for step in range(11)]
    falls = [a - b for a, b in itertools.pairwise(densities)]
    assert densities[0] == 0.5 and densities[-1] == 0.05
    assert all(first > second > 0 for first, second in itertools.pairwise(falls))


class Fixed:
    """A schedule of one's own."""

    def __init__(self, density):
        self.density = density

    def at(self, step):
        return self.density


SCHEDULED = [TopK, GlobalTopK, Filters, Kernels, lambda d: RandomBits(d, 0), lambda d: SubBit(4, d)]


def test_a_number_and_a_schedule_of_one_s_own_are_the_same_at_every_step():
    assert [density_at(0.3, step) for step in (0, 9)] == [density_at(Fixed(0.3), step) for step in (0, 9)] == [0.3] * 2
    assert [count(density, 5, 10) for density in (0.25, Fixed(0.26), 1e-9, np.float32(0.5))] == [2, 3, 1, 5]


@pytest.mark.parametrize("make", SCHEDULED)
@pytest.mark.parametrize("density", [1.7, 0, -0.1, float("nan"), None, "0.1"])
def test_a_schedule_that_returns_no_fraction_is_refused_at_that_step(make, density):
    with pytest.raises((TypeError, ValueError), match=r"Fixed.at\(7\): density must be"):
        make(Fixed(density)).choose([np.ones((4, 4, 3, 3))], step=7)


@pytest.mark.parametrize("make", SCHEDULED)
def test_a_class_is_no_schedule(make):
    with pytest.raises(TypeError, match=r"must be a fraction or a schedule; got the class Cubic; make one"):
        make(Cubic)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Cubic(0, 0.1, 0, 1), "Cubic: start"), (lambda: Cubic(0.5, 2, 0, 1), "Cubic: end"),
        (lambda: Cubic(0.5, 0.1, -1, 1), "Cubic: begin"), (lambda: Cubic(0.5, 0.1, 0, 0), "Cubic: steps"),
        (lambda: Cubic(0.5, 0.1, 0, 1.5), "Cubic: steps"),
    ],
)  # fmt: skip
def test_numbers_out_of_their_ranges_are_refused(make, name):
    with pytest.raises((TypeError, ValueError), match=f"{name} must be"):
        make()
