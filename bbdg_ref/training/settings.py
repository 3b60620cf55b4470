"""What determines a training run, besides the data."""

import dataclasses
from dataclasses import dataclass

from ..pruning import DensityPenalty, Pruning, SignOfLatent, TopK
from .loop import Recipe

__all__ = ["Experiment"]

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
    prune : {"none", "penalty", "topk"}
        Bits by sign; by sign with the density penalty; the k largest latent weights of each layer.
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

    def pruning(self) -> Pruning:
        """Return the pruning strategy."""
        if self.prune == "none":
            return SignOfLatent()
        assert self.density is not None
        if self.prune == "topk":
            return TopK(self.density)
        assert self.gamma is not None
        return DensityPenalty(self.density, self.gamma)

    def recipe(self) -> Recipe:
        """Return the part that the training loop needs."""
        names = [f.name for f in dataclasses.fields(Recipe)]
        return Recipe(**{name: getattr(self, name) for name in names})
