/* SPDX-License-Identifier: BSD-2-Clause */
#include "edit.h"

#include <stdbool.h>

#include "lib/arena.h"
#include "lib/err.h"

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

	/* Insertion sort, stable; the lists are a handful long. */
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

const char *
edit_word(enum edit_op op)
{
	static const char *const words[] = {"insert", "add", "change", "delete"};

	return words[op];
}
