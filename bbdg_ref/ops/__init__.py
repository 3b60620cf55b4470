"""What really runs: the names of `bbdg_ref.spec`, each served by the implementation chosen here.

This is the one table of that choice. A name comes from `bbdg_ref.spec` where plain NumPy is fast enough,
else from a faster twin in this folder, which is tested equal to the definition: bit for bit where the
result is exact, within a derived bound for float sums. Some twins have no counterpart of one name in ``spec``: they
compute in one go what is a composition of its functions, which their docstrings name.

==================  ==========================================================================
from a twin         how
==================  ==========================================================================
projection          float64 decides, exact integers settle what its error bound leaves open
projection_rows     no sorting: a histogram bounds where the optimum lies; what is rounded is proved
projection_passes   no sorting: exact counts and sums by the upper bits, in passes and in bounded memory
weighted_projection as projection, with sums that take each weight as often as its sample weight says
conv2d              explicit vectors in Numba over channels, images on threads; signs taken in scratch memory
sparse_conv2d       sums over the ones only, an image in each lane: time falls with the density
packed_conv2d       planes of bits added up by carry-save adders: time falls with the density
batchnorm           one pass for the statistics, one for the result, instead of a dozen
clipped_norm        batch norm, a sum and hardtanh in one pass, and their gradients in two
estimators          sign and its stand-in derivatives in one pass each
activation          the backward pass of hardtanh in one pass
shortcut            the sum of two gradients in place, on threads; memory that is used again
weights             the definition's operations, in memory that is used again
adam                one pass instead of a dozen
pruning             top-k by a partition instead of a sort, groups by comparisons
packing             masks of vector comparisons are the words; no transposed copy
==================  ==========================================================================
"""

from ..spec.activation import (
    PReLUGradients,
    channel_bias,
    channel_bias_backward,
    hardtanh,
    prelu,
    prelu_backward,
)
from ..spec.adam import (
    AdamUpdate,
)
from ..spec.batchnorm import (
    BatchNormForward,
    BatchNormGradients,
    RunningStatistics,
    running_update,
)
from ..spec.conv2d import (
    output_size,
)
from ..spec.density import (
    DensityPenalty,
    density,
    density_penalty,
    density_penalty_push,
    entropy_factor,
)
from ..spec.estimators import (
    EDEParameters,
    ede_schedule,
    identity_backward,
    sign_bits,
)
from ..spec.linear import (
    LinearGradients,
    linear,
    linear_backward,
)
from ..spec.loss import (
    cross_entropy,
    cross_entropy_backward,
    distillation,
    distillation_backward,
    mixup_targets,
    one_hot,
    smooth_targets,
)
from ..spec.packing import (
    above_to_at_least,
    at_least_to_above,
    bits_at_least_zero,
    invert_bits,
)
from ..spec.pooling import (
    MaxPoolForward,
    avg_pool2d,
    avg_pool2d_backward,
    global_avg_pool,
    global_avg_pool_backward,
    max_pool2d,
    max_pool2d_backward,
)
from ..spec.pruning import (
    Selection,
    frequent_patterns,
    learned_patterns,
    nearest_pattern,
    pattern_bits,
    select_positive,
)
from ..spec.weights import (
    WeightGradients,
    bipolar_weights,
    bipolar_weights_backward,
    closed_form_weights,
    closed_form_weights_backward,
    conditional_means,
    symmetric_scale,
    symmetric_weights,
    symmetric_weights_backward,
)
from .activation import (
    hardtanh_backward,
)
from .adam import adam
from .batchnorm import (
    batchnorm_backward,
    batchnorm_infer,
    batchnorm_train,
)
from .chunks import boxes, show_chunks, show_dask, slices
from .clipped_norm import ClippedNormGradients, clipped_norm_backward, clipped_norm_train
from .conv2d import (
    conv2d,
    conv2d_grad_input,
    conv2d_grad_weight,
    sign_conv2d_grad_weight,
)
from .estimators import (
    clipped_ste_backward,
    ede_backward,
    quadratic_backward,
    sign,
)
from .explanation import Explanation, explain
from .packed_conv2d import packed_kernels_take, popcount_conv2d
from .packing import pack_bits, pack_kernels, pack_signs, unpack_bits, unpack_kernels
from .passes import Changed, Empty, NotFinite, Show
from .projection import (
    assign,
    fit_domain,
    project,
    project_k,
    project_symmetric,
    project_zero,
)
from .projection_passes import best_split, write_bits
from .pruning import select_filters, select_kernels, select_n_m, select_top_k
from .shortcut import add_to, stride_and_pad, stride_and_pad_backward
from .sparse_conv2d import two_valued_grad_input
from .weights import general_weights, general_weights_backward

__all__ = [
    "AdamUpdate",
    "BatchNormForward",
    "BatchNormGradients",
    "Changed",
    "ClippedNormGradients",
    "DensityPenalty",
    "EDEParameters",
    "Empty",
    "Explanation",
    "LinearGradients",
    "MaxPoolForward",
    "NotFinite",
    "PReLUGradients",
    "RunningStatistics",
    "Selection",
    "Show",
    "WeightGradients",
    "above_to_at_least",
    "adam",
    "add_to",
    "assign",
    "at_least_to_above",
    "avg_pool2d",
    "avg_pool2d_backward",
    "batchnorm_backward",
    "batchnorm_infer",
    "batchnorm_train",
    "best_split",
    "bipolar_weights",
    "boxes",
    "bipolar_weights_backward",
    "bits_at_least_zero",
    "channel_bias",
    "channel_bias_backward",
    "clipped_norm_backward",
    "clipped_norm_train",
    "clipped_ste_backward",
    "closed_form_weights",
    "closed_form_weights_backward",
    "conditional_means",
    "conv2d",
    "conv2d_grad_input",
    "conv2d_grad_weight",
    "cross_entropy",
    "cross_entropy_backward",
    "density",
    "density_penalty",
    "density_penalty_push",
    "distillation",
    "distillation_backward",
    "ede_backward",
    "ede_schedule",
    "entropy_factor",
    "explain",
    "fit_domain",
    "frequent_patterns",
    "general_weights",
    "general_weights_backward",
    "global_avg_pool",
    "global_avg_pool_backward",
    "hardtanh",
    "hardtanh_backward",
    "identity_backward",
    "invert_bits",
    "learned_patterns",
    "linear",
    "linear_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "mixup_targets",
    "nearest_pattern",
    "one_hot",
    "output_size",
    "pack_bits",
    "pack_kernels",
    "pack_signs",
    "packed_kernels_take",
    "pattern_bits",
    "popcount_conv2d",
    "prelu",
    "prelu_backward",
    "project",
    "project_k",
    "project_symmetric",
    "project_zero",
    "quadratic_backward",
    "running_update",
    "select_filters",
    "select_kernels",
    "select_n_m",
    "select_positive",
    "select_top_k",
    "show_chunks",
    "show_dask",
    "sign",
    "sign_bits",
    "sign_conv2d_grad_weight",
    "slices",
    "smooth_targets",
    "stride_and_pad",
    "stride_and_pad_backward",
    "symmetric_scale",
    "symmetric_weights",
    "symmetric_weights_backward",
    "two_valued_grad_input",
    "unpack_bits",
    "unpack_kernels",
    "write_bits",
]
