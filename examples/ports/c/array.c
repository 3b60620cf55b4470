#include "array.h"

#include <string.h>

#include "memory.h"

int64_t element_count(int ndim, const int64_t *shape) {
    enum { MOST = 1 << 26 };
    NEED(ndim >= 0 && ndim <= AXES, "an array has at most %d axes; got %d", AXES, ndim);
    int64_t count = 1;
    for (int axis = 0; axis < ndim; axis++) {
        NEED(shape[axis] >= 0 && shape[axis] <= MOST, "an axis must be of a length from 0 to 2^26");
        count *= shape[axis];
        NEED(count <= MOST, "an array must have at most 2^26 elements");
    }
    return count;
}

Array *new_array(Dtype dtype, int ndim, const int64_t *shape) {
    Array *a = take_memory(1, sizeof *a);
    a->dtype = dtype;
    a->ndim = ndim;
    a->size = element_count(ndim, shape);
    for (int axis = 0; axis < ndim; axis++) {
        a->shape[axis] = shape[axis];
    }
    void *data = take_memory((size_t)a->size, sizeof(uint64_t));
    a->f = dtype == FLOAT32 || dtype == FLOAT64 ? data : NULL;
    a->i = dtype == BITS || dtype == INTS ? data : NULL;
    a->u = dtype == WORDS ? data : NULL;
    return a;
}

Array *new_maps(Dtype dtype, int64_t batch, int64_t channels, int64_t height, int64_t width) {
    return new_array(dtype, 4, (int64_t[]){batch, channels, height, width});
}

Array *new_vector(Dtype dtype, int64_t size) {
    return new_array(dtype, 1, &size);
}

Array *new_like(const Array *x) {
    return new_as(x->dtype, x);
}

Array *new_as(Dtype dtype, const Array *x) {
    return new_array(dtype, x->ndim, x->shape);
}

bool same_shape(const Array *a, const Array *b) {
    return a->ndim == b->ndim && memcmp(a->shape, b->shape, sizeof a->shape) == 0;
}

void need_shapes(const Array *a, const Array *b) {
    NEED(same_shape(a, b), "two arrays must have the same shape");
}

void need_axes(const Array *a, int ndim) {
    NEED(a->ndim == ndim, "an array must have %d axes; got %d", ndim, a->ndim);
}

void need_channels(const Array *x, const Array *channels) {
    NEED(x->ndim >= 2, "a feature map must have the axes batch and channels; got %d axes", x->ndim);
    NEED(channels->ndim == 1 && channels->shape[0] == x->shape[1], "there must be one number for each channel");
}

int64_t at(const Array *a, int64_t n, int64_t c, int64_t h, int64_t w) {
    return ((n * a->shape[1] + c) * a->shape[2] + h) * a->shape[3] + w;
}

int64_t channel_of(const Array *x, int64_t i) {
    int64_t plane = 1;
    for (int axis = 2; axis < x->ndim; axis++) {
        plane *= x->shape[axis];
    }
    return i / plane % x->shape[1];
}
