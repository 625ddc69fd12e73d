/* SPDX-License-Identifier: BSD-2-Clause */
#include "edit.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/mail/hdr.h"

int
edit_want(struct edit_list *l, struct arena *a, enum edit_op op,
    unsigned index, const char *name, const char *value)
{
	struct edit *e = arena_alloc(a, sizeof(*e));

	if (e == NULL)
		return ERR_NOMEM;
	e->op = op;
	e->index = index;
	e->name = arena_strdup(a, name);
	e->value = value == NULL ? NULL : arena_strdup(a, value);
	if (e->name == NULL || (value != NULL && e->value == NULL))
		return ERR_NOMEM;
	if (l->last == NULL)
		l->first = e;
	else
		l->last->next = e;
	l->last = e;
	l->count++;
	return 0;
}

/* Must a come after b? */
static bool
later(const struct edit *a, const struct edit *b)
{
	static const int rank[] = {[EDIT_CHANGE] = 0, [EDIT_DELETE] = 1,
	    [EDIT_ADD] = 2, [EDIT_INSERT] = 3};

	if (a->op != b->op)
		return rank[a->op] > rank[b->op];
	return a->op == EDIT_DELETE && a->index < b->index;
}

void
edit_sort(struct edit_list *l)
{
	struct edit *sorted = NULL, *e = l->first;

	/* A stable insertion sort; the lists are short. */
	while (e != NULL) {
		struct edit *next = e->next, **at = &sorted;

		while (*at != NULL && !later(*at, e))
			at = &(*at)->next;
		e->next = *at;
		*at = e;
		e = next;
	}
	l->first = sorted;
	l->last = sorted;
	while (l->last != NULL && l->last->next != NULL)
		l->last = l->last->next;
}

static int
put(struct hdr_list *out, struct arena *a, const struct edit *e)
{
	const char *value = arena_printf(a, " %s", e->value);

	return value == NULL ? ERR_NOMEM
			     : hdr_add(out, a, e->name, strlen(e->name), value,
				   strlen(value));
}

/* Each inserted field stands above the one inserted before it. */
static int
put_inserted(struct hdr_list *out, struct arena *a, const struct edit *e)
{
	int rc;

	if (e == NULL)
		return 0;
	rc = put_inserted(out, a, e->next);
	return rc != 0 || e->op != EDIT_INSERT ? rc : put(out, a, e);
}

/* The last edit that changes or deletes the received field; NULL: none. */
static const struct edit *
edit_of(const struct edit_list *edits, const struct hdr *h)
{
	const struct edit *found = NULL;

	for (const struct edit *e = edits->first; e != NULL; e = e->next) {
		if ((e->op == EDIT_CHANGE || e->op == EDIT_DELETE) &&
		    e->index == h->index && hdr_is(h, e->name))
			found = e;
	}
	return found;
}

int
edit_result(const struct hdr_list *received, const struct edit_list *edits,
    struct arena *a, struct hdr_list *out_r)
{
	int rc;

	*out_r = (struct hdr_list){0};
	rc = put_inserted(out_r, a, edits->first);
	for (const struct hdr *h = received->first; rc == 0 && h != NULL;
	     h = h->next) {
		const struct edit *e = edit_of(edits, h);

		if (e == NULL)
			rc = hdr_add(out_r, a, h->name, h->name_len, h->value,
			    h->value_len);
		else if (e->op == EDIT_CHANGE)
			rc = put(out_r, a, e);
	}
	for (const struct edit *e = edits->first; rc == 0 && e != NULL;
	     e = e->next) {
		if (e->op == EDIT_ADD)
			rc = put(out_r, a, e);
	}
	return rc;
}

const char *
edit_word(enum edit_op op)
{
	static const char *const words[] = {"insert", "add", "change", "delete"};

	return words[op];
}
