/*
 * Memory that is given back all at once: an arena per message, or per session.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The functions that allocate return NULL when there is no memory, and never
 * otherwise; what they return lives until arena_reset or arena_fini.
 */
#ifndef LIB_BASE_ARENA_H
#define LIB_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *head; /* the block in use; older ones behind it */
	size_t used;              /* octets taken from head */
};

void arena_init(struct arena *a);
/* Forget everything; one block is kept for the next use. */
void arena_reset(struct arena *a);
void arena_fini(struct arena *a);

/* Zeroed, aligned for any type. */
void *arena_alloc(struct arena *a, size_t size);
/* A copy with a NUL behind it. */
char *arena_memdup(struct arena *a, const void *bytes, size_t len);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap);

#endif
