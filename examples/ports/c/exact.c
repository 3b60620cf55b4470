#include "exact.h"

#include <float.h>
#include <math.h>

#include "memory.h"

static const Exact ZERO = {0, 0, NULL, 0};

/* The number without leading zero limbs. */
static Exact trimmed(int sign, int size, const uint32_t *limbs, int exponent) {
    while (size > 0 && limbs[size - 1] == 0) {
        size--;
    }
    return size == 0 ? ZERO : (Exact){sign, size, limbs, exponent};
}

static Exact from_magnitude(int sign, uint64_t magnitude, int exponent) {
    uint32_t *limbs = take_memory(2, sizeof *limbs);
    for (; magnitude != 0 && magnitude % 2 == 0; magnitude /= 2) {
        exponent++; /* fewer limbs */
    }
    limbs[0] = (uint32_t)magnitude;
    limbs[1] = (uint32_t)(magnitude >> 32);
    return trimmed(sign, 2, limbs, exponent);
}

Exact exact(double x) {
    NEED(isfinite(x), "a number must be finite");
    int exponent;
    double mantissa = frexp(fabs(x), &exponent); /* in [1/2, 1), or 0 */
    return from_magnitude(x < 0 ? -1 : 1, (uint64_t)ldexp(mantissa, 53), exponent - 53);
}

Exact exact_integer(int64_t x) {
    return from_magnitude(x < 0 ? -1 : 1, x < 0 ? 0 - (uint64_t)x : (uint64_t)x, 0);
}

Exact exact_element(const Array *a, int64_t i) {
    if (a->f != NULL) {
        return exact(a->f[i]);
    }
    return a->i != NULL ? exact_integer(a->i[i]) : from_magnitude(1, a->u[i], 0);
}

/* The same number with a smaller exponent, so with more limbs. */
static Exact aligned(Exact a, int exponent) {
    int by = a.exponent - exponent;
    if (by == 0 || a.sign == 0) {
        return a;
    }
    int whole = by / 32, part = by % 32, size = a.size + whole + 1;
    uint32_t *limbs = take_memory((size_t)size, sizeof *limbs);
    for (int i = 0; i < a.size; i++) {
        uint64_t wide = (uint64_t)a.limbs[i] << part;
        limbs[i + whole] |= (uint32_t)wide;
        limbs[i + whole + 1] = (uint32_t)(wide >> 32);
    }
    return trimmed(a.sign, size, limbs, exponent);
}

static int common_exponent(Exact a, Exact b) {
    return a.exponent < b.exponent ? a.exponent : b.exponent;
}

/* How many bits the limbs have, without leading zeros. */
static int bit_length(Exact a) {
    int bits = 32 * a.size;
    for (uint32_t top = a.limbs[a.size - 1]; top < 0x80000000u; top *= 2) {
        bits--;
    }
    return bits;
}

/* Compare |a| with |b|, of equal exponents. */
static int compare_limbs(Exact a, Exact b) {
    if (a.size != b.size) {
        return a.size < b.size ? -1 : 1;
    }
    int i = a.size - 1;
    while (i > 0 && a.limbs[i] == b.limbs[i]) {
        i--;
    }
    return (a.limbs[i] > b.limbs[i]) - (a.limbs[i] < b.limbs[i]);
}

int compare(Exact a, Exact b) {
    if (a.sign != b.sign || a.sign == 0) {
        return (a.sign > b.sign) - (a.sign < b.sign);
    }
    int top_a = bit_length(a) + a.exponent, top_b = bit_length(b) + b.exponent; /* 2^(top - 1) <= |x| < 2^top */
    if (top_a != top_b) {
        return top_a > top_b ? a.sign : -a.sign;
    }
    int exponent = common_exponent(a, b);
    return a.sign * compare_limbs(aligned(a, exponent), aligned(b, exponent));
}

static Exact add_limbs(int sign, Exact a, Exact b) {
    int size = (a.size > b.size ? a.size : b.size) + 1;
    uint32_t *limbs = take_memory((size_t)size, sizeof *limbs);
    uint64_t carry = 0;
    for (int i = 0; i < size; i++, carry >>= 32) {
        carry += (uint64_t)(i < a.size ? a.limbs[i] : 0) + (i < b.size ? b.limbs[i] : 0);
        limbs[i] = (uint32_t)carry;
    }
    return trimmed(sign, size, limbs, a.exponent);
}

/* |a| - |b| with a sign, for |a| >= |b|. */
static Exact subtract_limbs(int sign, Exact a, Exact b) {
    uint32_t *limbs = take_memory((size_t)a.size, sizeof *limbs);
    int64_t borrow = 0;
    for (int i = 0; i < a.size; i++) {
        int64_t digit = (int64_t)a.limbs[i] - (i < b.size ? b.limbs[i] : 0) - borrow;
        borrow = digit < 0;
        limbs[i] = (uint32_t)(digit + (borrow << 32));
    }
    return trimmed(sign, a.size, limbs, a.exponent);
}

Exact add(Exact a, Exact b) {
    if (a.sign == 0 || b.sign == 0) {
        return a.sign == 0 ? b : a;
    }
    int exponent = common_exponent(a, b);
    a = aligned(a, exponent);
    b = aligned(b, exponent);
    if (a.sign == b.sign) {
        return add_limbs(a.sign, a, b);
    }
    return compare_limbs(a, b) >= 0 ? subtract_limbs(a.sign, a, b) : subtract_limbs(b.sign, b, a);
}

Exact negative(Exact a) {
    a.sign = -a.sign;
    return a;
}

Exact subtract(Exact a, Exact b) {
    return add(a, negative(b));
}

Exact multiply(Exact a, Exact b) {
    int size = a.size + b.size;
    uint32_t *limbs = take_memory((size_t)size, sizeof *limbs);
    for (int i = 0; i < a.size; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < b.size; j++, carry >>= 32) {
            carry += (uint64_t)a.limbs[i] * b.limbs[j] + limbs[i + j]; /* at most 2^64 - 1 */
            limbs[i + j] = (uint32_t)carry;
        }
        limbs[i + b.size] = (uint32_t)carry;
    }
    return trimmed(a.sign * b.sign, size, limbs, a.exponent + b.exponent);
}

Exact twice(Exact a) {
    a.exponent += a.sign != 0;
    return a;
}

/* |a / b| = (digits + rest) * 2^exponent with 0 <= rest < 1 and digits of 63 or 64 bits. */
typedef struct {
    uint64_t digits;
    bool rest; /* whether it is not 0 */
    int exponent;
} Quotient;

static Quotient divide(Exact a, Exact b) {
    Quotient q = {0, false, bit_length(a) + a.exponent - bit_length(b) - b.exponent - 63};
    a.sign = 1;
    for (int bit = 63; bit >= 0; bit--) { /* long division in base two */
        Exact part = b;
        part.exponent += q.exponent + bit;
        if (compare(a, part) >= 0) {
            a = subtract(a, part);
            q.digits |= UINT64_C(1) << bit;
        }
    }
    q.rest = a.sign != 0;
    return q;
}

/* Keep of a quotient the digits that a double has room for, 53 or fewer if it is subnormal, and say how far the digits
   cut off are from half a unit of the last one kept: 0 if there are none, 1 below, 2 equal, 3 above half. */
static double kept(Quotient q, int *cut, int *exponent) {
    int bits = q.digits >> 63 ? 64 : 63;
    *exponent = q.exponent + bits - 53 > -1074 ? q.exponent + bits - 53 : -1074;
    int drop = *exponent - q.exponent; /* at least 10 */
    if (drop > 64) {
        *cut = 1;
        return 0;
    }
    uint64_t half = UINT64_C(1) << (drop - 1), rest = q.digits & (half - 1), top = q.digits & half;
    bool more = rest != 0 || q.rest;
    *cut = top != 0 ? 2 + more : more;
    return drop == 64 ? 0.0 : (double)(q.digits >> drop);
}

double nearest_quotient(Exact a, Exact b) {
    if (a.sign == 0) {
        return 0;
    }
    int cut, exponent;
    double digits = kept(divide(a, b), &cut, &exponent);
    bool up = cut == 3 || (cut == 2 && fmod(digits, 2) == 1);
    return a.sign * ldexp(digits + up, exponent);
}

double quotient_below(Exact a, Exact b) {
    if (a.sign == 0) {
        return 0;
    }
    int cut, exponent;
    double digits = kept(divide(a, b), &cut, &exponent);
    double x = a.sign * ldexp(digits + (a.sign < 0 && cut > 0), exponent);
    return x == INFINITY ? DBL_MAX : x;
}
