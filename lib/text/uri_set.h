/*
 * Texts, each once, in the order they came.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_TEXT_URI_SET_H
#define LIB_TEXT_URI_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "text_view.h"

struct arena;

/* Octets kept in all: a long <base> makes every address of a page long. */
#define URI_SET_BYTES_MAX (2 * 1024 * 1024)

struct uri_set {
	struct arena *arena;
	struct text_view view; /* in the arena */
	size_t room, max;      /* no more than max are kept */
	size_t bytes;          /* of all texts */
	size_t *slots;	       /* index + 1; 0: empty */
	size_t slot_count;     /* a power of 2 */
	unsigned char key[16];
	bool failed; /* no memory: what came since is missing */
};

void uri_set_init(struct uri_set *set, struct arena *a, size_t max);
/* Add a copy. True: it is new, and was kept. */
bool uri_set_add(struct uri_set *set, const char *text, size_t len);

#endif
