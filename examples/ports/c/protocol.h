/* The protocol: what a question gives and what an answer takes. See "Run it: any other language" in porting.md. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include "array.h"
#include "json.h"

enum { MOST_OUTPUTS = 8 };

typedef struct {
    const char *name;
    enum { AN_ARRAY, A_FLOAT, AN_INTEGER, A_BOOL } kind;
    const Array *array;
    double number; /* of the other kinds */
} Output;

typedef struct {
    const Json *inputs;
    Output outputs[MOST_OUTPUTS];
    int count;
} Call;

typedef struct {
    const char *name;
    void (*function)(Call *);
} Stage;

/* The stages that there are, each table in a file of its name; the last of a table has no name. */
extern const Stage projection_stages[], inference_stages[], layer_stages[], training_stages[];

/* The inputs by name; each fails if there is none of this name and kind. */
const Array *floats(const Call *call, const char *name);
const Array *numbers(const Call *call, const char *name); /* of any dtype but bool */
const Array *bits(const Call *call, const char *name);
const Array *ints(const Call *call, const char *name);
const Array *words(const Call *call, const char *name);
Pair pair(const Call *call, const char *name); /* an array of two ints */
Geometry geometry(const Call *call);           /* the pairs stride and padding */
double number(const Call *call, const char *name);
int64_t integer(const Call *call, const char *name);

/* The outputs, which are written when the stage has returned. */
void give(Call *call, const char *name, const Array *array);
void give_float(Call *call, const char *name, double x);
void give_integer(Call *call, const char *name, int64_t x);
void give_bool(Call *call, const char *name, bool x);
void write_outputs(FILE *file, const Call *call);

#endif
