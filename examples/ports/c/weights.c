/* From latent weights to real ones: see weights.md; which become ones: pruning.md; how many: density.md. */
#include <math.h>
#include <stdlib.h>

#include "memory.h"
#include "method.h"

/* W[o] = a[o] s[o], a[o] = mean |latent[o]|, a constant in the backward pass: ds[o] = a[o] dw[o] */
Array *symmetric_weights(const Array *latent, const Array *s) {
    need_shapes(latent, s);
    NEED(s->ndim > 0, "latent must have an axis of output channels");
    Array *w = new_like(s);
    int64_t filter = s->size == 0 ? 0 : s->size / s->shape[0];
    for (int64_t begin = 0; begin < s->size; begin += filter) {
        double a = 0;
        for (int64_t i = begin; i < begin + filter; i++) {
            a += fabs(latent->f[i]);
        }
        a /= (double)filter;
        for (int64_t i = begin; i < begin + filter; i++) {
            w->f[i] = a * s->f[i];
        }
    }
    return w;
}

/* W = tau s + phi */
Array *general_weights(const Array *s, double tau, double phi) {
    Array *w = new_like(s);
    for (int64_t i = 0; i < s->size; i++) {
        w->f[i] = tau * s->f[i] + phi;
    }
    return w;
}

/* ds = tau dw, dtau = sum dw s, dphi = sum dw */
GeneralGradients general_weights_backward(const Array *dw, const Array *s, double tau) {
    need_shapes(dw, s);
    GeneralGradients g = {new_like(dw), new_array(dw->dtype, 0, NULL), new_array(dw->dtype, 0, NULL)};
    for (int64_t i = 0; i < dw->size; i++) {
        g.ds->f[i] = tau * dw->f[i];
        g.dtau->f[0] += dw->f[i] * s->f[i];
        g.dphi->f[0] += dw->f[i];
    }
    return g;
}

/* The means of the values with s = -1 and s = +1; a missing class takes the other's. */
typedef struct {
    double minus, plus;
} SignMeans;

static SignMeans means_by_sign(const Array *values, const Array *s) {
    need_shapes(values, s);
    double sums[2] = {0, 0}, counts[2] = {0, 0};
    for (int64_t i = 0; i < s->size; i++) {
        sums[s->f[i] > 0] += values->f[i];
        counts[s->f[i] > 0]++;
    }
    int minus = counts[0] > 0 ? 0 : 1, plus = counts[1] > 0 ? 1 : 0;
    return (SignMeans){sums[minus] / counts[minus], sums[plus] / counts[plus]};
}

/* W = alpha where s = -1, beta where s = +1: the means of the latent weights there */
Array *closed_form_weights(const Array *latent, const Array *s) {
    SignMeans domain = means_by_sign(latent, s);
    Array *w = new_like(latent);
    for (int64_t i = 0; i < s->size; i++) {
        w->f[i] = s->f[i] > 0 ? domain.plus : domain.minus;
    }
    return w;
}

/* ds = (beta - alpha) / 2 dw; dlatent = mean of dw over the weights of the same sign, through alpha and beta */
ClosedFormGradients closed_form_weights_backward(const Array *dw, const Array *latent, const Array *s) {
    SignMeans domain = means_by_sign(latent, s), through = means_by_sign(dw, s);
    ClosedFormGradients g = {new_like(dw), new_like(dw)};
    for (int64_t i = 0; i < s->size; i++) {
        g.ds->f[i] = (domain.plus / 2 - domain.minus / 2) * dw->f[i];
        g.dlatent->f[i] = s->f[i] > 0 ? through.plus : through.minus;
    }
    return g;
}

typedef struct {
    double value;
    int64_t index;
} Ranked;

/* qsort is not stable: the index settles what is equal, the lowest first. */
static int decreasing(const void *first, const void *second) {
    const Ranked *a = first, *b = second;
    if (a->value != b->value) {
        return a->value > b->value ? -1 : 1;
    }
    return (a->index > b->index) - (a->index < b->index);
}

/* The k largest; threshold = the midpoint of the smallest one and the largest zero, halved before it is subtracted: the
   sum of two large weights may overflow. The maximum for k = 0, the minimum for k = n. */
Selection select_top_k(const Array *latent, int64_t k) {
    int64_t n = latent->size;
    NEED(n > 0 && k >= 0 && k <= n, "k must be from 0 to the number of weights, of which there must be one");
    Ranked *list = take_memory((size_t)n, sizeof *list);
    for (int64_t i = 0; i < n; i++) {
        NEED(!isnan(latent->f[i]), "a latent weight must be a number");
        list[i] = (Ranked){latent->f[i], i};
    }
    qsort(list, (size_t)n, sizeof *list, decreasing);
    Array *bits = new_as(BITS, latent);
    for (int64_t i = 0; i < k; i++) {
        bits->i[list[i].index] = 1;
    }
    double smallest_one = list[k > 0 ? k - 1 : 0].value, largest_zero = list[k < n ? k : n - 1].value;
    return (Selection){bits, largest_zero + (smallest_one / 2 - largest_zero / 2)};
}

/* h = max(ones / total - limit, 0); lambda = gamma L / (h (1 - gamma)) if h > dead_zone, else 0; the penalty is
   lambda h, and its gradient, the same for every latent weight, lambda slope / total */
DensityPenalty density_penalty(int64_t ones, int64_t total, double limit, double gamma, double loss, double dead_zone,
                               double slope) {
    double h = fmax((double)ones / (double)total - limit, 0);
    double lambda = h > dead_zone ? gamma * loss / (h * (1 - gamma)) : 0;
    return (DensityPenalty){lambda * h, lambda, h, lambda * slope / (double)total};
}
