"""What determines a training run, besides the data."""

import dataclasses
from dataclasses import dataclass

from .. import _checks
from ..nn import DOMAINS, NETWORKS
from ..pruning import STRATEGIES, Cubic, Pruning
from .loop import Recipe
from .schedules import SCHEDULES

__all__ = ["Experiment", "describe", "idle_settings"]

#: How the density comes to its value, by the names that the command line and the files use.
DENSITY_SCHEDULES = ("constant", "cubic")

#: The density that a cubic schedule starts at with fresh weights, that of bits by sign, and the part of training that
#: it takes.
CUBIC_START, CUBIC_PART = 0.5, 0.5

#: The settings that only some strategies take; `bbdg_ref.pruning.STRATEGIES` tells which.
PRUNING_SETTINGS = ("density", "gamma", "n_m", "subbit")

VALIDATION_IMAGES = 5000


def idle_settings(prune: str) -> dict[str, str | None]:
    """Return the settings that a strategy does not take.

    Parameters
    ----------
    prune : str
        A name of `bbdg_ref.pruning.STRATEGIES`.

    Returns
    -------
    dict
        By name, what each of them is then.
    """
    strategy = STRATEGIES[prune]
    idle: dict[str, str | None] = {name: None for name in PRUNING_SETTINGS if name not in strategy.takes}
    return idle if strategy.scheduled else idle | {"density_schedule": "constant"}


@dataclass(frozen=True)
class Experiment:
    """All that determines a training run, besides the data.

    Attributes
    ----------
    arch : str
        A builder of `bbdg_ref.nn.NETWORKS`.
    width : int
        Channels of its first stage.
    domain : str
        A weight domain of `bbdg_ref.nn.DOMAINS`.
    prune : str
        A strategy of `bbdg_ref.pruning.STRATEGIES`.
    density : float or None
        The penalty's EC, or the fraction of ones that is met; None if the strategy takes none.
    gamma : float or None
        The penalty's γ; None without penalty.
    init_density : float or None
        Density at which the latent weights start; None leaves one half.
    epochs, batch_size, learning_rate : int, int, float
        Of `Recipe`.
    crop, flip, mixup : bool
        Of `Recipe`.
    seed : int
        Of the one generator from which split, initial weights and training draw.
    validation : int
        Images held out of the training set; the best epoch is chosen on them.
    limit_train : int or None
        Use only so many of the remaining training images.
    rotate, schedule, smoothing, temperature : bool, str, float, float
        Of `Recipe`; smoothing needs labels, another temperature than 1 a teacher.
    teacher : str or None
        File of the network, a ``model.h5`` or a ``checkpoint.h5``, whose outputs are learned instead of the labels.
    density_schedule : {"constant", "cubic"}
        The density at every step; or, for the strategies that choose so many ones, along a cubic, which begins at one
        half, with a start at the density of that network (or at the density, if it is higher), and ends after half of
        the steps.
    n_m : str or None
        N ones among M weights, as "N:M"; None if the strategy takes none.
    subbit : int or None
        Bits of a pattern's number; None if the strategy takes none.
    start : str or None
        File of a network of the same builder, width, domain and classes, a ``model.h5`` or a ``checkpoint.h5``, from
        whose weights and statistics training starts; None for fresh ones.

    Raises
    ------
    TypeError, ValueError
        If a setting has the wrong type or value, or is not one that ``prune`` takes.
    """

    arch: str
    width: int
    domain: str
    prune: str
    density: float | None
    gamma: float | None
    init_density: float | None
    epochs: int
    batch_size: int
    learning_rate: float
    crop: bool
    flip: bool
    mixup: bool
    seed: int
    validation: int = VALIDATION_IMAGES
    limit_train: int | None = None
    rotate: bool = False
    schedule: str = "cosine"
    smoothing: float = 0.0
    teacher: str | None = None
    temperature: float = 1.0
    density_schedule: str = "constant"
    n_m: str | None = None
    subbit: int | None = None
    start: str | None = None

    def __post_init__(self) -> None:
        """Refuse settings that are no experiment, whatever the data."""
        _checks.one_of("Experiment", "arch", self.arch, list(NETWORKS))
        _checks.one_of("Experiment", "domain", self.domain, list(DOMAINS))
        lowest = {"width": 1, "epochs": 1, "batch_size": 2, "seed": 0, "validation": 1}  # batch norm needs two images
        for name, low in lowest.items():
            _checks.integer("Experiment", name, getattr(self, name), low)
        self._check_pruning()
        if self.limit_train is not None:
            _checks.integer("Experiment", "limit_train", self.limit_train, 1)
        if self.init_density is not None:
            _checks.fraction("Experiment", "init_density", self.init_density)
        if _checks.real_number("Experiment", "learning_rate", self.learning_rate) <= 0:
            raise ValueError(_message("learning_rate", "above 0", self.learning_rate, "choose a positive one"))
        for name in ("crop", "flip", "mixup", "rotate"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise TypeError(_message(name, "True or False", value, "pass a bool"))
        self._check_loss()

    def _check_loss(self) -> None:
        """Refuse a schedule that is none, and settings of a loss that is not the one in use."""
        _checks.one_of("Experiment", "schedule", self.schedule, list(SCHEDULES))
        _checks.fraction("Experiment", "smoothing", self.smoothing, zero=True)
        if _checks.real_number("Experiment", "temperature", self.temperature) <= 0:
            raise ValueError(_message("temperature", "above 0", self.temperature, "choose a positive one"))
        if self.teacher is None:
            if self.temperature != 1:
                raise ValueError(_message("temperature", "1 without a teacher", self.temperature, "leave it out"))
            return
        _check_path("teacher", self.teacher)
        if self.smoothing != 0:
            raise ValueError(_message("smoothing", "0 with a teacher", self.smoothing, "leave it out"))

    def _check_pruning(self) -> None:
        """Refuse a setting that the strategy does not take, the lack of one that it needs, and a start that is none."""
        _checks.one_of("Experiment", "prune", self.prune, list(STRATEGIES))
        _checks.one_of("Experiment", "density_schedule", self.density_schedule, DENSITY_SCHEDULES)
        strategy = STRATEGIES[self.prune]
        for name, none in idle_settings(self.prune).items():
            if (value := getattr(self, name)) != none:
                raise ValueError(_message(name, f"{none!r} with prune {self.prune!r}", value, "leave it out"))
        if "density" in strategy.takes:
            _checks.fraction("Experiment", "density", self.density, one="gamma" not in strategy.takes)
        if "gamma" in strategy.takes:
            _checks.fraction("Experiment", "gamma", self.gamma, zero=True)
        if "subbit" in strategy.takes:
            _checks.integer("Experiment", "subbit", self.subbit, 1, 8)
        if "n_m" in strategy.takes and not isinstance(self.n_m, str):
            raise TypeError(_message("n_m", "text such as '2:4'", self.n_m, "pass a str"))
        if self.start is not None:
            _check_path("start", self.start)
            if self.init_density is not None:
                mend = "leave one of them out"
                raise ValueError(_message("init_density", "None with a start", self.init_density, mend))
        self.pruning(1)  # refuses what the strategy itself refuses

    def pruning(self, steps: int | None = None, start_density: float | None = None) -> Pruning:
        """Return the pruning strategy.

        Parameters
        ----------
        steps : int, optional
            Of the whole training; only the cubic schedule needs to know.
        start_density : float, optional
            Density of the network that training starts from, where the cubic schedule begins then; one half by default.

        Returns
        -------
        Pruning

        Raises
        ------
        ValueError
            If the schedule is cubic and the steps are not given.
        """
        strategy = STRATEGIES[self.prune]
        values = {name: getattr(self, name) for name in strategy.takes}
        if self.density_schedule == "cubic":
            if steps is None:
                raise ValueError(
                    _message("steps", "given with the cubic schedule", steps, "pass the steps of training")
                )
            assert self.density is not None
            start = max(CUBIC_START if start_density is None else start_density, self.density)
            values["density"] = Cubic(start, self.density, 0, max(1, int(CUBIC_PART * steps)))
        return strategy.make(*values.values())

    def recipe(self) -> Recipe:
        """Return the part that the training loop needs."""
        names = [f.name for f in dataclasses.fields(Recipe)]
        return Recipe(**{name: getattr(self, name) for name in names})


def describe(experiment: Experiment) -> str:
    """Return an experiment in a line.

    Parameters
    ----------
    experiment : Experiment
        The settings.

    Returns
    -------
    str
    """
    e = experiment
    density = "".join(f" {value}" for value in (e.density, e.n_m, e.subbit and f"{e.subbit} bits") if value is not None)
    density += "" if e.density_schedule == "constant" else f", {e.density_schedule} density"
    gamma = "" if e.gamma is None else f", gamma {e.gamma}"
    gamma += "" if e.init_density is None else f", started at density {e.init_density}"
    gamma += "" if e.start is None else f", from {e.start}"
    images = "all" if e.limit_train is None else str(e.limit_train)
    loss = "" if e.teacher is None else f", taught by {e.teacher} at temperature {e.temperature}"
    loss += "" if e.smoothing == 0 else f", label smoothing {e.smoothing}"
    schedule = "" if e.schedule == "cosine" else f", {e.schedule} schedule"
    augmented = [name for name in ("crop", "flip", "rotate", "mixup") if getattr(e, name)]
    return (
        f"{e.arch}, width {e.width}, {e.domain} domain, prune {e.prune}{density}{gamma}, {e.epochs} epochs of "
        f"{images} images ({', '.join(augmented) or 'not augmented'}), batch {e.batch_size}, "
        f"lr {e.learning_rate}{schedule}{loss}"
    )


def _check_path(name: str, path: object) -> None:
    """Refuse what is no path of a network's file."""
    if not isinstance(path, str) or not path:
        kind = ValueError if isinstance(path, str) else TypeError
        expected, mend = "the path of a model.h5 or checkpoint.h5, or None", "give that of another run, or leave it out"
        raise kind(_message(name, expected, path, mend))


def _message(name: str, expected: str, value: object, mend: str) -> str:
    return _checks.message("Experiment", name, expected, repr(value), mend)
