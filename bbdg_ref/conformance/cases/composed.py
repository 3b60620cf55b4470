"""Cases of the choices that are made of others: within a mask, over layers, of patterns with k ones; and the schedule.

What they expect is computed from the definition, the patterns in rational numbers; what is tested is
`bbdg_ref.pruning`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np

from ...spec.pruning import Selection, pattern_bits, select_top_k
from ..registry import Expected, case
from .bounds import of_scale
from .drawn import bell, chosen, integers

__all__: list[str] = []  # the cases are reached through the registry

Array = np.ndarray


# -------------------------------------------------------------------------------------------------- within a mask


def _within(latent: Array, mask: Array, k: int) -> Expected:
    bits, room = np.zeros(latent.shape, np.bool_), int(mask.sum())
    among = select_top_k(latent[mask], k) if k < room else Selection(np.ones(room, np.bool_), 0.0)
    bits[mask] = among.bits
    threshold = among.threshold if k < room else select_top_k(latent, room).threshold
    return Expected({"latent": latent, "mask": mask, "k": k}, {"bits": bits, "threshold": threshold})


def _row(*values: float) -> Array:
    """Return one filter of 1x1 kernels."""
    return np.array(values, np.float32).reshape(1, -1, 1, 1)


def _mask(text: str) -> Array:
    return np.array([letter == "1" for letter in text]).reshape(1, -1, 1, 1)


@case("select_within", "outside_the_mask")
def select_within_largest_outside() -> Expected:
    """The largest weights lie outside the mask; the threshold lies between two weights within it."""
    return _within(_row(9, 1, 8, 3, 7, -2), _mask("010101"), 2)


@case("select_within", "equal_weights_split", "outside_the_mask")
def select_within_ties() -> Expected:
    """Equal weights within the mask, and outside at lower indices: the lowest within."""
    return _within(_row(1, 2, 1, 1, 3, 1, 1), _mask("0011111"), 3)


@case("select_within", "sign_is_not_optimal", "outside_the_mask")
def select_within_negative() -> Expected:
    """All weights within the mask are below all others and below 0."""
    return _within(_row(1, -4, 2, -3, 3, -6, -5), _mask("0101011"), 2)


@case("select_within", "count_of_ones", "outside_the_mask")
def select_within_small_mask() -> Expected:
    """Three ones in the mask, k = 5: these three, and the threshold of the three largest of all."""
    return _within(_row(4, -1, 3, 2, -5, 1), _mask("010101"), 5)


@case("select_within", "count_of_ones")
def select_within_full_mask() -> Expected:
    """As many ones in the mask as k: all of them, and the threshold of the three largest of all."""
    return _within(_row(4, -1, 3, 2, -5, 1), _mask("010101"), 3)


@case("select_within", "count_of_ones")
def select_within_everything() -> Expected:
    """The mask is all ones, and k is n: the threshold is the minimum."""
    return _within(_row(0.5, -1.0, 0.75), _mask("111"), 3)


@case("select_within", "missing_class", "count_of_ones")
def select_within_nothing() -> Expected:
    """A mask without ones: none, and the threshold is the maximum."""
    return _within(_row(0.5, -1.0, 0.75), _mask("000"), 2)


@case("select_within", "generic", "original_order")
def select_within_filters() -> Expected:
    """20 ones within three of eight filters of 3x3 kernels, latents that look normal."""
    mask = np.zeros((8, 3, 3, 3), np.bool_)
    mask[[1, 4, 7]] = True
    return _within(bell(409, mask.shape) * np.float32(0.25), mask, 20)


@case("select_within", "generic", "duplicates")
def select_within_scattered() -> Expected:
    """17 ones within a mask of density 0.3, float64 weights of few values."""
    return _within(integers(410, (5, 4, 3, 3), -3, 3, np.float64), chosen(411, (5, 4, 3, 3), 0.3), 17)


# ---------------------------------------------------------------------------------------------------- over layers


def _of_layers(first: Array, second: Array, k: int) -> Expected:
    both = select_top_k(np.concatenate([first.ravel(), second.ravel()]), k)
    parts = {
        "first_bits": both.bits[: first.size].reshape(first.shape),
        "second_bits": both.bits[first.size :].reshape(second.shape),
    }
    return Expected({"first": first, "second": second, "k": k}, {**parts, "threshold": both.threshold})


@case("select_top_k_of_layers", "across_layers")
def select_top_k_of_layers_uneven() -> Expected:
    """Four of the five ones lie in the second layer, which is the smaller; one threshold for both."""
    return _of_layers(_row(1, 2, 3, 7, 0, -1), np.array([[9, 8], [6, 5]], np.float32), 5)


@case("select_top_k_of_layers", "across_layers", "missing_class")
def select_top_k_of_layers_empty_layer() -> Expected:
    """All ones lie in the first layer: the second has none, and the same threshold."""
    return _of_layers(_row(4, 3, 5, 1), np.array([0.5, -2.0], np.float32), 2)


@case("select_top_k_of_layers", "equal_weights_split")
def select_top_k_of_layers_ties() -> Expected:
    """Five equal weights, of which three are ones: the two of the first layer, then the first of the second."""
    return _of_layers(_row(1, 0, 1), np.array([[1, 2], [1, 1]], np.float32), 4)


@case("select_top_k_of_layers", "count_of_ones")
def select_top_k_of_layers_all() -> Expected:
    """k = n: all ones, and the threshold is the minimum of both."""
    return _of_layers(_row(4, 3), np.array([0.5, -2.0, 1.0], np.float32), 5)


@case("select_top_k_of_layers", "across_layers", "generic")
def select_top_k_of_layers_resnet() -> Expected:
    """30 of a layer of 3x3 kernels and one of 1x1 kernels, whose weights are larger; latents that look normal."""
    return _of_layers(bell(412, (6, 5, 3, 3)) * np.float32(0.15), bell(413, (8, 6, 1, 1)) * np.float32(0.4), 30)


# ----------------------------------------------------------------------------------------------- patterns, k ones


@dataclass(frozen=True)
class _Sums:
    """The sum over the ones of every pattern, for every kernel, and how many ones the patterns have."""

    of_kernels: list[list[Fraction]]
    ones: list[int]

    def best(self, theta: Fraction, more: int) -> list[int]:
        """Return the best patterns; of equals those with the most (`more` = 1) or fewest (-1) ones, then the first."""
        return [
            max(range(len(sums)), key=lambda p: (sums[p] - theta * self.ones[p], more * self.ones[p], -p))
            for sums in self.of_kernels
        ]

    def count(self, theta: Fraction | float) -> int:
        return sum(self.ones[p] for p in self.best(Fraction(theta), -1))

    def turns(self) -> list[Fraction]:
        """Return all multipliers at which two patterns are equally good for a kernel."""
        pairs = [(p, q) for p, q in combinations(range(len(self.ones)), 2) if self.ones[p] != self.ones[q]]
        found = {
            (sums[p] - sums[q]) / (self.ones[p] - self.ones[q]) for sums in self.of_kernels for p, q in pairs
        }  # fmt: skip
        return sorted(found)

    def chosen(self, k: int) -> list[int]:
        """Return the pattern of every kernel."""
        theta = next(turn for turn in self.turns() if self.count(turn) <= k)
        which, left = self.best(theta, -1), k - self.count(theta)
        for kernel, most in enumerate(self.best(theta, 1)):
            left -= self.ones[most] - self.ones[which[kernel]]
            if left < 0:
                break
            which[kernel] = most
        return which

    def bisected(self, low: float, high: float, k: int) -> float:
        """Return the threshold: the first middle with k ones, or the multiplier to rounding."""
        for _ in range(64):
            middle = low + (high - low) / 2
            if self.count(high) == k or not low < middle < high:
                break
            low, high = (middle, high) if self.count(middle) > k else (low, middle)
        return high


def _patterns(latent: Array, patterns: Array, k: int, ulps: int = 0) -> Expected:
    shapes = pattern_bits(patterns).reshape(-1, 9)
    rows = [[Fraction(v) for v in row] for row in latent.reshape(-1, 9).astype(np.float64).tolist()]
    sums = [[sum((row[i] for i in np.flatnonzero(shape)), Fraction(0)) for shape in shapes] for row in rows]
    of = _Sums(sums, shapes.sum(axis=1).tolist())
    bits = shapes[of.chosen(k)].reshape(latent.shape)
    low, high = float(latent.min()) - 1, float(latent.max())
    if of.count(low) <= k:
        threshold = select_top_k(latent, int(bits.sum())).threshold
    else:
        threshold = of.bisected(low, high, k)
    bounds = {"threshold": of_scale(ulps, float(np.abs(latent).max()) + 1)} if ulps else {}
    return Expected({"latent": latent, "patterns": patterns, "k": k}, {"bits": bits, "threshold": threshold}, bounds)


def _kernels(*rows: Sequence[float]) -> Array:
    return np.array(rows, np.float32).reshape(-1, 1, 3, 3)


# A multiplier at which patterns are equally good is found to rounding: of nine weights and products, twice.
SETTLED = 40


@case("patterns_of_k_ones", "pattern_multiplier")
def patterns_of_k_ones_exchange() -> Expected:
    """Two ones: a kernel of 6 and 5 has both, although the largest weight of the other is positive, too."""
    return _patterns(_kernels([4, 1] + [-2] * 7, [6, 5] + [-2] * 7), np.array([0, 1, 3]), 2)


@case("patterns_of_k_ones", "pattern_multiplier")
def patterns_of_k_ones_large_pattern() -> Expected:
    """Four ones: two kernels of a pattern of two ones, not one of the pattern of four with the largest sum."""
    latent = _kernels([8, 8, 1, 1] + [-3] * 5, [7, 6, -1, -1] + [-3] * 5, [1, 1, 1, 1] + [-3] * 5)
    return _patterns(latent, np.array([15, 3, 0]), 4)


@case("patterns_of_k_ones", "pattern_remainder")
def patterns_of_k_ones_ties() -> Expected:
    """Five equal kernels and a pattern of three ones, k = 11: the first three kernels, nine ones."""
    return _patterns(np.ones((5, 1, 3, 3), np.float32), np.array([0, 7]), 11, SETTLED)


@case("patterns_of_k_ones", "pattern_remainder")
def patterns_of_k_ones_first_that_does_not_fit() -> Expected:
    """Three kernels may have two, three and two ones, or none; four are left: the first fits, the second ends it."""
    latent = _kernels([-9] * 9, [9] * 2 + [-9] * 7, [2] * 2 + [-9] * 7, [2] * 9, [2] * 2 + [-9] * 7)
    return _patterns(latent, np.array([0, 3, 56]), 6, SETTLED)


@case("patterns_of_k_ones", "first_of_equals")
def patterns_of_k_ones_first_of_equals() -> Expected:
    """Patterns of as many ones and equal sums: the first of the list, whatever its code."""
    latent = _kernels([5, 5, 5] + [-1] * 6, [-1] * 6 + [4, 4, 4])
    return _patterns(latent, np.array([6, 3, 384, 192, 0]), 4)


@case("patterns_of_k_ones", "count_of_ones", "missing_pattern")
def patterns_of_k_ones_beyond() -> Expected:
    """k = 20, and three kernels of at most four ones: all take that pattern; the threshold is that of 12 ones."""
    latent = _kernels([9, 1] + [-2] * 7, [5, 4, 3, 2, 1, 0, -1, -2, -3], [-8] * 9)
    return _patterns(latent, np.array([0, 1, 15]), 20)


@case("patterns_of_k_ones", "count_of_ones", "pattern_remainder")
def patterns_of_k_ones_far_below() -> Expected:
    """Three weights of 0 for two of 10 in some of four kernels: the multiplier is -20, and the threshold is not."""
    return _patterns(_kernels(*[[10, 10] + [0] * 7] * 4), np.array([0, 3, 28]), 10)


@case("patterns_of_k_ones", "generic")
def patterns_of_k_ones_integers() -> Expected:
    """Eight patterns of up to five ones, 20 kernels of small integers, k = 29."""
    patterns = np.array([0, 1, 16, 3, 48, 7, 146, 341])
    return _patterns(integers(414, (5, 4, 3, 3), -8, 8), patterns, 29)


@case("patterns_of_k_ones", "generic", "pattern_multiplier")
def patterns_of_k_ones_bell() -> Expected:
    """Eight patterns, 24 kernels, latents that look normal, k = 26."""
    patterns = np.array([2, 64, 0, 24, 9, 448, 273, 186])
    return _patterns(bell(415, (6, 4, 3, 3)), patterns, 26)


# --------------------------------------------------------------------------------------------------- the schedule


def _cubic(step: int, start: float, end: float, begin: int, steps: int) -> Expected:
    left = (1 - min(max(Fraction(step - begin, steps), Fraction(0)), Fraction(1))) ** 3
    density = float(left * Fraction(start) + (1 - left) * Fraction(end))
    inputs = {"step": step, "start": start, "end": end, "begin": begin, "steps": steps}
    # The share, 1 less it, its cube, and the weighted mean: of numbers up to the larger density.
    bounds = {} if left in (0, 1) else {"density": of_scale(16, max(start, end))}
    return Expected(inputs, {"density": density}, bounds)


@case("cubic_density", "cubic_schedule")
def cubic_density_before() -> Expected:
    """Before it begins: the start, not more."""
    return _cubic(0, 0.5, 0.05, 10, 100)


@case("cubic_density", "cubic_schedule", "corner")
def cubic_density_at_the_beginning() -> Expected:
    """The step at which it begins: the start still."""
    return _cubic(10, 0.5, 0.05, 10, 100)


@case("cubic_density", "cubic_schedule", "generic")
def cubic_density_on_the_way() -> Expected:
    """A third of the way: (2/3)^3 of the start are left."""
    return _cubic(43, 0.5, 0.05, 10, 99)


@case("cubic_density", "cubic_schedule")
def cubic_density_half_way() -> Expected:
    """Half of the way, upwards: one eighth of the start, seven eighths of the end."""
    return _cubic(8, 0.0625, 0.5, 0, 16)


@case("cubic_density", "cubic_schedule", "corner")
def cubic_density_at_the_end() -> Expected:
    """The last step of the way: the end, exactly."""
    return _cubic(110, 0.3, 0.1, 10, 100)


@case("cubic_density", "cubic_schedule")
def cubic_density_after() -> Expected:
    """Long after: the end still, where the cubic would go on."""
    return _cubic(500, 0.3, 0.1, 10, 100)
