/*
 * Counts by name, in a window of time, for a bounded number of names.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The tables of accounts and of clients of activity.c; see activity.h for how
 * names are chosen.
 */
#ifndef MILTER_ACTIVITY_TABLE_H
#define MILTER_ACTIVITY_TABLE_H

#include "activity.h"

struct activity_table;

/* Where a part of the window stands in an array of them; parts are numbered from
 * 1970 on. */
static inline size_t
activity_place(int64_t bucket)
{
	return (size_t)(bucket % ACTIVITY_BUCKETS);
}

/* What is added under a name. */
struct activity_event {
	const char *name;
	uint64_t recipients;
	bool refused;
	bool has_score;
	double score;
	int64_t ms;         /* when */
	const char *client; /* NULL: none to be kept */
	const struct activity_share *share; /* NULL: as before */
};

struct activity_table *activity_table_new(size_t rows);
void activity_table_free(struct activity_table *t);
void activity_table_clear(struct activity_table *t);
/* The window moves on to that part. */
void activity_table_turn(struct activity_table *t, int64_t bucket);
/* In a part of the window.  0 or ERR_NOMEM. */
int activity_table_add(struct activity_table *t, int64_t bucket,
    const struct activity_event *e);

/* As the functions of activity.h. */
size_t activity_table_rows(struct activity_table *t, enum activity_order by,
    struct activity_row *rows, size_t max);
bool activity_table_row(const struct activity_table *t, const char *name,
    struct activity_row *row_r);
bool activity_table_others(
    const struct activity_table *t, struct activity_row *row_r);

#endif
