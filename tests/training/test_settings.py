import dataclasses

import pytest
from training_runs import EXPERIMENT, experiment

from bbdg_ref.pruning import (
    STRATEGIES,
    Cubic,
    DensityPenalty,
    EntropyPenalty,
    Filters,
    GlobalTopK,
    Kernels,
    NofM,
    RandomBits,
    SignOfLatent,
    SubBit,
    TopK,
    Within,
    WithPenalty,
)
from bbdg_ref.training import Recipe
from bbdg_ref.training.settings import describe, idle_settings


@pytest.mark.parametrize(
    ("changes", "strategy"),
    [
        ({"prune": "none", "density": None}, SignOfLatent()),
        ({"prune": "topk", "density": 0.02}, TopK(0.02)),
        ({"prune": "topk-global", "density": 1}, GlobalTopK(1)),
        ({"prune": "penalty", "density": 0.05, "gamma": 0.07}, DensityPenalty(0.05, 0.07)),
        ({"prune": "penalty-entropy", "density": 0.05, "gamma": 0.07}, EntropyPenalty(0.05, 0.07)),
        ({"prune": "random", "density": 0.05, "seed": 3}, RandomBits(0.05, 3)),
        ({"prune": "filters", "density": 0.05}, Within(Filters(0.1), TopK(0.05))),
        ({"prune": "kernels", "density": 0.75}, Within(Kernels(1.0), TopK(0.75))),
        ({"prune": "n-m", "density": None, "n_m": "1:16"}, NofM(1, 16)),
        ({"prune": "subbit", "density": None, "subbit": 5}, SubBit(5)),
        ({"prune": "subbit-topk", "density": 0.05, "subbit": 5}, SubBit(5, 0.05)),
        (
            {"prune": "subbit-penalty", "density": 0.05, "gamma": 0.07, "subbit": 4},
            WithPenalty(SubBit(4), DensityPenalty(0.05, 0.07)),
        ),
    ],
)
def test_the_pruning_strategy_is_the_one_named(changes, strategy):
    assert experiment(**changes).pruning() == strategy


@pytest.mark.parametrize("name", [name for name, strategy in STRATEGIES.items() if strategy.scheduled])
def test_a_cubic_schedule_ends_after_half_of_the_steps(name):
    subbit = 4 if "subbit" in STRATEGIES[name].takes else None
    settings = experiment(prune=name, density=0.05, subbit=subbit, density_schedule="cubic")
    assert settings.pruning(steps=200).density == Cubic(0.5, 0.05, 0, 100)
    assert dataclasses.replace(settings, density=0.75).pruning(steps=1).density == Cubic(0.75, 0.75, 0, 1)
    with pytest.raises(ValueError, match="steps must be given with the cubic schedule"):
        settings.pruning()


def test_a_cubic_schedule_begins_at_the_density_of_the_network_to_start_from():
    settings = experiment(density=0.05, density_schedule="cubic", start="model.h5")
    assert settings.pruning(200, 0.2).density == Cubic(0.2, 0.05, 0, 100)
    assert settings.pruning(200, 0.7).density == Cubic(0.7, 0.05, 0, 100)
    for lower in (0.02, 0.0):  # never below the density that is asked for
        assert settings.pruning(200, lower).density == Cubic(0.05, 0.05, 0, 100)
    assert experiment(density=0.05, start="model.h5").pruning(200, 0.2) == TopK(0.05)


def test_settings_that_older_files_lack_have_the_values_that_were_the_rule():
    settings = experiment(prune="topk-global")
    assert (settings.density_schedule, settings.n_m, settings.subbit, settings.start) == ("constant", None, None, None)
    assert settings.pruning() == GlobalTopK(0.1)


def test_the_recipe_is_the_part_for_the_loop():
    settings = experiment(epochs=7, mixup=True)
    recipe = settings.recipe()
    assert recipe == Recipe(epochs=7, batch_size=8, learning_rate=1e-2, crop=True, flip=True, mixup=True)
    assert dataclasses.asdict(recipe).items() <= dataclasses.asdict(settings).items()
    variant = {"rotate": True, "schedule": "linear", "teacher": "model.h5", "temperature": 4.0}
    recipe = experiment(**variant).recipe()
    assert (recipe.rotate, recipe.schedule, recipe.temperature, recipe.smoothing) == (True, "linear", 4.0, 0.0)
    assert experiment(smoothing=0.1).recipe().smoothing == 0.1


PENALTY = {"prune": "penalty", "density": 0.1, "gamma": 0.2}


@pytest.mark.parametrize(
    "changes",
    [
        {"arch": "resnet1001"}, {"arch": []}, {"arch": None}, {"domain": "ternary"}, {"prune": "magnitude"},
        {"prune": "none"}, {"density": None}, {"density": 0}, {"density": 1.1}, {"density": "0.1"}, {"gamma": 0.1},
        {"prune": "topk-global", "density": None}, {"prune": "topk-global", "gamma": 0.1},
        PENALTY | {"gamma": None}, PENALTY | {"density": None}, PENALTY | {"density": 1}, PENALTY | {"gamma": 1},
        {"prune": "penalty-entropy", "density": 0.1}, {"prune": "subbit", "subbit": 4}, {"subbit": 4}, {"n_m": "1:4"},
        {"prune": "subbit", "density": None}, {"prune": "subbit", "density": None, "subbit": 9},
        {"prune": "subbit", "density": None, "subbit": "4"}, {"prune": "n-m", "density": None},
        {"prune": "n-m", "density": None, "n_m": 4}, {"density_schedule": "linear"},
        PENALTY | {"density_schedule": "cubic"}, {"prune": "filters", "density_schedule": "cubic"},
        {"start": ""}, {"start": 3}, {"start": "model.h5", "init_density": 0.1},
        {"prune": "none", "density": None, "gamma": 0.1}, {"init_density": 0}, {"init_density": "x"},
        {"epochs": 0}, {"epochs": 1.0}, {"epochs": True}, {"batch_size": 1}, {"width": 0}, {"validation": 0},
        {"limit_train": 0}, {"seed": -1}, {"seed": None}, {"learning_rate": 0}, {"learning_rate": -0.1},
        {"learning_rate": float("nan")}, {"learning_rate": None}, {"crop": 1}, {"flip": None}, {"mixup": "no"},
        {"rotate": 15}, {"schedule": "exponential"}, {"schedule": None}, {"smoothing": 1}, {"smoothing": -0.1},
        {"smoothing": None}, {"teacher": 1}, {"teacher": ""}, {"temperature": 2.0},
        {"teacher": "model.h5", "temperature": 0}, {"teacher": "model.h5", "temperature": None},
        {"teacher": "model.h5", "smoothing": 0.1},
    ],
)  # fmt: skip
def test_what_is_no_experiment_is_refused(changes):
    with pytest.raises((TypeError, ValueError), match=r"Experiment: \w+ must be .*; got "):
        experiment(**changes)


@pytest.mark.parametrize("name", ["teacher", "start"])
@pytest.mark.parametrize(("path", "kind"), [("", ValueError), (3, TypeError)])
def test_what_is_no_path_of_a_network_is_told_with_what_is(name, path, kind):
    with pytest.raises(
        kind, match=rf"{name} must be the path of a model\.h5 or checkpoint\.h5, .*; got {path!r}; give"
    ):
        experiment(**{name: path})


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prune": "n-m", "density": None, "n_m": "4"}, "NofM: text must be"),
        ({"prune": "n-m", "density": None, "n_m": "5:4"}, "NofM: n must be"),
        ({"prune": "penalty-entropy", "density": 0.5, "gamma": 0.1}, "EntropyPenalty: limit must be below 1/2"),
    ],
)
def test_what_the_strategy_refuses_is_no_experiment(changes, message):
    with pytest.raises(ValueError, match=message):
        experiment(**changes)


@pytest.mark.parametrize(
    ("prune", "idle"),
    [
        ("none", {"density", "gamma", "n_m", "subbit", "density_schedule"}),
        ("topk", {"gamma", "n_m", "subbit"}),
        ("filters", {"gamma", "n_m", "subbit", "density_schedule"}),
        ("n-m", {"density", "gamma", "subbit", "density_schedule"}),
    ],
)
def test_the_settings_that_a_strategy_does_not_take(prune, idle):
    found = idle_settings(prune)
    assert found.keys() == idle
    assert all(value == ("constant" if name == "density_schedule" else None) for name, value in found.items())


def test_the_description_of_an_experiment_names_what_matters():
    paper = experiment(
        arch="resnet18", width=64, prune="penalty", density=0.05, gamma=0.07, limit_train=None, batch_size=512
    )
    for word in ("resnet18", "64", "general", "penalty", "0.05", "0.07", "all images", "512"):
        assert word in describe(paper)
    assert "28 images" in describe(EXPERIMENT) and "gamma" not in describe(EXPERIMENT)
    assert describe(experiment(schedule="step", smoothing=0.1)).endswith(", step schedule, label smoothing 0.1")
    assert "(crop, flip)" in describe(EXPERIMENT)
    assert "(flip, rotate, mixup)" in describe(experiment(crop=False, rotate=True, mixup=True))
    assert "(not augmented)" in describe(experiment(crop=False, flip=False))
    assert "taught by a/model.h5 at temperature 2.0" in describe(experiment(teacher="a/model.h5", temperature=2.0))


def test_the_description_names_how_the_ones_are_chosen_and_from_where():
    assert "prune n-m 1:16," in describe(experiment(prune="n-m", density=None, n_m="1:16"))
    text = describe(experiment(prune="subbit-topk", subbit=5, density_schedule="cubic", start="runs/a/model.h5"))
    assert "prune subbit-topk 0.1 5 bits, cubic density, from runs/a/model.h5" in text
