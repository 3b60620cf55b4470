/* Batch norm: see batchnorm.md; the activations: activation.md. Maps are (batch, channels) or (batch, channels, height,
   width); every sum runs over all axes but the channels. */
#include <math.h>

#include "memory.h"
#include "method.h"

/* y = weight xhat + bias, xhat = (x - mean) / sqrt(var + eps) */
Array *batchnorm_infer(const Array *x, const Array *weight, const Array *bias, const Array *mean, const Array *var,
                       double eps) {
    need_channels(x, weight);
    need_channels(x, bias);
    need_channels(x, mean);
    need_channels(x, var);
    Array *y = new_like(x);
    for (int64_t i = 0; i < x->size; i++) {
        int64_t c = channel_of(x, i);
        y->f[i] = weight->f[c] * ((x->f[i] - mean->f[c]) / sqrt(var->f[c] + eps)) + bias->f[c];
    }
    return y;
}

Array *channel_sums(const Array *dy) {
    NEED(dy->ndim >= 2, "a feature map must have the axes batch and channels");
    Array *sums = new_vector(dy->dtype, dy->shape[1]);
    for (int64_t i = 0; i < dy->size; i++) {
        sums->f[channel_of(dy, i)] += dy->f[i];
    }
    return sums;
}

static Array *channel_means(const Array *x) {
    Array *means = channel_sums(x);
    for (int64_t c = 0; c < means->size; c++) {
        means->f[c] /= (double)(x->size / x->shape[1]);
    }
    return means;
}

/* mean and var of the batch, var = mean (x - mean)^2: divided by the count m, not by m - 1 */
BatchNorm batchnorm_train(const Array *x, const Array *weight, const Array *bias, double eps) {
    Array *mean = channel_means(x), *squares = new_like(x);
    for (int64_t i = 0; i < x->size; i++) {
        double d = x->f[i] - mean->f[channel_of(x, i)];
        squares->f[i] = d * d;
    }
    Array *var = channel_means(squares);
    return (BatchNorm){batchnorm_infer(x, weight, bias, mean, var, eps), mean, var};
}

/* dx = weight / sqrt(var + eps) (dy - mean dy - xhat mean (dy xhat)), dweight = sum dy xhat, dbias = sum dy */
AffineGradients batchnorm_backward(const Array *dy, const Array *x, const Array *weight, const Array *mean,
                                   const Array *var, double eps) {
    need_shapes(dy, x);
    need_channels(x, weight);
    need_channels(x, mean);
    need_channels(x, var);
    Array *xhat = new_like(x), *product = new_like(x), *dx = new_like(x);
    for (int64_t i = 0; i < x->size; i++) {
        int64_t c = channel_of(x, i);
        xhat->f[i] = (x->f[i] - mean->f[c]) / sqrt(var->f[c] + eps);
        product->f[i] = dy->f[i] * xhat->f[i];
    }
    Array *mean_dy = channel_means(dy), *mean_product = channel_means(product);
    for (int64_t i = 0; i < x->size; i++) {
        int64_t c = channel_of(x, i);
        double centred = dy->f[i] - mean_dy->f[c] - xhat->f[i] * mean_product->f[c];
        dx->f[i] = weight->f[c] / sqrt(var->f[c] + eps) * centred;
    }
    return (AffineGradients){dx, channel_sums(product), channel_sums(dy)};
}

/* new = (1 - momentum) running + momentum factor batch; of variances factor = m / (m - 1) makes the batch's unbiased */
Array *moving_average(const Array *running, const Array *batch, double factor, double momentum) {
    need_shapes(running, batch);
    Array *new = new_like(running);
    for (int64_t i = 0; i < new->size; i++) {
        new->f[i] = (1 - momentum) * running->f[i] + momentum * (factor * batch->f[i]);
    }
    return new;
}

/* y = min(max(x, -1), 1) */
Array *hardtanh(const Array *x) {
    Array *y = new_like(x);
    for (int64_t i = 0; i < x->size; i++) {
        y->f[i] = x->f[i] < -1 ? -1 : x->f[i] > 1 ? 1 : x->f[i];
    }
    return y;
}

/* dx = dy where -1 < x < 1, else 0: both corners have gradient 0 */
Array *hardtanh_backward(const Array *dy, const Array *x) {
    need_shapes(dy, x);
    Array *dx = new_like(dy);
    for (int64_t i = 0; i < x->size; i++) {
        dx->f[i] = x->f[i] > -1 && x->f[i] < 1 ? dy->f[i] : 0;
    }
    return dx;
}

/* y = x where x > 0, else slope x, a slope for each channel */
Array *prelu(const Array *x, const Array *slope) {
    need_channels(x, slope);
    Array *y = new_like(x);
    for (int64_t i = 0; i < x->size; i++) {
        y->f[i] = x->f[i] > 0 ? x->f[i] : slope->f[channel_of(x, i)] * x->f[i];
    }
    return y;
}

/* dx = dy where x > 0, else slope dy; dslope = sum of dy x where x <= 0 */
PReLUGradients prelu_backward(const Array *dy, const Array *x, const Array *slope) {
    need_shapes(dy, x);
    need_channels(x, slope);
    Array *dx = new_like(dy), *product = new_like(dy);
    for (int64_t i = 0; i < x->size; i++) {
        bool positive = x->f[i] > 0;
        dx->f[i] = positive ? dy->f[i] : slope->f[channel_of(x, i)] * dy->f[i];
        product->f[i] = positive ? 0 : dy->f[i] * x->f[i];
    }
    return (PReLUGradients){dx, channel_sums(product)};
}

/* y = x + bias, one for each channel */
Array *channel_bias(const Array *x, const Array *bias) {
    need_channels(x, bias);
    Array *y = new_like(x);
    for (int64_t i = 0; i < x->size; i++) {
        y->f[i] = x->f[i] + bias->f[channel_of(x, i)];
    }
    return y;
}
