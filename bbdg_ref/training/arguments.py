"""The flags of the training examples: what each means, and how they make an experiment."""

import argparse
import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..datasets import SYNTHETIC_TRAIN, CifarLayout
from ..nn import DOMAINS, NETWORKS, Network
from ..ops import entropy_factor
from ..pruning import STRATEGIES, NofM
from ..pruning.density_penalty import OFF
from .checkpoint import load_checkpoint
from .experiment import holds_a_run
from .flag_checks import SYNTHETIC, Refused, check_data_flags, check_images
from .schedules import SCHEDULES
from .settings import CUBIC_START, DENSITY_SCHEDULES, Experiment, describe, idle_settings
from .start import FREE, carry_bits, read_start

__all__ = ["Refused", "Task", "check_data_flags", "make_experiment", "make_parser", "resumed_experiment"]

PUBLISHED_WIDTH = {name: inspect.signature(build).parameters["width"].default for name, build in NETWORKS.items()}
WIDTHS = "channels of the first stage; published: " + ", ".join(f"{name} {n}" for name, n in PUBLISHED_WIDTH.items())


@dataclass(frozen=True)
class Task:
    """What one training script is about.

    Attributes
    ----------
    program : str
        How the script is started, for messages.
    data : str
        Name of the real data set, for ``--data``.
    layout : CifarLayout
        Where it is found and what its files look like.
    presets : mapping of str to Experiment
        The values that flags override; the first is the default.
    paper_gamma : mapping of float to float
        The paper's γ by expected connections.
    """

    program: str
    data: str
    layout: CifarLayout
    presets: Mapping[str, Experiment]
    paper_gamma: Mapping[float, float]


def number(kind: type, inside: Callable[[Any], bool], what: str) -> Callable[[str], Any]:
    """Return an argparse type: a number of a kind for which ``inside`` holds."""

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not inside(value):
            raise argparse.ArgumentTypeError(f"must be {what}; got {text!r}")
        return value

    return parse


a_count = number(int, lambda v: v >= 1, "a whole number from 1 on")
two_or_more = number(int, lambda v: v >= 2, "a whole number from 2 on")
a_seed = number(int, lambda v: v >= 0, "a whole number from 0 on")
a_density = number(float, lambda v: 0 < v <= 1, "a fraction above 0 and up to 1")
a_fraction = number(float, lambda v: 0 < v < 1, "a fraction between 0 and 1")
a_gamma = number(float, lambda v: 0 <= v < 1, "a number from 0 to below 1")
a_rate = number(float, lambda v: 0 < v < 10, "a number between 0 and 10")
a_temperature = number(float, lambda v: 0 < v < 1000, "a number between 0 and 1000")


def n_of_m(text: str) -> str:
    """Return the text of ``--n-m`` if it is such a text."""
    try:
        NofM.from_text(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be N:M with 1 <= N <= M, such as 1:16; got {text!r}") from error
    return text


def make_parser(task: Task) -> argparse.ArgumentParser:
    """Return the parser of a task.

    Flags that set part of the experiment and are not given are absent from its result: presets fill them.

    Parameters
    ----------
    task : Task
        The script.

    Returns
    -------
    argparse.ArgumentParser
    """
    pairs = ", ".join(f"({ec}, {gamma})" for ec, gamma in task.paper_gamma.items())
    parser = argparse.ArgumentParser(
        prog=task.program,
        description="Train a sparse binary network over the general binary domain: choose the best epoch on held-out "
        "training images, test it once, save model, log, results and a picture.",
        epilog="The density penalty's expected connections and gamma in the paper, (EC, gamma): "
        f"{pairs}. Written to the folder of --out: model.h5, log.jsonl, results.json, timing.jsonl, curves.png, "
        "checkpoint.h5. Ctrl-C saves a checkpoint and says how to go on.",
        argument_default=argparse.SUPPRESS,
    )
    _add_network(parser.add_argument_group("network"))
    _add_pruning(parser.add_argument_group("pruning"), pairs)
    _add_training(parser.add_argument_group("training"), task)
    add_data_flags(parser.add_argument_group("data"), task.data)
    _add_results(parser.add_argument_group("results"))
    return parser


# The help texts say what a number counts or in which unit it is.
def _add_network(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--arch", choices=list(NETWORKS), help="which network")
    add("--width", type=a_count, help=WIDTHS)
    text = (
        "the two weight values of a layer. bipolar: {-1, +1}; symmetric: {-a, +a} per filter, a = mean |latent|; "
        "general: {alpha, beta}, learned; general-closed: {alpha, beta}, the means of the latent weights of each bit"
    )
    add("--domain", choices=list(DOMAINS), help=text)


def _add_pruning(group: argparse._ArgumentGroup, pairs: str) -> None:
    add = group.add_argument
    ways = "; ".join(f"{name}: {strategy.text}" for name, strategy in STRATEGIES.items())
    add("--prune", choices=list(STRATEGIES), help=f"which latent weights become ones. {ways}")
    text = "fraction of ones: with a penalty the expected connections of all layers together, else what is met"
    add("--density", type=a_density, metavar="EC", help=text)
    scheduled = ", ".join(name for name, strategy in STRATEGIES.items() if strategy.scheduled)
    text = (
        f"how the density comes to its value. constant: it has it from the start; cubic: it falls from {CUBIC_START}, "
        "or from the density of the network of --from, during the first half of the training, with "
        f"{scheduled} (default: constant)"
    )
    add("--density-schedule", choices=list(DENSITY_SCHEDULES), help=text)
    text = f"the penalty's share of the total loss; default: the paper's for that EC, of the pairs (EC, gamma) {pairs}"
    add("--gamma", type=a_gamma, help=text)
    add("--n-m", type=n_of_m, metavar="N:M", help="with n-m, how many ones among how many weights, such as 1:16")
    text = "with subbit, bits of a pattern's number: a layer has 2^BITS patterns (published: 4, 5, 6)"
    add("--subbit", type=number(int, lambda v: 1 <= v <= 8, "from 1 to 8"), metavar="BITS", help=text)
    text = "start with this fraction of the latent weights positive, by a shift (default: no shift, about one half)"
    add("--init-density", type=a_fraction, metavar="P", help=text)
    text = (
        "start from the weights of this network, the model.h5 or checkpoint.h5 of another run, to prune it further; "
        "network, width and domain are its own, and a cubic schedule begins at its density"
    )
    add("--from", dest="start", metavar="FILE", help=text)


def _add_training(group: argparse._ArgumentGroup, task: Task) -> None:
    add = group.add_argument
    presets = "; ".join(f"{name}: {describe(experiment)}" for name, experiment in task.presets.items())
    default = next(iter(task.presets))
    text = f"settings that the other flags override. {presets} (default: {default})"
    add("--preset", choices=list(task.presets), default=None, help=text)
    add_training_flags(group)
    _add_variants(group)
    add("--seed", type=a_seed, help="seed of the split, the initial weights and the training")


def add_training_flags(group: argparse._ArgumentGroup) -> None:
    """Add the flags of the recipe."""
    add = group.add_argument
    add("--epochs", type=a_count, help="passes over the training images")
    add("--batch-size", type=two_or_more, help="images per step; an incomplete last batch is left out")
    text = "Adam's learning rate (step length in units of a weight) at the start; to 0 along a cosine by default"
    add("--lr", dest="learning_rate", type=a_rate, help=text)
    add("--crop", action=argparse.BooleanOptionalAction, help="shift images at random by up to 4 pixels")
    add("--flip", action=argparse.BooleanOptionalAction, help="mirror images left to right at random")
    add("--mixup", action=argparse.BooleanOptionalAction, help="mix pairs of images and labels, Beta(1, 1)")


def _add_variants(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--rotate", action=argparse.BooleanOptionalAction, help="rotate images at random by up to 15 degrees")
    text = (
        "how the learning rate goes on. cosine, linear: falls to 0; step: a tenth after one half of the training, a "
        "hundredth after three quarters; constant: stays (default: cosine)"
    )
    add("--schedule", choices=list(SCHEDULES), help=text)
    text = "label smoothing: share of the target that is spread over all classes (default: 0)"
    add("--smoothing", type=a_gamma, metavar="EPSILON", help=text)
    text = "a model.h5 or checkpoint.h5 whose outputs are learned instead of the labels (knowledge distillation)"
    add("--teacher", metavar="FILE", help=text)
    text = "by which the logits of teacher and network are divided in the loss (default: 1)"
    add("--temperature", type=a_temperature, metavar="T", help=text)


def add_data_flags(group: argparse._ArgumentGroup, data: str) -> None:
    """Add the flags that say which images to train on."""
    add = group.add_argument
    text = (
        f"auto: {data} if it is found or can be downloaded, else the built-in synthetic set; "
        f"{data}: nothing else will do; synthetic: the built-in set (default: auto)"
    )
    add("--data", choices=["auto", data, SYNTHETIC], default="auto", help=text)
    text = f"folder with {data} in the binary version (default: $BBDG_DATA, else data/)"
    add("--data-dir", type=Path, default=None, metavar="DIR", help=text)
    text = "what results on data of unverified origin are to be called"
    add("--data-label", default=None, metavar="TEXT", help=text)
    text = "train on N images only, of those that the validation images leave"
    add("--limit-train", type=a_count, metavar="N", help=text)
    text = (
        "number of training images held out to choose the best epoch on: the most accurate of those that meet the "
        "density"
    )
    add("--validation", type=a_count, metavar="N", help=text)


def _add_results(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    text = "folder for the results (default: a new one below runs/)"
    add("--out", type=Path, default=None, metavar="DIR", help=text)
    text = "continue the run in --out from its checkpoint, to the same bytes; the settings are the checkpoint's"
    add("--resume", action="store_true", default=False, help=text)
    add("--quiet", action="store_true", default=False, help="no progress bar")


_SETTINGS = {field.name for field in dataclasses.fields(Experiment)}


def given_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of an experiment that were given as flags.

    Parameters
    ----------
    args : argparse.Namespace
        From a parser that leaves out what is not given.

    Returns
    -------
    dict
        By the names of `Experiment`'s attributes.
    """
    return {name: value for name, value in vars(args).items() if name in _SETTINGS}


def merged_settings(preset: Experiment, given: Mapping[str, Any]) -> dict[str, Any]:
    """Override a preset; another network than the preset's has its published width unless one is given.

    Parameters
    ----------
    preset : Experiment
        What holds where nothing is given.
    given : mapping
        From `given_settings`.

    Returns
    -------
    dict

    Raises
    ------
    Refused
        If the training images do not make one batch.
    """
    merged = dataclasses.asdict(preset)
    if given.get("arch", preset.arch) != preset.arch:
        merged["width"] = PUBLISHED_WIDTH[given["arch"]]
    merged |= given
    if merged["limit_train"] is not None and merged["limit_train"] < merged["batch_size"]:
        raise Refused("--limit-train must be at least --batch-size: there would be no whole batch")
    return merged


def make_experiment(task: Task, args: argparse.Namespace) -> Experiment:
    """Fill the given flags into the preset.

    Parameters
    ----------
    task : Task
        The script.
    args : argparse.Namespace
        From the parser.

    Returns
    -------
    Experiment

    Raises
    ------
    Refused
        If flags contradict each other or would have no effect.
    """
    given = given_settings(args)
    merged = merged_settings(task.presets[args.preset or next(iter(task.presets))], given)
    start = _fit_start(merged, given)
    _fit_pruning(task, merged, given, start)
    experiment = _experiment(merged)
    images = SYNTHETIC_TRAIN if args.data == SYNTHETIC else sum(file.records for file in task.layout.train_files)
    check_images(experiment, images, "images there are", "lower one of them")
    if experiment.teacher is not None:
        _read_network("teacher", experiment.teacher)
    if start is not None and not STRATEGIES[experiment.prune].relative and experiment.domain not in FREE:
        try:
            carry_bits(start, experiment.pruning(1, _density(start)))
        except ValueError as error:
            raise Refused(f"--from {experiment.start} does not go with --prune {experiment.prune}: {error}") from error
    return experiment


def _experiment(settings: Mapping[str, Any]) -> Experiment:
    """Make the experiment; tell what it refuses by the flag."""
    try:
        return Experiment(**settings)
    except (TypeError, ValueError) as error:
        name, _, rest = str(error).removeprefix("Experiment: ").partition(" ")
        raise Refused(f"{_flag(name)} {rest}" if name in _SETTINGS else str(error)) from error


def _flag(name: str) -> str:
    """Return the flag of a setting."""
    return {"learning_rate": "--lr", "start": "--from"}.get(name, "--" + name.replace("_", "-"))


def _read_network(setting: str, path: str) -> Network:
    """Read the network that a flag names."""
    try:
        return read_start(path)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Refused(
            f"{_flag(setting)} must be the file of a network, and {path or repr(path)} is none: {why}; give the "
            "model.h5 or checkpoint.h5 of a run"
        ) from error


def _fit_start(merged: dict[str, Any], given: Mapping[str, Any]) -> Network | None:
    """Take network, width and domain from the network to start from; refuse flags that contradict it; return it."""
    if merged["start"] is None:
        return None
    if "init_density" in given:
        raise Refused("--init-density has no effect with --from, which has the weights of another run: leave it out")
    merged["init_density"] = None
    network = _read_network("start", merged["start"])
    held = {"arch": network.name} | {name: network.arguments[name] for name in ("width", "domain")}
    for name, value in held.items():
        if given.get(name, value) != value:
            raise Refused(f"{_flag(name)} is {given[name]} here but {value} in {merged['start']}: leave the flag out")
    merged |= held
    return network


#: An example of a value, by the setting that has no default.
_EXAMPLES = {"density": "0.05", "n_m": "1:16", "subbit": "5"}


def _fit_pruning(task: Task, merged: dict[str, Any], given: Mapping[str, Any], start: Network | None) -> None:
    """Drop the preset's settings that the strategy does not take, fill in γ; refuse flags that do not fit."""
    prune, density = merged["prune"], merged["density"]
    strategy, idle = STRATEGIES[prune], idle_settings(prune)
    if odd := [name for name in idle if name in given]:
        raise Refused(f"{_flag(odd[0])} has no effect with --prune {prune}: choose another way, or leave it out")
    merged |= idle
    for name, example in _EXAMPLES.items():
        if name in strategy.takes and merged[name] is None:
            raise Refused(f"{_flag(name)} is needed with --prune {prune}: add one, such as {_flag(name)} {example}")
    highest, whose = (CUBIC_START, "") if start is None else (_density(start), f", the density of {merged['start']}")
    if merged["density_schedule"] == "cubic" and density >= highest:
        raise Refused(
            f"--density-schedule cubic has no effect with --density {density}, as it falls from {highest:.3g}{whose}: "
            "choose a lower density, or leave the schedule out"
        )
    if "gamma" in strategy.takes:
        merged["gamma"] = _fitting_gamma(task, prune, density, merged["gamma"] if "gamma" in given else None)
    if prune == "penalty-entropy":
        _check_entropy(merged, start)
    if "init_density" in given and strategy.relative and merged["domain"] in FREE:
        raise Refused(f"--init-density has no effect with --prune {prune}, whose bits a common shift does not change")


def _fitting_gamma(task: Task, prune: str, density: float, given: float | None) -> float:
    """Return the γ that is given, or the paper's for the density."""
    if density == 1:
        raise Refused(f"--density must be below 1 with --prune {prune}")
    if density == OFF and given:
        raise Refused(f"--gamma has no effect with EC {OFF}, which switches the penalty off: leave it out")
    if given is not None:
        return given
    if density not in task.paper_gamma:
        known = ", ".join(map(str, task.paper_gamma))
        raise Refused(f"--gamma is needed with EC {density}: the paper has one only for EC {known}")
    return task.paper_gamma[density]


#: The least factor on the push of the penalty on the density that the penalty on the entropy may begin with.
ENTROPY_FACTOR = 0.1


def _check_entropy(merged: Mapping[str, Any], network: Network | None) -> None:
    """Refuse what the penalty on the entropy cannot move: at one half the entropy has no slope, near it hardly one."""
    limit = merged["density"]
    if limit >= 0.5:
        raise Refused("--density must be below 0.5 with --prune penalty-entropy")
    start = (merged["init_density"] or 0.5) if network is None else _density(network)
    if start > limit and entropy_factor(start, limit) < ENTROPY_FACTOR:
        raise Refused(
            f"--prune penalty-entropy needs a start below one half, where the entropy has a slope; got density "
            f"{start:.3g}, where the push is less than {ENTROPY_FACTOR} of that of --prune penalty: add --init-density "
            "0.25, or --from a pruned network"
        )


def _density(network: Network) -> float:
    """Return ones / weights over all binary layers."""
    bits = [layer.bits for layer in network.binary_layers().values()]
    return sum(int(each.sum()) for each in bits) / sum(each.size for each in bits)


def resumed_experiment(args: argparse.Namespace) -> Experiment:
    """Return the settings of the checkpoint in ``--out``.

    Parameters
    ----------
    args : argparse.Namespace
        From the parser.

    Returns
    -------
    Experiment

    Raises
    ------
    Refused
        If there is no checkpoint, a flag contradicts it, or the network that the run learns from is gone.
    """
    if args.out is None:
        raise Refused("--resume continues the run in --out: give its folder")
    if not (args.out / "checkpoint.h5").exists():
        mend = "leave --resume out and choose another folder, as this one holds a run without its checkpoint"
        mend = mend if holds_a_run(args.out) else "leave --resume out to start there"
        raise Refused(f"--resume needs a checkpoint, and {args.out} has none: {mend}")
    saved = load_checkpoint(args.out / "checkpoint.h5").experiment
    if args.preset is not None:
        raise Refused("--preset has no effect with --resume: the settings are the checkpoint's")
    for name, value in vars(args).items():
        if name in _SETTINGS and saved[name] != value:
            raise Refused(f"{_flag(name)} is {value} here but {saved[name]} in the checkpoint: leave the flag out")
    if saved["teacher"] is not None and not Path(saved["teacher"]).exists():
        raise Refused(
            f"--resume needs the file of --teacher that the run began with, and {saved['teacher']} is not there: put "
            "the same file back, or go to the folder that its path counts from"
        )
    return Experiment(**saved)
