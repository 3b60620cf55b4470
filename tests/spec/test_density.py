import itertools
from decimal import Decimal, localcontext

import hypothesis.strategies as st
import layer_checks as checks
import numpy as np
import pytest
from hypothesis import event, example, given
from oracles import density as oracle

from bbdg_ref.spec.density import density, density_penalty, density_penalty_push, entropy_factor

# (EC, gamma) of the CIFAR-10 runs
PAPER = [(0.25, 0.02), (0.10, 0.04), (0.05, 0.07), (0.04, 0.07), (0.03, 0.08), (0.02, 0.08), (0.01, 0.10)]


@given(st.lists(st.booleans(), min_size=1, max_size=70), st.booleans())
def test_density(bits, as_matrix):
    event("no ones" if not any(bits) else "all ones" if all(bits) else "mixed")
    array = np.array(bits)
    checks.check_density(density, array.reshape(1, -1) if as_matrix else array)


@given(
    st.integers(1, 10**7).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from(PAPER) | st.tuples(st.floats(0, 1), st.floats(0, 0.99)),
    st.floats(0, 1e3),
    st.sampled_from([1e-4, 1e-5]),
)
@example((3, 8), (0.25, 0.5), 2.0, 0.125)  # an excess equal to the dead zone
def test_penalty(counts, settings, loss, dead_zone):
    (ones, total), (limit, gamma) = counts, settings
    excess = ones / total - limit
    event("below the limit" if excess <= 0 else "in the dead zone" if excess <= dead_zone else "acts")
    checks.check_density_penalty(density_penalty, ones, total, limit, gamma, loss, dead_zone)


@given(st.floats(0, 1e6), st.integers(1, 10**8), st.sampled_from([0.5, 1.0]))
def test_push(multiplier, total, slope):
    event("no push" if multiplier == 0 else "some push")
    checks.check_density_penalty_push(density_penalty_push, multiplier, total, slope)


@pytest.mark.parametrize(("limit", "gamma"), PAPER)
def test_the_penalty_of_the_paper_at_half_ones(limit, gamma):
    got = density_penalty(500, 1000, limit=limit, gamma=gamma, loss=2.3)
    assert got.value == pytest.approx(2.3 * gamma / (1 - gamma), rel=1e-14)
    assert got.multiplier == pytest.approx(2.3 * gamma / ((0.5 - limit) * (1 - gamma)), rel=1e-14)


def test_an_excess_equal_to_the_dead_zone_costs_nothing():
    quiet = density_penalty(1, 4, limit=0.0, gamma=0.5, loss=1.0, dead_zone=0.25)
    loud = density_penalty(1, 4, limit=0.0, gamma=0.5, loss=1.0, dead_zone=np.nextafter(0.25, 0))
    assert (quiet.multiplier, quiet.value, quiet.excess) == (0.0, 0.0, 0.25)
    assert (loud.multiplier, loud.value, loud.excess) == (4.0, 1.0, 0.25)


def test_a_limit_of_one_half_is_a_limit_like_any_other():
    assert density_penalty(6, 8, limit=0.5, gamma=0.5, loss=3.0).value == 3.0


def test_the_push_moves_the_penalty_as_its_slope_says():
    """Raising every relaxed bit by slope * e raises lambda h by e times the sum of the pushes."""
    penalty = density_penalty(30, 100, limit=0.05, gamma=0.2, loss=2.0)
    e, slope = 2.0**-20, 0.5
    raised = penalty.multiplier * (30 / 100 + slope * e - 0.05)
    push = density_penalty_push(penalty.multiplier, 100, slope=slope)
    assert raised - penalty.value == pytest.approx(100 * push * e, rel=1e-8)


@given(st.integers(2, 499), st.sampled_from([0.01, 0.05, 0.25, 0.4]), st.sampled_from([0.5, 1.0]))
def test_the_push_of_the_entropy_is_its_slope(ones, limit, slope):
    density = ones / 1000
    event("near the limit" if abs(density - limit) < 0.01 else "away from it")
    if not 1e-3 < density - limit:
        return
    penalty = density_penalty(ones, 1000, limit=limit, gamma=0.2, loss=2.0)
    push = density_penalty_push(penalty.multiplier, 1000, slope=slope) * entropy_factor(density, limit)
    assert push == pytest.approx(oracle.entropy_push(ones, 1000, limit, 0.2, 2.0, slope), rel=1e-5)


def exact_factor(density, limit):
    """The formula in decimal arithmetic of 100 digits."""
    with localcontext(prec=100):
        p, q = Decimal(density), Decimal(limit)
        above, at_limit = (-x * x.ln() - (1 - x) * (1 - x).ln() for x in (p, q))
        return float(((1 - p) / p).ln() * (p - q) / (above - at_limit))


# of any size, also how far they are from 1/2; and the density by its distance from the limit, of any size
POWERS = st.floats(-50, -2).map(lambda e: 2.0**e)
LIMITS = st.floats(1e-9, 0.49) | POWERS | POWERS.map(lambda x: 0.5 - x)
SHARES = st.floats(0, 1) | POWERS


@given(LIMITS, SHARES, st.booleans())
@example(0.49832775919732436, 0.0, False)  # the entropies of it and of the next number round to one
@example(0.07, 0.0, False)
@example(0.125, 1 / 3, False)  # twice the limit, where the series ends
def test_the_factor_is_its_formula_to_the_last_digits(limit, share, relative):
    density = limit * (1 + share) if relative else limit + share * (0.5 - limit)
    density = max(density, np.nextafter(limit, 1).item())
    if density >= 0.5:
        return
    event("at most twice the limit" if density <= 2 * limit else "above")
    assert entropy_factor(density, limit) == pytest.approx(exact_factor(density, limit), rel=1e-12, abs=0)


@pytest.mark.parametrize("limit", [149 / 299, 0.07, 0.05, 1e-6])
def test_at_the_limit_the_factor_is_one(limit):
    assert entropy_factor(limit, limit) == 1
    assert entropy_factor(np.nextafter(limit, 1).item(), limit) == pytest.approx(1, rel=1e-12)


@given(st.floats(0.5, 1), st.floats(0.001, 0.499))
def test_from_one_half_on_the_entropy_pushes_nothing(density, limit):
    assert entropy_factor(density, limit) == 0


def test_the_factor_falls_from_one_at_the_limit_to_zero_at_one_half():
    factors = [entropy_factor(p, 0.05) for p in np.linspace(0.0501, 0.4999, 100)]
    assert factors[0] == pytest.approx(1, abs=1e-2) and factors[-1] == pytest.approx(0, abs=1e-3)
    assert all(a > b for a, b in itertools.pairwise(factors))
