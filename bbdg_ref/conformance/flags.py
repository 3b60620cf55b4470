"""The flags of the vectors, each with the bug that it hunts."""

__all__ = ["FLAGS"]

FLAGS: dict[str, str] = {
    # Zeros, signs and numbers at the ends of their range
    "zero": "A bit or sign of zero other than bit 0 and sign -1: torch.sign and numpy.sign give a third value at 0, "
    "and some systems take x >= 0 as the bit. Here b = (x > 0).",
    "negative_zero": "The sign bit of the float read instead of x > 0, or 0.0 and -0.0 taken for different numbers.",
    "subnormal": "Subnormal numbers flushed to zero, so that the bit of the smallest positive number is lost.",
    "huge_values": "Sums or squares that overflow on the way although the result does not; or an error that should "
    "overflow to inf and becomes NaN.",
    "tiny_spread": "Squares of differences that underflow to zero, so that every partition looks equally good.",
    "mixed_scales": "Rescaling by the largest magnitude that wipes out the small numbers beside it.",
    "narrow_dtype": "Sums taken in the dtype of the input: int8 wraps round, float16 overflows at 65504 and rounds "
    "beyond 2048; also -(-128) in int8.",
    "wide_integers": "64-bit integers rounded to float64, which merges neighbours beyond 2^53.",
    "unsigned": "uint64 read as a signed integer, so that the largest values turn negative.",
    # The optimum and its ties
    "local_optimum": "A search that improves step by step, such as Lloyd's k-means from one start, or that stops at "
    "the first maximum, and misses the optimum.",
    "tied_optima": "Two partitions with the same error: the one with the fewest ones is wanted, and `tied` says so.",
    "equal_weights_split": "Equal weights of which only some become ones: those of the lowest flat index, which needs "
    "a stable sort in decreasing order.",
    "near_tie": "Optima or weights that differ by one unit in the last place and are taken for equal, or are decided "
    "the wrong way by rounding.",
    "duplicates": "Many equal weights: unstable sorts, or boundaries placed inside a run of equal values.",
    "constant": "All weights equal: 0/0, a nonzero error from rounding, or ones where there should be none.",
    "single_weight": "n = 1: division by n - 1, an empty range of candidates, or an index out of range.",
    "missing_class": "No ones, or no zeros: the mean of an empty class. It takes the other's mean, and no gradient.",
    "offset_cancellation": "Differences of large sums: S^2/k, or the sum of squares minus the square of the sum, "
    "where a common offset leaves no digits for the spread.",
    "float32_sums": "Running sums in float32 over many values, or one after the other, that drift by more than what "
    "decides.",
    "mean_rounding": "alpha and beta not correctly rounded: cumsum([0.1] * 10) / 10 is not 0.1.",
    "threshold_rounding": "A threshold rounded to nearest or computed from the rounded alpha and beta: it is the exact "
    "midpoint rounded toward minus infinity, so that bits == (w > threshold).",
    "original_order": "Bits left in sorted order, or in a flat shape.",
    "sign_is_not_optimal": "Bits taken from the sign of the weights: the joint optimum moves the threshold.",
    "negative_beta": "{0, beta} searched for positive beta only: [-5, 1] takes -5 alone.",
    "sample_weight": "Sample weights left out, squared, or applied to the means but not to the choice; `n_ones` "
    "counted by their sum instead of by weights.",
    "zero_sample_weight": "Weights of sample weight 0 that take part all the same, divide 0 by 0, or get no bit: "
    "theirs is w > threshold.",
    "count_of_ones": "k = 0, k = n, or a k that is off by one.",
    # Domains
    "alpha_above_beta": "alpha > beta, which a learned negative tau gives: refused, exchanged, or compared the wrong "
    "way round.",
    "alpha_beta_swapped": "alpha taken for the value of bit 1.",
    "midpoint_tie": "A weight exactly between alpha and beta: bit 0.",
    "midpoint_rounding": "The midpoint of alpha and beta computed in floating point: it rounds, overflows or "
    "underflows, and a weight next to it goes the wrong way.",
    "per_channel": "One value for all channels where each has its own, or values along the wrong axis.",
    "tau_phi": "tau and phi exchanged, tau = beta - alpha without the half, or the sign of tau lost.",
    "scale_not_differentiated": "XNOR-Net's scale a = mean |latent| differentiated: here it is a constant.",
    "gradient_through_means": "The gradient through the conditional means left out, or spread over the wrong class.",
    # Choices of bits
    "group_axis": "N of M counted along another axis than the input channels, in groups that are not consecutive, or "
    "over the whole layer.",
    "remainder": "A last group of fewer than M weights left out, or with fewer than N ones although it has N weights.",
    "block_score": "Kernels or filters ranked by their magnitudes instead of by the sum of their latent weights.",
    "code_order": "Codes of kernels that run over columns first, or from the last place: bit 3 i + j is row i, "
    "column j.",
    "distance_of_bits": "The nearest pattern found by counting bits that differ: every latent weight counts by its "
    "value.",
    "first_of_equals": "Of equally near patterns another than the first of the list.",
    "pattern_threshold": "The threshold left out of the distance to a pattern, or of the sums that move one.",
    "missing_pattern": "Patterns that do not occur, or have no kernel, dropped or moved to zero.",
    "repeated_pattern": "Patterns that became equal kept twice, the wrong one of them replaced, or by a pattern that "
    "is there already.",
    "outside_the_mask": "The k largest of all weights cut back to the mask, instead of the k largest within it; or "
    "ones outside where the mask cannot hold k.",
    "across_layers": "Each layer given a share of k, or its own threshold: all layers are compared together.",
    "pattern_multiplier": "Kernels filled one after another, or patterns taken by their sum alone: one multiplier for "
    "the number of ones, the same for all kernels, makes the sum over all of them the largest.",
    "pattern_remainder": "Ones left over given to other kernels than the first equally good ones in C order, or "
    "beyond k.",
    # Density
    "cubic_schedule": "A schedule that is linear, not kept within its ends, or counted from step 0 instead of from its "
    "begin.",
    "entropy_slope": "The push of the entropy's bound not scaled by H'(p) (p - EC) / (H(p) - H(EC)), or a push upwards "
    "beyond one half.",
    "dead_zone": "The penalty on at or below the dead zone: it starts strictly above.",
    "penalty_share": "gamma L / h instead of gamma L / (h (1 - gamma)): the penalty is the share gamma of the whole.",
    "slope": "The slope of the count's estimator, 1/2 for CIFAR and 1 for ImageNet, left out of the push.",
    "push_sign": "The push subtracted, as if it were a step: it is part of the gradient, positive, so that a step "
    "lowers the latent weights.",
    # Estimators
    "corner": "A corner of a piecewise function on the wrong side: |x| = 1, or 0, or the floats next to them.",
    "estimator_scale": "EDE without k, or without t: its slope at 0 is k t.",
    "estimator_saturation": "1 - tanh^2 far out: it must fall to 0, not to NaN or a negative number.",
    "outside": "An estimator that goes on where it is 0, beyond -1 and 1: 2 - 2 |x| turns negative there.",
    "schedule_end": "t = 10^(-1 + 2 e / (E - 1)): the last epoch is E - 1 and never reaches t = 10.",
    "scale_floor": "k = 1/t below 1: k = max(1/t, 1).",
    # Convolution and pooling
    "border": "Padding that counts as -1 (the sign of 0, or bit 0), as +1, or as the nearest pixel: it contributes "
    "nothing.",
    "border_count": "Bit counts corrected by the number of all taps instead of the valid ones, or off by one at an "
    "edge.",
    "stride": "Strides: the wrong output size, or windows that start at the wrong place.",
    "unreached": "Rows or columns that no window reaches: they are not used and get gradient 0.",
    "asymmetric": "Vertical and horizontal exchanged in kernel, stride, padding or size.",
    "large_kernel": "A kernel larger than the map that fits only with the padding.",
    "kernel_flip": "A true convolution, which flips the kernel, instead of a cross-correlation.",
    "transposed_axes": "in and out exchanged, or (height, width, channels) read as (channels, height, width).",
    "batch": "Only the first image of a batch, or images mixed up.",
    "overlap": "Gradients of overlapping windows overwritten instead of added up.",
    "window_area": "The wrong divisor of an average: it is the area of the window.",
    "first_maximum": "Equal maxima: the first in row-major order wins, and it alone gets the gradient.",
    "padding_wins": "Padding with 0 in maximum pooling, which beats negative values.",
    "argmax_index": "The place of a maximum counted in the window or in the padded map instead of in the map.",
    "channel_padding": "Added channels all before or all after, or the odd one before: half, rounded down, come "
    "before.",
    "gradient_sum": "A gradient averaged over the batch or the map instead of summed, or summed over the wrong axes.",
    # Packed bits
    "bit_order": "Big-endian bits, bytes or words: element i is bit i % 64 of word i // 64.",
    "tail_bits": "Bits beyond the last element that are not zero, or that are counted.",
    "word_boundary": "Elements 63, 64 and 127, 128: a shift by 64, or a word too many or too few.",
    "sign_of_words": "Bit 63 taken for a sign, an arithmetic shift, or the byte 0xFF read as -1.",
    "odd_channels": "Channels that do not fill a word, a byte or a vector register.",
    "packed_axis": "Kernels packed along the wrong axis: the layout is (out, kernel height, kernel width, "
    "words of in).",
    "count_to_sum": "A count of ones taken for a sum of signs: it is 2 popcount - valid taps.",
    "shared_term": "The term alpha (a * 1) left out, or taken over the ones only.",
    "level_precision": "alpha and beta rounded to float32 before the sum: with a common offset their difference is "
    "lost.",
    "rounding_order": "The folded expression in another order, in float64, or with a fused multiply-add: every product "
    "and sum is rounded to float32 once.",
    "folded_shift": "The shift folded in the wrong order: it is bias - g mean, not g (bias - mean).",
    # Normalization, loss, optimizer, block
    "population_variance": "Population and sample variance exchanged: normalization divides by m, the running "
    "variance is made unbiased by m / (m - 1).",
    "eps": "eps left out, added to the standard deviation instead of the variance, or fixed.",
    "statistics_gradient": "The gradient through the batch's mean and variance left out.",
    "momentum": "The weights of the old and the new statistics exchanged.",
    "softmax_overflow": "exp of large logits: the largest is taken off first.",
    "log_of_zero": "The logarithm of a probability that underflowed to 0, or 0 * log 0 = NaN.",
    "batch_mean": "A loss or its gradient summed over the batch instead of averaged.",
    "soft_targets": "Targets read as hard labels: they are distributions.",
    "smoothing_share": "epsilon / (classes - 1), or the true class left at 1 - epsilon.",
    "divergence_direction": "KL(student || teacher), or the cross-entropy with the teacher's distribution: it is "
    "KL(teacher || student), 0 where they agree.",
    "temperature": "The factor T^2 of the loss, or T of its gradient, left out, or only one of the two distributions "
    "tempered.",
    "magnified_rounding": "A difference of float32 logarithms, whose rounding the factor T^2 magnifies: the value is "
    "computed in float64, whatever the dtype of the logits.",
    "bias_correction": "Moments not corrected for their start at zero, or with the number of the step off by one.",
    "adam_eps": "eps inside the root, or before the correction: it matters where gradients are as small as the "
    "density penalty's push.",
    "scalar_precision": "1 - beta2 computed in float32: 1 - 0.999 has three digits there.",
    "weight_order": "The two moments, or beta1 and beta2, exchanged.",
    "shortcut": "The shortcut left out, added after hardtanh, or without its gradient.",
    "block_gradient": "A gradient of a block that skips a part: the estimator, the batch norm, the shared midpoint.",
    "generic": "No particular bug: ordinary numbers that any slip in the formula changes.",
}
