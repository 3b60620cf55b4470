"""What determines a training run, besides the data."""

import dataclasses
from dataclasses import dataclass

from .. import _checks
from ..nn import DOMAINS, NETWORKS
from ..pruning import DensityPenalty, GlobalTopK, Pruning, SignOfLatent, TopK
from .loop import Recipe

__all__ = ["Experiment"]

#: The ways in which the ones are chosen, by the names that the command line and the files use.
PRUNINGS = ("none", "penalty", "topk", "topk-global")

VALIDATION_IMAGES = 5000


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
    prune : {"none", "penalty", "topk", "topk-global"}
        Bits by sign; by sign with the density penalty; the k largest latent weights of each layer; those of
        all layers together.
    density : float or None
        The penalty's EC, or the density of top-k; None with "none".
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

    Raises
    ------
    TypeError, ValueError
        If a setting has the wrong type or value, or density and γ are not those that ``prune`` takes.
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

    def __post_init__(self) -> None:
        """Refuse settings that are no experiment, whatever the data."""
        _checks.one_of("Experiment", "arch", self.arch, list(NETWORKS))
        _checks.one_of("Experiment", "domain", self.domain, list(DOMAINS))
        self._check_pruning()
        lowest = {"width": 1, "epochs": 1, "batch_size": 2, "seed": 0, "validation": 1}  # batch norm needs two images
        for name, low in lowest.items():
            _checks.integer("Experiment", name, getattr(self, name), low)
        if self.limit_train is not None:
            _checks.integer("Experiment", "limit_train", self.limit_train, 1)
        if self.init_density is not None:
            _checks.fraction("Experiment", "init_density", self.init_density)
        if _checks.real_number("Experiment", "learning_rate", self.learning_rate) <= 0:
            raise ValueError(_message("learning_rate", "above 0", self.learning_rate, "choose a positive one"))
        for name in ("crop", "flip", "mixup"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise TypeError(_message(name, "True or False", value, "pass a bool"))

    def _check_pruning(self) -> None:
        """Refuse a density or a γ that the strategy does not take, or the lack of one that it needs."""
        _checks.one_of("Experiment", "prune", self.prune, PRUNINGS)
        for name, taken in (("density", self.prune != "none"), ("gamma", self.prune == "penalty")):
            value = getattr(self, name)
            if not taken and value is not None:
                raise ValueError(_message(name, f"None with prune {self.prune!r}", value, "leave it out"))
        if self.prune != "none":
            _checks.fraction("Experiment", "density", self.density, one=self.prune != "penalty")
        if self.prune == "penalty":
            _checks.fraction("Experiment", "gamma", self.gamma, zero=True)

    def pruning(self) -> Pruning:
        """Return the pruning strategy."""
        if self.prune == "none":
            return SignOfLatent()
        assert self.density is not None
        if self.prune == "topk":
            return TopK(self.density)
        if self.prune == "topk-global":
            return GlobalTopK(self.density)
        assert self.gamma is not None
        return DensityPenalty(self.density, self.gamma)

    def recipe(self) -> Recipe:
        """Return the part that the training loop needs."""
        names = [f.name for f in dataclasses.fields(Recipe)]
        return Recipe(**{name: getattr(self, name) for name in names})


def _message(name: str, expected: str, value: object, mend: str) -> str:
    return _checks.message("Experiment", name, expected, repr(value), mend)
