import dataclasses
import shlex
from pathlib import Path

import pytest
from sweep_cases import BASE, GAMMA, TASK, finished, grid
from training_runs import experiment

from bbdg_ref.training.sweep import claim_grid, flags, full_grid
from bbdg_ref.training.sweep.remake import remaking_command

SMALL = experiment(density=0.05, epochs=9, learning_rate=0.5, flip=False, mixup=True, limit_train=20)


@pytest.mark.parametrize(
    "runs",
    [
        claim_grid(BASE, GAMMA), claim_grid(BASE, GAMMA)[3:5], full_grid(BASE, seeds=[0, 3]), claim_grid(SMALL, GAMMA),
        grid(densities=[0.3, 0.05], domains=["symmetric", "general"], routes=["start", "topk"], seeds=[2]),
        grid(densities=[0.3], routes=["penalty"], base=SMALL),
    ],
)  # fmt: skip
def test_the_command_plans_all_runs_that_there_are(runs):
    command = shlex.split(remaking_command(TASK, GAMMA, [finished(run) for run in runs[::-1]]))
    assert command[:6] == ["python", "sweep.py", "--data-dir", "DIR", "--data-label", "CIFAR-10 (JPEG)"]
    again = flags.planned_runs(TASK, GAMMA, flags.make_parser(TASK, GAMMA).parse_args(command[2:]))
    assert set(runs) <= set(again)


def test_the_claim_needs_no_flags():
    command = remaking_command(TASK, GAMMA, [finished(run) for run in claim_grid(BASE, GAMMA)])
    assert command == "python sweep.py --data-dir DIR --data-label 'CIFAR-10 (JPEG)'"


def test_the_built_in_set_and_another_gamma_are_named():
    (run,) = grid(routes=["penalty"])
    one = finished(dataclasses.replace(run, experiment=dataclasses.replace(run.experiment, gamma=0.7)))
    one.result["dataset"] = "built-in synthetic set (seed 0)"
    command = remaking_command(TASK, GAMMA, [one])
    assert command.startswith("python sweep.py --data synthetic ") and command.endswith("--gamma 0.7")
    args = flags.make_parser(TASK, GAMMA).parse_args(shlex.split(command)[2:])
    assert flags.planned_runs(TASK, GAMMA, args) == [one.run]


def with_gamma(run, gamma):
    return dataclasses.replace(run, experiment=dataclasses.replace(run.experiment, gamma=gamma))


def plans(runs) -> list[list]:
    """The runs of each of the commands."""
    lines = remaking_command(TASK, GAMMA, [finished(run) for run in runs]).splitlines()
    parser = flags.make_parser(TASK, GAMMA)
    return [flags.planned_runs(TASK, GAMMA, parser.parse_args(shlex.split(line)[2:])) for line in lines]


PENALTY, START, TOPK = grid(routes=["penalty"])[0], grid(routes=["start"])[0], grid()[0]
SEED1, SEED2 = grid(routes=["penalty"], seeds=[1])[0], grid(routes=["penalty"], seeds=[2])[0]
BIPOLAR, DENSE = grid(routes=["penalty"], domains=["bipolar"])[0], grid(routes=["penalty"], densities=[0.5])[0]
CLAIM = claim_grid(BASE, GAMMA)


@pytest.mark.parametrize(
    ("runs", "commands"),
    [
        ([PENALTY, START], 1),
        ([with_gamma(PENALTY, 0.3), START], 2),
        ([PENALTY, with_gamma(START, 0.3), TOPK], 3),
        ([with_gamma(PENALTY, 0.3), with_gamma(START, 0.4)], 2),
        ([with_gamma(PENALTY, 0.3), with_gamma(START, 0.3), TOPK], 1),
        ([PENALTY, with_gamma(START, GAMMA["penalty"])], 1),
        ([with_gamma(PENALTY, 0.3), with_gamma(SEED1, 0.4), SEED2], 3),
        # a product of the first two would hold the third with another gamma
        ([with_gamma(BIPOLAR, 0.3), with_gamma(DENSE, 0.3), PENALTY], 3),
        ([with_gamma(run, 0.3) if run.route in GAMMA else run for run in CLAIM], 1),
        ([with_gamma(run, 0.3) if run.route == "penalty" else run for run in CLAIM], 4),
    ],
)
def test_every_gamma_is_that_of_its_own_runs(runs, commands):
    """All the commands together make all the runs, and none of them with another gamma."""
    for order in (runs, runs[::-1]):
        found = plans(order)
        planned = {run for plan in found for run in plan}
        assert len(found) == commands and set(runs) <= planned
        names = {run.name for run in runs}
        assert {run for run in planned if run.name in names} == set(runs)


@pytest.mark.parametrize(
    ("out", "words"),
    [("docs/results/density", ""), ("./docs/results/density/", ""), ("runs/mine", " --out runs/mine"),
     ("a b", " --out 'a b'"), ("../x", " --out ../x")],
)  # fmt: skip
def test_a_folder_of_ones_own_is_named(out, words):
    command = remaking_command(TASK, GAMMA, [finished(run) for run in CLAIM], Path(out))
    assert command == "python sweep.py --data-dir DIR --data-label 'CIFAR-10 (JPEG)'" + words


def test_a_path_of_this_machine_is_not_told(tmp_path):
    command = remaking_command(TASK, GAMMA, [finished(TOPK)], tmp_path / "mine")
    assert " --out OUT " in command and str(tmp_path) not in command
