#include "projection.h"

#include <stdlib.h>

#include "exact.h"
#include "memory.h"

/* The sums of a split into zeros and ones, in which weight i counts m_i times (m_i = 1 without sample weights). */
typedef struct {
    Exact n;       /* sum of m */
    Exact k;       /* sum of m over the ones */
    Exact s;       /* sum of m w over the ones */
    Exact t;       /* sum of m w */
    Exact squares; /* sum of m w^2 */
} Sums;

typedef struct {
    Exact top, bottom; /* bottom > 0 */
} Fraction;

/* alpha = (T - S) / (n - K), beta = S / K; a missing class takes the other's mean, T / n. */
typedef struct {
    Fraction alpha, beta;
} Means;

static Means means(Sums u) {
    Fraction all = {u.t, u.n};
    if (u.k.sign == 0 || compare(u.k, u.n) == 0) {
        return (Means){all, all};
    }
    return (Means){{subtract(u.t, u.s), subtract(u.n, u.k)}, {u.s, u.k}};
}

static double rounded(Fraction x) {
    return nearest_quotient(x.top, x.bottom);
}

/* (alpha + beta) / 2 */
static Fraction midpoint(Fraction alpha, Fraction beta) {
    Exact top = add(multiply(alpha.top, beta.bottom), multiply(beta.top, alpha.bottom));
    return (Fraction){top, twice(multiply(alpha.bottom, beta.bottom))};
}

static Exact square(Exact x) {
    return multiply(x, x);
}

static int compare_fractions(Fraction a, Fraction b) {
    return compare(multiply(a.top, b.bottom), multiply(b.top, a.bottom));
}

/* sum m w^2 - gain: every one of the projections lowers the error of {0} by some gain >= 0 */
static double error_of(Exact squares, Fraction gain) {
    return nearest_quotient(subtract(multiply(squares, gain.bottom), gain.top), gain.bottom);
}

/* At the means the gain is (T - S)^2 / (n - K) + S^2 / K, or T^2 / n where a class is missing. */
static Projection at_the_means(Sums u, Array *bits, bool tied) {
    Means m = means(u);
    Fraction middle = midpoint(m.alpha, m.beta), gain = {square(u.t), u.n};
    if (u.k.sign != 0 && compare(u.k, u.n) != 0) {
        Exact rest = subtract(u.n, u.k);
        Exact top = add(multiply(square(subtract(u.t, u.s)), u.k), multiply(square(u.s), rest));
        gain = (Fraction){top, multiply(rest, u.k)};
    }
    Projection p = {rounded(m.alpha), rounded(m.beta), quotient_below(middle.top, middle.bottom),
                    error_of(u.squares, gain), 0, tied, bits};
    for (int64_t i = 0; i < bits->size; i++) {
        p.n_ones += bits->i[i];
    }
    return p;
}

static Sums sums_of(const Array *w, const Array *bits) {
    Sums u = {.n = exact_integer(w->size)};
    int64_t ones = 0;
    for (int64_t i = 0; i < w->size; i++) {
        Exact x = exact_element(w, i);
        ones += bits->i[i];
        u.s = bits->i[i] ? add(u.s, x) : u.s;
        u.t = add(u.t, x);
        u.squares = add(u.squares, square(x));
    }
    u.k = exact_integer(ones);
    return u;
}

typedef struct {
    Exact value;
    int64_t index;
} Ranked;

/* qsort is not stable: the index settles what is equal, the lowest first. */
static int decreasing(const void *first, const void *second) {
    const Ranked *a = first, *b = second;
    int order = compare(b->value, a->value);
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static int increasing(const void *first, const void *second) {
    const Ranked *a = first, *b = second;
    int order = compare(a->value, b->value);
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static Ranked *ranked(const Array *w, int (*order)(const void *, const void *)) {
    NEED(w->size > 0, "w must not be empty");
    Ranked *list = take_memory((size_t)w->size, sizeof *list);
    for (int64_t i = 0; i < w->size; i++) {
        list[i] = (Ranked){exact_element(w, i), i};
    }
    qsort(list, (size_t)w->size, sizeof *list, order);
    return list;
}

static Array *first_bits(const Array *w, const Ranked *list, int64_t k) {
    Array *bits = new_as(BITS, w);
    for (int64_t i = 0; i < k; i++) {
        bits->i[list[i].index] = 1;
    }
    return bits;
}

/* Whether only some of equal weights are among the first k. */
static bool splits(const Ranked *list, int64_t n, int64_t k) {
    return k > 0 && k < n && compare(list[k - 1].value, list[k].value) == 0;
}

/* All alpha <= beta and all bits: the K largest are ones, K with the greatest D^2 / (K (n - K)), D = n S - K T, which
   is 0 where a class is missing. Of equally good K the first: the fewest ones. The bits are w > (alpha + beta) / 2. */
Projection project(const Array *w, const Array *sample_weight) {
    Ranked *list = ranked(w, decreasing);
    Exact *share = take_memory((size_t)w->size, sizeof *share); /* m, in the order of the list */
    Sums u = {.k = exact_integer(0)};
    for (int64_t i = 0; i < w->size; i++) {
        share[i] = sample_weight ? exact_element(sample_weight, list[i].index) : exact_integer(1);
        NEED(share[i].sign >= 0, "a sample weight must be 0 or more");
        Exact moment = multiply(share[i], list[i].value);
        u.n = add(u.n, share[i]);
        u.t = add(u.t, moment);
        u.squares = add(u.squares, multiply(moment, list[i].value));
    }
    NEED(u.n.sign > 0, "a sample weight must be positive");
    Sums best = u;
    Fraction most = {exact_integer(0), exact_integer(1)}; /* no ones */
    bool tied = false;
    for (int64_t i = 0; i < w->size; i++) {
        if (share[i].sign == 0) {
            continue; /* takes no part */
        }
        u.k = add(u.k, share[i]);
        u.s = add(u.s, multiply(share[i], list[i].value));
        Exact rest = subtract(u.n, u.k), d = subtract(multiply(u.n, u.s), multiply(u.k, u.t));
        Fraction objective = rest.sign == 0 ? (Fraction){exact_integer(0), exact_integer(1)}
                                            : (Fraction){square(d), multiply(u.k, rest)};
        int better = compare_fractions(objective, most);
        if (better > 0) {
            best = u;
            most = objective;
        }
        tied = better == 0 || (tied && better < 0);
    }
    Means m = means(best);
    Fraction middle = midpoint(m.alpha, m.beta);
    Array *bits = new_as(BITS, w);
    for (int64_t i = 0; i < w->size; i++) {
        bits->i[list[i].index] = compare(multiply(list[i].value, middle.bottom), middle.top) > 0;
    }
    return at_the_means(best, bits, tied);
}

/* Exactly k ones: the k largest, of equal weights those of the lowest index. */
Projection project_k(const Array *w, int64_t k) {
    NEED(k >= 0 && k <= w->size, "k must be from 0 to the number of weights");
    Ranked *list = ranked(w, decreasing);
    Array *bits = first_bits(w, list, k);
    return at_the_means(sums_of(w, bits), bits, splits(list, w->size, k));
}

/* {-a, +a}: b = (w > 0), a = (S - (T - S)) / n = mean |w|; E = sum w^2 - n a^2. A weight 0 may have either bit. */
Projection project_symmetric(const Array *w) {
    NEED(w->size > 0, "w must not be empty");
    Projection p = {.bits = new_as(BITS, w)};
    for (int64_t i = 0; i < w->size; i++) {
        int sign = exact_element(w, i).sign;
        p.bits->i[i] = sign > 0;
        p.n_ones += sign > 0;
        p.tied |= sign == 0;
    }
    Sums u = sums_of(w, p.bits);
    Exact top = subtract(twice(u.s), u.t);
    p.beta = nearest_quotient(top, u.n);
    p.alpha = -p.beta;
    p.error = error_of(u.squares, (Fraction){square(top), u.n});
    return p;
}

/* {0, beta}: beta = S / K, E = sum w^2 - S^2 / K. The ones are the K largest if S > 0, or the K smallest if S < 0; of
   equally good ones the fewest, then beta > 0. */
Projection project_zero(const Array *w) {
    Ranked *lists[] = {ranked(w, decreasing), ranked(w, increasing)};
    Fraction most = {exact_integer(0), exact_integer(1)}, beta = most;
    const Ranked *chosen = lists[0];
    int64_t ones = 0;
    bool tied = false;
    Exact sums[] = {exact_integer(0), exact_integer(0)};
    for (int64_t k = 1; k <= w->size; k++) {
        for (int down = 0; down < 2; down++) {
            sums[down] = add(sums[down], lists[down][k - 1].value);
            Exact s = sums[down].sign == (down ? -1 : 1) ? sums[down] : exact_integer(0);
            Fraction objective = {square(s), exact_integer(k)};
            int better = compare_fractions(objective, most);
            if (better > 0) {
                most = objective;
                beta = (Fraction){s, exact_integer(k)};
                chosen = lists[down];
                ones = k;
            }
            tied = better == 0 || (tied && better < 0);
        }
    }
    Array *bits = first_bits(w, chosen, ones);
    Exact squares = sums_of(w, bits).squares;
    return (Projection){0, rounded(beta), quotient_below(beta.top, twice(beta.bottom)), error_of(squares, most),
                        ones, tied || splits(chosen, w->size, ones), bits};
}

/* The means of zeros and ones. */
Domain fit_domain(const Array *w, const Array *bits) {
    NEED(w->size > 0, "w must not be empty");
    need_shapes(w, bits);
    Means m = means(sums_of(w, bits));
    return (Domain){rounded(m.alpha), rounded(m.beta)};
}

/* The bit of the nearer value: 2 w against alpha + beta, without rounding; a tie, and alpha = beta, give bit 0. */
Array *assign(const Array *w, double alpha, double beta) {
    Exact both = add(exact(alpha), exact(beta));
    Array *bits = new_as(BITS, w);
    for (int64_t i = 0; i < w->size; i++) {
        int side = compare(twice(exact_element(w, i)), both);
        bits->i[i] = beta > alpha ? side > 0 : beta < alpha && side < 0;
    }
    return bits;
}
