/* A port of the method to C, for the conformance kit; in this folder:

       cc -O2 -std=c11 -Wall -Wextra -ffp-contract=off -o c_port *.c -lm
       python -m bbdg_ref.conformance run --exec ./c_port

   One question on each line of standard input, one answer on each line of standard output. This file, json.c,
   protocol.c and the tables of stages, *_stages.c, speak the protocol. The files behind method.h and projection.h are
   the method, each function beside its formula; memory.c, array.c and exact.c are what they stand on. */
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "protocol.h"

typedef struct {
    char *text;
    size_t length, room;
} Line;

/* Read a line without its end, and a 0 behind it; false at the end of the input. */
static bool read_line(FILE *file, Line *line) {
    line->length = 0;
    int c;
    do {
        if (line->length + 1 >= line->room) {
            size_t room = line->room > 0 ? 2 * line->room : 4096;
            char *text = realloc(line->text, room);
            if (text == NULL) {
                fputs("port: out of memory\n", stderr);
                exit(1);
            }
            line->text = text;
            line->room = room;
        }
        c = getc(file);
        if (c != EOF && c != '\n') {
            line->text[line->length++] = (char)c;
        }
    } while (c != EOF && c != '\n');
    line->text[line->length] = 0;
    return c != EOF || line->length > 0;
}

/* The parts of the question as far as they are known; not automatic variables, which a longjmp may leave undefined. */
static const char *id;
static Call call;

/* Run the stage of this name, if it is in the table. */
static bool run(const Stage *table, const char *name) {
    for (const Stage *stage = table; stage->name != NULL; stage++) {
        if (strcmp(stage->name, name) == 0) {
            stage->function(&call);
            return true;
        }
    }
    return false;
}

/* Run the stage that is asked for; return whether there is one. */
static bool work(const Line *line) {
    const Json *question = read_json(line->text, line->length);
    const Json *asked = member(question, "id"), *name = member(question, "stage");
    NEED(asked != NULL && asked->kind == JSON_STRING, "a question must be an object with an id, a string");
    id = asked->string;
    NEED(name != NULL && name->kind == JSON_STRING, "a question must have a stage, a string");
    call.inputs = member(question, "inputs");
    return run(projection_stages, name->string) || run(inference_stages, name->string) ||
           run(layer_stages, name->string) || run(training_stages, name->string);
}

static void answer(const Line *line) {
    id = NULL;
    call = (Call){.count = 0};
    enum { DONE, MISSING, FAILED } outcome;
    if (setjmp(on_failure) == 0) {
        outcome = work(line) ? DONE : MISSING;
    } else {
        outcome = FAILED;
    }
    fputs("{\"id\": ", stdout);
    if (id != NULL) {
        write_json_string(stdout, id);
    } else {
        fputs("null", stdout);
    }
    if (outcome == FAILED) {
        fputs(", \"error\": ", stdout);
        write_json_string(stdout, failure);
    } else if (outcome == DONE) {
        fputs(", \"outputs\": ", stdout);
        write_outputs(stdout, &call);
    } else {
        fputs(", \"missing\": true", stdout); /* also the answer to the first question, whose stage is "start" */
    }
    fputs("}\n", stdout);
    fflush(stdout);
}

int main(void) {
    Line line = {NULL, 0, 0};
    while (read_line(stdin, &line)) {
        answer(&line);
        release_memory();
    }
    free(line.text);
    return 0;
}
