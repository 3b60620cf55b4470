/* The method: functions on arrays, none of which knows of the protocol. Feature maps are (batch, channels, height,
   width), kernels (out, in, kernel height, kernel width). The projection has a header of its own. */
#ifndef METHOD_H
#define METHOD_H

#include "array.h"

/* estimators.c: the sign and what stands for its derivative */
Array *sign_bits(const Array *x);
Array *sign(const Array *x);
Array *clipped_ste_backward(const Array *dy, const Array *x);
Array *ede_backward(const Array *dy, const Array *x, double t, double k);
Array *quadratic_backward(const Array *dy, const Array *x);
typedef struct { double t, k; } EDEParameters;
EDEParameters ede_schedule(int64_t epoch, int64_t epochs);

/* weights.c: from latent weights to weights, the choice of the ones, and their density */
Array *symmetric_weights(const Array *latent, const Array *s); /* the same with dw for s is the gradient */
Array *general_weights(const Array *s, double tau, double phi);
typedef struct { Array *ds, *dtau, *dphi; } GeneralGradients;
GeneralGradients general_weights_backward(const Array *dw, const Array *s, double tau);
Array *closed_form_weights(const Array *latent, const Array *s);
typedef struct { Array *ds, *dlatent; } ClosedFormGradients;
ClosedFormGradients closed_form_weights_backward(const Array *dw, const Array *latent, const Array *s);
typedef struct { Array *bits; double threshold; } Selection;
Selection select_top_k(const Array *latent, int64_t k);
typedef struct { double value, multiplier, excess, push; } DensityPenalty;
DensityPenalty density_penalty(int64_t ones, int64_t total, double limit, double gamma, double loss, double dead_zone,
                               double slope);

/* pruning.c: choices in groups, blocks and patterns, and the push of the entropy's bound */
Selection centred(const Array *latent, Array *bits); /* these bits, the threshold of as many largest */
Selection select_n_m(const Array *latent, int64_t n, int64_t m);
Selection select_kernels(const Array *latent, int64_t k);
Selection select_filters(const Array *latent, int64_t k);
Array *pattern_bits(const Array *patterns);
Array *frequent_patterns(const Array *bits, int64_t count);
Array *nearest_pattern(const Array *latent, const Array *patterns, double threshold);
Array *learned_patterns(const Array *latent, const Array *patterns, double threshold);
double entropy_factor(double density, double limit);

/* composed.c: choices made of others, and the schedule of the density */
Selection select_within(const Array *latent, const Array *mask, int64_t k);
typedef struct { Array *first, *second; double threshold; } LayersSelection;
LayersSelection select_top_k_of_layers(const Array *first, const Array *second, int64_t k);
Selection patterns_of_k_ones(const Array *latent, const Array *patterns, int64_t k);
double cubic_density(int64_t step, double start, double end, int64_t begin, int64_t steps);

/* convolution.c: and the linear layer */
int64_t output_size(int64_t input, int64_t kernel, int64_t stride, int64_t padding);
Array *conv2d(const Array *x, const Array *weight, Geometry g);
Array *conv2d_grad_input(const Array *dy, const Array *weight, Pair input_size, Geometry g);
Array *conv2d_grad_weight(const Array *dy, const Array *x, Pair kernel_size, Geometry g);
Array *linear(const Array *x, const Array *weight, const Array *bias);
typedef struct { Array *dx, *dweight, *dbias; } AffineGradients;
AffineGradients linear_backward(const Array *dy, const Array *x, const Array *weight);

/* normalization.c: batch norm, and the activations */
Array *batchnorm_infer(const Array *x, const Array *weight, const Array *bias, const Array *mean, const Array *var,
                       double eps);
typedef struct { Array *y, *mean, *var; } BatchNorm;
BatchNorm batchnorm_train(const Array *x, const Array *weight, const Array *bias, double eps);
AffineGradients batchnorm_backward(const Array *dy, const Array *x, const Array *weight, const Array *mean,
                                   const Array *var, double eps);
Array *moving_average(const Array *running, const Array *batch, double factor, double momentum);
Array *hardtanh(const Array *x);
Array *hardtanh_backward(const Array *dy, const Array *x);
Array *prelu(const Array *x, const Array *slope);
typedef struct { Array *dx, *dslope; } PReLUGradients;
PReLUGradients prelu_backward(const Array *dy, const Array *x, const Array *slope);
Array *channel_bias(const Array *x, const Array *bias);
Array *channel_sums(const Array *dy); /* the gradient of channel_bias */

/* pooling.c: and the shortcut without parameters */
Array *avg_pool2d(const Array *x, Pair size, Pair stride);
Array *avg_pool2d_backward(const Array *dy, Pair input_size, Pair size, Pair stride);
Array *global_avg_pool(const Array *x);
Array *global_avg_pool_backward(const Array *dy, Pair input_size);
typedef struct { Array *y, *argmax; } MaxPool;
MaxPool max_pool2d(const Array *x, Pair size, Geometry g);
Array *max_pool2d_backward(const Array *dy, const Array *argmax, Pair input_size);
Array *stride_and_pad(const Array *x, int64_t out_channels, Pair stride);
Array *stride_and_pad_backward(const Array *dy, int64_t in_channels, Pair input_size, Pair stride);

/* loss.c: and the optimizer */
Array *mixup_targets(const Array *first, const Array *second, double lam);
Array *smooth_targets(const Array *targets, double epsilon);
double cross_entropy(const Array *logits, const Array *targets);
Array *cross_entropy_backward(const Array *logits, const Array *targets);
double distillation(const Array *logits, const Array *teacher_logits, double temperature);
Array *distillation_backward(const Array *logits, const Array *teacher_logits, double temperature);
typedef struct { double learning_rate, beta1, beta2, eps; } AdamSettings;
typedef struct { Array *value, *first_moment, *second_moment; } Adam;
Adam adam_steps(const Array *value, const Array *grads, AdamSettings settings);

/* binary.c: packed bits, the binary convolution, the folded layer */
Array *pack_bits(const Array *bits);
Array *unpack_bits(const Array *words, int64_t count);
Array *pack_kernels(const Array *bits);
typedef struct { Array *ones, *total; } Counts;
Counts binary_counts(const Array *u, const Array *bits, Geometry g);
Array *popcount_conv2d(const Array *x, const Array *bits, const Array *alpha, const Array *beta, Geometry g);
Array *popcount_linear(const Array *x, const Array *bits, const Array *alpha, const Array *beta);
Array *decoded(const Array *bits, const Array *alpha, const Array *beta);
typedef struct { const Array *scale, *shared, *shift; } Folded;
Folded fold_binary(const Array *alpha, const Array *beta, const Array *weight, const Array *bias, const Array *mean,
                   const Array *var, double eps);
typedef struct { const Array *weight, *bias; } Classifier;
Classifier fold_classifier(const Array *linear_weight, const Array *linear_bias, const Array *weight,
                           const Array *bias, const Array *mean, const Array *var, double eps);
Array *binary_layer(const Array *u, const Array *bits, Folded folded, Geometry g);

/* block.c: a whole binary block */
typedef struct {
    const Array *x, *latent, *weight, *bias;
    double tau, phi, eps;
    Geometry geometry;
} Block;
typedef struct { Array *dx, *dlatent, *dtau, *dphi, *dweight, *dbias; } BlockGradients;
Array *binary_block(Block b);
BlockGradients binary_block_backward(const Array *dy, Block b, EDEParameters ede);

#endif
