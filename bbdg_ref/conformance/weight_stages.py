"""The stages of the weights: projections, density, choice of bits, estimators, domains."""

from .shared_fields import DX, KERNELS, TAU_PHI
from .stage import stage

__all__ = ["WEIGHT_STAGES"]

_WEIGHTS = "w: numbers (any shape): the weights, of any float or integer dtype"
_PROJECTION = """
    alpha: float: the value of bit 0
    beta: float: the value of bit 1
    bits: bits (shape of w): the bit of each weight
    threshold: float: the exact midpoint of the unrounded alpha and beta, rounded toward minus infinity
    error: float: the squared error with the unrounded alpha and beta, rounded once
    n_ones: int: the number of ones
    tied: bool: whether other bits give the same error
"""
_SIGN_GRADIENT = """
    dy: floats (any shape): gradient with respect to sign(x)
    x: floats (shape of dy): input of the sign
"""
_LATENT = f"latent: floats {KERNELS}: latent weights"
_SIGNS = f"s: floats {KERNELS}: signs, -1 or +1"
_DW = f"dw: floats {KERNELS}: gradient with respect to the weights"
_DS = f"ds: floats {KERNELS}: gradient with respect to the signs"
_W = f"w: floats {KERNELS}: the weights"

_CHOSEN = "bits: bits (shape of latent): the ones\nthreshold: float: the value about which the estimator is centred"
_KERNELS_3X3 = "(out, in, 3, 3)"
_PATTERNS = "patterns: ints (patterns,): kernel codes, sum of b[i, j] 2^(3 i + j)"
_AMONG_PATTERNS = f"""
    latent: floats {_KERNELS_3X3}: latent weights
    {_PATTERNS}
    threshold: float: the latent weight that is as near to a one as to a zero
"""

WEIGHT_STAGES = (
    stage("project", "Nearest weights over all alpha <= beta", "exact projection", _WEIGHTS, _PROJECTION),
    stage(
        "project_k", "Nearest weights with exactly k ones", "exact projection",
        _WEIGHTS + "\nk: int: the number of ones", _PROJECTION,
    ),
    stage("project_symmetric", "Nearest weights over {-a, +a}", "exact projection", _WEIGHTS, _PROJECTION),
    stage("project_zero", "Nearest weights over {0, beta}", "exact projection", _WEIGHTS, _PROJECTION),
    stage(
        "project_weighted", "Nearest weights, each square times a sample weight", "exact projection",
        _WEIGHTS + "\nsample_weight: numbers (shape of w): how much each square counts, 0 or more", _PROJECTION,
    ),
    stage(
        "fit_domain", "Best domain for given bits", "exact projection",
        _WEIGHTS + "\nbits: bits (shape of w): the bit of each weight",
        "alpha: float: mean of the zeros\nbeta: float: mean of the ones; a missing class takes the other's mean",
    ),
    stage(
        "assign", "Nearest value of a given domain", "domain projection",
        _WEIGHTS + "\nalpha: float: the value of bit 0\nbeta: float: the value of bit 1, perhaps below alpha",
        "bits: bits (shape of w): the bit of the nearest value; a tie gives bit 0",
    ),
    stage(
        "density_penalty", "Penalty on density above a limit, and its push", "density",
        """
        ones: int: ones of all binary layers
        total: int: weights of all binary layers
        limit: float: the expected connections EC
        gamma: float: share of the whole loss
        loss: float: task loss
        dead_zone: float: excess up to which there is no penalty
        slope: float: derivative given to the bit of a weight, 1/2 or 1
        """,
        """
        value: float: the penalty
        multiplier: float: lambda
        excess: float: max(ones / total - limit, 0)
        push: float: the gradient added to every latent weight, multiplier * slope / total
        """,
    ),
    stage(
        "entropy_factor", "What scales the push if the entropy is bounded", "density",
        "density: float: p, above the limit\nlimit: float: the expected connections EC, below 1/2",
        "factor: float: H'(p) (p - EC) / (H(p) - H(EC)), 0 from 1/2 on",
    ),
    stage(
        "select_top_k", "The k largest latent weights become ones", "pruning",
        "latent: floats (any shape): latent weights\nk: int: the number of ones", _CHOSEN,
    ),
    stage(
        "select_n_m", "The n largest of every m latent weights along the input channels become ones", "pruning",
        f"{_LATENT}\nn: int: ones of a group\nm: int: weights of a group", _CHOSEN,
    ),
    stage(
        "select_kernels", "The k kernels with the largest sums become ones", "pruning",
        f"{_LATENT}\nk: int: the number of kernels", _CHOSEN,
    ),
    stage(
        "select_filters", "The k filters with the largest sums become ones", "pruning",
        f"{_LATENT}\nk: int: the number of filters", _CHOSEN,
    ),
    stage(
        "select_within", "The k largest latent weights within a mask become ones", "pruning",
        f"{_LATENT}\nmask: bits (shape of latent): where there may be ones\n"
        "k: int: the number of ones, 1 or more, perhaps more than the mask has",
        _CHOSEN,
    ),
    stage(
        "select_top_k_of_layers", "The k largest latent weights of two layers together become ones", "pruning",
        """
        first: floats (any shape): latent weights of a layer
        second: floats (any shape): latent weights of the next layer, of the same dtype
        k: int: the number of ones of both, 1 or more
        """,
        """
        first_bits: bits (shape of first): the ones of the first layer
        second_bits: bits (shape of second): the ones of the second layer
        threshold: float: the value about which the estimators of both are centred
        """,
    ),
    stage(
        "pattern_bits", "The 3x3 bits of kernel codes", "pruning",
        _PATTERNS, "bits: bits (patterns, 3, 3): the bits of each code",
    ),
    stage(
        "frequent_patterns", "The most frequent 3x3 kernels", "pruning",
        f"bits: bits {_KERNELS_3X3}: the bits of the weights\ncount: int: how many patterns",
        _PATTERNS + ", the most frequent first",
    ),
    stage(
        "nearest_pattern", "The nearest pattern of each 3x3 kernel", "pruning",
        _AMONG_PATTERNS, "which: ints (out, in): indices of patterns",
    ),
    stage(
        "learned_patterns", "The patterns moved to their kernels, repeats replaced", "pruning",
        _AMONG_PATTERNS, "learned: ints (patterns,): kernel codes",
    ),
    stage(
        "patterns_of_k_ones", "The patterns with the largest sum of latent weights, k ones in all", "pruning",
        f"""
        latent: floats {_KERNELS_3X3}: latent weights
        {_PATTERNS}, 0 among them
        k: int: the number of ones, 1 or more
        """,
        _CHOSEN,
    ),
    stage(
        "cubic_density", "A density that moves along a cubic", "pruning",
        """
        step: int: training steps taken so far
        start: float: the density at first
        end: float: the density at last
        begin: int: the step from which it moves
        steps: int: how many steps it takes
        """,
        "density: float: the density of this step",
    ),
    stage(
        "sign_bits", "The bit of a number", "estimators",
        "x: floats (any shape): numbers", "bits: bits (shape of x): x > 0",
    ),
    stage(
        "sign", "The sign of a number, never 0", "estimators",
        "x: floats (any shape): numbers", "y: floats (shape of x): +1 where x > 0, else -1",
    ),
    stage("clipped_ste_backward", "Clipped straight-through estimator", "estimators", _SIGN_GRADIENT, DX),
    stage(
        "ede_backward", "Error decay estimator", "estimators",
        _SIGN_GRADIENT + "t: float: steepness\nk: float: scale", DX,
    ),
    stage("quadratic_backward", "Derivative of the piecewise quadratic", "estimators", _SIGN_GRADIENT, DX),
    stage(
        "ede_schedule", "Parameters of the error decay estimator in one epoch", "estimators",
        "epoch: int: from 0\nepochs: int: how many there are", "t: float: steepness\nk: float: scale",
    ),
    stage("bipolar_weights", "Weights in {-1, +1}", "weights", f"{_LATENT}\n{_SIGNS}", _W),
    stage(
        "bipolar_weights_backward", "Gradient of weights in {-1, +1}", "weights", f"{_DW}\n{_LATENT}\n{_SIGNS}", _DS
    ),
    stage("symmetric_weights", "Weights in {-a, +a}, a per filter", "weights", f"{_LATENT}\n{_SIGNS}", _W),
    stage(
        "symmetric_weights_backward", "Gradient of weights in {-a, +a}", "weights", f"{_DW}\n{_LATENT}\n{_SIGNS}", _DS
    ),
    stage("general_weights", "Weights tau s + phi", "weights", _SIGNS + TAU_PHI, _W),
    stage(
        "general_weights_backward", "Gradients of weights tau s + phi", "weights", f"{_DW}\n{_SIGNS}{TAU_PHI}",
        _DS + "\ndtau: floats (): gradient with respect to tau\ndphi: floats (): gradient with respect to phi",
    ),
    stage("closed_form_weights", "Weights at the conditional means", "weights", f"{_LATENT}\n{_SIGNS}", _W),
    stage(
        "closed_form_weights_backward", "Gradients of weights at the conditional means", "weights",
        f"{_DW}\n{_LATENT}\n{_SIGNS}",
        f"{_DS}\ndlatent: floats {KERNELS}: gradient through the means, at fixed signs",
    ),
)  # fmt: skip
