/*
 * Header edits that stages want; the driver applies them after the last
 * verdict.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_EDIT_H
#define MILTER_EDIT_H

#include <stddef.h>

struct arena;
struct hdr_list;

enum edit_op {
	EDIT_INSERT, /* at the top (index 0) */
	EDIT_ADD,    /* at the end */
	EDIT_CHANGE,
	EDIT_DELETE,
};

/* For struct stage: the kinds of edit that the stage may want. */
#define EDIT_BIT(op) (1u << (op))

struct edit {
	enum edit_op op;
	unsigned index;    /* CHANGE, DELETE: which field of that name, from 1,
	                      in the message as received */
	const char *name;
	const char *value; /* folded by "\n\t", without the space that follows
	    the colon; NULL for EDIT_DELETE */
	struct edit *next;
};

struct edit_list {
	struct edit *first, *last;
	size_t count;
};

/*
 * Add an edit to the list; name and value are copied into the arena.  Later
 * inserts stand above earlier ones.  0, or ERR_NOMEM.
 */
int edit_want(struct edit_list *l, struct arena *a, enum edit_op op,
    unsigned index, const char *name, const char *value);

/*
 * The list in the order in which a driver must apply it: changes, deletions
 * with descending index (an MTA may close the gap at once), additions, and
 * insertions in the order in which they were added to the list.  Two edits of
 * one field are both kept.  Sorts in place.
 */
void edit_sort(struct edit_list *l);

/*
 * The header as it will leave: the fields received with the edits applied.
 * *out_r is made anew in the arena; new values begin with the space that the
 * MTA puts there.  0, or ERR_NOMEM.
 */
int edit_result(const struct hdr_list *received, const struct edit_list *edits,
    struct arena *a, struct hdr_list *out_r);

/* insert, add, change, delete */
const char *edit_word(enum edit_op op);

#endif
