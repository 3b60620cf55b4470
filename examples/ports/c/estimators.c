/* The sign, and what stands for its derivative in the backward pass: see estimators.md. */
#include <math.h>

#include "memory.h"
#include "method.h"

/* b = (x > 0): zeros of both signs have bit 0 */
Array *sign_bits(const Array *x) {
    Array *bits = new_as(BITS, x);
    for (int64_t i = 0; i < x->size; i++) {
        bits->i[i] = x->f[i] > 0;
    }
    return bits;
}

/* s = 2 b - 1: +1 where x > 0, else -1 */
Array *sign(const Array *x) {
    Array *y = new_like(x);
    for (int64_t i = 0; i < x->size; i++) {
        y->f[i] = x->f[i] > 0 ? 1 : -1;
    }
    return y;
}

/* dx = dy where |x| <= 1, else 0 */
Array *clipped_ste_backward(const Array *dy, const Array *x) {
    need_shapes(dy, x);
    Array *dx = new_like(dy);
    for (int64_t i = 0; i < x->size; i++) {
        dx->f[i] = fabs(x->f[i]) <= 1 ? dy->f[i] : 0;
    }
    return dx;
}

/* dx = dy k t (1 - tanh(t x)^2) */
Array *ede_backward(const Array *dy, const Array *x, double t, double k) {
    need_shapes(dy, x);
    Array *dx = new_like(dy);
    for (int64_t i = 0; i < x->size; i++) {
        double h = tanh(t * x->f[i]);
        dx->f[i] = dy->f[i] * (k * t * (1 - h * h));
    }
    return dx;
}

/* dx = dy (2 - 2 |x|) for -1 <= x < 1, else 0 */
Array *quadratic_backward(const Array *dy, const Array *x) {
    need_shapes(dy, x);
    Array *dx = new_like(dy);
    for (int64_t i = 0; i < x->size; i++) {
        double v = x->f[i];
        dx->f[i] = v >= -1 && v < 1 ? dy->f[i] * (2 - 2 * fabs(v)) : 0;
    }
    return dx;
}

/* t = 10^(-1 + 2 e / E) for the epochs e = 0 ... E - 1, k = max(1 / t, 1) */
EDEParameters ede_schedule(int64_t epoch, int64_t epochs) {
    double t = pow(10, -1 + 2 * (double)epoch / (double)epochs);
    return (EDEParameters){t, fmax(1 / t, 1)};
}
