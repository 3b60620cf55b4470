import dataclasses
import itertools

import pytest
from training_runs import experiment

from bbdg_ref.training import LayerResult, Results, density_warning
from bbdg_ref.training.choice import TOLERANCE, asked_density, rank

PENALTY = {"prune": "penalty", "density": 0.05, "gamma": 0.07}


def best(epochs, asked):
    """The number, from 1, of the best of epochs given by (accuracy, density)."""
    return max(range(len(epochs)), key=lambda i: rank(*epochs[i], asked)) + 1


@pytest.mark.parametrize(
    ("epochs", "asked", "number"),
    [
        ([(0.9, 0.5), (0.5, 0.05), (0.7, 0.05), (0.7, 0.04)], 0.05, 3),  # too dense; worse; the best; no better
        ([(0.9, 0.5), (0.5, 0.05), (0.7, 0.05), (0.7, 0.04)], None, 1),
        ([(0.9, 0.5), (0.8, 0.3), (0.1, 0.2), (0.7, 0.25)], 0.05, 3),  # none meets it: the least dense
        ([(0.5, 0.2), (0.6, 0.2), (0.6, 0.2), (0.9, 0.21)], 0.05, 2),  # of equal densities the most accurate
        ([(0.0, 0.05), (1.0, 0.05 + 2 * TOLERANCE)], 0.05, 1),
        ([(0.0, 0.05), (1.0, 0.05 + TOLERANCE)], 0.05, 2),
    ],
)
def test_the_best_epoch_is_the_most_accurate_of_those_that_meet_the_density(epochs, asked, number):
    assert best(epochs, asked) == number


def test_any_epoch_that_meets_it_is_before_any_that_does_not():
    values = [0.0, 0.05, 0.0509, 0.0511, 0.3, 1.0]
    for (one, sparse), (two, dense) in itertools.product(
        itertools.product(values, values[:3]), itertools.product(values, values[3:])
    ):
        assert rank(one, sparse, 0.05) > rank(two, dense, 0.05)


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, 0.1),
        (PENALTY, 0.05),
        (PENALTY | {"gamma": 0}, None),  # the penalty is off, and nothing else brings the density down
        (PENALTY | {"density": 0.5}, None),
        ({"density": 0.5}, 0.5),
        ({"prune": "none", "density": None}, None),
        ({"prune": "n-m", "density": None, "n_m": "1:4"}, None),
        ({"prune": "subbit", "density": None, "subbit": 4}, None),
    ],
)
def test_the_density_that_is_asked_for(changes, asked):
    assert asked_density(experiment(**changes)) == asked


def ended(ones, accuracy, epoch=1, **changes):
    """The results of a run whose kept network has so many ones among 1000 weights."""
    return Results(
        dataset="noise", experiment=dataclasses.asdict(experiment(**changes)), train_images=28, validation_images=12,
        test_images=20, best_epoch=epoch, validation_accuracy=accuracy, test_accuracy=0.5, test_loss=1.0,
        layers=[LayerResult("layer", 1000, ones, 0.0, 1.0)], real_parameters=0,
    )  # fmt: skip


def line(epoch, accuracy, density):
    return {"epoch": epoch, "validation_accuracy": accuracy, "density": density}


def test_nothing_is_said_where_the_density_is_met():
    log = [line(1, 0.9, 0.4), line(2, 0.5, 0.051)]
    assert density_warning(ended(51, 0.5, 2, **PENALTY), log) is None
    assert density_warning(ended(400, 0.9, prune="none", density=None), log) is None


@pytest.mark.parametrize(
    ("changes", "mend"),
    [(PENALTY, "a larger gamma or more epochs"), ({"density": 0.05}, "ask for a lower density, or a wider network")],
)
def test_a_density_that_no_epoch_met_is_told_with_what_to_do(changes, mend):
    said = density_warning(ended(123, 0.5, 2, **changes), [line(1, 0.9, 0.4), line(2, 0.5, 0.123)])
    assert said.startswith(
        "no epoch met density 0.05 (within 0.001): model.h5 is the least dense network, that of epoch 2"
    )
    assert f"with density 0.123; {mend}" in said


def test_a_better_epoch_that_an_earlier_version_did_not_keep_is_told():
    log = [line(1, 0.9, 0.4), line(2, 0.8, 0.05), line(3, 0.5, 0.05)]
    said = density_warning(ended(50, 0.5, 3, **PENALTY), log)
    assert said.startswith("model.h5 is the network of epoch 3, with density 0.05; epoch 2, with 0.05, is the better")
