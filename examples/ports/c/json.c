#include "json.h"

#include <stdbool.h>
#include <string.h>

#include "memory.h"

enum { DEEPEST = 32 };

typedef struct {
    const char *at; /* the next character; behind the last stands a 0, which no value begins or goes on with */
    const char *begin;
    int depth;
} Reader;

static Json *read_value(Reader *reader);

static _Noreturn void refuse(const Reader *reader, const char *what) {
    fail("no JSON: %s at byte %td", what, reader->at - reader->begin);
}

static void skip_space(Reader *reader) {
    reader->at += strspn(reader->at, " \t\r\n");
}

/* Step over the text, if it comes next. */
static bool take(Reader *reader, const char *text) {
    size_t length = strlen(text);
    bool found = strncmp(reader->at, text, length) == 0;
    reader->at += found ? length : 0;
    return found;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static int64_t read_integer(Reader *reader) {
    bool negative = take(reader, "-");
    if (!is_digit(*reader->at) || (reader->at[0] == '0' && is_digit(reader->at[1]))) {
        refuse(reader, "bad number");
    }
    int64_t value = 0; /* counted downward: -2^63 has no positive twin */
    for (; is_digit(*reader->at); reader->at++) {
        int digit = *reader->at - '0';
        if (value < (INT64_MIN + digit) / 10) {
            refuse(reader, "integer beyond 64 bits");
        }
        value = 10 * value - digit;
    }
    if (*reader->at != 0 && strchr(".eE", *reader->at) != NULL) {
        refuse(reader, "a float must be a string such as \"0x1.8p+0\"; a number with a fraction or power");
    }
    if (!negative && value == INT64_MIN) {
        refuse(reader, "integer beyond 64 bits");
    }
    return negative ? value : -value;
}

/* The four hexadecimal digits after \u. */
static uint32_t read_unit(Reader *reader) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++, reader->at++) {
        const char *digit = *reader->at ? strchr(digits, *reader->at) : NULL;
        if (digit == NULL) {
            refuse(reader, "bad escape");
        }
        unit = unit * 16 + (uint32_t)((digit - digits) % 16);
    }
    return unit;
}

/* Write what follows a backslash as UTF-8; return the end of it. */
static char *read_escape(Reader *reader, char *out) {
    static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    const char *name = *reader->at ? strchr(names, *reader->at) : NULL;
    if (name != NULL) {
        reader->at++;
        *out = means[name - names];
        return out + 1;
    }
    if (!take(reader, "u")) {
        refuse(reader, "bad escape");
    }
    uint32_t code = read_unit(reader);
    if (code >= 0xD800 && code < 0xDC00 && take(reader, "\\u")) { /* the first half of a pair */
        uint32_t low = read_unit(reader);
        code = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00) : 0;
    }
    if (code == 0 || (code >= 0xD800 && code < 0xE000)) {
        refuse(reader, "a null character or half a pair in a string");
    }
    int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3; /* bytes after the first */
    static const uint32_t heads[] = {0, 0xC0, 0xE0, 0xF0};
    *out++ = (char)(heads[more] | code >> 6 * more);
    while (more-- > 0) {
        *out++ = (char)(0x80 | (code >> 6 * more & 0x3F));
    }
    return out;
}

static const char *read_string(Reader *reader) {
    if (!take(reader, "\"")) {
        refuse(reader, "expected a string");
    }
    size_t most = 0; /* an escape is never shorter than what it stands for */
    for (const char *c = reader->at; *c != '"' && *c != 0; c += c[0] == '\\' && c[1] != 0 ? 2 : 1) {
        most = (size_t)(c - reader->at) + 2;
    }
    char *string = take_memory(most + 1, 1), *out = string;
    while (!take(reader, "\"")) {
        if ((unsigned char)*reader->at < 0x20) {
            refuse(reader, "unfinished string, or a control character in it");
        }
        if (take(reader, "\\")) {
            out = read_escape(reader, out);
        } else {
            *out++ = *reader->at++;
        }
    }
    return string;
}

/* The elements of a list, or the members of an object, up to the closing bracket. */
static void read_children(Reader *reader, Json *parent, const char *close) {
    Json **end = &parent->first;
    skip_space(reader);
    if (take(reader, close)) {
        return;
    }
    do {
        skip_space(reader);
        const char *key = NULL;
        if (parent->kind == JSON_OBJECT) {
            key = read_string(reader);
            if (member(parent, key) != NULL) {
                refuse(reader, "the same key twice");
            }
            skip_space(reader);
            if (!take(reader, ":")) {
                refuse(reader, "expected a colon");
            }
        }
        Json *child = read_value(reader);
        child->key = key;
        *end = child;
        end = &child->next;
        parent->count++;
        skip_space(reader);
    } while (take(reader, ","));
    if (!take(reader, close)) {
        refuse(reader, "expected a comma or a closing bracket");
    }
}

static Json *read_value(Reader *reader) {
    Json *value = take_memory(1, sizeof *value);
    skip_space(reader);
    if (++reader->depth > DEEPEST) {
        refuse(reader, "too deep");
    }
    if (take(reader, "null")) {
        value->kind = JSON_NULL;
    } else if (take(reader, "true")) {
        *value = (Json){.kind = JSON_BOOL, .integer = 1};
    } else if (take(reader, "false")) {
        value->kind = JSON_BOOL;
    } else if (take(reader, "[")) {
        value->kind = JSON_LIST;
        read_children(reader, value, "]");
    } else if (take(reader, "{")) {
        value->kind = JSON_OBJECT;
        read_children(reader, value, "}");
    } else if (*reader->at == '"') {
        value->kind = JSON_STRING;
        value->string = read_string(reader);
    } else {
        value->kind = JSON_INTEGER;
        value->integer = read_integer(reader);
    }
    reader->depth--;
    return value;
}

const Json *read_json(const char *text, size_t length) {
    Reader reader = {text, text, 0};
    const Json *value = read_value(&reader);
    skip_space(&reader);
    if (reader.at != text + length) {
        refuse(&reader, "more than one value");
    }
    return value;
}

const Json *member(const Json *object, const char *key) {
    const Json *found = object != NULL && object->kind == JSON_OBJECT ? object->first : NULL;
    while (found != NULL && strcmp(found->key, key) != 0) {
        found = found->next;
    }
    return found;
}

void write_json_string(FILE *file, const char *string) {
    putc('"', file);
    for (const char *c = string; *c != 0; c++) {
        if (*c == '"' || *c == '\\') {
            fprintf(file, "\\%c", *c);
        } else if ((unsigned char)*c < 0x20) {
            fprintf(file, "\\u%04x", (unsigned)*c);
        } else {
            putc(*c, file);
        }
    }
    putc('"', file);
}
