/*
 * A message's header as rules see it: decoded once, what SpamAssassin itself
 * wrote left out.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_RULES_RULES_VIEW_H
#define LIB_RULES_RULES_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/rules/rules.h"
#include "lib/rules/rules_literal.h"

struct relays;
struct selector;

struct view_field {
	const char *name;
	size_t name_len;
	struct rules_text raw;     /* with its line end */
	struct rules_text decoded; /* likewise; data NULL: not yet */
	bool hidden; /* X-Spam-*: for ALL:raw only */
};

/* What a selector gave. */
struct view_value {
	struct rules_text text;
	struct grams *grams; /* NULL: not made yet */
	bool done;
};

struct view {
	const struct rules_input *in;
	const struct rules *rules;
	struct relays *relays; /* NULL: not made yet */
	struct view_field *fields;
	size_t count;
	struct view_value *values; /* by the selector's number */
	size_t value_count;
};

/* In the message's arena.  NULL: no memory. */
struct view *view_new(
    const struct rules_input *in, const struct rules *rules, size_t selectors);
/* The path that the message took.  NULL: no memory. */
const struct relays *view_relays(struct view *v);
/* A field's value, decoded, with "\n" behind it; 0 or ERR_NOMEM. */
int view_decode(struct view *v, struct view_field *f);
/* The next field of that name (lower case) behind `after` (NULL: from the top);
 * NULL: no more. */
struct view_field *view_next(
    const struct view *v, const char *name, const struct view_field *after);

/* One piece of what a selector gives. */
struct piece {
	struct rules_text text;
	struct piece *next;
};

struct pieces {
	struct piece *first, *last;
	size_t count;
};

/* 0 or ERR_NOMEM. */
int pieces_add(
    struct pieces *p, struct arena *a, const char *data, size_t len);

#endif
