import dataclasses

import pytest
from training_runs import experiment

from bbdg_ref.pruning import DensityPenalty, GlobalTopK, SignOfLatent, TopK
from bbdg_ref.training import Recipe


@pytest.mark.parametrize(
    ("changes", "strategy"),
    [
        ({"prune": "none", "density": None}, SignOfLatent()),
        ({"prune": "topk", "density": 0.02}, TopK(0.02)),
        ({"prune": "topk-global", "density": 1}, GlobalTopK(1)),
        ({"prune": "penalty", "density": 0.05, "gamma": 0.07}, DensityPenalty(0.05, 0.07)),
    ],
)
def test_the_pruning_strategy_is_the_one_named(changes, strategy):
    assert experiment(**changes).pruning() == strategy


def test_the_recipe_is_the_part_for_the_loop():
    settings = experiment(epochs=7, mixup=True)
    recipe = settings.recipe()
    assert recipe == Recipe(epochs=7, batch_size=8, learning_rate=1e-2, crop=True, flip=True, mixup=True)
    assert dataclasses.asdict(recipe).items() <= dataclasses.asdict(settings).items()


PENALTY = {"prune": "penalty", "density": 0.1, "gamma": 0.2}


@pytest.mark.parametrize(
    "changes",
    [
        {"arch": "resnet1001"}, {"arch": []}, {"arch": None}, {"domain": "ternary"}, {"prune": "random"},
        {"prune": "none"}, {"density": None}, {"density": 0}, {"density": 1.1}, {"density": "0.1"}, {"gamma": 0.1},
        {"prune": "topk-global", "density": None}, {"prune": "topk-global", "gamma": 0.1},
        PENALTY | {"gamma": None}, PENALTY | {"density": None}, PENALTY | {"density": 1}, PENALTY | {"gamma": 1},
        {"prune": "none", "density": None, "gamma": 0.1}, {"init_density": 0}, {"init_density": "x"},
        {"epochs": 0}, {"epochs": 1.0}, {"epochs": True}, {"batch_size": 1}, {"width": 0}, {"validation": 0},
        {"limit_train": 0}, {"seed": -1}, {"seed": None}, {"learning_rate": 0}, {"learning_rate": -0.1},
        {"learning_rate": float("nan")}, {"learning_rate": None}, {"crop": 1}, {"flip": None}, {"mixup": "no"},
    ],
)  # fmt: skip
def test_what_is_no_experiment_is_refused(changes):
    with pytest.raises((TypeError, ValueError), match=r"Experiment: \w+ must be .*; got "):
        experiment(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"density": 1}, {"density": 1.0}, PENALTY, PENALTY | {"gamma": 0}, {"limit_train": None},
        {"init_density": 0.1}, {"learning_rate": 1}, {"batch_size": 2}, {"seed": 2**70},
    ],
)  # fmt: skip
def test_what_is_at_the_edge_is_an_experiment(changes):
    settings = experiment(**changes)
    assert dataclasses.asdict(settings).items() >= changes.items()
    settings.pruning()
