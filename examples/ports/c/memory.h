/* Memory that lasts for one question, and failing without leaks. */
#ifndef MEMORY_H
#define MEMORY_H

#include <setjmp.h>
#include <stddef.h>

/* Memory of zeros; all of it is given back at once, by release_memory. */
void *take_memory(size_t count, size_t size);
void release_memory(void);

/* End the work on this question with a message: jumps to `on_failure`, which main has set. */
_Noreturn void fail(const char *format, ...);
extern jmp_buf on_failure;
extern char failure[256];

/* Fail unless the condition holds. */
#define NEED(condition, ...) ((condition) ? (void)0 : fail(__VA_ARGS__))

#endif
