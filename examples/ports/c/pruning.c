/* Which latent weights become ones, in groups, in blocks and in patterns: see pruning.md. */
#include <math.h>

#include "memory.h"
#include "method.h"

enum { TAPS = 9, CODES = 1 << TAPS };

/* The bits, and the threshold of as many largest latent weights. */
Selection centred(const Array *latent, Array *bits) {
    int64_t ones = 0;
    for (int64_t i = 0; i < bits->size; i++) {
        ones += bits->i[i];
    }
    return (Selection){bits, select_top_k(latent, ones).threshold};
}

/* Of every m consecutive weights along axis 1 the n largest; of equal ones, the first. */
Selection select_n_m(const Array *latent, int64_t n, int64_t m) {
    need_axes(latent, 4);
    NEED(n >= 1 && n <= m, "n must be from 1 to m");
    Array *bits = new_as(BITS, latent);
    int64_t channels = latent->shape[1], taps = latent->shape[2] * latent->shape[3];
    for (int64_t i = 0; i < latent->size; i++) {
        int64_t channel = i / taps % channels, first = channel - channel % m, before = 0;
        for (int64_t c = first; c < channels && c < first + m; c++) { /* how many come before this one */
            double other = latent->f[i + (c - channel) * taps];
            before += other > latent->f[i] || (other == latent->f[i] && c < channel);
        }
        bits->i[i] = before < n;
    }
    return centred(latent, bits);
}

/* Of the blocks of so many weights, one after another, the k with the largest sums. */
static Selection select_blocks(const Array *latent, int64_t block, int64_t k) {
    NEED(block > 0, "latent must have weights");
    Array *sums = new_vector(FLOAT64, latent->size / block);
    for (int64_t i = 0; i < latent->size; i++) {
        sums->f[i / block] += latent->f[i];
    }
    Selection kept = select_top_k(sums, k);
    Array *bits = new_as(BITS, latent);
    for (int64_t i = 0; i < latent->size; i++) {
        bits->i[i] = kept.bits->i[i / block];
    }
    return centred(latent, bits);
}

Selection select_kernels(const Array *latent, int64_t k) {
    need_axes(latent, 4);
    return select_blocks(latent, latent->shape[2] * latent->shape[3], k);
}

Selection select_filters(const Array *latent, int64_t k) {
    need_axes(latent, 4);
    return select_blocks(latent, latent->shape[1] * latent->shape[2] * latent->shape[3], k);
}

static void need_patterns(const Array *patterns) {
    need_axes(patterns, 1);
    NEED(patterns->size > 0, "there must be a pattern");
    for (int64_t i = 0; i < patterns->size; i++) {
        NEED(patterns->i[i] >= 0 && patterns->i[i] < CODES, "a pattern must be from 0 to 511");
    }
}

static void need_kernels(const Array *a) {
    need_axes(a, 4);
    NEED(a->shape[2] == 3 && a->shape[3] == 3, "the kernels must be 3x3");
}

/* Bit 3 i + j of a code is row i, column j. */
Array *pattern_bits(const Array *patterns) {
    need_patterns(patterns);
    Array *bits = new_array(BITS, 3, (int64_t[]){patterns->size, 3, 3});
    for (int64_t i = 0; i < bits->size; i++) {
        bits->i[i] = patterns->i[i / TAPS] >> i % TAPS & 1;
    }
    return bits;
}

/* How often each code occurs among the kernels whose bits are x > threshold. */
static void count_codes(int64_t counts[CODES], int64_t size, const Array *x, double threshold) {
    for (int64_t kernel = 0; kernel < size / TAPS; kernel++) {
        int code = 0;
        for (int64_t tap = 0; tap < TAPS; tap++) {
            int64_t i = kernel * TAPS + tap;
            code |= (x->dtype == BITS ? x->i[i] != 0 : x->f[i] - threshold > 0) << tap;
        }
        counts[code]++;
    }
}

/* The most frequent code, of equally frequent ones the lowest; its count becomes -1, so that none is taken twice. */
static int64_t take_most_frequent(int64_t counts[CODES]) {
    int64_t most = 0;
    for (int64_t code = 1; code < CODES; code++) {
        most = counts[code] > counts[most] ? code : most;
    }
    counts[most] = -1;
    return most;
}

Array *frequent_patterns(const Array *bits, int64_t count) {
    need_kernels(bits);
    NEED(count >= 1 && count <= CODES, "count must be from 1 to 512");
    int64_t counts[CODES] = {0};
    count_codes(counts, bits->size, bits, 0);
    Array *patterns = new_vector(INTS, count);
    for (int64_t i = 0; i < count; i++) {
        patterns->i[i] = take_most_frequent(counts);
    }
    return patterns;
}

/* The pattern with the largest sum of s (latent - threshold), s = +1 at its ones, else -1; of equals the first. */
Array *nearest_pattern(const Array *latent, const Array *patterns, double threshold) {
    need_kernels(latent);
    need_patterns(patterns);
    Array *which = new_array(INTS, 2, latent->shape);
    for (int64_t kernel = 0; kernel < which->size; kernel++) {
        double largest = -INFINITY;
        for (int64_t p = 0; p < patterns->size; p++) {
            double sum = 0;
            for (int64_t tap = 0; tap < TAPS; tap++) {
                double shifted = latent->f[kernel * TAPS + tap] - threshold;
                sum += patterns->i[p] >> tap & 1 ? shifted : -shifted;
            }
            if (sum > largest) {
                largest = sum;
                which->i[kernel] = p;
            }
        }
    }
    return which;
}

/* Ones where the sum of latent - threshold over a pattern's kernels is positive; without kernels it stays. Of patterns
   that became equal the first is kept; the others give way to the most frequent codes of the bits latent > threshold
   that are not there. */
Array *learned_patterns(const Array *latent, const Array *patterns, double threshold) {
    Array *which = nearest_pattern(latent, patterns, threshold), *learned = new_vector(INTS, patterns->size);
    Array *sums = new_vector(FLOAT64, patterns->size * TAPS), *kernels = new_vector(INTS, patterns->size);
    for (int64_t i = 0; i < latent->size; i++) {
        sums->f[which->i[i / TAPS] * TAPS + i % TAPS] += latent->f[i] - threshold;
        kernels->i[which->i[i / TAPS]]++;
    }
    int64_t counts[CODES] = {0};
    count_codes(counts, latent->size, latent, threshold);
    for (int64_t p = 0; p < patterns->size; p++) {
        for (int64_t tap = 0; tap < TAPS; tap++) {
            learned->i[p] |= (int64_t)(sums->f[p * TAPS + tap] > 0) << tap;
        }
        learned->i[p] = kernels->i[p] > 0 ? learned->i[p] : patterns->i[p];
        counts[learned->i[p]] = -1;
    }
    bool taken[CODES] = {false};
    for (int64_t p = 0; p < patterns->size; p++) {
        learned->i[p] = taken[learned->i[p]] ? take_most_frequent(counts) : learned->i[p];
        taken[learned->i[p]] = true;
    }
    return learned;
}

/* H'(p) (p - limit) / (H(p) - H(limit)) with the entropy H in bits; 0 from one half on. */
static double entropy(double p) {
    return -p * log2(p) - (1 - p) * log2(1 - p);
}

double entropy_factor(double density, double limit) {
    if (density >= 0.5) {
        return 0;
    }
    return log2((1 - density) / density) * (density - limit) / (entropy(density) - entropy(limit));
}
