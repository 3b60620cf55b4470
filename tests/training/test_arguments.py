import dataclasses
import shutil

import numpy as np
import pytest
from training_runs import EXPERIMENT, dataset, experiment

from bbdg_ref import compile_network, nn, save_packed
from bbdg_ref.datasets import CIFAR10
from bbdg_ref.pruning import PAPER_GAMMA_CIFAR10
from bbdg_ref.training import run
from bbdg_ref.training.arguments import (
    PUBLISHED_WIDTH,
    Refused,
    Task,
    make_experiment,
    make_parser,
    resumed_experiment,
)

PAPER = experiment(
    arch="resnet18", width=64, prune="penalty", density=0.05, gamma=0.07, limit_train=None, batch_size=512
)
TASK = Task("train.py", "cifar10", CIFAR10, {"small": EXPERIMENT, "paper": PAPER}, PAPER_GAMMA_CIFAR10)


def parsed(*words: str):
    return make_parser(TASK).parse_args(words)


def made(*words: str):
    return make_experiment(TASK, parsed(*words))


def test_without_flags_the_first_preset_is_meant():
    assert made() == EXPERIMENT
    assert made("--preset", "paper") == PAPER


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("--width 3", {"width": 3}),
        ("--domain bipolar", {"domain": "bipolar"}),
        ("--density 0.02", {"density": 0.02}),
        ("--density 1", {"density": 1.0}),
        ("--init-density 0.1 --domain symmetric", {"init_density": 0.1, "domain": "symmetric"}),
        ("--epochs 9", {"epochs": 9}),
        ("--batch-size 2", {"batch_size": 2}),
        ("--lr 0.5", {"learning_rate": 0.5}),
        ("--no-crop --no-flip --mixup", {"crop": False, "flip": False, "mixup": True}),
        ("--seed 0", {"seed": 0}),
        ("--limit-train 8", {"limit_train": 8}),
        ("--validation 30", {"validation": 30}),
        ("--prune none", {"prune": "none", "density": None}),
        (
            "--prune topk-global --density 0.02 --init-density 0.02",
            {"prune": "topk-global", "density": 0.02, "init_density": 0.02},
        ),
        ("--prune penalty --gamma 0.3", {"prune": "penalty", "gamma": 0.3}),
        ("--prune penalty --density 0.3 --gamma 0", {"prune": "penalty", "density": 0.3, "gamma": 0.0}),
        ("--prune penalty --density 0.5", {"prune": "penalty", "density": 0.5, "gamma": 0.0}),
        ("--prune penalty --density 0.5 --gamma 0", {"prune": "penalty", "density": 0.5, "gamma": 0.0}),
        ("--prune random --density 0.2", {"prune": "random", "density": 0.2}),
        ("--prune filters", {"prune": "filters"}),
        ("--prune kernels --density 0.5", {"prune": "kernels", "density": 0.5}),
        ("--prune n-m --n-m 1:16", {"prune": "n-m", "density": None, "n_m": "1:16"}),
        ("--prune subbit --subbit 6", {"prune": "subbit", "density": None, "subbit": 6}),
        ("--prune subbit-topk --subbit 4", {"prune": "subbit-topk", "subbit": 4}),
        ("--prune subbit-penalty --subbit 4", {"prune": "subbit-penalty", "subbit": 4, "gamma": 0.04}),
        ("--density-schedule cubic", {"density_schedule": "cubic"}),
        (
            "--prune penalty-entropy --init-density 0.25",
            {"prune": "penalty-entropy", "gamma": 0.04, "init_density": 0.25},
        ),
        ("--arch resnet18", {"arch": "resnet18", "width": 64}),
        ("--arch resnet18 --width 4", {"arch": "resnet18", "width": 4}),
        ("--arch resnet20", {}),
        ("--rotate --schedule step --smoothing 0.1", {"rotate": True, "schedule": "step", "smoothing": 0.1}),
        ("--schedule cosine --smoothing 0 --no-rotate", {}),
    ],
)
def test_a_flag_overrides_the_preset(words, changes):
    assert made(*words.split()) == dataclasses.replace(EXPERIMENT, **changes)


@pytest.mark.parametrize(("density", "gamma"), PAPER_GAMMA_CIFAR10.items())
def test_gamma_is_the_papers_for_the_papers_densities(density, gamma):
    assert made("--prune", "penalty", "--density", str(density)).gamma == gamma
    assert made("--preset", "paper", "--density", str(density)).gamma == gamma


def test_what_the_preset_has_for_another_pruning_is_dropped():
    assert made("--preset", "paper", "--prune", "topk").gamma is None
    assert made("--preset", "paper", "--prune", "none").density is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--prune none --density 0.1", "--density has no effect with --prune none"),
        ("--gamma 0.1", "--gamma has no effect with --prune topk"),
        ("--prune none --gamma 0.1", "--gamma has no effect with --prune none"),
        ("--prune penalty --density 0.07", "--gamma is needed with EC 0.07"),
        ("--prune penalty --density 1", "--density must be below 1"),
        ("--prune penalty --density 0.5 --gamma 0.1", "--gamma has no effect with EC 0.5"),
        ("--limit-train 7", "--limit-train must be at least --batch-size"),
        ("--preset paper --limit-train 511", "--limit-train must be at least --batch-size"),
        ("--init-density 0.1", "--init-density has no effect with --prune topk"),
        ("--temperature 2", "--temperature must be 1 without a teacher; got 2.0; leave it out"),
        ("--teacher any.h5 --smoothing 0.1", "--smoothing must be 0 with a teacher; got 0.1; leave it out"),
        (
            "--teacher nowhere.h5",
            "--teacher must be the file of a network, and nowhere.h5 is none: No such file or dir",
        ),
        (
            f"--teacher {__file__}",
            "--teacher must be the file of a network, and .* is none: .*; give the model.h5 or che",
        ),
        ("--density 0.7 --density-schedule cubic", "--density-schedule cubic has no effect with --density 0.7"),
        ("--density 0.5 --density-schedule cubic", "--density-schedule cubic has no effect with --density 0.5"),
        (
            "--prune penalty-entropy --init-density 0.491",
            "a start below one half, .* got density 0.491, where the push",
        ),
        ("--init-density 0.1 --prune subbit-topk --subbit 4", "--init-density has no effect with --prune subbit-topk"),
        ("--prune n-m --n-m 1:4 --density 0.1", "--density has no effect with --prune n-m"),
        ("--prune n-m", "--n-m is needed with --prune n-m: add one, such as --n-m 1:16"),
        ("--prune subbit", "--subbit is needed with --prune subbit: add one, such as --subbit 5"),
        ("--subbit 4", "--subbit has no effect with --prune topk"),
        ("--n-m 1:4", "--n-m has no effect with --prune topk"),
        ("--prune filters --density-schedule cubic", "--density-schedule has no effect with --prune filters"),
        ("--prune penalty-entropy", "--prune penalty-entropy needs a start below one half"),
        ("--prune penalty-entropy --init-density 0.5", "--prune penalty-entropy needs a start below one half"),
        ("--prune penalty-entropy --init-density 0.2 --density 0.5 --gamma 0", "--density must be below 0.5"),
        ("--from nowhere.h5", "--from must be the file of a network, and nowhere.h5 is none: No such file or dir"),
        ("--from= --density 0.1", "--from must be the file of a network, and '' is none: "),
        ("--teacher=", r"--teacher must be the path of a model\.h5 or checkpoint\.h5, or None; got ''; give that of"),
        ("--from nowhere.h5 --init-density 0.1", "--init-density has no effect with --from"),
        ("--validation 49999", "together must be at most the 50000 images there are; got 49999 and 28; "),
        (
            "--data synthetic --limit-train 20000",
            "together must be at most the 20000 .*; got 12 and 20000; lower one of",
        ),
    ],
)
def test_flags_that_contradict_each_other_are_refused(words, message):
    with pytest.raises(Refused, match=message):
        made(*words.split())


@pytest.mark.parametrize(
    "words",
    [
        "--arch vgg", "--domain ternary", "--prune magnitude", "--preset large", "--data imagenet",
        "--width 0", "--width 2.5", "--epochs 0", "--epochs -1", "--epochs many", "--batch-size 1", "--seed -1",
        "--density 0", "--density 1.5", "--density nan", "--density five", "--init-density 0", "--init-density 1",
        "--gamma 1", "--gamma -0.1", "--gamma nan", "--lr 0", "--lr -1", "--lr inf", "--lr nan",
        "--schedule exponential", "--smoothing 1", "--smoothing -0.1", "--temperature 0", "--temperature inf",
        "--n-m 4", "--n-m 5:4", "--n-m 0:4", "--subbit 0", "--subbit 9", "--subbit x", "--density-schedule linear",
        "--limit-train 0", "--validation 0", "--validation -5", "--unknown 3", "extra",
    ],
)  # fmt: skip
def test_a_value_out_of_its_range_is_refused(words, capsys):
    with pytest.raises(SystemExit) as error:
        parsed(*words.split())
    assert error.value.code == 2
    assert words.split()[0] in capsys.readouterr().err


def test_help_explains_every_flag_and_the_papers_pairs(capsys):
    with pytest.raises(SystemExit) as error:
        parsed("--help")
    assert error.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for flag in (
        "--arch", "--width", "--domain", "--prune", "--density", "--gamma", "--init-density", "--preset", "--epochs",
        "--batch-size", "--lr", "--crop", "--flip", "--mixup", "--seed", "--data", "--data-dir", "--data-label",
        "--limit-train", "--validation", "--out", "--resume", "--quiet", "--density-schedule", "--n-m", "--subbit",
        "--from", "--rotate", "--schedule", "--smoothing",
        "--teacher", "--temperature",
    ):  # fmt: skip
        assert f"{flag} " in text or f"{flag}," in text, flag
    for density, gamma in PAPER_GAMMA_CIFAR10.items():
        assert f"({density}, {gamma})" in text
    for word in (
        "bipolar",
        "symmetric",
        "general-closed",
        "penalty",
        "topk",
        "topk-global",
        "synthetic",
        "BBDG_DATA",
        "channels",
    ):
        assert word in text
    for action in make_parser(TASK)._actions:
        assert action.help, f"{action.option_strings} has no explanation"


# --------------------------------------------------------------------------------------------------------- resuming


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    run(experiment(epochs=1), dataset(), folder, bar=False)
    return folder


def test_the_settings_of_a_resumed_run_are_the_checkpoints(finished):
    assert resumed_experiment(parsed("--resume", "--out", str(finished))) == experiment(epochs=1)
    words = ("--resume", "--out", str(finished), "--epochs", "1", "--density", "0.1", "--no-mixup", "--width", "2")
    assert resumed_experiment(parsed(*words)) == experiment(epochs=1)


@pytest.mark.parametrize(
    "words",
    ["--epochs 2", "--seed 1", "--density 0.2", "--prune none", "--gamma 0.1", "--mixup", "--no-crop", "--lr 0.5",
     "--arch resnet18", "--width 3", "--domain bipolar", "--batch-size 4", "--limit-train 20", "--validation 11",
     "--init-density 0.5", "--rotate", "--schedule linear", "--smoothing 0.1", "--teacher x", "--temperature 2"],
)  # fmt: skip
def test_a_flag_that_contradicts_the_checkpoint_is_refused(finished, words):
    with pytest.raises(Refused, match="in the checkpoint: leave the flag out"):
        resumed_experiment(parsed("--resume", "--out", str(finished), *words.split()))


def test_a_refusal_names_the_flag(finished):
    with pytest.raises(Refused, match=r"--lr is 0\.5 here but 0\.01 in the checkpoint"):
        resumed_experiment(parsed("--resume", "--out", str(finished), "--lr", "0.5"))


def test_a_preset_and_resume_contradict_each_other(finished):
    with pytest.raises(Refused, match="--preset has no effect with --resume"):
        resumed_experiment(parsed("--resume", "--out", str(finished), "--preset", "paper"))


def test_resuming_needs_a_folder_with_a_checkpoint(tmp_path):
    with pytest.raises(Refused, match="give its folder"):
        resumed_experiment(parsed("--resume"))
    with pytest.raises(Refused, match="leave --resume out to start there"):
        resumed_experiment(parsed("--resume", "--out", str(tmp_path)))
    (tmp_path / "model.h5").touch()  # nothing starts there
    with pytest.raises(Refused, match="leave --resume out and choose another folder"):
        resumed_experiment(parsed("--resume", "--out", str(tmp_path)))


def test_resuming_needs_the_teacher(finished, tmp_path):
    teacher, out = tmp_path / "teacher.h5", tmp_path / "out"
    shutil.copy(finished / "model.h5", teacher)
    run(experiment(epochs=1, teacher=str(teacher)), dataset(), out, bar=False)
    assert resumed_experiment(parsed("--resume", "--out", str(out))).teacher == str(teacher)
    teacher.unlink()
    with pytest.raises(Refused, match=r"file of --teacher .*teacher\.h5 is not there: put the same file back"):
        resumed_experiment(parsed("--resume", "--out", str(out)))


@pytest.mark.parametrize("name", ["model.h5", "checkpoint.h5"])
def test_a_run_from_another_network_has_its_builder_width_and_domain(finished, name):
    words = ("--from", str(finished / name), "--density", "0.05")
    assert made(*words) == experiment(density=0.05, start=str(finished / name))
    assert made("--preset", "paper", "--limit-train", "600", *words).arch == "resnet20"
    assert made(*words, "--arch", "resnet20", "--width", "2") == made(*words)
    entropy = made("--from", str(finished / name), "--prune", "penalty-entropy")
    assert (entropy.prune, entropy.init_density) == ("penalty-entropy", None)


@pytest.mark.parametrize("words", ["--arch resnet18", "--width 3", "--domain bipolar"])
def test_a_flag_that_contradicts_the_network_to_start_from_is_refused(finished, words):
    with pytest.raises(Refused, match=r"model\.h5: leave the flag out"):
        made("--from", str(finished / "model.h5"), *words.split())


def test_a_file_that_is_no_network_is_refused(tmp_path):
    (tmp_path / "model.h5").write_bytes(b"no network")
    with pytest.raises(Refused, match=r"--from must be the file of a network, and .*model\.h5 is none: "):
        made("--from", str(tmp_path / "model.h5"))


@pytest.mark.parametrize("flag", ["--from", "--teacher"])
def test_a_packed_network_is_refused_as_such(finished, tmp_path, flag):
    save_packed(tmp_path / "packed.h5", compile_network(nn.load_network(finished / "model.h5")))
    message = rf"{flag} must be .*; got a packed network, which has no latent weights, .*; give the model\.h5 or check"
    with pytest.raises(Refused, match=message):
        made(flag, str(tmp_path / "packed.h5"))


def test_a_cubic_schedule_has_to_fall_from_the_density_of_the_network_to_start_from(finished):
    words = ("--from", str(finished / "model.h5"), "--density-schedule", "cubic", "--density")
    assert made(*words, "0.05").density_schedule == "cubic"
    for density in ("0.11", "0.3"):  # the network has density 0.1
        with pytest.raises(Refused, match=rf"cubic has no effect with --density {density}, .* 0\.101, the density of "):
            made(*words, density)


@pytest.mark.parametrize("name", ["model.h5", "checkpoint.h5"])
def test_a_teacher_is_read_from_either_file(finished, name):
    words = ("--teacher", str(finished / name), "--temperature", "4")
    assert made(*words) == experiment(teacher=str(finished / name), temperature=4.0)


def saved(path, *, domain="general", prune="topk", density=0.1):
    """The file of a network with bits by a strategy."""
    network = nn.resnet20(domain=domain, width=2, classes=3, rng=np.random.default_rng(0))
    layers = list(network.binary_layers().values())
    pruning = experiment(prune=prune, density=density).pruning()
    for layer, selection in zip(layers, pruning.choose([layer.latent.value for layer in layers], 0), strict=True):
        layer.choose(selection)
    nn.save_network(path, network)
    return str(path)


def test_the_entropy_needs_a_file_below_one_half(tmp_path):
    words = ("--prune", "penalty-entropy", "--from")
    for density in (0.04, 0.05, 0.25, 0.4):
        assert made(*words, saved(tmp_path / "low.h5", density=density), "--density", "0.05").init_density is None
    for density in (0.491, 0.5, 0.7):
        with pytest.raises(Refused, match="needs a start below one half"):
            made(*words, saved(tmp_path / "high.h5", density=density), "--density", "0.05")


@pytest.mark.parametrize("domain", nn.DOMAINS)
def test_a_start_whose_values_would_change_is_refused(tmp_path, domain):
    words = ("--from", saved(tmp_path / "model.h5", domain=domain))
    assert made(*words, "--prune", "topk", "--density", "0.05").domain == domain
    if domain in ("bipolar", "general"):
        assert made(*words, "--prune", "none").prune == "none"
        return
    with pytest.raises(Refused, match=r"--from .*model\.h5 does not go with --prune none: .*such as 'topk'"):
        made(*words, "--prune", "none")


def test_published_widths_are_the_builders():
    assert PUBLISHED_WIDTH == {"resnet20": 16, "resnet18": 64, "vgg-small": 128, "reactnet18": 64, "reactnet-a": 32}
