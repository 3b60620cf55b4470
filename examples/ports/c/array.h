/* Arrays of numbers in C order: the last axis is the fastest.

   Floats of any dtype are held as double, which has room for every float16 and float32. What is computed from them is
   rounded to the array's dtype when it is written (float16 counts as float32 here; no answer is in it). A port for a
   device would hold floats as float; the bounds of the vectors allow for that. */
#ifndef ARRAY_H
#define ARRAY_H

#include <stdbool.h>
#include <stdint.h>

typedef enum { BITS, INTS, WORDS, FLOAT32, FLOAT64 } Dtype;

enum { AXES = 8 };

typedef struct {
    Dtype dtype;
    int ndim;
    int64_t shape[AXES];
    int64_t size;
    double *f;   /* FLOAT32 and FLOAT64 */
    int64_t *i;  /* BITS (0 and 1) and INTS */
    uint64_t *u; /* WORDS: uint64 */
} Array;

typedef struct {
    int64_t v, h; /* vertical and horizontal */
} Pair;

typedef struct {
    Pair stride, padding;
} Geometry;

/* How many elements an array of this shape has; fails for shapes that no array can have. */
int64_t element_count(int ndim, const int64_t *shape);

/* New arrays of zeros. */
Array *new_array(Dtype dtype, int ndim, const int64_t *shape);
Array *new_maps(Dtype dtype, int64_t batch, int64_t channels, int64_t height, int64_t width);
Array *new_vector(Dtype dtype, int64_t size);
Array *new_like(const Array *x);               /* of x's dtype and shape */
Array *new_as(Dtype dtype, const Array *x);    /* of x's shape */

bool same_shape(const Array *a, const Array *b);
void need_shapes(const Array *a, const Array *b);            /* fails unless they are the same */
void need_axes(const Array *a, int ndim);                    /* fails for another number of axes */
void need_channels(const Array *x, const Array *channels);   /* ... unless channels is (x.shape[1],) */

/* Where element (n, c, h, w) of an array with four axes is. */
int64_t at(const Array *a, int64_t n, int64_t c, int64_t h, int64_t w);

/* Index along axis 1 of element i of an array (batch, channels, ...). */
int64_t channel_of(const Array *x, int64_t i);

#endif
