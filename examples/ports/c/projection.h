/* The nearest binary weights, in exact arithmetic: see projection.md. */
#ifndef PROJECTION_H
#define PROJECTION_H

#include "array.h"

typedef struct {
    double alpha, beta, threshold, error;
    int64_t n_ones;
    bool tied;
    Array *bits;
} Projection;

typedef struct {
    double alpha, beta;
} Domain;

Projection project(const Array *w, const Array *sample_weight); /* sample_weight NULL: all 1 */
Projection project_k(const Array *w, int64_t k);
Projection project_symmetric(const Array *w);
Projection project_zero(const Array *w);
Domain fit_domain(const Array *w, const Array *bits);
Array *assign(const Array *w, double alpha, double beta);

#endif
