#include "protocol.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

/* How the dtypes of the protocol are held, and which integers each has. */
typedef struct {
    const char *name;
    Dtype dtype;
    int64_t low, high;
} Form;

static const Form forms[] = {
    {"bool", BITS, 0, 1},
    {"int8", INTS, INT8_MIN, INT8_MAX},
    {"int16", INTS, INT16_MIN, INT16_MAX},
    {"int32", INTS, INT32_MIN, INT32_MAX},
    {"int64", INTS, INT64_MIN, INT64_MAX},
    {"uint8", INTS, 0, UINT8_MAX},
    {"uint16", INTS, 0, UINT16_MAX},
    {"uint32", INTS, 0, UINT32_MAX},
    {"uint64", WORDS, 0, 0},
    {"float16", FLOAT32, 0, 0},
    {"float32", FLOAT32, 0, 0},
    {"float64", FLOAT64, 0, 0},
};

static const Form *form_of(const Json *dtype) {
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (dtype != NULL && dtype->kind == JSON_STRING && strcmp(forms[i].name, dtype->string) == 0) {
            return &forms[i];
        }
    }
    fail("dtype must be bool, float16, float32, float64 or an integer type of 8 to 64 bits");
}

/* "0x1.8p+0", "-0x0.0p+0", "inf", "nan": as strtod reads it, which rounds nothing here. */
static double read_float(const Json *value) {
    NEED(value != NULL && value->kind == JSON_STRING, "a float must be a string such as \"0x1.8p+0\"");
    const char *digits = value->string + (value->string[0] == '-');
    bool known = strncmp(digits, "0x", 2) == 0 || strcmp(digits, "inf") == 0 || strcmp(digits, "nan") == 0;
    char *end;
    double x = strtod(value->string, &end);
    NEED(known && *end == 0, "a float must be a string such as \"0x1.8p+0\", \"inf\" or \"nan\"");
    return x;
}

static uint64_t read_word(const Json *value) {
    NEED(value->kind == JSON_STRING && strlen(value->string) == 18 && strncmp(value->string, "0x", 2) == 0 &&
             strspn(value->string + 2, "0123456789abcdef") == 16,
         "a word must be \"0x\" and 16 hexadecimal digits");
    return strtoull(value->string, NULL, 16);
}

static int64_t read_integer_of(const Json *value, const Form *form) {
    NEED(value->kind == JSON_INTEGER && value->integer >= form->low && value->integer <= form->high,
         "an element of dtype %s must be an integer from %" PRId64 " to %" PRId64, form->name, form->low, form->high);
    return value->integer;
}

static Array *read_array(const Json *value) {
    const Form *form = form_of(member(value, "dtype"));
    const Json *shape = member(value, "shape"), *data = member(value, "data");
    NEED(value->count == 3 && shape != NULL && shape->kind == JSON_LIST && data != NULL && data->kind == JSON_LIST,
         "an array must be an object with dtype, shape and data, two lists");
    int64_t sizes[AXES];
    NEED(shape->count <= AXES, "an array has at most %d axes", AXES);
    int ndim = 0;
    for (const Json *length = shape->first; length != NULL; length = length->next) {
        NEED(length->kind == JSON_INTEGER, "a shape must be a list of integers");
        sizes[ndim++] = length->integer;
    }
    int64_t size = element_count(ndim, sizes);
    NEED(data->count == size, "data must have %" PRId64 " elements; got %" PRId64, size, data->count);
    Array *a = new_array(form->dtype, ndim, sizes);
    int64_t i = 0;
    for (const Json *element = data->first; element != NULL; element = element->next, i++) {
        if (a->f != NULL) {
            a->f[i] = read_float(element);
        } else if (a->u != NULL) {
            a->u[i] = read_word(element);
        } else {
            a->i[i] = read_integer_of(element, form);
        }
    }
    return a;
}

static const Json *input(const Call *call, const char *name) {
    const Json *found = member(call->inputs, name);
    NEED(found != NULL, "there must be an input %s", name);
    return found;
}

const Array *numbers(const Call *call, const char *name) {
    const Array *a = read_array(input(call, name));
    NEED(a->dtype != BITS, "%s must be an array of numbers", name);
    return a;
}

const Array *floats(const Call *call, const char *name) {
    const Array *a = read_array(input(call, name));
    NEED(a->f != NULL, "%s must be an array of floats", name);
    return a;
}

const Array *bits(const Call *call, const char *name) {
    const Array *a = read_array(input(call, name));
    NEED(a->dtype == BITS, "%s must be an array of bool", name);
    return a;
}

const Array *ints(const Call *call, const char *name) {
    const Array *a = read_array(input(call, name));
    NEED(a->dtype == INTS, "%s must be an array of integers", name);
    return a;
}

const Array *words(const Call *call, const char *name) {
    const Array *a = read_array(input(call, name));
    NEED(a->dtype == WORDS, "%s must be an array of uint64", name);
    return a;
}

Pair pair(const Call *call, const char *name) {
    const Array *a = ints(call, name);
    NEED(a->ndim == 1 && a->size == 2, "%s must be two integers", name);
    return (Pair){a->i[0], a->i[1]};
}

Geometry geometry(const Call *call) {
    return (Geometry){pair(call, "stride"), pair(call, "padding")};
}

double number(const Call *call, const char *name) {
    return read_float(member(input(call, name), "float64"));
}

int64_t integer(const Call *call, const char *name) {
    const Json *found = input(call, name);
    NEED(found->kind == JSON_INTEGER, "%s must be an integer", name);
    return found->integer;
}

static void give_output(Call *call, Output output) {
    NEED(call->count < MOST_OUTPUTS, "more than %d outputs", MOST_OUTPUTS);
    call->outputs[call->count++] = output;
}

void give(Call *call, const char *name, const Array *array) {
    give_output(call, (Output){name, AN_ARRAY, array, 0});
}

void give_float(Call *call, const char *name, double x) {
    give_output(call, (Output){name, A_FLOAT, NULL, x});
}

void give_integer(Call *call, const char *name, int64_t x) {
    give_output(call, (Output){name, AN_INTEGER, NULL, (double)x});
}

void give_bool(Call *call, const char *name, bool x) {
    give_output(call, (Output){name, A_BOOL, NULL, x});
}

static void write_float(FILE *file, double x) {
    if (isnan(x)) {
        fputs("\"nan\"", file); /* some printf write -nan or nan(...) */
    } else {
        fprintf(file, "\"%a\"", x);
    }
}

static void write_array(FILE *file, const Array *a) {
    static const char *const names[] = {"bool", "int64", "uint64", "float32", "float64"};
    fprintf(file, "{\"dtype\": \"%s\", \"shape\": [", names[a->dtype]);
    for (int axis = 0; axis < a->ndim; axis++) {
        fprintf(file, "%s%" PRId64, axis > 0 ? ", " : "", a->shape[axis]);
    }
    fputs("], \"data\": [", file);
    for (int64_t i = 0; i < a->size; i++) {
        fputs(i > 0 ? ", " : "", file);
        if (a->f != NULL) {
            write_float(file, a->dtype == FLOAT32 ? (double)(float)a->f[i] : a->f[i]);
        } else if (a->u != NULL) {
            fprintf(file, "\"0x%016" PRIx64 "\"", a->u[i]);
        } else {
            fprintf(file, "%" PRId64, a->i[i]);
        }
    }
    fputs("]}", file);
}

void write_outputs(FILE *file, const Call *call) {
    putc('{', file);
    for (const Output *output = call->outputs; output < call->outputs + call->count; output++) {
        fputs(output > call->outputs ? ", " : "", file);
        write_json_string(file, output->name);
        fputs(": ", file);
        if (output->kind == AN_ARRAY) {
            write_array(file, output->array);
        } else if (output->kind == A_FLOAT) {
            fputs("{\"float64\": ", file);
            write_float(file, output->number);
            putc('}', file);
        } else if (output->kind == AN_INTEGER) {
            fprintf(file, "%.0f", output->number); /* a count: far below 2^53 */
        } else {
            fputs(output->number != 0 ? "true" : "false", file);
        }
    }
    putc('}', file);
}
