import dataclasses
import shlex

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
