#include "memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 1 << 20, ALIGNMENT = _Alignof(max_align_t) };

typedef struct Block {
    struct Block *next;
    size_t used, size;
    max_align_t data[];
} Block;

static Block *newest;
jmp_buf on_failure;
char failure[256];

void *take_memory(size_t count, size_t size) {
    NEED(size == 0 || count <= (SIZE_MAX / 2 - BLOCK) / size, "too large: %zu times %zu bytes", count, size);
    size_t bytes = (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (newest == NULL || newest->size - newest->used < bytes) {
        size_t room = bytes > BLOCK ? bytes : BLOCK;
        Block *block = calloc(1, sizeof *block + room);
        NEED(block != NULL, "out of memory");
        *block = (Block){newest, 0, room};
        newest = block;
    }
    char *found = (char *)newest->data + newest->used;
    newest->used += bytes;
    return found;
}

void release_memory(void) {
    while (newest != NULL) {
        Block *next = newest->next;
        free(newest);
        newest = next;
    }
}

void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure, sizeof failure, format, arguments);
    va_end(arguments);
    longjmp(on_failure, 1);
}
