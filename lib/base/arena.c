/* SPDX-License-Identifier: BSD-2-Clause */
#include "arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 8192
#define ALIGN _Alignof(max_align_t)

struct arena_block {
	struct arena_block *next;
	size_t size; /* octets in data */
	_Alignas(max_align_t) unsigned char data[];
};

void
arena_init(struct arena *a)
{
	a->head = NULL;
	a->used = 0;
}

static void
free_blocks(struct arena_block *b)
{
	while (b != NULL) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
}

void
arena_reset(struct arena *a)
{
	struct arena_block *keep = a->head;

	if (keep == NULL)
		return;
	/* A message larger than usual must not hold on to its memory. */
	if (keep->size > BLOCK_SIZE) {
		arena_fini(a);
		return;
	}
	free_blocks(keep->next);
	keep->next = NULL;
	a->used = 0;
}

void
arena_fini(struct arena *a)
{
	free_blocks(a->head);
	arena_init(a);
}

static struct arena_block *
block_new(size_t size)
{
	struct arena_block *b;

	if (size > SIZE_MAX - sizeof(*b))
		return NULL;
	b = malloc(sizeof(*b) + size);
	if (b != NULL) {
		b->next = NULL;
		b->size = size;
	}
	return b;
}

/* Memory that is not zeroed; its start is aligned. */
static void *
take(struct arena *a, size_t size)
{
	struct arena_block *b;

	if (size > SIZE_MAX - ALIGN)
		return NULL;
	size = (size + ALIGN - 1) & ~(ALIGN - 1);
	if (a->head != NULL && size <= a->head->size - a->used) {
		a->used += size;
		return a->head->data + a->used - size;
	}
	b = block_new(size > BLOCK_SIZE ? size : BLOCK_SIZE);
	if (b == NULL)
		return NULL;
	/* A large piece goes behind the block in use, which has room left. */
	if (size > BLOCK_SIZE / 2 && a->head != NULL) {
		b->next = a->head->next;
		a->head->next = b;
		return b->data;
	}
	b->next = a->head;
	a->head = b;
	a->used = size;
	return b->data;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	void *p = take(a, size);

	return p == NULL ? NULL : memset(p, 0, size);
}

char *
arena_memdup(struct arena *a, const void *bytes, size_t len)
{
	char *p = len == SIZE_MAX ? NULL : take(a, len + 1);

	if (p == NULL)
		return NULL;
	if (len > 0)
		memcpy(p, bytes, len);
	p[len] = '\0';
	return p;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return arena_memdup(a, s, strlen(s));
}

char *
arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	/* Most texts fit into what is left of the block. */
	size_t room = a->head == NULL ? 0 : a->head->size - a->used;
	char *at = room == 0 ? NULL : (char *)a->head->data + a->used, *p;
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(at, room, fmt, ap);
	p = n < 0 ? NULL : take(a, (size_t)n + 1);
	if (p != NULL && p != at)
		vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return p;
}
