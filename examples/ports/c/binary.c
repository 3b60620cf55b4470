/* Packed bits: see packing.md; the binary convolution: popcount_conv.md; the folded layer: evaluation.md. */
#include <math.h>

#include "memory.h"
#include "method.h"

enum { WORD = 64 };

static int64_t words_for(int64_t bits) {
    return (bits + WORD - 1) / WORD;
}

static void set_bit(Array *words, int64_t first_word, int64_t i, bool bit) {
    words->u[first_word + i / WORD] |= (uint64_t)bit << i % WORD;
}

static int popcount(uint64_t word) {
    int count = 0;
    for (; word != 0; word &= word - 1) { /* takes away the lowest one */
        count++;
    }
    return count;
}

/* Element i of the last axis is bit i % 64 of word i / 64; bits beyond the last element are 0. */
Array *pack_bits(const Array *bits) {
    NEED(bits->ndim > 0, "bits must have an axis to pack");
    int last = bits->ndim - 1;
    int64_t count = bits->shape[last], shape[AXES];
    for (int axis = 0; axis < bits->ndim; axis++) {
        shape[axis] = axis < last ? bits->shape[axis] : words_for(count);
    }
    Array *words = new_array(WORDS, bits->ndim, shape);
    for (int64_t i = 0; i < bits->size; i++) {
        set_bit(words, i / count * words_for(count), i % count, bits->i[i]);
    }
    return words;
}

Array *unpack_bits(const Array *words, int64_t count) {
    NEED(words->ndim > 0, "words must have an axis to unpack");
    int last = words->ndim - 1;
    NEED(count >= 0 && count < INT32_MAX && words->shape[last] == words_for(count),
         "there must be ceil(count / 64) words");
    int64_t shape[AXES];
    for (int axis = 0; axis < words->ndim; axis++) {
        shape[axis] = axis < last ? words->shape[axis] : count;
    }
    Array *bits = new_array(BITS, words->ndim, shape);
    for (int64_t i = 0; i < bits->size; i++) {
        int64_t place = i % count;
        bits->i[i] = words->u[i / count * words_for(count) + place / WORD] >> place % WORD & 1;
    }
    return bits;
}

/* Channels last, and packed along them: (n, c, h, w) -> (n, h, w, words of c). */
Array *pack_kernels(const Array *bits) {
    need_axes(bits, 4);
    const int64_t *s = bits->shape;
    Array *words = new_maps(WORDS, s[0], s[2], s[3], words_for(s[1]));
    for (int64_t i = 0; i < bits->size; i++) {
        int64_t w = i % s[3], h = i / s[3] % s[2], n = i / (s[1] * s[2] * s[3]);
        set_bit(words, at(words, n, h, w, 0), channel_of(bits, i), bits->i[i]);
    }
    return words;
}

/* With a = 2 u - 1 in {-1, +1}, over the taps inside the map (padding contributes nothing):
     ones  = a * b = sum of a where the weight's bit is 1 = 2 popcount(u & b) - popcount(b)
     total = a * 1 = sum of all a                         = 2 popcount(u) - (taps inside) channels */
Counts binary_counts(const Array *u, const Array *bits, Geometry g) {
    need_axes(u, 4);
    need_axes(bits, 4);
    NEED(u->shape[1] == bits->shape[1], "bits must have the input channels of u");
    const Array *maps = pack_kernels(u), *kernels = pack_kernels(bits); /* (n, h, w, words), (out, kh, kw, words) */
    int64_t height = u->shape[2], width = u->shape[3], kh = bits->shape[2], kw = bits->shape[3];
    int64_t oh = output_size(height, kh, g.stride.v, g.padding.v);
    int64_t ow = output_size(width, kw, g.stride.h, g.padding.h);
    Counts counts = {new_maps(INTS, u->shape[0], bits->shape[0], oh, ow), new_maps(INTS, u->shape[0], 1, oh, ow)};
    for (int64_t i = 0; i < counts.ones->size; i++) {
        int64_t q = i % ow, p = i / ow % oh, o = channel_of(counts.ones, i), n = i / (oh * ow * bits->shape[0]);
        int64_t ones = 0, total = 0;
        for (int64_t tap = 0; tap < kh * kw; tap++) {
            int64_t h = p * g.stride.v + tap / kw - g.padding.v, w = q * g.stride.h + tap % kw - g.padding.h;
            if (h < 0 || h >= height || w < 0 || w >= width) {
                continue;
            }
            const uint64_t *a = maps->u + at(maps, n, h, w, 0), *b = kernels->u + at(kernels, o, tap / kw, tap % kw, 0);
            for (int64_t word = 0; word < maps->shape[3]; word++) {
                ones += 2 * popcount(a[word] & b[word]) - popcount(b[word]);
                total += 2 * popcount(a[word]);
            }
            total -= u->shape[1];
        }
        counts.ones->i[i] = ones;
        counts.total->i[at(counts.total, n, 0, p, q)] = total; /* the same for every output channel o */
    }
    return counts;
}

/* The total that belongs to element i of ones. */
static int64_t total_of(Counts counts, int64_t i) {
    const int64_t *shape = counts.ones->shape;
    int64_t plane = shape[2] * shape[3];
    return counts.total->i[i / (shape[1] * plane) * plane + i % plane];
}

/* y = conv2d(a, alpha + (beta - alpha) b) = (beta - alpha) (a * b) + alpha (a * 1), in double, rounded to float */
Array *popcount_conv2d(const Array *x, const Array *bits, const Array *alpha, const Array *beta, Geometry g) {
    Counts counts = binary_counts(sign_bits(x), bits, g);
    need_channels(counts.ones, alpha);
    need_channels(counts.ones, beta);
    Array *y = new_as(FLOAT32, counts.ones);
    for (int64_t i = 0; i < y->size; i++) {
        int64_t o = channel_of(y, i);
        double ones = (double)counts.ones->i[i], total = (double)total_of(counts, i);
        y->f[i] = (beta->f[o] - alpha->f[o]) * ones + alpha->f[o] * total;
    }
    return y;
}

/* An array with two axes as one of images or kernels of one pixel. */
static const Array *of_one_pixel(const Array *rows) {
    need_axes(rows, 2);
    Array *maps = take_memory(1, sizeof *maps);
    *maps = *rows;
    maps->ndim = 4;
    maps->shape[2] = maps->shape[3] = 1;
    return maps;
}

/* The same for rows: (batch, in) and (out, in) -> (batch, out) */
Array *popcount_linear(const Array *x, const Array *bits, const Array *alpha, const Array *beta) {
    Geometry g = {{1, 1}, {0, 0}};
    Array *y = popcount_conv2d(of_one_pixel(x), of_one_pixel(bits), alpha, beta, g);
    y->ndim = 2;
    return y;
}

/* W[o] = beta[o] where the bit is 1, alpha[o] where it is 0 */
Array *decoded(const Array *bits, const Array *alpha, const Array *beta) {
    NEED(bits->ndim > 0 && alpha->size == bits->shape[0] && beta->size == bits->shape[0],
         "there must be one alpha and one beta for each output channel");
    Array *weight = new_as(FLOAT64, bits);
    for (int64_t i = 0; i < bits->size; i++) {
        int64_t o = i / (bits->size / bits->shape[0]);
        weight->f[i] = bits->i[i] ? beta->f[o] : alpha->f[o];
    }
    return weight;
}

/* g = weight / sqrt(var + eps): scale = g (beta - alpha), shared = g alpha, shift = bias - g mean; in double, and
   rounded to float when they are written */
Folded fold_binary(const Array *alpha, const Array *beta, const Array *weight, const Array *bias, const Array *mean,
                   const Array *var, double eps) {
    const Array *given[] = {beta, weight, bias, mean, var};
    for (int i = 0; i < 5; i++) {
        need_shapes(alpha, given[i]);
    }
    Folded folded = {new_as(FLOAT32, alpha), new_as(FLOAT32, alpha), new_as(FLOAT32, alpha)};
    for (int64_t o = 0; o < alpha->size; o++) {
        double g = weight->f[o] / sqrt(var->f[o] + eps);
        folded.scale->f[o] = g * (beta->f[o] - alpha->f[o]);
        folded.shared->f[o] = g * alpha->f[o];
        folded.shift->f[o] = bias->f[o] - g * mean->f[o];
    }
    return folded;
}

/* With g as above: W[k, c] g[c], and bias[k] + sum over c, in order, of W[k, c] (bias[c] - g[c] mean[c]) */
Classifier fold_classifier(const Array *linear_weight, const Array *linear_bias, const Array *weight,
                           const Array *bias, const Array *mean, const Array *var, double eps) {
    need_axes(linear_weight, 2);
    need_channels(linear_weight, weight);
    const Array *given[] = {bias, mean, var};
    for (int i = 0; i < 3; i++) {
        need_shapes(weight, given[i]);
    }
    int64_t classes = linear_weight->shape[0], channels = linear_weight->shape[1];
    NEED(linear_bias->ndim == 1 && linear_bias->size == classes, "there must be a bias for each class");
    Array *folded = new_as(FLOAT32, linear_weight), *total = new_as(FLOAT32, linear_bias);
    for (int64_t k = 0; k < classes; k++) {
        total->f[k] = linear_bias->f[k];
        for (int64_t c = 0, i = k * channels; c < channels; c++, i++) {
            double g = weight->f[c] / sqrt(var->f[c] + eps);
            folded->f[i] = linear_weight->f[i] * g;
            total->f[k] += linear_weight->f[i] * (bias->f[c] - g * mean->f[c]);
        }
    }
    return (Classifier){folded, total};
}

/* z = scale ones + (shared total + shift), every product and sum rounded to float: a device must agree to the last bit.
   So no fused multiply-add: compile with -ffp-contract=off. */
Array *binary_layer(const Array *u, const Array *bits, Folded folded, Geometry g) {
    Counts counts = binary_counts(u, bits, g);
    need_channels(counts.ones, folded.scale);
    need_channels(counts.ones, folded.shared);
    need_channels(counts.ones, folded.shift);
    Array *z = new_as(FLOAT32, counts.ones);
    for (int64_t i = 0; i < z->size; i++) {
        int64_t o = channel_of(z, i);
        float scale = (float)folded.scale->f[o], shared = (float)folded.shared->f[o], shift = (float)folded.shift->f[o];
        float first = scale * (float)counts.ones->i[i], second = shared * (float)total_of(counts, i);
        second = second + shift;
        z->f[i] = first + second;
    }
    return z;
}
