/* The stages of inference: all that a device needs, and the layers in their real form. */
#include "method.h"
#include "protocol.h"

static void give_counts(Call *c, Counts counts) {
    give(c, "ones", counts.ones);
    give(c, "total", counts.total);
}

static void sign_bits_stage(Call *c) {
    give(c, "bits", sign_bits(floats(c, "x")));
}

static void sign_stage(Call *c) {
    give(c, "y", sign(floats(c, "x")));
}

static void pack_bits_stage(Call *c) {
    give(c, "words", pack_bits(bits(c, "bits")));
}

static void unpack_bits_stage(Call *c) {
    give(c, "bits", unpack_bits(words(c, "words"), integer(c, "count")));
}

static void pack_kernels_stage(Call *c) {
    give(c, "words", pack_kernels(bits(c, "bits")));
}

static void binary_counts_stage(Call *c) {
    give_counts(c, binary_counts(bits(c, "u"), bits(c, "bits"), geometry(c)));
}

static void popcount_conv2d_stage(Call *c) {
    const Array *x = floats(c, "x"), *weight = bits(c, "bits");
    give(c, "y", popcount_conv2d(x, weight, floats(c, "alpha"), floats(c, "beta"), geometry(c)));
}

static void popcount_linear_stage(Call *c) {
    give(c, "y", popcount_linear(floats(c, "x"), bits(c, "bits"), floats(c, "alpha"), floats(c, "beta")));
}

static void shared_map_stage(Call *c) {
    const Array *x = floats(c, "x"), *weight = bits(c, "bits");
    give_counts(c, binary_counts(sign_bits(x), weight, geometry(c)));
    const Array *real = decoded(weight, floats(c, "alpha"), floats(c, "beta"));
    give(c, "y", conv2d(sign(x), real, geometry(c)));
}

static void fold_binary_stage(Call *c) {
    const Array *weight = floats(c, "weight"), *bias = floats(c, "bias");
    const Array *mean = floats(c, "running_mean"), *var = floats(c, "running_var");
    Folded folded = fold_binary(floats(c, "alpha"), floats(c, "beta"), weight, bias, mean, var, number(c, "eps"));
    give(c, "scale", folded.scale);
    give(c, "shared", folded.shared);
    give(c, "shift", folded.shift);
}

static void fold_classifier_stage(Call *c) {
    const Array *linear_weight = floats(c, "linear_weight"), *linear_bias = floats(c, "linear_bias");
    const Array *weight = floats(c, "weight"), *bias = floats(c, "bias");
    const Array *mean = floats(c, "running_mean"), *var = floats(c, "running_var");
    double eps = number(c, "eps");
    Classifier folded = fold_classifier(linear_weight, linear_bias, weight, bias, mean, var, eps);
    give(c, "folded_weight", folded.weight);
    give(c, "folded_bias", folded.bias);
}

static void binary_layer_stage(Call *c) {
    const Array *scale = floats(c, "scale"), *shared = floats(c, "shared"), *shift = floats(c, "shift");
    give(c, "z", binary_layer(bits(c, "u"), bits(c, "bits"), (Folded){scale, shared, shift}, geometry(c)));
}

static void hardtanh_stage(Call *c) {
    give(c, "y", hardtanh(floats(c, "x")));
}

static void prelu_stage(Call *c) {
    give(c, "y", prelu(floats(c, "x"), floats(c, "slope")));
}

static void channel_bias_stage(Call *c) {
    give(c, "y", channel_bias(floats(c, "x"), floats(c, "bias")));
}

static void stride_and_pad_stage(Call *c) {
    give(c, "y", stride_and_pad(floats(c, "x"), integer(c, "out_channels"), pair(c, "stride")));
}

static void avg_pool2d_stage(Call *c) {
    give(c, "y", avg_pool2d(floats(c, "x"), pair(c, "size"), pair(c, "stride")));
}

static void global_avg_pool_stage(Call *c) {
    give(c, "y", global_avg_pool(floats(c, "x")));
}

static void max_pool2d_stage(Call *c) {
    MaxPool pool = max_pool2d(floats(c, "x"), pair(c, "size"), geometry(c));
    give(c, "y", pool.y);
    give(c, "argmax", pool.argmax);
}

static void conv2d_stage(Call *c) {
    give(c, "y", conv2d(floats(c, "x"), floats(c, "weight"), geometry(c)));
}

static void linear_stage(Call *c) {
    give(c, "y", linear(floats(c, "x"), floats(c, "weight"), floats(c, "bias")));
}

static void batchnorm_infer_stage(Call *c) {
    const Array *weight = floats(c, "weight"), *bias = floats(c, "bias");
    const Array *mean = floats(c, "running_mean"), *var = floats(c, "running_var");
    give(c, "y", batchnorm_infer(floats(c, "x"), weight, bias, mean, var, number(c, "eps")));
}

const Stage inference_stages[] = {
    {"sign_bits", sign_bits_stage},
    {"sign", sign_stage},
    {"pack_bits", pack_bits_stage},
    {"unpack_bits", unpack_bits_stage},
    {"pack_kernels", pack_kernels_stage},
    {"binary_counts", binary_counts_stage},
    {"popcount_conv2d", popcount_conv2d_stage},
    {"popcount_linear", popcount_linear_stage},
    {"shared_map", shared_map_stage},
    {"fold_binary", fold_binary_stage},
    {"fold_classifier", fold_classifier_stage},
    {"binary_layer", binary_layer_stage},
    {"hardtanh", hardtanh_stage},
    {"prelu", prelu_stage},
    {"channel_bias", channel_bias_stage},
    {"stride_and_pad", stride_and_pad_stage},
    {"avg_pool2d", avg_pool2d_stage},
    {"global_avg_pool", global_avg_pool_stage},
    {"max_pool2d", max_pool2d_stage},
    {"conv2d", conv2d_stage},
    {"linear", linear_stage},
    {"batchnorm_infer", batchnorm_infer_stage},
    {NULL, NULL},
};
