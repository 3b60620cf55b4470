/* Exact arithmetic: numbers sign * limbs * 2^exponent with as many limbs as it takes. A float is such a number, and so
   are sums and products of floats; a quotient of two is rounded once, at the end. */
#ifndef EXACT_H
#define EXACT_H

#include "array.h"

typedef struct {
    int sign; /* -1, 0 or 1 */
    int size; /* how many limbs; the last is not 0 */
    const uint32_t *limbs; /* the lowest first; never changed once written */
    int exponent;
} Exact;

Exact exact(double x); /* x finite */
Exact exact_integer(int64_t x);
Exact exact_element(const Array *a, int64_t i); /* of floats, integers or words */

Exact add(Exact a, Exact b);
Exact subtract(Exact a, Exact b);
Exact multiply(Exact a, Exact b);
Exact twice(Exact a);
Exact negative(Exact a);
int compare(Exact a, Exact b); /* -1, 0 or 1: a < b, a = b, a > b */

/* a / b for b > 0 as a double: the nearest, ties to even (inf on overflow, 0 on underflow); the largest not above. */
double nearest_quotient(Exact a, Exact b);
double quotient_below(Exact a, Exact b);

#endif
