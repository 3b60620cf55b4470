"""Cases of the density penalty and of the choice of bits."""

import numpy as np

from ...spec.density import density_penalty, density_penalty_push
from ...spec.pruning import select_top_k
from ..registry import Expected, case
from ..vector import Bound
from .bounds import of_steps
from .drawn import bell, integers

__all__: list[str] = []  # the cases are reached through the registry


def _penalty(
    ones: int, total: int, limit: float, gamma: float, loss: float, dead_zone: float = 1e-4, slope: float = 0.5,
    bounds: dict[str, Bound] | None = None,
) -> Expected:  # fmt: skip
    result = density_penalty(ones, total, limit=limit, gamma=gamma, loss=loss, dead_zone=dead_zone)
    inputs = {
        "ones": ones, "total": total, "limit": limit, "gamma": gamma, "loss": loss, "dead_zone": dead_zone,
        "slope": slope,
    }  # fmt: skip
    expected = {
        "value": result.value,
        "multiplier": result.multiplier,
        "excess": result.excess,
        "push": density_penalty_push(result.multiplier, total, slope=slope),
    }
    return Expected(inputs, expected, bounds or {})


def _rounded(density: float, limit: float) -> dict[str, Bound]:
    # The subtraction magnifies what is off in the density by density / excess; then come four operations.
    steps = 8 + 2 * int(np.ceil(density / (density - limit)))
    return {
        "value": of_steps(8),  # the excess cancels
        "multiplier": of_steps(steps),
        "excess": of_steps(2, density),
        "push": of_steps(steps + 4),
    }


@case("density_penalty", "penalty_share", "slope")
def density_penalty_quarter() -> Expected:
    """Density 3/8 above the limit 1/8, gamma = 1/2: the penalty equals the loss."""
    return _penalty(384, 1024, 0.125, 0.5, 2.0)


@case("density_penalty", "slope")
def density_penalty_slope_one() -> Expected:
    """The same with slope 1, as for ImageNet: twice the push."""
    return _penalty(384, 1024, 0.125, 0.5, 2.0, slope=1.0)


@case("density_penalty", "penalty_share")
def density_penalty_three_quarters() -> Expected:
    """gamma = 3/4: the penalty is three times the loss, whatever the excess."""
    return _penalty(2048, 4096, 0.25, 0.75, 0.5)


@case("density_penalty", "dead_zone")
def density_penalty_below_the_limit() -> Expected:
    """Density 1/16 below the limit: nothing, and the excess is 0, not negative."""
    return _penalty(64, 1024, 0.125, 0.5, 2.0)


@case("density_penalty", "dead_zone")
def density_penalty_at_the_limit() -> Expected:
    """Density exactly the limit: 0/0 if the dead zone is left out."""
    return _penalty(128, 1024, 0.125, 0.5, 2.0)


@case("density_penalty", "dead_zone", "corner")
def density_penalty_at_the_edge() -> Expected:
    """The excess is the dead zone, 2^-13, exactly: still no penalty."""
    return _penalty(2049, 8192, 0.25, 0.5, 2.0, dead_zone=2.0**-13)


@case("density_penalty", "dead_zone", "corner")
def density_penalty_beyond_the_edge() -> Expected:
    """One connection more: the penalty is on, at its full share."""
    return _penalty(2050, 8192, 0.25, 0.5, 2.0, dead_zone=2.0**-13)


@case("density_penalty", "dead_zone")
def density_penalty_no_dead_zone() -> Expected:
    """No dead zone and no excess: still no penalty, and no division by zero."""
    return _penalty(128, 1024, 0.125, 0.5, 2.0, dead_zone=0.0)


@case("density_penalty", "push_sign", "slope")
def density_penalty_pushes_down() -> Expected:
    """Every connection is a one and the limit is 0: the push is positive, for a step goes against the gradient."""
    return _penalty(64, 64, 0.0, 0.5, 4.0)


@case("density_penalty", "zero")
def density_penalty_gamma_zero() -> Expected:
    """gamma = 0 switches the penalty off; the excess is told all the same."""
    return _penalty(512, 1024, 0.25, 0.0, 2.0)


@case("density_penalty", "generic")
def density_penalty_cifar_5_percent() -> Expected:
    """A ResNet-18 at density 8.1 % with limit 5 %, gamma 0.07 and a loss of 1.234."""
    ones, total = 904_321, 11_157_504
    return _penalty(ones, total, 0.05, 0.07, 1.234, bounds=_rounded(ones / total, 0.05))


@case("density_penalty", "generic", "slope", "dead_zone")
def density_penalty_imagenet() -> Expected:
    """Limit 10 %, gamma 0.02, dead zone 1e-5, slope 1; the excess is 0.00008, in the dead zone of CIFAR."""
    ones, total = 1_001_600, 10_007_994
    return _penalty(ones, total, 0.1, 0.02, 2.5, dead_zone=1e-5, slope=1.0, bounds=_rounded(ones / total, 0.1))


def _top_k(latent: np.ndarray, k: int) -> Expected:
    selection = select_top_k(latent, k)
    return Expected({"latent": latent, "k": k}, {"bits": selection.bits, "threshold": selection.threshold})


@case("select_top_k", "equal_weights_split")
def select_top_k_ties() -> Expected:
    """Two of three equal latents: those of the lowest index; the threshold is their value."""
    return _top_k(np.array([1.0, 3.0, 1.0, -2.0, 1.0], np.float32), 3)


@case("select_top_k", "equal_weights_split", "negative_zero")
def select_top_k_zeros() -> Expected:
    """0.0 and -0.0 are equal: the index decides."""
    return _top_k(np.array([-0.0, 0.0, -0.0, 0.0, -1.0], np.float32), 2)


@case("select_top_k", "count_of_ones", "missing_class")
def select_top_k_none() -> Expected:
    """k = 0: no ones, and the threshold is the maximum."""
    return _top_k(np.array([0.5, -1.0, 0.75]), 0)


@case("select_top_k", "count_of_ones", "missing_class")
def select_top_k_all() -> Expected:
    """k = n: all ones, and the threshold is the minimum."""
    return _top_k(np.array([0.5, -1.0, 0.75]), 3)


@case("select_top_k", "sign_is_not_optimal", "count_of_ones")
def select_top_k_negative() -> Expected:
    """All latents are negative and two are chosen; the threshold is the midpoint of the second and the third."""
    return _top_k(np.array([-0.5, -1.0, -0.25, -4.0], np.float32), 2)


@case("select_top_k", "huge_values")
def select_top_k_huge() -> Expected:
    """The sum of the two latents next to the threshold overflows, the midpoint does not."""
    return _top_k(np.array([1.5e308, 1.0e308, -1.0]), 1)


@case("select_top_k", "near_tie")
def select_top_k_neighbours() -> Expected:
    """Latents one unit in the last place apart, in float32: the midpoint is a float64 between them."""
    one = np.float32(1)
    return _top_k(np.array([one, np.nextafter(one, np.float32(2)), np.nextafter(one, np.float32(0))]), 1)


@case("select_top_k", "original_order", "duplicates")
def select_top_k_kernels() -> Expected:
    """Kernels of few values, of which 20 are chosen in C order."""
    return _top_k(integers(41, (4, 3, 3, 3), -3, 3), 20)


@case("select_top_k", "generic")
def select_top_k_five_percent() -> Expected:
    """25 of 500 latents that look normal."""
    return _top_k(bell(42, 500) * np.float32(0.25), 25)
