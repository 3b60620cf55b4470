/* Convolution as deep learning has it (cross-correlation: the kernel is not flipped), see conv2d.md; linear.md. */
#include "memory.h"
#include "method.h"

/* floor((input + 2 padding - kernel) / stride) + 1 */
int64_t output_size(int64_t input, int64_t kernel, int64_t stride, int64_t padding) {
    enum { LARGEST = 1 << 24 };
    NEED(stride > 0 && stride < LARGEST && padding >= 0 && padding < LARGEST && kernel > 0 && kernel < LARGEST,
         "kernel and stride must be positive, padding 0 or more, all below 2^24");
    NEED(input + 2 * padding >= kernel, "the kernel does not fit into the map");
    return (input + 2 * padding - kernel) / stride + 1;
}

/* One product of a convolution: y[n, o, p, q] takes weight[o, c, i, j] x[n, c, h, w] with h = p stride + i - padding.
   The forward pass and both gradients visit the same products, here in the order of y. */
typedef struct {
    int64_t y, weight, x; /* where the three elements are */
} Product;

typedef void Visit(Product at, const double *first, const double *second, double *sum);

static void visit_products(const Array *y, const Array *weight, const Array *x, Geometry g, Visit *visit,
                           const double *first, const double *second, double *sum) {
    need_axes(y, 4);
    need_axes(weight, 4);
    need_axes(x, 4);
    const int64_t *k = weight->shape;
    NEED(k[1] == x->shape[1], "weight must have the input channels of x");
    NEED(y->shape[0] == x->shape[0] && y->shape[1] == k[0] &&
             y->shape[2] == output_size(x->shape[2], k[2], g.stride.v, g.padding.v) &&
             y->shape[3] == output_size(x->shape[3], k[3], g.stride.h, g.padding.h),
         "dy must have the shape of the output");
    for (int64_t n = 0; n < y->shape[0]; n++) {
        for (int64_t o = 0; o < k[0]; o++) {
            for (int64_t p = 0; p < y->shape[2]; p++) {
                for (int64_t q = 0; q < y->shape[3]; q++) {
                    for (int64_t c = 0; c < k[1]; c++) {
                        for (int64_t tap = 0; tap < k[2] * k[3]; tap++) {
                            int64_t i = tap / k[3], j = tap % k[3];
                            int64_t h = p * g.stride.v + i - g.padding.v, w = q * g.stride.h + j - g.padding.h;
                            if (h >= 0 && h < x->shape[2] && w >= 0 && w < x->shape[3]) { /* padding adds nothing */
                                visit((Product){at(y, n, o, p, q), at(weight, o, c, i, j), at(x, n, c, h, w)}, first,
                                      second, sum);
                            }
                        }
                    }
                }
            }
        }
    }
}

static void add_to_y(Product at, const double *weight, const double *x, double *y) {
    y[at.y] += weight[at.weight] * x[at.x];
}

static void add_to_x(Product at, const double *dy, const double *weight, double *dx) {
    dx[at.x] += dy[at.y] * weight[at.weight];
}

static void add_to_weight(Product at, const double *dy, const double *x, double *dweight) {
    dweight[at.weight] += dy[at.y] * x[at.x];
}

/* y[n, o, p, q] = sum over c, i, j of weight[o, c, i, j] x[n, c, p stride + i - padding, q stride + j - padding] */
Array *conv2d(const Array *x, const Array *weight, Geometry g) {
    need_axes(x, 4);
    need_axes(weight, 4);
    Dtype wider = x->dtype > weight->dtype ? x->dtype : weight->dtype;
    Array *y = new_maps(wider, x->shape[0], weight->shape[0],
                        output_size(x->shape[2], weight->shape[2], g.stride.v, g.padding.v),
                        output_size(x->shape[3], weight->shape[3], g.stride.h, g.padding.h));
    visit_products(y, weight, x, g, add_to_y, weight->f, x->f, y->f);
    return y;
}

/* dx[n, c, h, w] = sum of dy weight over the products that x[n, c, h, w] takes part in */
Array *conv2d_grad_input(const Array *dy, const Array *weight, Pair input_size, Geometry g) {
    need_axes(dy, 4);
    need_axes(weight, 4);
    Array *dx = new_maps(dy->dtype, dy->shape[0], weight->shape[1], input_size.v, input_size.h);
    visit_products(dy, weight, dx, g, add_to_x, dy->f, weight->f, dx->f);
    return dx;
}

/* dweight[o, c, i, j] = sum of dy x over the products that weight[o, c, i, j] takes part in */
Array *conv2d_grad_weight(const Array *dy, const Array *x, Pair kernel_size, Geometry g) {
    need_axes(dy, 4);
    need_axes(x, 4);
    Array *dweight = new_maps(dy->dtype, dy->shape[1], x->shape[1], kernel_size.v, kernel_size.h);
    visit_products(dy, dweight, x, g, add_to_weight, dy->f, x->f, dweight->f);
    return dweight;
}

/* y[n, o] = sum over i of x[n, i] weight[o, i], plus bias[o] */
Array *linear(const Array *x, const Array *weight, const Array *bias) {
    need_axes(x, 2);
    need_axes(weight, 2);
    int64_t batch = x->shape[0], in = x->shape[1], out = weight->shape[0];
    NEED(weight->shape[1] == in && bias->size == out, "weight must be (out, in) and bias (out,)");
    Array *y = new_array(x->dtype, 2, (int64_t[]){batch, out});
    for (int64_t n = 0; n < batch; n++) {
        for (int64_t o = 0; o < out; o++) {
            double sum = 0;
            for (int64_t i = 0; i < in; i++) {
                sum += x->f[n * in + i] * weight->f[o * in + i];
            }
            y->f[n * out + o] = sum + bias->f[o];
        }
    }
    return y;
}

/* dx = dy weight, dweight = dy^T x, dbias = the sum of dy over the batch */
AffineGradients linear_backward(const Array *dy, const Array *x, const Array *weight) {
    need_axes(dy, 2);
    need_axes(x, 2);
    need_axes(weight, 2);
    int64_t batch = x->shape[0], in = x->shape[1], out = weight->shape[0];
    NEED(weight->shape[1] == in && dy->shape[0] == batch && dy->shape[1] == out, "dy must be (batch, out)");
    AffineGradients g = {new_like(x), new_like(weight), new_vector(dy->dtype, out)};
    for (int64_t n = 0; n < batch; n++) {
        for (int64_t o = 0; o < out; o++) {
            double d = dy->f[n * out + o];
            for (int64_t i = 0; i < in; i++) {
                g.dx->f[n * in + i] += d * weight->f[o * in + i];
                g.dweight->f[o * in + i] += d * x->f[n * in + i];
            }
            g.dbias->f[o] += d;
        }
    }
    return g;
}
