/* The stages that train layers: gradients, batch norm of a batch, and a whole binary block. */
#include "method.h"
#include "protocol.h"

static Block block(const Call *c) {
    return (Block){floats(c, "x"), floats(c, "latent"), floats(c, "weight"), floats(c, "bias"),
                   number(c, "tau"), number(c, "phi"), number(c, "eps"), geometry(c)};
}

static void give_affine(Call *c, AffineGradients gradients) {
    give(c, "dx", gradients.dx);
    give(c, "dweight", gradients.dweight);
    give(c, "dbias", gradients.dbias);
}

static void conv2d_grad_input_stage(Call *c) {
    Pair size = pair(c, "input_size");
    give(c, "dx", conv2d_grad_input(floats(c, "dy"), floats(c, "weight"), size, geometry(c)));
}

static void conv2d_grad_weight_stage(Call *c) {
    Pair size = pair(c, "kernel_size");
    give(c, "dweight", conv2d_grad_weight(floats(c, "dy"), floats(c, "x"), size, geometry(c)));
}

static void linear_backward_stage(Call *c) {
    give_affine(c, linear_backward(floats(c, "dy"), floats(c, "x"), floats(c, "weight")));
}

static void batchnorm_train_stage(Call *c) {
    BatchNorm norm = batchnorm_train(floats(c, "x"), floats(c, "weight"), floats(c, "bias"), number(c, "eps"));
    give(c, "y", norm.y);
    give(c, "mean", norm.mean);
    give(c, "var", norm.var);
}

static void batchnorm_backward_stage(Call *c) {
    const Array *dy = floats(c, "dy"), *x = floats(c, "x"), *weight = floats(c, "weight");
    const Array *mean = floats(c, "mean"), *var = floats(c, "var");
    give_affine(c, batchnorm_backward(dy, x, weight, mean, var, number(c, "eps")));
}

static void running_update_stage(Call *c) {
    const Array *mean = floats(c, "mean"), *var = floats(c, "var");
    double m = (double)integer(c, "count"), momentum = number(c, "momentum");
    give(c, "new_mean", moving_average(floats(c, "running_mean"), mean, 1, momentum));
    give(c, "new_var", moving_average(floats(c, "running_var"), var, m / (m - 1), momentum));
}

static void hardtanh_backward_stage(Call *c) {
    give(c, "dx", hardtanh_backward(floats(c, "dy"), floats(c, "x")));
}

static void prelu_backward_stage(Call *c) {
    PReLUGradients found = prelu_backward(floats(c, "dy"), floats(c, "x"), floats(c, "slope"));
    give(c, "dx", found.dx);
    give(c, "dslope", found.dslope);
}

static void channel_bias_backward_stage(Call *c) {
    give(c, "dbias", channel_sums(floats(c, "dy")));
}

static void avg_pool2d_backward_stage(Call *c) {
    Pair input = pair(c, "input_size"), size = pair(c, "size");
    give(c, "dx", avg_pool2d_backward(floats(c, "dy"), input, size, pair(c, "stride")));
}

static void global_avg_pool_backward_stage(Call *c) {
    give(c, "dx", global_avg_pool_backward(floats(c, "dy"), pair(c, "input_size")));
}

static void max_pool2d_backward_stage(Call *c) {
    give(c, "dx", max_pool2d_backward(floats(c, "dy"), ints(c, "argmax"), pair(c, "input_size")));
}

static void stride_and_pad_backward_stage(Call *c) {
    int64_t channels = integer(c, "in_channels");
    give(c, "dx", stride_and_pad_backward(floats(c, "dy"), channels, pair(c, "input_size"), pair(c, "stride")));
}

static void binary_block_stage(Call *c) {
    give(c, "y", binary_block(block(c)));
}

static void binary_block_backward_stage(Call *c) {
    BlockGradients found = binary_block_backward(floats(c, "dy"), block(c), (EDEParameters){number(c, "t"),
        number(c, "k")});
    give(c, "dx", found.dx);
    give(c, "dlatent", found.dlatent);
    give(c, "dtau", found.dtau);
    give(c, "dphi", found.dphi);
    give(c, "dweight", found.dweight);
    give(c, "dbias", found.dbias);
}

const Stage layer_stages[] = {
    {"conv2d_grad_input", conv2d_grad_input_stage},
    {"conv2d_grad_weight", conv2d_grad_weight_stage},
    {"linear_backward", linear_backward_stage},
    {"batchnorm_train", batchnorm_train_stage},
    {"batchnorm_backward", batchnorm_backward_stage},
    {"running_update", running_update_stage},
    {"hardtanh_backward", hardtanh_backward_stage},
    {"prelu_backward", prelu_backward_stage},
    {"channel_bias_backward", channel_bias_backward_stage},
    {"avg_pool2d_backward", avg_pool2d_backward_stage},
    {"global_avg_pool_backward", global_avg_pool_backward_stage},
    {"max_pool2d_backward", max_pool2d_backward_stage},
    {"stride_and_pad_backward", stride_and_pad_backward_stage},
    {"binary_block", binary_block_stage},
    {"binary_block_backward", binary_block_backward_stage},
    {NULL, NULL},
};
