"""The stages of training and inference: loss, optimizer, packed bits, a whole block, folded layers."""

from .shared_fields import EPS, GEOMETRY, INPUT, KERNELS, NORM, OUTPUT, RUNNING, TAU_PHI
from .stage import stage

__all__ = ["NETWORK_STAGES"]

CLASSES = "(batch, classes)"
_BINARY = f"""
    x: floats {INPUT}: the input, of which only the bits x > 0 count
    bits: bits {KERNELS}: 1 is a weight beta, 0 a weight alpha
    alpha: floats (out,): the value of bit 0, float64, of every output channel
    beta: floats (out,): the value of bit 1, float64, of every output channel
"""
_COUNTS = """
    ones: ints (batch, out, output height, output width): sum of the activations where the weight has bit 1
    total: ints (batch, 1, output height, output width): sum of the activations over all taps
"""
_BLOCK = f"""
    x: floats {INPUT}: the input
    latent: floats {KERNELS}: latent weights; their bits are latent > 0
    {TAU_PHI.strip()}
    {NORM.strip()}
    {EPS}
    {GEOMETRY.strip()}
"""
_LOGITS = f"""
    logits: floats {CLASSES}: the logits
    targets: floats {CLASSES}: the target distributions
"""
_DISTILLED = f"""
    logits: floats {CLASSES}: the logits of the network that learns
    teacher_logits: floats {CLASSES}: the logits of the teacher
    temperature: float: T, by which both are divided
"""

NETWORK_STAGES = (
    stage(
        "mixup_targets", "Targets of mixed images", "loss",
        f"first: floats {CLASSES}: targets\nsecond: floats {CLASSES}: targets\nlam: float: weight of the first",
        f"targets: floats {CLASSES}: the mixture",
    ),
    stage(
        "smooth_targets", "Label smoothing", "loss",
        f"targets: floats {CLASSES}: targets\nepsilon: float: share of the uniform distribution",
        f"smoothed: floats {CLASSES}: the mixture",
    ),
    stage(
        "cross_entropy", "Softmax cross-entropy, mean over the batch", "loss", _LOGITS, "loss: float: in nats",
    ),
    stage(
        "cross_entropy_backward", "Gradient of the cross-entropy", "loss", _LOGITS,
        f"dlogits: floats {CLASSES}: gradient of the logits",
    ),
    stage(
        "distillation", "T^2 times the divergence from the teacher's distribution, mean over the batch", "loss",
        _DISTILLED, "loss: float: in nats",
    ),
    stage(
        "distillation_backward", "Gradient of the distillation loss", "loss", _DISTILLED,
        f"dlogits: floats {CLASSES}: gradient of the logits",
    ),
    stage(
        "adam_steps", "Several steps of Adam from moments of zero", "adam",
        """
        value: floats (any shape): the parameter
        grads: floats (steps, shape of value): the gradient of every step
        learning_rate: float: learning rate
        beta1: float: decay of the first moment
        beta2: float: decay of the second moment
        eps: float: added to the root of the second moment
        """,
        """
        value: floats (shape of value): the parameter after all steps
        first_moment: floats (shape of value): running mean of the gradients
        second_moment: floats (shape of value): running mean of their squares
        """,
    ),
    stage(
        "pack_bits", "Bits of the last axis into 64-bit words", "packing",
        "bits: bits (..., n): bits", "words: words (..., ceil(n/64)): element i is bit i % 64 of word i // 64",
    ),
    stage(
        "unpack_bits", "Words into bits along the last axis", "packing",
        "words: words (..., ceil(count/64)): words\ncount: int: how many bits",
        "bits: bits (..., count): bits",
    ),
    stage(
        "pack_kernels", "Bits of kernels into the interchange layout", "packing",
        f"bits: bits {KERNELS}: bits", "words: words (out, kernel height, kernel width, ceil(in/64)): packed along in",
    ),
    stage(
        "binary_counts", "The two exact integer maps of a binary convolution", "popcount_conv",
        f"u: bits {INPUT}: bits of the activations\nbits: bits {KERNELS}: bits of the weights{GEOMETRY}", _COUNTS,
    ),
    stage(
        "popcount_conv2d", "Binary convolution", "estimators popcount_conv", _BINARY + GEOMETRY,
        f"y: floats {OUTPUT}: (beta - alpha) ones + alpha total in float64, rounded to float32",
    ),
    stage(
        "popcount_linear", "Signs of rows times a two-valued matrix", "estimators popcount_conv",
        """
        x: floats (batch, in): real inputs; only their bits x > 0 are used
        bits: bits (out, in): bits of the weights
        alpha: floats (out,): the value of bit 0 for each output, float64
        beta: floats (out,): the value of bit 1 for each output, float64
        """,
        "y: floats (batch, out): (beta - alpha) ones + alpha total in float64, rounded to float32",
    ),
    stage(
        "shared_map", "The binary convolution as two counts and as a real convolution", "conv2d popcount_conv",
        _BINARY + GEOMETRY, _COUNTS + f"y: floats {OUTPUT}: conv2d(sign(x), weights), float64",
    ),
    stage(
        "binary_block", "hardtanh(batch norm(conv(sign(x), tau s + phi)) + shortcut(x))",
        "estimators weights conv2d batchnorm activation shortcut", _BLOCK,
        f"y: floats {OUTPUT}: the output; the shortcut is stride_and_pad",
    ),
    stage(
        "binary_block_backward", "All gradients of a binary block",
        "estimators weights conv2d batchnorm activation shortcut",
        f"dy: floats {OUTPUT}: gradient of the output{_BLOCK}"
        "t: float: steepness of EDE, for activations and weights\nk: float: scale of EDE",
        f"""
        dx: floats {INPUT}: gradient of the input, through the sign and the shortcut
        dlatent: floats {KERNELS}: gradient of the latent weights, through the sign
        dtau: floats (): gradient with respect to tau
        dphi: floats (): gradient with respect to phi
        dweight: floats (out,): gradient of the scale of the batch norm
        dbias: floats (out,): gradient of the shift of the batch norm
        """,
    ),
    stage(
        "fold_binary", "Batch norm folded into the binary convolution before it", "evaluation",
        f"""
        alpha: floats (out,): the value of bit 0, float64
        beta: floats (out,): the value of bit 1, float64
        {NORM}
        {RUNNING}
        {EPS}
        """,
        """
        scale: floats (out,): g (beta - alpha), float32
        shared: floats (out,): g alpha, float32
        shift: floats (out,): bias - g running_mean, float32
        """,
    ),
    stage(
        "fold_classifier", "Batch norm folded into the linear layer after it", "evaluation",
        f"""
        linear_weight: floats (classes, channels): of the linear layer
        linear_bias: floats (classes,): of the linear layer
        {NORM}
        {RUNNING}
        {EPS}
        """,
        """
        folded_weight: floats (classes, channels): linear_weight g, float32
        folded_bias: floats (classes,): linear_bias + linear_weight @ (bias - g running_mean), float32
        """,
    ),
    stage(
        "binary_layer", "Folded binary layer, in float32 to the last bit", "popcount_conv evaluation",
        f"""
        u: bits {INPUT}: bits of the activations
        bits: bits {KERNELS}: bits of the weights
        scale: floats (out,): times ones, float32
        shared: floats (out,): times total, float32
        shift: floats (out,): float32
        {GEOMETRY}
        """,
        f"z: floats {OUTPUT}: scale * ones + (shared * total + shift), each step rounded to float32",
    ),
)  # fmt: skip
