import pytest
from sweep_cases import BASE, GAMMA, grid
from training_runs import experiment

from bbdg_ref.training.sweep import DOMAIN_ORDER, ROUTES, Run, claim_grid, full_grid, most_telling_first
from bbdg_ref.training.sweep.grid import route_of


def names(runs) -> list[str]:
    return [run.name for run in runs]


def test_the_claim_is_seventeen_runs_the_most_telling_first():
    runs = claim_grid(BASE, GAMMA)
    assert names(runs) == [
        *(f"{domain}-0.05-topk-seed{seed}" for seed in (0, 1, 2) for domain in ("general", "bipolar")),
        *(f"{domain}-{p}-topk-seed0" for p in (0.02, 0.5) for domain in ("general", "bipolar", "general-closed")),
        "general-closed-0.05-topk-seed0", "symmetric-0.05-topk-seed0",
        "general-0.05-topk-global-seed0", "general-0.05-penalty-seed0", "general-0.05-start-seed0",
    ]  # fmt: skip
    assert {run.experiment.epochs for run in runs} == {BASE.epochs}


def test_the_full_grid_is_the_papers_densities_in_four_domains():
    runs = full_grid(BASE, seeds=[3, 4])
    densities = (0.5, 0.25, 0.1, 0.05, 0.04, 0.03, 0.02, 0.01)
    assert sorted(names(runs)) == sorted(
        f"{domain}-{p}-topk-seed{seed}" for p in densities for domain in DOMAIN_ORDER for seed in (3, 4)
    )
    assert {run.density for run in runs[:4]} == {0.05}


@pytest.mark.parametrize(
    ("route", "prune", "gamma", "init_density"),
    [("topk", "topk", None, None), ("topk-global", "topk-global", None, None),
     ("penalty", "penalty", 0.2, None), ("start", "penalty", 0.01, 0.02)],
)  # fmt: skip
def test_a_route_sets_pruning_gamma_and_start_and_nothing_else(route, prune, gamma, init_density):
    (run,) = grid(densities=[0.02], routes=[route], domains=["symmetric"], seeds=[7])
    assert run.experiment == experiment(
        density=0.02, prune=prune, gamma=gamma, init_density=init_density, domain="symmetric", seed=7
    )
    assert run.route == route and run.name == f"symmetric-0.02-{route}-seed7"


def test_a_run_is_there_once_however_often_it_is_asked_for():
    runs = grid(densities=[0.05, 0.05], seeds=[1, 1, 0])
    assert sorted(names(runs)) == ["general-0.05-topk-seed0", "general-0.05-topk-seed1"]
    assert most_telling_first(runs + runs) == runs


def test_every_combination_has_a_name_of_its_own():
    runs = grid(densities=[0.5, 0.05], domains=DOMAIN_ORDER, routes=list(ROUTES), seeds=[0, 1])
    assert len(set(names(runs))) == len(runs) == 2 * 4 * 4 * 2


@pytest.mark.parametrize(
    "changes",
    [{"prune": "none", "density": None}, {"init_density": 0.05},
     {"prune": "penalty", "density": 0.1, "gamma": 0.1, "init_density": 0.2}],
)  # fmt: skip
def test_what_takes_no_route_is_refused(changes):
    with pytest.raises(ValueError, match="route_of: experiment must take one of the routes"):
        route_of(experiment(**changes))
    with pytest.raises(ValueError, match="route_of"):
        Run(experiment(**changes))
