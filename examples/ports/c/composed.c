/* Choices of latent weights made of others: within a mask, over layers, of patterns with k ones; and the schedule of
   the density: see pruning.md. */
#include <math.h>

#include "memory.h"
#include "method.h"

enum { TAPS = 9, SIZES = TAPS + 1, HALVINGS = 64 };

/* The k largest among the mask's ones; all of these if there are no more than k, with the threshold of as many. */
Selection select_within(const Array *latent, const Array *mask, int64_t k) {
    need_shapes(latent, mask);
    Array *bits = new_as(BITS, latent), *inside = new_as(latent->dtype, latent);
    int64_t room = 0;
    for (int64_t i = 0; i < latent->size; i++) {
        bits->i[i] = mask->i[i];
        if (mask->i[i]) {
            inside->f[room++] = latent->f[i];
        }
    }
    if (k >= room) {
        return centred(latent, bits);
    }
    Array *part = new_vector(latent->dtype, room);
    for (int64_t i = 0; i < room; i++) {
        part->f[i] = inside->f[i];
    }
    Selection chosen = select_top_k(part, k);
    for (int64_t i = 0, next = 0; i < latent->size; i++) {
        bits->i[i] = mask->i[i] ? chosen.bits->i[next++] : 0;
    }
    return (Selection){bits, chosen.threshold};
}

/* The k largest of both layers, one after the other; one threshold for both. */
LayersSelection select_top_k_of_layers(const Array *first, const Array *second, int64_t k) {
    Array *both = new_vector(FLOAT64, first->size + second->size);
    for (int64_t i = 0; i < both->size; i++) {
        both->f[i] = i < first->size ? first->f[i] : second->f[i - first->size];
    }
    Selection chosen = select_top_k(both, k);
    LayersSelection found = {new_as(BITS, first), new_as(BITS, second), chosen.threshold};
    for (int64_t i = 0; i < both->size; i++) {
        *(i < first->size ? &found.first->i[i] : &found.second->i[i - first->size]) = chosen.bits->i[i];
    }
    return found;
}

/* The best pattern of each number of ones for every kernel: the largest sum, of equals the first of the list. */
typedef struct {
    int64_t kernels, largest; /* the most ones of a pattern */
    double (*sum)[SIZES];     /* -inf where no pattern has so many ones */
    int64_t (*code)[SIZES];
} Best;

static Best best_of_sizes(const Array *latent, const Array *patterns) {
    int64_t kernels = latent->size / TAPS;
    Best best = {kernels, 0, take_memory((size_t)kernels, sizeof *best.sum),
                 take_memory((size_t)kernels, sizeof *best.code)};
    for (int64_t kernel = 0; kernel < kernels; kernel++) {
        for (int size = 0; size < SIZES; size++) {
            best.sum[kernel][size] = -INFINITY;
        }
        for (int64_t p = 0; p < patterns->size; p++) {
            double sum = 0;
            int64_t ones = 0;
            for (int tap = 0; tap < TAPS; tap++) {
                int64_t bit = patterns->i[p] >> tap & 1;
                sum += bit ? latent->f[kernel * TAPS + tap] : 0;
                ones += bit;
            }
            if (sum > best.sum[kernel][ones]) {
                best.sum[kernel][ones] = sum;
                best.code[kernel][ones] = patterns->i[p];
            }
            best.largest = ones > best.largest ? ones : best.largest;
        }
    }
    return best;
}

/* The ones of each kernel's pattern with the largest sum of (latent - theta), of equals the fewest; all together. */
static int64_t take(const Best *best, double theta, int64_t *sizes) {
    int64_t ones = 0;
    for (int64_t kernel = 0; kernel < best->kernels; kernel++) {
        double largest = -INFINITY;
        for (int size = 0; size < SIZES; size++) {
            double gain = best->sum[kernel][size] - theta * size;
            if (gain > largest) {
                largest = gain;
                sizes[kernel] = size;
            }
        }
        ones += sizes[kernel];
    }
    return ones;
}

/* Every kernel takes the largest pattern; returns a theta at which it does. */
static double take_largest(const Best *best, double theta, int64_t *sizes) {
    for (int64_t kernel = 0; kernel < best->kernels; kernel++) {
        const double *sum = best->sum[kernel];
        for (int64_t size = 0; size < best->largest; size++) {
            double turn = (sum[best->largest] - sum[size]) / (double)(best->largest - size);
            theta = sum[size] > -INFINITY ? fmin(theta, turn) : theta;
        }
        sizes[kernel] = best->largest;
    }
    return theta;
}

static Array *bits_of(const Best *best, const int64_t *sizes, const Array *latent) {
    Array *bits = new_as(BITS, latent);
    for (int64_t i = 0; i < latent->size; i++) {
        bits->i[i] = best->code[i / TAPS][sizes[i / TAPS]] >> i % TAPS & 1;
    }
    return bits;
}

/* How many ones every kernel has where there are more than k in all, at low, and where there are not, at high. */
typedef struct {
    double low, high;
    int64_t *more, *chosen, ones; /* ones: of all in chosen */
} Search;

static void bisect(const Best *best, Search *s, int64_t k) {
    int64_t *between = take_memory((size_t)best->kernels, sizeof *between);
    for (int round = 0; round < HALVINGS && s->ones != k; round++) {
        double middle = s->low + (s->high - s->low) / 2;
        if (!(s->low < middle && middle < s->high)) {
            break;
        }
        int64_t ones = take(best, middle, between), **changed = ones > k ? &s->more : &s->chosen;
        *(ones > k ? &s->low : &s->high) = middle;
        s->ones = ones > k ? s->ones : ones;
        int64_t *spare = *changed;
        *changed = between;
        between = spare;
    }
}

/* Kernels that have more ones at low take these, one after another, until one does not fit. */
static void settle(const Best *best, Search *s, int64_t k) {
    for (int64_t kernel = 0; kernel < best->kernels; kernel++) {
        int64_t step = s->more[kernel] - s->chosen[kernel];
        if (step > 0) {
            s->ones += step;
            if (s->ones > k) {
                return;
            }
            s->chosen[kernel] = s->more[kernel];
        }
    }
}

static void need_the_pattern_zero(const Array *patterns) {
    bool found = false;
    for (int64_t p = 0; p < patterns->size; p++) {
        NEED(patterns->i[p] >= 0 && patterns->i[p] < 1 << TAPS, "a pattern must be from 0 to 511");
        found = found || patterns->i[p] == 0;
    }
    NEED(found, "the pattern 0 must be one of the patterns");
}

/* The patterns with the largest sum of (latent - theta) over their ones, theta such that there are k in all. */
Selection patterns_of_k_ones(const Array *latent, const Array *patterns, int64_t k) {
    need_axes(latent, 4);
    need_axes(patterns, 1);
    NEED(latent->shape[2] == 3 && latent->shape[3] == 3 && latent->size > 0, "the kernels must be 3x3");
    NEED(k >= 0, "k must be 0 or more");
    need_the_pattern_zero(patterns);
    Best best = best_of_sizes(latent, patterns);
    Search s = {latent->f[0], latent->f[0], take_memory((size_t)best.kernels, sizeof *s.more),
                take_memory((size_t)best.kernels, sizeof *s.chosen), 0};
    for (int64_t i = 1; i < latent->size; i++) {
        s.low = fmin(s.low, latent->f[i]);
        s.high = fmax(s.high, latent->f[i]);
    }
    s.low -= 1; /* at the maximum there are no ones */
    bool deep = take(&best, s.low, s.more) <= k;
    if (deep) {
        s.ones = take(&best, s.low, s.chosen);
        s.high = s.low;
        s.low = take_largest(&best, s.low, s.more);
    }
    bisect(&best, &s, k);
    settle(&best, &s, k);
    Array *bits = bits_of(&best, s.chosen, latent);
    return deep ? centred(latent, bits) : (Selection){bits, s.high};
}

/* The share x of the way kept within [0, 1]: (1 - x)^3 start + (1 - (1 - x)^3) end */
double cubic_density(int64_t step, double start, double end, int64_t begin, int64_t steps) {
    NEED(steps >= 1, "steps must be at least 1");
    double rest = 1 - fmin(fmax((double)(step - begin) / (double)steps, 0), 1), left = rest * rest * rest;
    return left * start + (1 - left) * end;
}
