import pytest
from sweep_cases import BASE, GAMMA, TASK, grid
from training_runs import experiment

from bbdg_ref.training.arguments import Refused
from bbdg_ref.training.sweep import claim_grid, flags, full_grid


def planned(words: str):
    return flags.planned_runs(TASK, GAMMA, flags.make_parser(TASK, GAMMA).parse_args(words.split()))


def test_the_claim_is_the_default():
    assert planned("") == planned("--grid claim") == claim_grid(BASE, GAMMA)


def test_the_full_grid_takes_seeds():
    assert planned("--grid full") == full_grid(BASE, seeds=[0])
    assert planned("--grid full --seeds 3 4") == full_grid(BASE, seeds=[3, 4])


@pytest.mark.parametrize(
    ("words", "axes"),
    [
        ("--densities 0.2", {"densities": [0.2], "domains": ["bipolar", "general", "general-closed"]}),
        ("--seeds 5 6", {"densities": [0.5, 0.05, 0.02], "domains": ["bipolar", "general", "general-closed"],
                         "seeds": [5, 6]}),
        ("--densities 0.05 0.02 --domains symmetric --routes start topk",
         {"densities": [0.05, 0.02], "domains": ["symmetric"], "routes": ["start", "topk"]}),
    ],
)  # fmt: skip
def test_flags_given_by_hand_make_a_product(words, axes):
    assert planned(words) == grid(**axes)


@pytest.mark.parametrize(
    ("words", "changes"),
    [("--epochs 9 --lr 0.5 --batch-size 4", {"epochs": 9, "learning_rate": 0.5, "batch_size": 4}),
     ("--arch resnet18", {"arch": "resnet18", "width": 64}), ("--width 3 --no-flip --mixup", {"width": 3, "flip": False,
      "mixup": True}), ("--limit-train 16 --validation 5", {"limit_train": 16, "validation": 5})],
)  # fmt: skip
def test_a_flag_changes_what_all_runs_have_in_common(words, changes):
    assert planned(words) == claim_grid(experiment(density=0.05, **changes), GAMMA)


def test_gamma_by_hand_is_that_of_both_routes():
    runs = planned("--gamma 0.3 --densities 0.05 --domains general --routes penalty start topk")
    assert sorted((run.route, run.experiment.gamma) for run in runs if run.route != "topk") == [
        ("penalty", 0.3), ("start", 0.3)
    ]  # fmt: skip


def test_as_many_jobs_as_processors(monkeypatch):
    monkeypatch.setattr(flags, "_processors", lambda: 7)
    args = flags.make_parser(TASK, GAMMA).parse_args([])
    flags.planned_runs(TASK, GAMMA, args)
    assert args.jobs == 7
    assert flags.make_parser(TASK, GAMMA).parse_args(["--jobs", "3"]).jobs == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--grid claim --seeds 1", "--seeds has no effect with --grid claim"),
        ("--grid full --densities 0.1", "--densities has no effect with --grid full"),
        ("--jobs 2 --scheduler tcp://a:1", "--jobs has no effect with --scheduler"),
        ("--gamma 0.1 --densities 0.1", "--gamma has no effect without the route"),
        ("--limit-train 4", "--limit-train must be at least --batch-size"),
        ("--densities 1 --routes penalty", "no experiment: Experiment: density must be"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(words, message):
    with pytest.raises(Refused, match=message):
        planned(words)


@pytest.mark.parametrize(
    "words",
    ["--densities 0", "--densities", "--domains ternary", "--routes magic", "--seeds -1", "--jobs 0", "--grid all",
     "--list --report", "--gamma 1", "--preset x", "more"],
)  # fmt: skip
def test_a_value_out_of_its_range_is_refused(words, capsys):
    with pytest.raises(SystemExit) as error:
        planned(words)
    assert error.value.code == 2 and "error: " in capsys.readouterr().err
