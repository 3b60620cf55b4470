"""Which runs a sweep consists of."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...pruning import PAPER_GAMMA_CIFAR10
from ..settings import Experiment

__all__ = [
    "DOMAIN_ORDER",
    "ROUTES",
    "Run",
    "claim_grid",
    "full_grid",
    "most_telling_first",
    "product_grid",
    "route_of",
]

#: The ways to a density, by the names that the command line and the files use.
ROUTES = {
    "topk": "the largest latent weights of each layer",
    "topk-global": "the largest latent weights of all layers together",
    "penalty": "the positive latent weights, from one half of them down by the paper's penalty",
    "start": "the positive latent weights, shifted to start at the density, and a small penalty that holds it there "
    "(without it more and more weights turn positive)",
}

#: The order in which tables and plots name the domains.
DOMAIN_ORDER = ("bipolar", "symmetric", "general", "general-closed")


@dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Attributes
    ----------
    experiment : Experiment
        Its settings.

    Raises
    ------
    ValueError
        If it takes none of the `ROUTES`.

    Examples
    --------
    >>> from dataclasses import replace
    >>> base = Experiment(
    ...     arch="resnet20", width=16, domain="general", prune="topk", density=0.05, gamma=None, init_density=None,
    ...     epochs=5, batch_size=64, learning_rate=3e-3, crop=False, flip=True, mixup=False, seed=0,
    ... )
    >>> Run(base).name
    'general-0.05-topk-seed0'
    """

    experiment: Experiment

    def __post_init__(self) -> None:
        """Refuse an experiment that takes no route."""
        route_of(self.experiment)

    @property
    def route(self) -> str:
        """Its way to the density, of `ROUTES`."""
        return route_of(self.experiment)

    @property
    def density(self) -> float:
        """The density that it aims at."""
        assert self.experiment.density is not None  # every route has one
        return self.experiment.density

    @property
    def name(self) -> str:
        """What it is called, and its file: domain, density, route and seed."""
        return f"{self.experiment.domain}-{self.density}-{self.route}-seed{self.experiment.seed}"


def route_of(experiment: Experiment) -> str:
    """Return the route that an experiment takes.

    Parameters
    ----------
    experiment : Experiment
        The settings.

    Returns
    -------
    str
        Of `ROUTES`.

    Raises
    ------
    ValueError
        If it takes none of them.
    """
    e = experiment
    if e.prune in ("topk", "topk-global") and e.init_density is None:
        return e.prune
    if e.prune == "penalty" and e.init_density in (None, e.density):
        return "penalty" if e.init_density is None else "start"
    raise ValueError(
        f"route_of: experiment must take one of the routes {', '.join(ROUTES)}; got prune {e.prune!r} with density "
        f"{e.density} and init_density {e.init_density}; leave init_density out, or train it on its own"
    )


def _on_route(base: Experiment, route: str, domain: str, density: float, seed: int, gamma: Mapping[str, float]) -> Run:
    """Return the run of these coordinates; all else is the base's."""
    common = replace(base, domain=domain, seed=seed, density=density, prune="topk", gamma=None, init_density=None)
    if route in gamma:
        start = density if route == "start" else None
        return Run(replace(common, prune="penalty", gamma=gamma[route], init_density=start))
    return Run(replace(common, prune=route))


def product_grid(
    base: Experiment, *, densities: Sequence[float], domains: Sequence[str], routes: Sequence[str],
    seeds: Sequence[int], gamma: Mapping[str, float],
) -> list[Run]:  # fmt: skip
    """Return every combination, the most telling first.

    Parameters
    ----------
    base : Experiment
        What all runs have in common.
    densities, domains, routes, seeds : sequence
        The axes; `ROUTES` names the routes.
    gamma : mapping of str to float
        The penalty's γ of the routes "penalty" and "start".

    Returns
    -------
    list of Run
        Each once, in the order of `most_telling_first`.

    Raises
    ------
    TypeError, ValueError
        If a combination is no experiment.
    """
    axes = itertools.product(densities, routes, seeds, domains)
    return most_telling_first(
        _on_route(base, route, domain, density, seed, gamma) for density, route, seed, domain in axes
    )


def claim_grid(base: Experiment, gamma: Mapping[str, float]) -> list[Run]:
    """Return the small grid that answers whether the general domain survives pruning better than {−1, +1}.

    Densities 0.5, 0.05 and 0.02, domains bipolar, general and general-closed, top-k, seed 0; at 0.05 also
    seeds 1 and 2 of bipolar and general, the symmetric domain, and all routes of the general domain.

    Parameters
    ----------
    base : Experiment
        What all runs have in common.
    gamma : mapping of str to float
        The penalty's γ of the routes "penalty" and "start".

    Returns
    -------
    list of Run
        Each once, in the order of `most_telling_first`.
    """

    def part(densities: Sequence[float], domains: Sequence[str], routes: Sequence[str], seeds: Sequence[int]) -> list:
        return product_grid(base, densities=densities, domains=domains, routes=routes, seeds=seeds, gamma=gamma)

    return most_telling_first([
        *part([0.05], ["general", "bipolar"], ["topk"], [0, 1, 2]),
        *part([0.02, 0.5], ["general", "bipolar", "general-closed"], ["topk"], [0]),
        *part([0.05], ["general-closed"], ["topk"], [0]),
        *part([0.05], ["general"], list(ROUTES), [0]),
        *part([0.05], ["symmetric"], ["topk"], [0]),
    ])  # fmt: skip


def full_grid(base: Experiment, *, seeds: Sequence[int]) -> list[Run]:
    """Return the paper's densities from 0.5 to 0.01 in all four domains, by top-k.

    Parameters
    ----------
    base : Experiment
        What all runs have in common.
    seeds : sequence of int
        The seeds of each.

    Returns
    -------
    list of Run
        Each once, in the order of `most_telling_first`.
    """
    return product_grid(
        base, densities=list(PAPER_GAMMA_CIFAR10), domains=DOMAIN_ORDER, routes=["topk"], seeds=seeds, gamma={}
    )


def most_telling_first(runs: Iterable[Run]) -> list[Run]:
    """Return each run once: bipolar and general at 0.05 by top-k first, then 0.02, then 0.5, then the rest.

    Parameters
    ----------
    runs : iterable of Run
        In an order that is kept among equals.

    Returns
    -------
    list of Run
    """

    def rank(run: Run) -> int:
        if run.route != "topk":
            return 4
        if run.density == 0.05:
            return 0 if run.experiment.domain in ("bipolar", "general") else 3
        return {0.02: 1, 0.5: 2}.get(run.density, 3)

    return sorted(dict.fromkeys(runs), key=rank)
