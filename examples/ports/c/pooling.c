/* Pooling: see pooling.md; the shortcut without parameters: shortcut.md. */
#include "memory.h"
#include "method.h"

static Array *pooled_maps(Dtype dtype, const Array *x, Pair size, Geometry g) {
    need_axes(x, 4);
    return new_maps(dtype, x->shape[0], x->shape[1], output_size(x->shape[2], size.v, g.stride.v, g.padding.v),
                    output_size(x->shape[3], size.h, g.stride.h, g.padding.h));
}

/* Element `place` of the window of output y: where it is in the map x, or -1 if it lies in the padding. */
static int64_t window_place(const Array *x, const Array *y, int64_t output, int64_t place, Pair size, Geometry g) {
    int64_t q = output % y->shape[3], p = output / y->shape[3] % y->shape[2];
    int64_t plane = output / (y->shape[2] * y->shape[3]);
    int64_t h = p * g.stride.v + place / size.h - g.padding.v, w = q * g.stride.h + place % size.h - g.padding.h;
    bool inside = h >= 0 && h < x->shape[2] && w >= 0 && w < x->shape[3];
    return inside ? (plane * x->shape[2] + h) * x->shape[3] + w : -1;
}

/* y = the mean of every window */
Array *avg_pool2d(const Array *x, Pair size, Pair stride) {
    Geometry g = {stride, {0, 0}};
    Array *y = pooled_maps(x->dtype, x, size, g);
    for (int64_t i = 0; i < y->size; i++) {
        for (int64_t k = 0; k < size.v * size.h; k++) {
            y->f[i] += x->f[window_place(x, y, i, k, size, g)];
        }
        y->f[i] /= (double)(size.v * size.h);
    }
    return y;
}

/* dx = the sum of dy / (window's area) over all windows that hold the pixel */
Array *avg_pool2d_backward(const Array *dy, Pair input_size, Pair size, Pair stride) {
    Geometry g = {stride, {0, 0}};
    need_axes(dy, 4);
    Array *dx = new_maps(dy->dtype, dy->shape[0], dy->shape[1], input_size.v, input_size.h);
    need_shapes(dy, pooled_maps(dy->dtype, dx, size, g));
    for (int64_t i = 0; i < dy->size; i++) {
        for (int64_t k = 0; k < size.v * size.h; k++) {
            dx->f[window_place(dx, dy, i, k, size, g)] += dy->f[i] / (double)(size.v * size.h);
        }
    }
    return dx;
}

/* y[n, c] = the mean of map x[n, c] */
Array *global_avg_pool(const Array *x) {
    need_axes(x, 4);
    Array *y = new_array(x->dtype, 2, x->shape);
    int64_t area = x->shape[2] * x->shape[3];
    for (int64_t i = 0; i < x->size; i++) {
        y->f[i / area] += x->f[i];
    }
    for (int64_t i = 0; i < y->size; i++) {
        y->f[i] /= (double)area;
    }
    return y;
}

/* dx[n, c, h, w] = dy[n, c] / (height width) */
Array *global_avg_pool_backward(const Array *dy, Pair input_size) {
    need_axes(dy, 2);
    Array *dx = new_maps(dy->dtype, dy->shape[0], dy->shape[1], input_size.v, input_size.h);
    int64_t area = input_size.v * input_size.h;
    for (int64_t i = 0; i < dx->size; i++) {
        dx->f[i] = dy->f[i / area] / (double)area;
    }
    return dx;
}

/* y = the largest of every window, argmax = h width + w of the first in row-major order; padding never wins */
MaxPool max_pool2d(const Array *x, Pair size, Geometry g) {
    MaxPool found = {pooled_maps(x->dtype, x, size, g), pooled_maps(INTS, x, size, g)};
    int64_t area = x->shape[2] * x->shape[3];
    for (int64_t i = 0; i < found.y->size; i++) {
        int64_t best = -1;
        for (int64_t k = 0; k < size.v * size.h; k++) {
            int64_t place = window_place(x, found.y, i, k, size, g);
            if (place >= 0 && (best < 0 || x->f[place] > x->f[best])) {
                best = place;
            }
        }
        NEED(best >= 0, "a window lies in the padding alone");
        found.y->f[i] = x->f[best];
        found.argmax->i[i] = best % area;
    }
    return found;
}

/* dx at argmax += dy */
Array *max_pool2d_backward(const Array *dy, const Array *argmax, Pair input_size) {
    need_axes(dy, 4);
    need_shapes(dy, argmax);
    Array *dx = new_maps(dy->dtype, dy->shape[0], dy->shape[1], input_size.v, input_size.h);
    int64_t area = input_size.v * input_size.h, outputs = dy->shape[2] * dy->shape[3];
    for (int64_t i = 0; i < dy->size; i++) {
        NEED(argmax->i[i] >= 0 && argmax->i[i] < area, "argmax must be a place in the map");
        dx->f[i / outputs * area + argmax->i[i]] += dy->f[i];
    }
    return dx;
}

/* Where y[n, c, p, q] of the shortcut comes from: x[n, c - before, p stride, q stride], with half of the channels that
   are added, rounded down, before those of x; -1 in an added channel. */
static int64_t shortcut_place(const Array *x, const Array *y, int64_t i, Pair stride) {
    int64_t q = i % y->shape[3], p = i / y->shape[3] % y->shape[2];
    int64_t before = (y->shape[1] - x->shape[1]) / 2;
    int64_t c = channel_of(y, i) - before, n = i / (y->shape[1] * y->shape[2] * y->shape[3]);
    return c >= 0 && c < x->shape[1] ? at(x, n, c, p * stride.v, q * stride.h) : -1;
}

/* y = every stride-th pixel, with channels of zeros around */
Array *stride_and_pad(const Array *x, int64_t out_channels, Pair stride) {
    need_axes(x, 4);
    NEED(out_channels >= x->shape[1], "out_channels must be at least the channels of x");
    Array *y = new_maps(x->dtype, x->shape[0], out_channels, output_size(x->shape[2], 1, stride.v, 0),
                        output_size(x->shape[3], 1, stride.h, 0));
    for (int64_t i = 0; i < y->size; i++) {
        int64_t place = shortcut_place(x, y, i, stride);
        y->f[i] = place >= 0 ? x->f[place] : 0;
    }
    return y;
}

/* dx = dy at the pixels that were taken, 0 elsewhere */
Array *stride_and_pad_backward(const Array *dy, int64_t in_channels, Pair input_size, Pair stride) {
    need_axes(dy, 4);
    Array *dx = new_maps(dy->dtype, dy->shape[0], in_channels, input_size.v, input_size.h);
    need_shapes(dy, stride_and_pad(dx, dy->shape[1], stride));
    for (int64_t i = 0; i < dy->size; i++) {
        int64_t place = shortcut_place(dx, dy, i, stride);
        if (place >= 0) {
            dx->f[place] = dy->f[i];
        }
    }
    return dx;
}
