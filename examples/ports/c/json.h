/* A strict reader of JSON as the protocol uses it: numbers are integers of 64 bits (floats are strings there). */
#ifndef JSON_H
#define JSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum { JSON_NULL, JSON_BOOL, JSON_INTEGER, JSON_STRING, JSON_LIST, JSON_OBJECT } JsonKind;

typedef struct Json {
    JsonKind kind;
    int64_t integer;     /* also 0 or 1 of false and true */
    const char *string;  /* UTF-8 */
    int64_t count;       /* of a list's elements or an object's members */
    struct Json *first;  /* its first element or member */
    struct Json *next;   /* the one after this in the list or object */
    const char *key;     /* of a member */
} Json;

const Json *read_json(const char *text, size_t length); /* fails on anything else than one value */
const Json *member(const Json *object, const char *key); /* NULL if there is none */
void write_json_string(FILE *file, const char *string);

#endif
